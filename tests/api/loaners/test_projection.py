"""States and loans follow from the events, in whichever order these are recorded: late, back-dated, marked."""

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
from service.loaners.history.models import Event, Loan
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device, DeviceState, Site
from tests import people
from tests.api.loaners.telling import LENT, START, register_device
from tests.conftest import Service
from tests.rls_bypass import rls_bypass_url

BORROWERS = ("", "○○商事", "△△工業")


@dataclass(frozen=True)
class Step:
    """One action of a user: records an event of a day, or marks or unmarks one of the events."""

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
    return people.create_actor(db, "ada", loaners="admin")


@pytest.fixture
def device(db: Session, by: Actor) -> Device:
    return register_device(db, by)


def to_event(step: Step, form_id: int, site_id: int) -> NewEvent:
    effective_at = START + timedelta(days=step.day)
    common: dict[str, Any] = {"source": Source.VIEWER, "effective_at": effective_at}
    if step.kind == "form":
        has_deposit = step.status == 1 and step.held
        return NewEvent(
            kind=EventKind.FORM,
            form_id=form_id,
            status=step.status,
            held=step.held if step.status == 1 else None,
            deposit=step.deposit if has_deposit else None,
            borrower=step.borrower if step.status == 1 else "",
            **common,
        )
    if step.kind == "deposit":
        return NewEvent(kind=EventKind.DEPOSIT if step.deposit else EventKind.CLEARED, deposit=step.deposit, **common)
    if step.kind == "transfer":
        return NewEvent(kind=EventKind.TRANSFER, site_id=site_id, reason="応援", **common)
    return NewEvent(kind=EventKind(step.kind), **common)


def apply_step(db: Session, by: Actor, device: Device, step: Step, form_id: int, site_id: int) -> None:
    if step.kind not in ("mark", "unmark"):
        history.lock_device(db, device.id)
        history.record_event(db, by, device.id, to_event(step, form_id, site_id))
        return
    ids = db.scalars(select(Event.id).where(Event.device_id == device.id).order_by(Event.id)).all()
    event_id = ids[step.which % len(ids)]
    history.mark(db, by, event_id, "二重") if step.kind == "mark" else history.unmark(db, by, event_id)


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
                apply_step(db, by, device, step, form_id, site_id)
        stored = queries.stored_states(db, [device.id]), queries.stored_loans(db, [device.id])
        assert queries.find_mismatches(db) == []

        for model in (DeviceState, Loan):
            db.execute(delete(model).where(model.device_id == device.id))
        history.project(db, [device.id])
        assert (queries.stored_states(db, [device.id]), queries.stored_loans(db, [device.id])) == stored
        _check_consistency(stored[0][device.id], stored[1][device.id])
        savepoint.rollback()
    db.expire_all()


def _check_consistency(states: list[rules.State], loans: list[rules.LoanPeriod]) -> None:
    """The states have no gaps, and there is a loan exactly where the status says so."""
    assert [state.until for state in states[:-1]] == [state.since for state in states[1:]]
    assert states[-1].until is None
    for state in states:
        loans_now = [
            loan for loan in loans if loan.since <= state.since and (loan.until is None or state.since < loan.until)
        ]
        assert (state.status == 1) == bool(loans_now)
        assert state.deposit is None or rules.allows_deposit(state.status, state.held)


@given(steps=STEPS, order=st.randoms(use_true_random=False))
def test_the_order_in_which_events_become_known_changes_nothing(steps: list[Step], order: Random) -> None:
    first = rules.Fact(1, EventKind.REGISTERED, START, site_id=1)
    facts = [first] + [
        history.to_fact(
            to_event(step, 1, 2), START + timedelta(days=step.day), [rules.Fact(number, EventKind.FORM, START)]
        )
        for number, step in enumerate(steps, 1)
        if step.kind not in ("mark", "unmark")
    ]
    mixed = facts[:]
    order.shuffle(mixed)
    assert rules.project_states(mixed) == rules.project_states(facts)
    assert rules.project_loans(mixed) == rules.project_loans(facts)


@pytest.fixture
def lent_out(service: Service) -> tuple[str, int, list[str]]:
    """Number and id of a device in a real service, and the tokens of two users."""
    serial = uuid.uuid4().hex[:10].upper()
    with service.committed() as db:
        device = register_with_own_user(db, serial)
        users = [people.create_user(db, f"{name}-{serial}", loaners="staff") for name in ("sato", "suzuki")]
        tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in users]
        result = device.number, device.id, tokens
    return result


def register_with_own_user(db: Session, serial: str) -> Device:
    return register_device(db, people.create_actor(db, f"ada-{serial}", loaners="admin"), serial=serial)


def test_of_two_who_lend_a_device_at_once_one_is_refused_in_words(
    service: Service, lent_out: tuple[str, int, list[str]]
) -> None:
    number, device_id, tokens = lent_out

    def lend(token: str, borrower: str) -> tuple[int, str]:
        body = {"form": 2, "answers": LENT | {"1-6": borrower}, "client_id": str(uuid.uuid4()), "based_on": None}
        with service.http() as http:
            answer = http.post(
                f"/api/loaners/devices/{number}/status", json=body, headers={"Authorization": f"Bearer {token}"}
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
    url = rls_bypass_url(service.database_url)
    with psycopg.connect(url) as first, psycopg.connect(url) as second, ThreadPoolExecutor(1) as pool:
        first.execute(loan, (device_id, START, "○○商事"))
        waiting = pool.submit(second.execute, loan, (device_id, START + timedelta(days=1), "△△工業"))
        first.commit()
        with pytest.raises(psycopg.errors.IntegrityError, match=r"pk_loaners_loans|uq_loaners_loans_open"):
            waiting.result(timeout=30)
