"""States and loans are what the events say: whatever is told, in whichever order, late, back-dated and marked."""

from __future__ import annotations

import contextlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.identity import open_session
from service.core.problems import Conflict
from service.loaners.forms.models import Form
from service.loaners.history import actions as history
from service.loaners.history import queries, rules
from service.loaners.history.actions import NewEvent
from service.loaners.history.models import DeviceState, Event, Loan
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device, Site
from tests import people
from tests.api.loaners.telling import LENT, START, registered
from tests.conftest import Service
from tests.rls_bypass import seeing_all

BORROWERS = ("", "○○商事", "△△工業")


@dataclass(frozen=True)
class Step:
    """What somebody does: tell of a day, or mark or unmark one of the events there are."""

    kind: str
    day: int
    status: int
    held: bool
    deposit: int | None
    borrower: str
    which: int


STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(["form", "form", "form", "deposit", "transfer", "archived", "restored", "mark", "unmark"]),
        day=st.integers(0, 30),
        status=st.integers(1, 3),
        held=st.booleans(),
        deposit=st.none() | st.integers(1, 4),
        borrower=st.sampled_from(BORROWERS),
        which=st.integers(0, 20),
    ),
    max_size=14,
)


@pytest.fixture
def by(db: Session) -> Actor:
    return people.actor(db, "ada", loaners="admin")


@pytest.fixture
def device(db: Session, by: Actor) -> Device:
    return registered(db, by)


def told(step: Step, form_id: int, site_id: int) -> NewEvent:
    moment = START + timedelta(days=step.day)
    common: dict[str, Any] = {"source": Source.VIEWER, "effective_at": moment}
    if step.kind == "form":
        holds = step.status == 1 and step.held
        return NewEvent(
            kind=EventKind.FORM,
            form_id=form_id,
            status=step.status,
            held=step.held if step.status == 1 else None,
            deposit=step.deposit if holds else None,
            borrower=step.borrower if step.status == 1 else "",
            **common,
        )
    if step.kind == "deposit":
        return NewEvent(kind=EventKind.DEPOSIT if step.deposit else EventKind.CLEARED, deposit=step.deposit, **common)
    if step.kind == "transfer":
        return NewEvent(kind=EventKind.TRANSFER, site_id=site_id, reason="応援", **common)
    return NewEvent(kind=EventKind(step.kind), **common)


def do(db: Session, by: Actor, device: Device, step: Step, form_id: int, site_id: int) -> None:
    if step.kind not in ("mark", "unmark"):
        history.lock_device(db, device.id)
        history.record_event(db, by, device.id, told(step, form_id, site_id))
        return
    ids = db.scalars(select(Event.id).where(Event.device_id == device.id).order_by(Event.id)).all()
    chosen = ids[step.which % len(ids)]
    history.mark(db, by, chosen, "二重") if step.kind == "mark" else history.unmark(db, by, chosen)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(steps=STEPS)
def test_after_any_history_what_is_stored_is_what_is_rebuilt_from_nothing(
    db: Session, by: Actor, device: Device, steps: list[Step]
) -> None:
    form_id = db.scalars(select(Form.id).where(Form.kind == "terminal", Form.number == 2)).one()
    site_id = db.scalars(select(Site.id).where(Site.key == "kobe")).one()
    with db.begin_nested() as savepoint:
        for step in steps:
            with contextlib.suppress(Conflict), db.begin_nested():
                do(db, by, device, step, form_id, site_id)
        stored = queries.stored_states(db, [device.id]), queries.stored_loans(db, [device.id])
        assert queries.find_mismatches(db) == []

        for model in (DeviceState, Loan):
            db.execute(delete(model).where(model.device_id == device.id))
        history.project(db, [device.id])
        assert (queries.stored_states(db, [device.id]), queries.stored_loans(db, [device.id])) == stored
        _holds_together(stored[0][device.id], stored[1][device.id])
        savepoint.rollback()
    db.expire_all()


def _holds_together(states: list[rules.State], loans: list[rules.LoanPeriod]) -> None:
    """Without gaps, and a loan is exactly where the status says so."""
    assert [one.until for one in states[:-1]] == [one.since for one in states[1:]]
    assert states[-1].until is None
    for state in states:
        lent = [one for one in loans if one.since <= state.since and (one.until is None or state.since < one.until)]
        assert (state.status == 1) == bool(lent)
        assert state.deposit is None or rules.allows_deposit(state.status, state.held)


@given(steps=STEPS, order=st.randoms(use_true_random=False))
def test_the_order_in_which_events_become_known_changes_nothing(steps: list[Step], order: Random) -> None:
    first = rules.Fact(1, EventKind.REGISTERED, START, site_id=1)
    facts = [first] + [
        history.to_fact(told(step, 1, 2), START + timedelta(days=step.day), [rules.Fact(number, EventKind.FORM, START)])
        for number, step in enumerate(steps, 1)
        if step.kind not in ("mark", "unmark")
    ]
    mixed = facts[:]
    order.shuffle(mixed)
    assert rules.project_states(mixed) == rules.project_states(facts)
    assert rules.project_loans(mixed) == rules.project_loans(facts)


@pytest.fixture
def lent_out(service: Service) -> tuple[str, int, list[str]]:
    """A device in a real service, and two people's tokens."""
    serial = uuid.uuid4().hex[:10].upper()
    with service.committed() as db:
        made = registered_there(db, serial)
        users = [people.person(db, f"{name}-{serial}", loaners="staff") for name in ("sato", "suzuki")]
        tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in users]
        found = made.number, made.id, tokens
    return found


def registered_there(db: Session, serial: str) -> Device:
    return registered(db, people.actor(db, f"ada-{serial}", loaners="admin"), serial=serial)


def test_of_two_who_lend_a_device_at_once_one_is_refused_in_words(
    service: Service, lent_out: tuple[str, int, list[str]]
) -> None:
    number, device_id, tokens = lent_out

    def lend(token: str, borrower: str) -> tuple[int, str]:
        sent = {"form": 2, "answers": LENT | {"1-6": borrower}, "client_id": str(uuid.uuid4()), "based_on": None}
        with service.http() as http:
            answer = http.post(
                f"/api/loaners/devices/{number}/status", json=sent, headers={"Authorization": f"Bearer {token}"}
            )
        return answer.status_code, answer.text

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lend, tokens, ["○○商事", "△△工業"]))

    assert [status for status, _ in answers] == [201, 409]
    assert "登録しました" in answers[1][1] or "へ貸出中です" in answers[1][1]
    assert service.rows("SELECT count(*) FROM loaners_loans WHERE device_id = %s", device_id) == [(1,)]


def test_the_database_itself_refuses_a_second_loan_from_another_connection(
    service: Service, lent_out: tuple[str, int, list[str]]
) -> None:
    _, device_id, _ = lent_out
    loan = (
        "INSERT INTO loaners_loans (device_id, during, first_event_id, last_event_id, borrower, loan_number) "
        "VALUES (%s, tstzrange(%s, NULL, '[)'), 1, 1, %s, '')"
    )
    url = seeing_all(service.database_url)
    with psycopg.connect(url) as one, psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        one.execute(loan, (device_id, START, "○○商事"))
        waiting = pool.submit(other.execute, loan, (device_id, START + timedelta(days=1), "△△工業"))
        one.commit()
        with pytest.raises(psycopg.errors.IntegrityError, match=r"pk_loaners_loans|uq_loaners_loans_open"):
            waiting.result(timeout=30)
