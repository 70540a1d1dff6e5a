"""The HTML that the service shows itself, to people without an account or before they have one: start page, API
reference, later payment, cancelling, cards. `shell` renders, `assets` serves what a page is made of, `forms` guards
what is sent back. No inline script, no inline style, nothing from elsewhere."""
