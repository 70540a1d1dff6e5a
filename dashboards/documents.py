"""The page addresses that the requirement documents name, where they are not those of our pages.

Streamlit's pages have one name each and take the rest as a query, so `/terminals/5` leads to `/terminal?id=5`.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlencode

from starlette.routing import compile_path

# Pattern → page and the query it needs; {…} are the parts of the address. An entry counts once its page exists.
ADDRESSES = {
    "/terminals/{id:int}": ("/terminal", ("id",)),
    "/desktop/entry-exit-logs": ("/entry-exit-logs", ()),
}
_COMPILED = [(compile_path(pattern)[0], page, names) for pattern, (page, names) in ADDRESSES.items()]


def page_for(path: str, query: str, pages: Collection[str]) -> str | None:
    """Where a document's address leads, its query kept; None when it is none, or its page does not exist (yet)."""
    plain = path.rstrip("/") or "/"
    if plain != path and plain in pages:
        return f"{plain}?{query}" if query else plain
    for pattern, page, names in _COMPILED:
        if page in pages and (found := pattern.match(plain)):
            wanted = "&".join(filter(None, (urlencode({name: found[name] for name in names}), query)))
            return f"{page}?{wanted}" if wanted else page
    return None
