"""Connections of tests that look at rows behind the doors: they see every area, as the product's jobs do."""

from __future__ import annotations

from urllib.parse import quote

from service.core.db import SYSTEM

_OPTIONS = " ".join(f"-c {name}={value}" for name, value in SYSTEM.as_settings().items())


def seeing_all(url: str) -> str:
    """A URL of PostgreSQL, libpq's or SQLAlchemy's, whose connections row-level security hides nothing from."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(_OPTIONS, safe='')}"
