"""What the nurseries show on ホーム: children who wait after closing time, and stations with scans to look at."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.home.declared import Due, DueList, DueRows, State, due_rows
from service.core.problems import NotFound
from service.core.search.sources import address
from service.entries.insights import queries as insights
from service.entries.queries import nursery_parameter
from service.entries.station import queries as stations
from service.entries.station.schemas import StationItem


class NurseryNow(BaseModel):
    """在園状況 of a nursery, without its children."""

    as_of: datetime
    nursery_name: str
    closes_at: str
    counts: dict[str, int]


def _now(db: Session, by: Actor) -> NurseryNow | None:
    """Of the nursery with which the page begins; None while there is none."""
    try:
        now = insights.children_now(db, by, None)
    except NotFound:
        return None
    return NurseryNow(**now.model_dump(include={*NurseryNow.model_fields}))


def _waiting_children(db: Session, by: Actor, limit: int) -> DueRows:
    rows = [
        Due(
            child.child_id,
            child.child_name,
            f"{child.nursery_name}　{child.class_name}".strip(),
            "お迎えを確認する",
            address("/in-nursery", nursery_parameter(by, child.nursery_name)),
            since=child.since,
            due_at=child.closed_at,
        )
        for child in insights.children_waiting(db, by)
    ]
    return DueRows(rows[:limit], len(rows))


def _stations(db: Session, by: Actor, limit: int) -> DueRows:
    return due_rows(
        lambda row: _station(row, by), lambda: stations.stations(db, by, limit, None, None, with_attention=True)
    )


def _station(row: StationItem, by: Actor) -> Due:
    return Due(
        row.id,
        row.label or f"端末 {row.id}",
        f"{row.nursery_name}　要確認の記録 {row.needs_attention:,}件",
        "記録を確かめる",
        address("/nursery", nursery_parameter(by, row.nursery_name)),
        since=row.oldest_queued_at,
    )


HOME = (
    State(
        key="entries.now",
        title="在園状況",
        permission="entries:attendance:read",
        address="/in-nursery",
        read=_now,
    ),
    DueList(
        key="entries.waiting",
        title="お迎え待ち",
        permission="entries:attendance:read",
        read=_waiting_children,
    ),
    DueList(key="entries.stations", title="入退登録端末", permission="entries:nursery:read", read=_stations),
)
