"""Log-in, heartbeat and log-out of scan stations."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access import throttle
from service.core.access.auth import Actor
from service.core.access.throttle import Limit
from service.core.database.clock import real_now
from service.core.http.addresses import source_of
from service.core.problems import Forbidden, Problem, Unauthorized
from service.core.values.times import clock_skew
from service.entries.models import Nursery, Station
from service.entries.rules import AREA
from service.entries.settings import settings
from service.entries.station import queries, rules, schemas
from service.entries.station.queries import AuthenticatedStation


def _record(db: Session, by: Actor | str, action: audit.Action, station_id: int | str, **values: Any) -> None:
    audit.record(db, by, action, AREA.name, "station", station_id, **values)


class LogIn:
    """One log-in attempt. It is counted before the password is checked, for unknown codes too.

    A code is locked for one source address after five attempts (AR-EL-003). A wider rate limit for each code stops
    attacks from many addresses. Stations that are logged in send no password, so the limits do not affect them.
    """

    def __init__(self, credentials: schemas.LogIn, address: str, user_agent: str) -> None:
        config = settings()
        window = timedelta(minutes=config.sign_in_lock_minutes)
        self.credentials, self.address, self.user_agent = credentials, address, user_agent
        self.source_limit = (
            Limit("station", config.sign_in_attempts, window, locks=True),
            credentials.nursery_code,
            source_of(address),
        )
        self.code_limit = (
            Limit("station of anybody", config.sign_in_attempts_per_code, window),
            credentials.nursery_code,
        )

    def begin(self, db: Session) -> tuple[Nursery | None, float]:
        """The nursery with this code, and the seconds to wait; 0: the attempt is allowed."""
        wait = throttle.attempt(db, *self.source_limit)
        return queries.nursery_by_code(db, self.credentials.nursery_code), wait or throttle.attempt(
            db, *self.code_limit
        )

    def withdraw(self, db: Session) -> None:
        """Takes the attempt back: the password was not checked."""
        for limit in (self.source_limit, self.code_limit):
            throttle.undo_attempt(db, *limit)

    def conclude(self, db: Session, nursery: Nursery | None, is_correct: bool) -> schemas.LoggedIn | Problem:
        current = db.get(Nursery, nursery.id, with_for_update=True) if nursery is not None else None
        if nursery is None or current is None:
            # An unknown code is not recorded: the user may have typed the password there.
            _record(db, "-", "login_failed", "-", address=self.address)
            return Unauthorized(rules.WRONG_CREDENTIALS)
        if current.station_password_hash is None:
            self.withdraw(db)
            return Forbidden(rules.SWITCHED_OFF)
        if not is_correct or current.station_password_hash != nursery.station_password_hash:
            after = {"code": current.code, "nursery_id": current.id}
            _record(db, "-", "login_failed", "-", after=after, address=self.address)
            return Unauthorized(rules.WRONG_CREDENTIALS)
        throttle.reset(db, *self.source_limit)
        throttle.undo_attempt(db, *self.code_limit)
        return self._create_session(db, current)

    def _create_session(self, db: Session, nursery: Nursery) -> schemas.LoggedIn:
        """Ends the previous session of the device. The offline queue stays on the device."""
        device = self.credentials.device_id or uuid.uuid4()
        now = real_now()
        previous_label = db.execute(
            update(Station)
            .where(Station.nursery_id == nursery.id, Station.device_id == device, Station.revoked_at.is_(None))
            .values(revoked_at=now, revoked_by="-")
            .returning(Station.label)
        ).scalar()
        station = Station(
            nursery_id=nursery.id,
            device_id=device,
            label=previous_label or "",
            user_agent=self.user_agent[:300],
            address=self.address,
            token_expires_at=now + _lifetime(),
            app_version=self.credentials.app_version,
        )
        db.add(station)
        db.flush()
        after = {"nursery_id": nursery.id}
        _record(db, f"station {station.id}", "login", station.id, after=after, address=self.address)
        return schemas.LoggedIn(
            token=_token(station.id, nursery.id, station.token_expires_at, now),
            nursery_id=nursery.id,
            nursery_name=nursery.name,
            expires_at=station.token_expires_at,
        )


def _lifetime() -> timedelta:
    return timedelta(hours=settings().token_hours)


def _token(station_id: int, nursery_id: int, expires_at: datetime, now: datetime) -> str:
    return rules.encode_token(queries.signing_key(), rules.Claims(station_id, nursery_id, expires_at), now)


def renew(db: Session, station: AuthenticatedStation, pulse: schemas.Pulse) -> schemas.Renewed:
    """Handles a heartbeat and issues a token for eight more hours."""
    now = real_now()
    expires_at = now + _lifetime()
    db.execute(
        update(Station)
        .where(Station.id == station.station_id)
        .values(
            last_seen_at=now,
            token_expires_at=expires_at,
            address=station.address,
            queue_depth=pulse.queue_depth,
            needs_attention=pulse.needs_attention,
            oldest_queued_at=pulse.oldest_queued_at,
            skew_seconds=clock_skew(pulse.sent_at, now) if pulse.sent_at else None,
            app_version=pulse.app_version,
        )
    )
    return schemas.Renewed(
        token=_token(station.station_id, station.nursery_id, expires_at, now),
        expires_at=expires_at,
        server_time=now,
        nursery_name=station.nursery_name,
        offline_cap=station.offline_cap,
        roster_version=queries.roster_version(db, station.nursery_id),
    )


def log_out_station(db: Session, station: AuthenticatedStation) -> None:
    db.execute(
        update(Station).where(Station.id == station.station_id).values(revoked_at=real_now(), revoked_by=station.name)
    )
    after = {"nursery_id": station.nursery_id}
    _record(db, station.name, "logout", station.station_id, after=after, address=station.address)


def rename_station(db: Session, by: Actor, station_id: int, label: str) -> None:
    """Raises NotFound."""
    station = queries.get_station(db, by, station_id)
    if station.label != label:
        before, after = {"label": station.label}, {"label": label}
        station.label = label
        _record(db, by, "update", station.id, before=before, after=after)


def revoke(db: Session, by: Actor, station_id: int) -> None:
    """The station has to log in again; its offline queue stays on the device. Raises NotFound."""
    station = queries.get_station(db, by, station_id)
    if station.revoked_at is None:
        station.revoked_at, station.revoked_by = real_now(), by.name
        after = {"revoked": True, "nursery_id": station.nursery_id}
        _record(db, by, "status_change", station.id, after=after)
