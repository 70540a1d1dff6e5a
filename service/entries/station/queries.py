"""Every read of stations and of their roster of parents."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.paging import Key, Listing, Page, equals, when_true
from service.core.settings import settings
from service.entries import queries
from service.entries.models import Nursery, Parent, Station
from service.entries.rules import SILENT_AFTER
from service.entries.station import schemas

STATIONS = Listing(
    select(
        Station.id,
        Station.nursery_id,
        Nursery.name.label("nursery_name"),
        Station.label,
        Station.user_agent,
        Station.address,
        Station.app_version,
        Station.created_at,
        Station.last_seen_at,
        Station.token_expires_at,
        Station.queue_depth,
        Station.needs_attention,
        Station.oldest_queued_at,
        Station.skew_seconds,
        (Station.last_seen_at < func.now() - literal(SILENT_AFTER)).label("is_silent"),
        Station.revoked_at,
    ).join(Nursery, Nursery.id == Station.nursery_id),
    model=schemas.StationItem,
    unique=Station.id,
    keys={"last_seen_at": Key(Station.last_seen_at)},
    default="-last_seen_at",
    filters={
        "nursery_id": equals(Station.nursery_id),
        "is_live": when_true(Station.revoked_at.is_(None)),
        "with_attention": when_true(Station.needs_attention > 0),
    },
)


@dataclass(frozen=True)
class AuthenticatedStation:
    """A station that sent a token of a live session."""

    station_id: int
    nursery_id: int
    nursery_name: str
    offline_cap: int
    address: str

    @property
    def name(self) -> str:
        """Actor in the audit log."""
        return f"station {self.station_id}"


def signing_key() -> bytes:
    """The key that signs the tokens of stations, and nothing else."""
    return settings().derived_key(b"entries station")


def nursery_by_code(db: Session, code: str) -> Nursery | None:
    return db.scalars(select(Nursery).where(Nursery.code == code, Nursery.archived_at.is_(None))).one_or_none()


def live_station(db: Session, station_id: int, address: str) -> AuthenticatedStation | None:
    row = db.execute(
        select(Station.id, Station.nursery_id, Nursery.name, Nursery.offline_cap)
        .join(Nursery, Nursery.id == Station.nursery_id)
        .where(Station.id == station_id, Station.revoked_at.is_(None), Nursery.archived_at.is_(None))
    ).one_or_none()
    return AuthenticatedStation(*row, address) if row else None


def roster_version(db: Session, nursery_id: int) -> str:
    """Changes whenever a parent of the nursery changes."""
    newest, count = db.execute(
        select(func.max(Parent.updated_at), func.count()).where(Parent.nursery_id == nursery_id)
    ).one()
    return f"{count}-{newest.timestamp():.6f}" if newest else "0"


def roster(db: Session, nursery_id: int) -> schemas.Roster:
    """Ids and names only: enough to greet a parent while the station is offline."""
    parents = db.execute(
        select(Parent.id, Parent.name)
        .where(Parent.nursery_id == nursery_id, Parent.archived_at.is_(None))
        .order_by(Parent.id)
    )
    return schemas.Roster(
        version=roster_version(db, nursery_id),
        parents=[schemas.RosterParent(id=parent_id, name=name) for parent_id, name in parents],
    )


def stations(
    db: Session, by: Actor, limit: int, cursor: str | None, nursery_id: int | None, *, with_attention: bool = False
) -> Page[schemas.StationItem]:
    """Stations that are logged in, or of these those with refused scans; the one with the newest heartbeat first."""
    scope = queries.nursery_scope(by, nursery_id)
    return STATIONS.read(db, limit, cursor, nursery_id=scope, is_live=True, with_attention=with_attention)


def get_station(db: Session, by: Actor, station_id: int) -> Station:
    """Locked. Raises NotFound."""
    return queries.get_row(db, by, Station, station_id, "端末", lock=True)
