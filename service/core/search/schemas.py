"""The answer to a search."""

from __future__ import annotations

from pydantic import BaseModel


class SearchHit(BaseModel):
    """`address` is that of its page, below the dashboards' own; `state` a code of its area, with its label.

    `rank`: 0 its identifier is what was typed, 1 its name is, 2 either begins with it, 3 it is a part of either.
    """

    id: int
    title: str
    detail: str
    address: str
    state: str | None
    state_label: str
    rank: int


class SearchGroup(BaseModel):
    """Hits of one kind, the best first. `has_more`: there are others. `more`: the address of a list with all hits that
    are not archived; null when no list finds them by this text, or it would show no more than these."""

    key: str
    title: str
    hits: list[SearchHit]
    has_more: bool
    more: str | None


class SearchAnswer(BaseModel):
    """Groups with the best hit first."""

    groups: list[SearchGroup]
