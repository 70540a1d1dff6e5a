"""URL paths that the requirement documents name, where our pages have others.

Streamlit's pages have one name each and take the rest as a query, so `/terminals/5` leads to `/terminal?id=5`.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlencode

from starlette.routing import compile_path

# Pattern → page and its query parameters, named like the {…} of the pattern. Used only when the page exists.
ADDRESSES = {
    "/terminals/{id:int}": ("/terminal", ("id",)),
    "/desktop/entry-exit-logs": ("/entry-exit-logs", ()),
}
_COMPILED = [(compile_path(pattern)[0], page, names) for pattern, (page, names) in ADDRESSES.items()]


def page_for(path: str, query: str, pages: Collection[str]) -> str | None:
    """Where the path of a document leads, with its query; None when it is none, or its page does not exist (yet)."""
    trimmed = path.rstrip("/") or "/"
    if trimmed != path and trimmed in pages:
        return f"{trimmed}?{query}" if query else trimmed
    for pattern, page, names in _COMPILED:
        if page in pages and (match := pattern.match(trimmed)):
            parameters = "&".join(filter(None, (urlencode({name: match[name] for name in names}), query)))
            return f"{page}?{parameters}" if parameters else page
    return None
