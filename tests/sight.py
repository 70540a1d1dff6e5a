"""Connections of tests that look at rows behind the doors: they see every area, as the product's jobs do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import psycopg

from service.core.db import SYSTEM

_OPTIONS = " ".join(f"-c {name}={value}" for name, value in SYSTEM.as_settings().items())


def seeing_all(url: str) -> str:
    """A URL of PostgreSQL, libpq's or SQLAlchemy's, whose connections row-level security hides nothing from."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(_OPTIONS, safe='')}"


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Each statement is a transaction of its own."""
    with psycopg.connect(seeing_all(url), autocommit=True) as connection:
        yield connection


def rows(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a statement finds, by a connection of its own."""
    with connected(url) as connection:
        cursor = connection.execute(statement, list(parameters))
        return cursor.fetchall() if cursor.description else []
