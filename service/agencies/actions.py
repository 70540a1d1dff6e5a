"""Every write of agencies."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.agencies import queries, schemas
from service.agencies.models import Agency
from service.agencies.rules import AREA
from service.core import memberships
from service.core.auth import Actor
from service.core.edits import Edits

AGENCIES = Edits(
    AREA.name,
    "agency",
    "代理店",
    {"uq_agencies_agencies_code": "code"},
    {"code": "代理店コード"},
    archived="無効になっています",
)


def create_agency(db: Session, by: Actor, new: schemas.NewAgency) -> Agency:
    """Raises Conflict when the code is another's."""
    agency = Agency(**new.model_dump())
    AGENCIES.create(db, by, agency, new.model_dump())
    return agency


def change_agency(db: Session, by: Actor, agency_id: int, new: schemas.AgencyChange) -> None:
    AGENCIES.change(db, by, queries.get_agency(db, agency_id, lock=True), new)


def deactivate(db: Session, by: Actor, agency_id: int, reason: str) -> int:
    """Its people can no longer sign in; how many sessions ended. What they asked for stays, and goes on."""
    agency = queries.get_agency(db, agency_id, lock=True)
    ended = memberships.suspend(db, AREA.name, agency.id, True)
    said: dict[str, int | str] = {"sessions_ended": ended}
    if reason:
        said["reason"] = reason
    AGENCIES.set_archived(db, by, agency, True, said)
    return ended


def activate(db: Session, by: Actor, agency_id: int) -> None:
    """Its people can sign in again."""
    agency = queries.get_agency(db, agency_id, lock=True)
    memberships.suspend(db, AREA.name, agency.id, False)
    AGENCIES.set_archived(db, by, agency, False)
