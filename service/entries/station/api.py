"""Routes of scan stations, with the document's paths (appendix A). The credential is the station's token, not a user
session."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response

from service.core.access import password_hashing, throttle
from service.core.access.auth import Actor, BearerToken, allow, client_address
from service.core.database.clock import real_now
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db, Scopes, set_scopes
from service.core.http.problem_responses import RESPONSES
from service.core.problems import Problem, Unauthorized, Unavailable
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.short_transactions import short_transaction
from service.core.values.texts import RecordId
from service.entries.rules import AREA
from service.entries.settings import settings
from service.entries.station import actions, queries, rules, schemas
from service.entries.station.queries import AuthenticatedStation

# Codes are looked up before the caller is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 422, 503)}
_STAFF: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (403, 404)}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(tags=["entries"], responses=_REFUSALS)


def authenticate_station(request: Request, db: Db, token: str, grace: timedelta) -> AuthenticatedStation:
    """The station of this token. Limits the transaction to its nursery (row-level security). Raises Unauthorized."""
    claims = rules.decode_token(actions.signing_key(), token)
    if claims is None or claims.expires_at + grace <= real_now():
        raise Unauthorized(rules.SESSION_ENDED)
    set_scopes(db, Scopes(tenants=frozenset({(AREA.name, claims.nursery_id)})))
    station = queries.live_station(db, claims.station_id, client_address(request))
    if station is None:
        raise Unauthorized(rules.SESSION_ENDED)
    return station


def _authenticated(request: Request, db: Db, token: BearerToken) -> AuthenticatedStation:
    return authenticate_station(request, db, token, timedelta(0))


def _within_grace(request: Request, db: Db, token: BearerToken) -> AuthenticatedStation:
    """Accepts an expired token of a live session for three days: a tablet that was offline over a weekend continues
    without a log-in."""
    return authenticate_station(request, db, token, timedelta(hours=settings().renewal_hours))


CallingStation = Annotated[AuthenticatedStation, Depends(_authenticated)]
RenewingStation = Annotated[AuthenticatedStation, Depends(_within_grace)]


@router.post("/api/auth/entry-exit-login", responses={status: RESPONSES[status] for status in (403, 429)})
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
    station: RenewingStation, db: Db, said: Annotated[schemas.Pulse | None, Body()] = None
) -> schemas.Renewed:
    return actions.renew(db, station, said or schemas.Pulse())


@router.post("/api/entries/station/logout", status_code=204)
def log_out(station: RenewingStation, db: Db) -> None:
    actions.log_out_station(db, station)


@router.get("/api/entries/station/roster")
def roster(station: CallingStation, db: Db) -> schemas.Roster:
    """The parents that the station knows while it is offline."""
    return schemas.Roster.model_validate(queries.roster(db, station.nursery_id))


@router.get("/api/entries/stations", response_model=Page[schemas.StationItem], responses=_STAFF)
async def stations(
    page_request: Annotated[ListRequest, list_request("entries:nursery:read")],
    nursery_id: Annotated[RecordId | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Stations that are logged in."""
    return await page_request.page(lambda db, actor: queries.stations(db, actor, limit, cursor, nursery_id))


@router.patch("/api/entries/stations/{station_id}", status_code=204, responses=_STAFF)
def name(
    actor: Annotated[Actor, allow("entries:station:update")], db: Db, station_id: Id, new: schemas.StationChange
) -> None:
    actions.rename_station(db, actor, station_id, new.label)


@router.post("/api/entries/stations/{station_id}/revoke", status_code=204, responses=_STAFF)
def revoke(actor: Annotated[Actor, allow("entries:station:update")], db: Db, station_id: Id) -> None:
    """The station has to log in again."""
    actions.revoke(db, actor, station_id)
