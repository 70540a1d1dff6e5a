"""The incidents of the demo fleet: every outage of the past month has had one, and the trouble of now has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.values.times import format_local_datetime
from service.demo.files import Row, actor, event, insert_trees
from service.fleet.incidents.models import Incident, IncidentEvent, IncidentStep
from service.fleet.incidents.rules import (
    DETECTION,
    GROUPING_WINDOW,
    INITIAL_CHECK,
    RECOVERED,
    STEPS,
    SYSTEM,
    Trouble,
    shared_scope,
)
from service.fleet.models import Alert, Customer, Terminal
from service.fleet.rules import AlertType, silence_allowed
from service.fleet.settings import settings

MINUTE, DIAGNOSIS = timedelta(minutes=1), 3


@dataclass(frozen=True)
class Outage:
    """`error`: what the terminal reported; None: it was silent. `ends_at` None: it goes on."""

    terminal: Terminal
    begins_at: datetime
    ends_at: datetime | None
    error: str | None

    @property
    def status(self) -> str:
        return "error" if self.error else "offline"

    @property
    def alert_type(self) -> AlertType:
        return AlertType.ERROR if self.error else AlertType.OFFLINE


@dataclass(frozen=True)
class _Case:
    """The outages of one incident, the earliest first. `respond`: the minutes until somebody looked at it."""

    respond: int
    outages: list[Outage]

    @property
    def opened_at(self) -> datetime:
        return self.outages[0].begins_at

    @property
    def looked_at(self) -> datetime:
        return self.opened_at + self.respond * MINUTE

    @property
    def resolved_at(self) -> datetime | None:
        ends = [outage.ends_at for outage in self.outages if outage.ends_at is not None]
        return max(ends) if len(ends) == len(self.outages) else None


def fill(db: Session, outages: Sequence[Outage], now: datetime) -> None:
    companies = dict(db.execute(select(Customer.id, Customer.company_name)).all())
    cases, by = _cases(outages), actor(db, "fleet-operator")
    insert_trees(
        db,
        Incident,
        [
            _row(case, companies, by)
            | {
                Alert: [_alert(outage) for outage in case.outages],
                IncidentStep: [*_steps(case, now, by)],
                IncidentEvent: sorted(_events(case, now, by), key=lambda incident_event: incident_event["at"]),
            }
            for case in cases
        ],
    )


def _cases(outages: Sequence[Outage]) -> list[_Case]:
    """As the watch groups them: silent terminals of a customer, one after another within ten minutes."""
    cases: list[_Case] = []
    rng = Random("incidents")
    for outage in sorted(outages, key=lambda outage: (outage.begins_at, outage.terminal.id)):
        joined = next((case for case in reversed(cases[-10:]) if _joins(outage, case)), None)
        if joined is None:
            cases.append(_Case(rng.choice((1, 2, 2, 3, 3, 4, 6)), [outage]))
        else:
            joined.outages.append(outage)
    return cases


def _joins(outage: Outage, case: _Case) -> bool:
    last = case.outages[-1]
    is_silent = outage.error is None and last.error is None
    is_near = outage.begins_at < last.begins_at + GROUPING_WINDOW and outage.begins_at < (
        case.resolved_at or outage.begins_at
    )
    return is_silent and is_near and outage.terminal.customer_id == last.terminal.customer_id


def _row(case: _Case, companies: Mapping[int, str], by: Actor) -> Row:
    scope = shared_scope([_trouble(outage, companies) for outage in case.outages])
    resolved_at = case.resolved_at
    return {
        "alert_type": case.outages[0].alert_type.value,
        "scope": scope.scope.value,
        "customer_id": scope.customer_id,
        "store_name": scope.store,
        "opened_at": case.opened_at,
        "joined_at": case.outages[-1].begins_at,
        "told_at": case.opened_at,
        "acknowledged_at": case.looked_at,
        "acknowledged_by_id": by.user_id,
        "assignee_id": by.user_id,
        "resolved_at": resolved_at,
        "resolved_by": RECOVERED if resolved_at else None,
    }


def _trouble(outage: Outage, companies: Mapping[int, str]) -> Trouble:
    terminal = outage.terminal
    place = (terminal.customer_id, companies[terminal.customer_id], terminal.store, terminal.store_name)
    return Trouble(terminal.id, outage.alert_type, _message(outage), *place, terminal.serial_number)


def _message(outage: Outage) -> str:
    last_heartbeat_at = outage.begins_at - silence_allowed(settings().heartbeat_interval_seconds)
    silent = f"店舗PCからの通信が途絶えています。最終通信は {format_local_datetime(last_heartbeat_at)} です。"
    return outage.error or silent


def _alert(outage: Outage) -> Row:
    return {
        "terminal_id": outage.terminal.id,
        "alert_type": outage.alert_type.value,
        "message": _message(outage),
        "created_at": outage.begins_at,
        "is_resolved": outage.ends_at is not None,
        "resolved_at": outage.ends_at,
        "resolved_by": RECOVERED if outage.ends_at else "",
    }


def _done(case: _Case, now: datetime) -> dict[int, datetime]:
    """When which steps were done: what lasts long enough is looked into."""
    done = {DETECTION: case.opened_at, INITIAL_CHECK: case.looked_at}
    diagnosed_at = case.looked_at + 2 * case.respond * MINUTE
    return done | ({DIAGNOSIS: diagnosed_at} if diagnosed_at < (case.resolved_at or now) else {})


def _steps(case: _Case, now: datetime, by: Actor) -> Iterator[Row]:
    done = _done(case, now)
    for number, step in STEPS.items():
        row: Row = {"step": number, "due_at": None if step.after else case.opened_at + step.target.span}
        if number in done:
            row |= {"done_at": done[number], "done_by": by.name, "user_id": by.user_id}
        yield row | ({"done_by": SYSTEM, "user_id": None} if number == DETECTION else {})


def _events(case: _Case, now: datetime, by: Actor) -> Iterator[Row]:
    terminals = {"detail": {"terminals": 1}}
    for outage in case.outages:
        yield event(outage.begins_at, "opened" if outage is case.outages[0] else "joined", SYSTEM) | terminals
        if outage.ends_at is not None:
            yield event(outage.ends_at, "recovered", SYSTEM) | terminals
    yield event(case.looked_at, "acknowledged", by)
    for number, moment in _done(case, now).items():
        if number != DETECTION:
            yield event(moment, "step", by) | {"detail": {"step": number}}
