"""Authentication of stations. The credential is the station's token, not a user session."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from service.core.access.auth import BearerToken, client_address
from service.core.database.clock import real_now
from service.core.database.session import Db, Scopes, set_scopes
from service.core.problems import Unauthorized
from service.entries.rules import AREA
from service.entries.settings import settings
from service.entries.station import queries, rules
from service.entries.station.queries import AuthenticatedStation


def authenticate_station(request: Request, db: Db, token: str, grace: timedelta) -> AuthenticatedStation:
    """The station of this token. Limits the transaction to its nursery (row-level security). Raises Unauthorized."""
    claims = rules.decode_token(queries.signing_key(), token)
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
