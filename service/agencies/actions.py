"""Writes of agencies."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.agencies import queries, schemas
from service.agencies.models import Agency
from service.agencies.rules import AREA
from service.core.access import memberships
from service.core.access.auth import Actor
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
    """Raises Conflict when another agency has the code."""
    agency = Agency(**new.model_dump())
    AGENCIES.create(db, by, agency, new.model_dump())
    return agency


def change_agency(db: Session, by: Actor, agency_id: int, new: schemas.AgencyChange) -> None:
    AGENCIES.change(db, by, queries.get_agency(db, agency_id, lock=True), new)


def deactivate(db: Session, by: Actor, agency_id: int, reason: str) -> int:
    """The agency's users can no longer sign in. Returns how many sessions ended. Their requests stay and go on."""
    agency = queries.get_agency(db, agency_id, lock=True)
    sessions_ended = memberships.set_suspended(db, AREA.name, agency.id, True)
    details: dict[str, int | str] = {"sessions_ended": sessions_ended}
    if reason:
        details["reason"] = reason
    AGENCIES.set_archived(db, by, agency, True, details)
    return sessions_ended


def activate(db: Session, by: Actor, agency_id: int) -> None:
    """The agency's users can sign in again."""
    agency = queries.get_agency(db, agency_id, lock=True)
    memberships.set_suspended(db, AREA.name, agency.id, False)
    AGENCIES.set_archived(db, by, agency, False)
