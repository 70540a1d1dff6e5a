"""All pages in the order of the menu: each area's in the order of the day's work, then the core's."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import urlsplit

from dashboards.pages import Entry
from dashboards.session import User

AREAS = ("fleet", "entries", "loaners", "agencies", "reservations")

MENU: tuple[Entry, ...] = tuple(
    entry for area in (*AREAS, "core") for entry in import_module(f"dashboards.{area}.menu").PAGES
)

PATHS = frozenset({"/", *(f"/{entry.url_path}" for entry in MENU)})


def allowed(user: User) -> list[Entry]:
    return [entry for entry in MENU if entry.permission is None or entry.permission in user.permissions]


def page_for_subject(area: str, subject: str | None) -> Entry | None:
    """The page that manages subjects of this kind."""
    return next((entry for entry in MENU if entry.area == area and subject in entry.subjects), None)


def page_at(address: str) -> Entry:
    """The page with this address, whatever its query."""
    return next(entry for entry in MENU if entry.url_path == urlsplit(address).path.strip("/"))
