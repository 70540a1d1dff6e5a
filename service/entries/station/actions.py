"""Stations log in, stay, and leave."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit, throttle
from service.core.addresses import source_of
from service.core.auth import Actor
from service.core.clock import real_now
from service.core.problems import Forbidden, Problem, Unauthorized
from service.core.settings import settings as core_settings
from service.core.throttle import Limit
from service.core.times import clock_skew
from service.entries.models import Nursery
from service.entries.rules import AREA
from service.entries.settings import settings
from service.entries.station import queries, rules, schemas
from service.entries.station.models import Station
from service.entries.station.queries import Calling


def key() -> bytes:
    """Signs stations' tokens and nothing else."""
    return hmac.new(core_settings().secret_key.get_secret_value().encode(), b"entries station", hashlib.sha256).digest()


class LogIn:
    """One attempt, counted before the password is looked at; a code that nobody has makes no difference.

    From one source a code locks after five attempts (AR-EL-003). A wide limit for each code stops those who come from
    many. Stations that have logged in are asked for no password, so nothing of this reaches them.
    """

    def __init__(self, asked: schemas.LogIn, address: str, user_agent: str) -> None:
        config = settings()
        window = timedelta(minutes=config.sign_in_lock_minutes)
        self.asked, self.address, self.user_agent = asked, address, user_agent
        self.of_source = (
            Limit("station", config.sign_in_attempts, window, locks=True),
            asked.nursery_code,
            source_of(address),
        )
        self.of_code = Limit("station of anybody", config.sign_in_attempts_per_code, window), asked.nursery_code

    def begin(self, db: Session) -> tuple[Nursery | None, float]:
        """The nursery it would be, and the seconds to wait when it may not be tried now."""
        wait = throttle.hit(db, *self.of_source)
        return queries.nursery_by_code(db, self.asked.nursery_code), wait or throttle.hit(db, *self.of_code)

    def withdraw(self, db: Session) -> None:
        """The password was never looked at."""
        for limit in (self.of_source, self.of_code):
            throttle.give_back(db, *limit)

    def conclude(self, db: Session, nursery: Nursery | None, right: bool) -> schemas.LoggedIn | Problem:
        now = db.get(Nursery, nursery.id, with_for_update=True) if nursery is not None else None
        if nursery is None or now is None:
            # What was typed for a code that nobody has may be a password.
            audit.record(db, "-", "login_failed", AREA.name, "station", "-", address=self.address)
            return Unauthorized(rules.WRONG)
        if now.station_password_hash is None:
            self.withdraw(db)
            return Forbidden(rules.SWITCHED_OFF)
        if not right or now.station_password_hash != nursery.station_password_hash:
            after = {"code": now.code, "nursery_id": now.id}
            audit.record(db, "-", "login_failed", AREA.name, "station", "-", after=after, address=self.address)
            return Unauthorized(rules.WRONG)
        throttle.forget(db, *self.of_source)
        throttle.give_back(db, *self.of_code)
        return self._let_in(db, now)

    def _let_in(self, db: Session, nursery: Nursery) -> schemas.LoggedIn:
        """A device has one session; its queue is its own and stays."""
        device = self.asked.device_id or uuid.uuid4()
        now = real_now()
        before = db.execute(
            update(Station)
            .where(Station.nursery_id == nursery.id, Station.device_id == device, Station.revoked_at.is_(None))
            .values(revoked_at=now, revoked_by="-")
            .returning(Station.label)
        ).scalar()
        station = Station(
            nursery_id=nursery.id,
            device_id=device,
            label=before or "",
            user_agent=self.user_agent[:300],
            address=self.address,
            token_expires_at=now + _lifetime(),
            app_version=self.asked.app_version,
        )
        db.add(station)
        db.flush()
        audit.record(
            db, f"station {station.id}", "login", AREA.name, "station", station.id, after={"nursery_id": nursery.id},
            address=self.address,
        )  # fmt: skip
        return schemas.LoggedIn(
            token=_token(station.id, nursery.id, station.token_expires_at, now),
            nursery_id=nursery.id,
            nursery_name=nursery.name,
            expires_at=station.token_expires_at,
        )


def _lifetime() -> timedelta:
    return timedelta(hours=settings().token_hours)


def _token(station_id: int, nursery_id: int, expires_at: datetime, now: datetime) -> str:
    return rules.token(key(), rules.Claims(station_id, nursery_id, expires_at), now)


def renew(db: Session, station: Calling, said: schemas.Pulse) -> schemas.Renewed:
    """A heartbeat: a token for eight hours more."""
    now = real_now()
    expires_at = now + _lifetime()
    db.execute(
        update(Station)
        .where(Station.id == station.station_id)
        .values(
            last_seen_at=now,
            token_expires_at=expires_at,
            address=station.address,
            queue_depth=said.queue_depth,
            needs_attention=said.needs_attention,
            oldest_queued_at=said.oldest_queued_at,
            skew_seconds=clock_skew(said.sent_at, now) if said.sent_at else None,
            app_version=said.app_version,
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


def leave(db: Session, station: Calling) -> None:
    db.execute(
        update(Station).where(Station.id == station.station_id).values(revoked_at=real_now(), revoked_by=station.name)
    )
    audit.record(
        db, station.name, "logout", AREA.name, "station", station.station_id,
        after={"nursery_id": station.nursery_id}, address=station.address,
    )  # fmt: skip


def name(db: Session, by: Actor, station_id: int, label: str) -> None:
    """Raises NotFound."""
    station = queries.get_station(db, by, station_id)
    if station.label != label:
        before, after = {"label": station.label}, {"label": label}
        station.label = label
        audit.record(db, by, "update", AREA.name, "station", station.id, before=before, after=after)


def revoke(db: Session, by: Actor, station_id: int) -> None:
    """It has to log in again; what waits in its queue stays there. Raises NotFound."""
    station = queries.get_station(db, by, station_id)
    if station.revoked_at is None:
        station.revoked_at, station.revoked_by = real_now(), by.name
        after = {"revoked": True, "nursery_id": station.nursery_id}
        audit.record(db, by, "status_change", AREA.name, "station", station.id, after=after)
