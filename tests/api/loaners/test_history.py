"""What follows from the history: deposits and their clearing, marks, the timeline, states of the past."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.loaners.forms.models import Form
from service.loaners.history import actions as history
from service.loaners.history import queries
from service.loaners.history.models import Event
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device, Site
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.telling import (
    COLLECTED,
    LENT,
    NUMBER,
    days_after_start,
    form_body,
    register_device,
    state,
    submit_form,
    timeline,
)

SignIn = Callable[..., TestClient]
DEPOSIT = f"/api/loaners/devices/{NUMBER}/deposit"


@pytest.fixture
def device(db: Session) -> Device:
    return register_device(db, people.create_actor(db, "ada", loaners="admin"))


@pytest.fixture
def admin(device: Device, sign_in: SignIn) -> TestClient:
    return sign_in("anna", loaners="admin")


def at_day(number: float) -> dict[str, Any]:
    return {"effective_at": days_after_start(number).isoformat()}


def set_deposit(client: TestClient, deposit: int | None, **more: Any) -> Any:
    based_on = state(client, NUMBER)["event_id"]
    return client.put(DEPOSIT, json={"deposit": deposit, "based_on": based_on} | more)


def mark(client: TestClient, event_id: int, reason: str = "二重に登録したため") -> Any:
    return client.post(f"/api/loaners/events/{event_id}/mark", json={"reason": reason})


def test_a_deposit_is_set_and_taken_away_where_a_users_machine_is_held(admin: TestClient) -> None:
    submit_form(admin, NUMBER, LENT, **at_day(1))
    assert state(admin, NUMBER)["deposit_refusal"] is None
    answer = set_deposit(admin, 2, reason="見積もりの回答待ち")
    assert answer.json()["deposit"] == 2
    assert state(admin, NUMBER)["deposit_word"] == "2.商談や金額の問題で返却不可"
    assert timeline(admin, NUMBER)[0]["changes"] == [
        {"header": "預り機のステータス", "old": "", "new": "2.商談や金額の問題で返却不可"}
    ]
    assert set_deposit(admin, 2).json()["event_id"] is None

    assert set_deposit(admin, None).json()["deposit"] is None
    assert (state(admin, NUMBER)["deposit"], timeline(admin, NUMBER)[0]["kind"]) == (None, "cleared")


def test_a_timeline_has_the_events_of_its_own_device_alone(admin: TestClient, db: Session) -> None:
    other = register_device(db, people.create_actor(db, "otto", loaners="admin"), serial="ZZZ-1")
    submit_form(admin, other.number, LENT, **at_day(1))

    assert [event["kind"] for event in timeline(admin, NUMBER)] == ["registered"]
    assert [event["kind"] for event in timeline(admin, other.number)] == ["form", "registered"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (None, "「1.貸出中」のときだけ設定できます（現在は「未登録」です）"),
        (COLLECTED, "「1.貸出中」のときだけ設定できます（現在は「2.回収後社内保管」です）"),
        (LENT | {"1-4": "無し"}, "「有り」のときだけ設定できます（現在は「無し」です）"),
    ],
)
def test_outside_its_condition_a_deposit_is_refused_with_the_reason(
    admin: TestClient, answers: dict[str, str] | None, reason: str
) -> None:
    if answers:
        submit_form(admin, NUMBER, answers)
    assert reason in state(admin, NUMBER)["deposit_refusal"]
    answer = set_deposit(admin, 1)
    assert answer.status_code == 409
    assert reason in answer.json()["detail"]


def test_a_deposit_on_a_state_that_is_over_is_a_conflict_that_shows_both_sides(admin: TestClient) -> None:
    submit_form(admin, NUMBER, LENT, **at_day(1))
    based_on = state(admin, NUMBER)["event_id"]
    set_deposit(admin, 2)
    answer = admin.put(DEPOSIT, json={"deposit": 3, "based_on": based_on})
    assert answer.status_code == 409
    assert answer.json()["yours"] == {"deposit": 3}
    assert answer.json()["current"]["deposit"] == 2


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (COLLECTED, "ステータスが「2.回収後社内保管」に変更されたため"),
        (LENT | {"1-4": "無し"}, "ユーザー機の預り有無が「無し」に変更されたため"),
    ],
)
def test_what_ends_the_condition_clears_the_deposit_by_an_event_of_its_own(
    admin: TestClient, db: Session, answers: dict[str, str], reason: str
) -> None:
    submit_form(admin, NUMBER, LENT | {"deposit": "1.返却可能"}, **at_day(1))
    answer = submit_form(admin, NUMBER, answers, **at_day(2))
    assert answer["cleared"] == reason
    cleared, form, *_ = timeline(admin, NUMBER)
    assert (cleared["kind"], cleared["source"], cleared["reason"], cleared["who"]) == ("cleared", "system", reason, "")
    assert (cleared["effective_at"], form["kind"]) == (form["effective_at"], "form")
    assert (state(admin, NUMBER, days_after_start(1.5))["deposit"], state(admin, NUMBER)["deposit"]) == (1, None)
    # One entry for both: the user's.
    *_, entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "event").order_by(AuditEntry.id))
    assert (entry.actor, entry.action, (entry.after or {})["cleared"]) == ("anna", "create", reason)


def test_an_event_of_one_device_does_not_update_another(admin: TestClient, db: Session, device: Device) -> None:
    other_device = stock.add_device(db, people.create_actor(db, "ben", loaners="admin"), "OTHER2")
    before = {"updated_at": datetime(2026, 1, 1, tzinfo=UTC)}
    db.execute(update(Device).values(before))
    db.commit()
    submit_form(admin, NUMBER, LENT)
    db.expire_all()
    assert device.updated_at > other_device.updated_at == before["updated_at"]


def test_a_form_in_which_the_deposit_was_emptied_takes_it_away(admin: TestClient) -> None:
    submit_form(admin, NUMBER, LENT, **at_day(1))
    set_deposit(admin, 4)
    submit_form(admin, NUMBER, LENT | {"1-8": "2026-12-30", "deposit": timeline(admin, NUMBER)[0]["changes"][0]["new"]})
    assert state(admin, NUMBER)["deposit"] == 4

    form = form_body(admin, NUMBER, LENT | {"1-8": "2026-12-31"})
    check = {name: value for name, value in form.items() if name != "client_id"}
    expected = admin.post(f"/api/loaners/devices/{NUMBER}/status/check", json=check).json()
    answer = admin.post(f"/api/loaners/devices/{NUMBER}/status", json=form).json()

    assert state(admin, NUMBER)["deposit"] is None
    assert expected["cleared"] == answer["cleared"] == "フォームで「預り機のステータス」が空欄にされたため"
    assert expected["changes"] == answer["changes"]
    assert "預り機のステータス" in {change["header"] for change in answer["changes"]}
    assert admin.post(f"/api/loaners/devices/{NUMBER}/status", json=form).json() == answer
    assert mark(admin, answer["event_id"]).status_code == 204
    assert state(admin, NUMBER)["deposit"] == 4


def test_a_marked_form_counts_no_more_and_takes_its_clearing_with_it(admin: TestClient, db: Session) -> None:
    submit_form(admin, NUMBER, LENT | {"deposit": "1.返却可能"}, **at_day(1))
    wrong = submit_form(admin, NUMBER, COLLECTED, **at_day(2))["event_id"]
    assert mark(admin, wrong).status_code == 204

    current = state(admin, NUMBER)
    assert (current["status"], current["deposit"], current["loan"]["borrower"]) == (1, 1, "○○商事株式会社")
    marked = [event for event in timeline(admin, NUMBER) if event["mark"]]
    assert [(event["kind"], event["mark"]["reason"], event["mark"]["marked_by"]) for event in marked] == [
        ("cleared", "二重に登録したため", "anna さん"),
        ("form", "二重に登録したため", "anna さん"),
    ]
    assert mark(admin, wrong).status_code == 204
    assert queries.find_mismatches(db) == []

    assert admin.post(f"/api/loaners/events/{wrong}/unmark").status_code == 204
    assert (state(admin, NUMBER)["status"], state(admin, NUMBER)["deposit"]) == (2, None)
    assert [event for event in timeline(admin, NUMBER) if event["mark"]] == []
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject_id == str(wrong)).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == ["create", "status_change", "status_change"]


def test_a_clearing_goes_with_the_form_that_caused_it_and_not_with_another_of_the_same_time(
    admin: TestClient, db: Session
) -> None:
    form = form_body(admin, NUMBER, LENT | {"deposit": "1.返却可能"}, **at_day(1))
    path = f"/api/loaners/devices/{NUMBER}/status"
    first = admin.post(path, json=form).json()
    second = submit_form(admin, NUMBER, LENT | {"1-4": "無し"}, **at_day(1))
    assert (first["cleared"], second["cleared"]) == (None, "ユーザー機の預り有無が「無し」に変更されたため")

    assert admin.post(path, json=form).json()["cleared"] is None
    assert mark(admin, first["event_id"]).status_code == 204
    assert [event["id"] for event in timeline(admin, NUMBER) if event["mark"]] == [first["event_id"]]
    assert mark(admin, second["event_id"]).status_code == 204
    kinds = [(event["kind"], bool(event["mark"])) for event in timeline(admin, NUMBER)]
    assert kinds == [("cleared", True), ("form", True), ("form", True), ("registered", False)]
    assert queries.find_mismatches(db) == []


def test_what_cannot_be_marked_says_why(admin: TestClient, sign_in: SignIn) -> None:
    submit_form(admin, NUMBER, LENT | {"deposit": "1.返却可能"}, **at_day(1))
    submit_form(admin, NUMBER, COLLECTED, **at_day(2))
    cleared, *_, registered_event = timeline(admin, NUMBER)
    assert (cleared["may_be_marked"], registered_event["may_be_marked"]) == (False, False)
    assert "一緒に除去されます" in mark(admin, cleared["id"]).json()["detail"]
    assert "「登録」の履歴は除去できません" in mark(admin, registered_event["id"]).json()["detail"]
    assert mark(admin, 10**9).status_code == 404
    assert mark(sign_in("sato", loaners="staff"), cleared["id"]).status_code == 403


def test_a_return_between_two_loans_cannot_be_marked_away(admin: TestClient) -> None:
    submit_form(admin, NUMBER, LENT, **at_day(1))
    return_id = submit_form(admin, NUMBER, COLLECTED, **at_day(2))["event_id"]
    submit_form(admin, NUMBER, LENT | {"1-6": "△△工業"}, **at_day(3))
    answer = mark(admin, return_id)
    assert answer.status_code == 409
    assert "返却されないまま次の貸出が始まった" in answer.json()["detail"]


def test_a_return_and_the_next_loan_may_be_of_the_same_minute(admin: TestClient) -> None:
    submit_form(admin, NUMBER, LENT, **at_day(1))
    submit_form(admin, NUMBER, COLLECTED, **at_day(2))
    submit_form(admin, NUMBER, LENT | {"1-6": "△△工業"}, **at_day(2))
    assert state(admin, NUMBER)["loan"]["borrower"] == "△△工業"
    assert state(admin, NUMBER, days_after_start(1.5))["loan"]["borrower"] == "○○商事株式会社"


def test_what_the_newest_form_leaves_empty_is_empty_in_the_loan(admin: TestClient, db: Session) -> None:
    submit_form(admin, NUMBER, LENT | {"1-2": "LOAN-1", "1-8": "2026-07-31"}, **at_day(1))
    submit_form(admin, NUMBER, LENT, **at_day(2))
    loan = state(admin, NUMBER)["loan"]
    assert (loan["borrower"], loan["loan_number"]) == ("○○商事株式会社", "")
    assert (loan["lent_on"], loan["due_on"], loan["overdue_days"]) == ("2026-07-01", None, 0)
    assert state(admin, NUMBER, days_after_start(1.5))["loan"]["since"] == loan["since"]
    assert queries.find_mismatches(db) == []


def test_a_form_that_does_not_ask_leaves_the_loan_what_it_knows(admin: TestClient, db: Session, device: Device) -> None:
    submit_form(admin, NUMBER, LENT | {"1-2": "LOAN-1", "1-8": "2026-07-31"}, **at_day(1))
    first_form = db.scalars(select(Form).where(Form.kind == "terminal", Form.number == 1)).one()
    event = history.NewEvent(
        kind=EventKind.FORM,
        source=Source.IMPORT,
        effective_at=days_after_start(2),
        form_id=first_form.id,
        answers={"0-4": "1.貸出中", "1-1": "○○商事株式会社"},
        status=1,
        borrower="○○商事株式会社",
    )
    history.record_event(db, people.create_actor(db, "ida", loaners="admin"), device.id, event)
    db.commit()
    loan = state(admin, NUMBER)["loan"]
    # The form asks for the 貸出日, which was left empty; it does not ask for the other two.
    assert (loan["loan_number"], loan["lent_on"], loan["due_on"]) == ("LOAN-1", None, "2026-07-31")
    assert queries.find_mismatches(db) == []


def test_old_answers_are_read_by_the_form_they_were_given_to(admin: TestClient, db: Session, device: Device) -> None:
    first_form = db.scalars(select(Form).where(Form.kind == "terminal", Form.number == 1)).one()
    event = history.NewEvent(
        kind=EventKind.FORM,
        source=Source.IMPORT,
        effective_at=days_after_start(1),
        form_id=first_form.id,
        answers={"0-4": "1.貸出中", "1-1": "○○商事株式会社", "1-2": "2024-07-01"},
        status=1,
        borrower="○○商事株式会社",
    )
    history.record_event(db, people.create_actor(db, "ida", loaners="admin"), device.id, event)
    db.commit()

    [form] = [entry for entry in timeline(admin, NUMBER) if entry["kind"] == "form"]
    assert form["form_number"] == 1
    assert {"header": "1-1.貸出先", "value": "○○商事株式会社"} in form["answers"]
    answers = admin.get(f"/api/loaners/devices/{NUMBER}/status-form").json()["answers"]
    assert (answers["1-6"], answers["1-7"], answers["1-1"]) == ("○○商事株式会社", "2024-07-01", "anna さん")


def test_archived_events_still_count_and_are_shown(admin: TestClient, db: Session, device: Device) -> None:
    old = register_device(
        db, people.create_actor(db, "ida", loaners="admin"), serial="OLD1", at=days_after_start(-2000)
    )
    lent_id = submit_form(admin, old.number, LENT, effective_at=days_after_start(-1900).isoformat())["event_id"]
    submit_form(admin, old.number, COLLECTED, effective_at=days_after_start(-1800).isoformat())
    before = timeline(admin, old.number)
    ids = list(
        db.scalars(select(Event.id).where(Event.device_id == old.id, Event.effective_at < days_after_start(-1850)))
    )

    assert db.scalar(text("SELECT loaners_put_away(:ids)"), {"ids": ids}) == 2
    db.commit()

    after = timeline(admin, old.number)
    assert [event["id"] for event in after if event["put_away"]] == [lent_id, before[-1]["id"]]
    unarchived = [{**event, "put_away": False, "may_be_marked": True} for event in after]
    assert unarchived == [{**event, "may_be_marked": True} for event in before]
    assert queries.find_mismatches(db) == []
    submit_form(admin, old.number, LENT)
    assert state(admin, old.number, days_after_start(-1860))["loan"]["borrower"] == "○○商事株式会社"
    assert state(admin, old.number, days_after_start(-1860))["answers"] != []


def test_a_page_can_be_seen_as_of_a_time(admin: TestClient, db: Session) -> None:
    submit_form(admin, NUMBER, LENT, **at_day(10))
    submit_form(admin, NUMBER, COLLECTED, **at_day(20))
    states = [state(admin, NUMBER, days_after_start(day)) for day in (-1, 5, 15, 25)]
    assert [(state_then["site_name"], state_then["status"], state_then["is_now"]) for state_then in states] == [
        (None, None, False),
        ("大阪", None, False),
        ("大阪", 1, False),
        ("大阪", 2, False),
    ]
    assert [bool(state_then["loan"]) for state_then in states] == [False, False, True, False]


def test_a_device_that_moved_says_so(admin: TestClient, db: Session, device: Device) -> None:
    kobe = db.scalars(select(Site).where(Site.key == "kobe")).one()
    event = history.NewEvent(kind=EventKind.TRANSFER, source=Source.VIEWER, site_id=kobe.id, reason="応援のため")
    history.record_event(db, people.create_actor(db, "ida", loaners="admin"), device.id, event)
    db.commit()
    current = state(admin, NUMBER)
    assert (current["site_name"], current["is_moved"], current["number"]) == ("神戸", True, NUMBER)
    assert timeline(admin, NUMBER)[0]["changes"] == [{"header": "拠点", "old": "大阪", "new": "神戸"}]


@pytest.mark.parametrize("statement", ["UPDATE loaners_events SET status = 2", "DELETE FROM loaners_events"])
def test_the_applications_role_neither_changes_nor_deletes_what_happened(
    db: Session, device: Device, statement: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text(statement))


def test_a_table_that_says_something_else_than_the_events_is_found(db: Session, device: Device) -> None:
    assert queries.find_mismatches(db) == []
    db.execute(text("UPDATE loaners_states SET is_archived = true"))
    assert queries.find_mismatches(db) == [NUMBER]
    history.project(db, [device.id])
    assert queries.find_mismatches(db) == []
