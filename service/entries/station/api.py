"""Routes of scan stations, with the document's paths (appendix A), and of the staff who look after them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request

from service.core.access import password_hashing, throttle
from service.core.access.auth import Actor, allow, client_address
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db, Scopes
from service.core.http.problem_responses import refusals
from service.core.problems import Problem, Unavailable
from service.core.resources import PathId
from service.core.routing.short_transactions import short_transaction
from service.core.values.texts import RecordId
from service.entries.rules import AREA
from service.entries.station import actions, queries, schemas
from service.entries.station.auth import CallingStation, RenewingStation

# Codes are looked up before the caller is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
Manager = Annotated[Actor, allow("entries:station:update")]
router = APIRouter(tags=["entries"], responses=refusals(400, 401, 422, 503))


@router.post("/api/auth/entry-exit-login", responses=refusals(403, 429))
async def log_in(credentials: schemas.LogIn, request: Request) -> schemas.LoggedIn:
    """No transaction and no slot (concurrency limit) is held while the password is checked."""
    attempt = actions.LogIn(credentials, client_address(request), request.headers.get("user-agent", ""))
    nursery, wait = await short_transaction(request, WHOLE_AREA, attempt.begin)
    if wait:
        raise throttle.too_many("ログインの失敗", wait)
    try:
        is_correct = await password_hashing.check_password(
            credentials.password, nursery.station_password_hash if nursery else None
        )
    except Unavailable:
        await short_transaction(request, WHOLE_AREA, attempt.withdraw)
        raise
    outcome = await short_transaction(request, WHOLE_AREA, lambda db: attempt.conclude(db, nursery, is_correct))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


@router.post("/api/auth/heartbeat")
def heartbeat(
    station: RenewingStation, db: Db, pulse: Annotated[schemas.Pulse | None, Body()] = None
) -> schemas.Renewed:
    return actions.renew(db, station, pulse or schemas.Pulse())


@router.post("/api/entries/station/logout", status_code=204)
def log_out(station: RenewingStation, db: Db) -> None:
    actions.log_out_station(db, station)


@router.get("/api/entries/station/roster")
def roster(station: CallingStation, db: Db) -> schemas.Roster:
    """The parents that the station knows while it is offline."""
    return queries.roster(db, station.nursery_id)


@router.get("/api/entries/stations", responses=refusals(403, 404))
def stations(
    actor: Annotated[Actor, allow("entries:nursery:read")],
    db: Db,
    nursery_id: Annotated[RecordId | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.StationItem]:
    """Stations that are logged in."""
    return queries.stations(db, actor, limit, cursor, nursery_id)


@router.patch("/api/entries/stations/{station_id}", status_code=204, responses=refusals(403, 404))
def name(actor: Manager, db: Db, station_id: PathId, new: schemas.StationChange) -> None:
    actions.rename_station(db, actor, station_id, new.label)


@router.post("/api/entries/stations/{station_id}/revoke", status_code=204, responses=refusals(403, 404))
def revoke(actor: Manager, db: Db, station_id: PathId) -> None:
    """The station has to log in again."""
    actions.revoke(db, actor, station_id)
