"""Addresses of our own: where to go after signing in, and how to get to the sign-in page and back."""

from __future__ import annotations

from posixpath import normpath
from urllib.parse import unquote, urlencode, urlsplit

LOGIN, LOGOUT, HEALTH = "/login", "/logout", "/health"
# What is streamed between browser and service (see `relay`).
FILES, DOWNLOAD = "/files", "/download"
RELAYED = (f"{FILES}/", f"{DOWNLOAD}/")


def safe_next(target: str | None) -> str:
    """The place to go to after signing in, or the start page when it is not a page of our own."""
    if not target or not target.startswith("/") or target.startswith("//") or not target.isprintable():
        return "/"
    path = urlsplit(target).path
    if "\\" in path:  # Browsers read it as a slash.
        return "/"
    # As the browser and the router will read it: /x/../logout and /%6Cogout/ would sign out who has just signed in.
    return "/" if normpath(unquote(path)) in (LOGIN, LOGOUT, HEALTH) else target


def login_url(path: str, query: str = "", *, reason: str = "") -> str:
    """The sign-in page, which leads back to `path`; `reason` is a key of `login.REASONS`."""
    target = safe_next(f"{path}?{query}" if query else path)
    params = ({"next": target} if target != "/" else {}) | ({"reason": reason} if reason else {})
    return f"{LOGIN}?{urlencode(params)}" if params else LOGIN
