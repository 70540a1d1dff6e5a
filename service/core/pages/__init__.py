"""Public HTML pages, for users without an account: start page, API reference, later payment, cancellation, cards.
`shell` renders them, `assets` serves their static files, `forms` protects their forms (CSRF). No inline scripts, no
inline styles, nothing from other hosts."""
