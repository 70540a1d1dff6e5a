"""Who a station is, and whom it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.entries.models import Nursery, Parent
from service.entries.station.models import Station


@dataclass(frozen=True)
class Calling:
    """A station that has shown a token of a live session."""

    station_id: int
    nursery_id: int
    nursery_name: str
    offline_cap: int
    address: str

    @property
    def name(self) -> str:
        """In the audit trail."""
        return f"station {self.station_id}"


def nursery_by_code(db: Session, code: str) -> Nursery | None:
    return db.scalars(select(Nursery).where(Nursery.code == code, Nursery.archived_at.is_(None))).one_or_none()


def live(db: Session, station_id: int, address: str) -> Calling | None:
    found = db.execute(
        select(Station.id, Station.nursery_id, Nursery.name, Nursery.offline_cap)
        .join(Nursery, Nursery.id == Station.nursery_id)
        .where(Station.id == station_id, Station.revoked_at.is_(None), Nursery.archived_at.is_(None))
    ).one_or_none()
    return Calling(*found, address) if found else None


def roster_version(db: Session, nursery_id: int) -> str:
    """Changes with every change of a parent of the nursery."""
    newest, count = db.execute(
        select(func.max(Parent.updated_at), func.count()).where(Parent.nursery_id == nursery_id)
    ).one()
    return f"{count}-{newest.timestamp():.6f}" if newest else "0"


def roster(db: Session, nursery_id: int) -> dict[str, Any]:
    """Names alone: enough to greet whoever scans while nobody can be asked."""
    parents = db.execute(
        select(Parent.id, Parent.name)
        .where(Parent.nursery_id == nursery_id, Parent.archived_at.is_(None))
        .order_by(Parent.id)
    )
    return {
        "version": roster_version(db, nursery_id),
        "parents": [{"id": parent_id, "name": name} for parent_id, name in parents],
    }
