"""What 探す finds of 入退管理: within the own nursery, where a role is bound to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.core.access.auth import Actor
from service.core.search.sources import ARCHIVED, SHOW_ARCHIVED, Hit, Row, Source, address, detail
from service.entries import queries


def _own_nursery(by: Actor) -> Mapping[str, Any]:
    return {"nursery_id": queries.nursery_scope(by)}


def _hit(row: Row, text: str, page: str, parameters: Mapping[str, object]) -> Hit:
    shown = SHOW_ARCHIVED if row["archived_at"] else {}
    state = ARCHIVED if row["archived_at"] else None
    return Hit(row["name"], text, address(page, parameters, shown), state)


def _nursery_of(by: Actor, row: Row) -> Mapping[str, str]:
    return queries.nursery_parameter(by, row["nursery_name"])


def _names(people: list[dict[str, Any]]) -> str:
    return "、".join(person["name"] for person in people)


def _parent(by: Actor, row: Row) -> Hit:
    text = detail(f"保護者ID {row['id']}", row["kana"], row["nursery_name"], _names(row["children"]))
    return _hit(row, text, "/parents", {"q": row["id"], **_nursery_of(by, row)})


def _child(by: Actor, row: Row) -> Hit:
    text = detail(row["kana"], row["class_name"], row["nursery_name"], _names(row["parents"]))
    return _hit(row, text, "/children", {"q": row["name"], **_nursery_of(by, row)})


def _nursery(by: Actor, row: Row) -> Hit:
    hit = _hit(row, row["code"], "/nurseries", {"q": row["code"]})
    return hit if "entries:nursery:create" in by.permissions else hit._replace(address="/nursery")


SEARCH = (
    Source(
        key="entries.parent",
        title="保護者",
        permission="entries:parent:read",
        listing=queries.PARENTS,
        hit=_parent,
        terms=("parent",),
        filters=_own_nursery,
        # The number of a card.
        number="",
        page="/parents",
    ),
    Source(
        key="entries.child",
        title="園児",
        permission="entries:child:read",
        listing=queries.CHILDREN,
        hit=_child,
        terms=("child",),
        filters=_own_nursery,
        page="/children",
    ),
    Source(
        key="entries.nursery",
        title="保育園",
        permission="entries:nursery:read",
        listing=queries.NURSERIES,
        hit=_nursery,
        terms=("nursery",),
        filters=_own_nursery,
    ),
)
