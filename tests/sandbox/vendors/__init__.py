"""One module per vendor. It names itself and its doors, speaks its wire, and keeps what it got in the store.

A vendor joins by such a module and a line in `__main__`; it is made with the `House` that it lives in, and its doors
pass through `Faults.passing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.routing import BaseRoute

from tests.sandbox.store import Message


@dataclass(frozen=True)
class Card:
    """A message as the inbox shows it."""

    title: str
    where: str
    preview: str
    text: str
    facts: Sequence[tuple[str, str]]
    # Where it stands now, and whether that is bad; the page that shows it among its like.
    state: str = ""
    bad: bool = False
    link: tuple[str, str] | None = None
    # How repeats of it are counted.
    counter: str = "通目"


class SandboxVendor(Protocol):
    name: str
    title: str
    doors: tuple[str, ...]

    def routes(self) -> list[BaseRoute]: ...

    def card(self, message: Message) -> Card: ...

    def as_json(self, message: Message) -> dict[str, Any]: ...
