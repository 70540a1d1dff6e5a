"""A station's doors, by the document's paths (appendix A). Its token is the key; nobody's session opens them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response

from service.core import hashing, throttle
from service.core.auth import Actor, BearerToken, allow, client_address
from service.core.brief import brief
from service.core.clock import real_now
from service.core.db import Db, Scopes, set_scopes
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES, Problem, Unauthorized, Unavailable
from service.core.texts import Key
from service.entries.rules import AREA
from service.entries.settings import settings
from service.entries.station import actions, queries, rules, schemas
from service.entries.station.queries import Calling

# Codes are looked up before anybody is known.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 422, 503)}
_STAFF: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (403, 404)}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(tags=["entries"], responses=_REFUSALS)


def known_station(request: Request, db: Db, token: str, grace: timedelta) -> Calling:
    """The station whose token this is; the transaction sees its nursery from here on. Raises Unauthorized."""
    claims = rules.claims(actions.key(), token)
    if claims is None or claims.expires_at + grace <= real_now():
        raise Unauthorized(rules.ENDED)
    set_scopes(db, Scopes(tenants=frozenset({(AREA.name, claims.nursery_id)})))
    station = queries.live(db, claims.station_id, client_address(request))
    if station is None:
        raise Unauthorized(rules.ENDED)
    return station


def _calling(request: Request, db: Db, token: BearerToken) -> Calling:
    return known_station(request, db, token, timedelta(0))


def _renewing(request: Request, db: Db, token: BearerToken) -> Calling:
    """An expired token of a live session is renewed for three days: a tablet that was offline over the weekend goes on
    by itself."""
    return known_station(request, db, token, timedelta(hours=settings().renewal_hours))


CallingStation = Annotated[Calling, Depends(_calling)]
RenewingStation = Annotated[Calling, Depends(_renewing)]


@router.post("/api/auth/entry-exit-login", responses={status: RESPONSES[status] for status in (403, 429)})
async def log_in(asked: schemas.LogIn, request: Request) -> schemas.LoggedIn:
    """Neither a transaction nor a seat is held while the password is checked."""
    attempt = actions.LogIn(asked, client_address(request), request.headers.get("user-agent", ""))
    nursery, wait = await brief(request, WHOLE_AREA, attempt.begin)
    if wait:
        raise throttle.too_many("ログインの失敗", wait)
    try:
        right = await hashing.is_right(asked.password, nursery.station_password_hash if nursery else None)
    except Unavailable:
        await brief(request, WHOLE_AREA, attempt.withdraw)
        raise
    outcome = await brief(request, WHOLE_AREA, lambda db: attempt.conclude(db, nursery, right))
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
    actions.leave(db, station)


@router.get("/api/entries/station/roster")
def roster(station: CallingStation, db: Db) -> schemas.Roster:
    """Whom the station greets while it is offline."""
    return schemas.Roster.model_validate(queries.roster(db, station.nursery_id))


@router.get("/api/entries/stations", response_model=Page[schemas.StationItem], responses=_STAFF)
async def stations(
    asking: Annotated[Asking, lists("entries:nursery:read")],
    nursery_id: Annotated[Key | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Devices that are logged in."""
    return await asking.page(lambda db, actor: queries.stations(db, actor, limit, cursor, nursery_id))


@router.patch("/api/entries/stations/{station_id}", status_code=204, responses=_STAFF)
def name(
    actor: Annotated[Actor, allow("entries:station:update")], db: Db, station_id: Id, new: schemas.StationChange
) -> None:
    actions.name(db, actor, station_id, new.label)


@router.post("/api/entries/stations/{station_id}/revoke", status_code=204, responses=_STAFF)
def revoke(actor: Annotated[Actor, allow("entries:station:update")], db: Db, station_id: Id) -> None:
    """It has to log in again."""
    actions.revoke(db, actor, station_id)
