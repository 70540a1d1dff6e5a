"""One module per vendor: its name, its operations (`operations`), its protocol, and how its messages are shown.

A new vendor needs such a module and a line in `__main__`. It is created with `SandboxServices`, and all its requests go
through `Faults.handle_request`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.routing import BaseRoute

from sandbox.store import Message


@dataclass(frozen=True)
class Card:
    """A message as the inbox shows it."""

    title: str
    where: str
    preview: str
    text: str
    facts: Sequence[tuple[str, str]]
    # The current status and whether it is bad; a link to the page with similar items.
    state: str = ""
    bad: bool = False
    link: tuple[str, str] | None = None
    # The counter word for its repeats.
    counter: str = "通目"


class SandboxVendor(Protocol):
    name: str
    title: str
    operations: tuple[str, ...]

    def routes(self) -> list[BaseRoute]: ...

    def card(self, message: Message) -> Card: ...

    def as_json(self, message: Message) -> dict[str, Any]: ...
