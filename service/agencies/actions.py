"""Writes of agencies."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.agencies import schemas
from service.agencies.models import Agency
from service.agencies.rules import AREA
from service.core.access import memberships
from service.core.access.auth import Actor
from service.core.edits import Edits
from service.core.resources import Creatable

AGENCIES = Creatable(
    Edits(
        AREA.name,
        "agency",
        "代理店",
        {"uq_agencies_agencies_code": "code"},
        {"code": "代理店コード"},
        archived="無効になっています",
    ),
    Agency,
    schemas.AgencyChange,
    schemas.NewAgency,
)


def deactivate(db: Session, by: Actor, agency_id: int, reason: str) -> int:
    """The agency's users can no longer sign in. Returns how many sessions ended. Their requests stay and go on."""
    agency = AGENCIES.lock(db, by, agency_id)
    sessions_ended = memberships.set_suspended(db, AREA.name, agency.id, True)
    details: dict[str, int | str] = {"sessions_ended": sessions_ended}
    if reason:
        details["reason"] = reason
    AGENCIES.edits.set_archived(db, by, agency, True, details)
    return sessions_ended


def activate(db: Session, by: Actor, agency_id: int) -> None:
    """The agency's users can sign in again."""
    agency = AGENCIES.lock(db, by, agency_id)
    memberships.set_suspended(db, AREA.name, agency.id, False)
    AGENCIES.edits.set_archived(db, by, agency, False)
