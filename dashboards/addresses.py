"""URL paths of the dashboards: where to go after login, and how to get to the login page and back."""

from __future__ import annotations

from posixpath import normpath
from urllib.parse import unquote, urlencode, urlsplit

LOGIN, LOGOUT, HEALTH = "/login", "/logout", "/health"
# Streamed between browser and service (see `relay`).
FILES, DOWNLOAD = "/files", "/download"
RELAYED = (f"{FILES}/", f"{DOWNLOAD}/")


def safe_next(target: str | None) -> str:
    """The page to open after login; the start page when `target` is not a path of ours."""
    if not target or not target.startswith("/") or target.startswith("//") or not target.isprintable():
        return "/"
    path = urlsplit(target).path
    if "\\" in path:  # Browsers read it as a slash.
        return "/"
    # Normalised as the browser and the router do: /x/../logout and /%6Cogout/ would log the user out again.
    return "/" if normpath(unquote(path)) in (LOGIN, LOGOUT, HEALTH) else target


def login_url(path: str, query: str = "", *, reason: str = "") -> str:
    """The login page, which leads back to `path`; `reason` is a key of `login.REASONS`."""
    target = safe_next(f"{path}?{query}" if query else path)
    params = ({"next": target} if target != "/" else {}) | ({"reason": reason} if reason else {})
    return f"{LOGIN}?{urlencode(params)}" if params else LOGIN
