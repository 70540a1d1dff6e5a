"""The status form: what it asks, what is stored, and what is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.loaners.forms.models import Form
from service.loaners.history.models import Event
from service.loaners.models import Device
from tests import people
from tests.api.loaners.telling import (
    COLLECTED,
    LENT,
    NUMBER,
    STORED,
    days_after_start,
    form_body,
    mails,
    post_form,
    register_device,
    state,
    submit_form,
    timeline,
)

SignIn = Callable[..., TestClient]


@pytest.fixture
def device(db: Session) -> Device:
    return register_device(db, people.create_actor(db, "ada", loaners="admin"))


@pytest.fixture
def staff(device: Device, sign_in: SignIn) -> TestClient:
    return sign_in("sato", loaners="staff")


def count_forms(db: Session) -> int:
    return db.scalar(select(func.count()).where(Event.kind == "form")) or 0


def test_a_form_starts_with_the_known_answers_and_the_users_name(staff: TestClient) -> None:
    form = staff.get(f"/api/loaners/devices/{NUMBER}/status-form").json()
    assert (form["status_word"], form["form"], form["based_on"]) == ("未登録", 2, None)
    assert form["answers"] == {"1-1": "sato さん"}

    submit_form(staff, NUMBER, LENT | {"deposit": "1.返却可能"})
    form = staff.get(f"/api/loaners/devices/{NUMBER}/status-form").json()
    assert form["answers"] == LENT | {"deposit": "1.返却可能"}


def test_each_question_says_all_its_conditions_as_answers(staff: TestClient) -> None:
    form = staff.get(f"/api/loaners/devices/{NUMBER}/status-form").json()
    shown = {question["key"]: question["shown_when"] for question in form["questions"]}
    in_storage = {"key": "0-4", "one_of": ["3.社内にて保管中"]}
    assert shown["0-4"] == shown["0-9"] == []
    assert shown["3-0"] == [in_storage]
    assert shown["3-1-2"] == [in_storage, {"key": "3-0", "one_of": ["1.修理待ち"]}]
    assert shown["deposit"] == [{"key": "1-4", "one_of": ["有り"]}]


def test_a_form_is_stored_and_answered_with_what_it_changed(staff: TestClient, db: Session) -> None:
    answer = submit_form(staff, NUMBER, LENT)
    assert (answer["number"], answer["status_word"], answer["mail_to"]) == (NUMBER, "1.貸出中", None)
    assert {"header": "0-4.ステータス", "old": "", "new": "1.貸出中"} in answer["changes"]

    event = db.get_one(Event, answer["event_id"])
    assert (event.status, event.held, event.borrower, str(event.lent_on)) == (1, True, "○○商事株式会社", "2026-07-01")
    assert (event.source, event.actor, event.actor_name) == ("form", "sato", "sato さん")
    assert db.get_one(Device, event.device_id).updated_at == event.recorded_at
    assert state(staff, NUMBER)["loan"]["borrower"] == "○○商事株式会社"


def test_what_it_would_change_can_be_seen_before_anything_is_stored(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT | {"deposit": "1.返却可能"})
    form = form_body(staff, NUMBER, COLLECTED)
    del form["client_id"]
    check = staff.post(f"/api/loaners/devices/{NUMBER}/status/check", json=form).json()
    assert check["cleared"] == "ステータスが「2.回収後社内保管」に変更されたため"
    changes = {change["header"]: (change["old"], change["new"]) for change in check["changes"]}
    assert changes["0-4.ステータス"] == ("1.貸出中", "2.回収後社内保管")
    assert changes["預り機のステータス"] == ("1.返却可能", "")
    assert count_forms(db) == 1

    form = form_body(staff, NUMBER, LENT | {"deposit": "1.返却可能"})
    del form["client_id"]
    again = staff.post(f"/api/loaners/devices/{NUMBER}/status/check", json=form).json()
    assert (again["changes"], again["warnings"]) == ([], ["前回の登録から変わる項目はありません。"])


def test_a_form_that_is_sent_twice_is_stored_once_and_answered_alike(staff: TestClient, db: Session) -> None:
    form = form_body(staff, NUMBER, LENT)
    path = f"/api/loaners/devices/{NUMBER}/status"
    first = staff.post(path, json=form)
    submit_form(staff, NUMBER, COLLECTED)
    again = staff.post(path, json=form)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert count_forms(db) == 2


def test_a_check_with_the_idempotency_key_of_a_stored_form_says_so(
    staff: TestClient, sign_in: SignIn, device: Device, db: Session
) -> None:
    form = form_body(staff, NUMBER, LENT)
    path = f"/api/loaners/devices/{NUMBER}/status"
    assert staff.post(f"{path}/check", json=form).json()["stored"] is None
    first = staff.post(path, json=form).json()

    check = staff.post(f"{path}/check", json=form).json()

    assert check["stored"] == first
    assert (check["changes"], check["warnings"]) == (first["changes"], [])
    assert count_forms(db) == 1
    other = sign_in("suzuki", loaners="staff")
    assert other.post(f"{path}/check", json=form).status_code == 409


def test_another_users_idempotency_key_is_refused(staff: TestClient, sign_in: SignIn, db: Session) -> None:
    form = form_body(staff, NUMBER, LENT)
    staff.post(f"/api/loaners/devices/{NUMBER}/status", json=form)
    other = sign_in("suzuki", loaners="staff")
    answer = other.post(f"/api/loaners/devices/{NUMBER}/status", json=form)
    assert answer.status_code == 409
    assert "別の登録で使われています" in answer.json()["detail"]


def test_errors_are_reported_by_question(staff: TestClient, db: Session) -> None:
    answer = post_form(staff, NUMBER, {"0-4": "1.貸出中", "1-1": "山田", "1-4": "あり", "1-7": "7月1日"})
    assert answer.status_code == 422
    assert {error["field"]: error["message"] for error in answer.json()["errors"]} == {
        "answers.1-6": "「貸出先」を入力してください。",
        "answers.1-4": "「ユーザー機の預り有無」は選択肢から選んでください。",
        "answers.1-7": "「貸出日」は日付（例: 2026/11/21）で入力してください。",
    }
    answer = post_form(staff, NUMBER, {name: value for name, value in LENT.items() if name != "1-4"})
    assert answer.json()["errors"] == [
        {"field": "answers.1-4", "message": "「ユーザー機の預り有無」を選んでください。"}
    ]
    answer = post_form(staff, NUMBER, LENT | {"1-8": "2026-06-30"})
    assert answer.json()["errors"] == [
        {"field": "answers.1-8", "message": "「返却予定日」は「貸出日」以降の日付にしてください。"}
    ]
    assert count_forms(db) == 0


def test_answers_to_hidden_questions_are_not_stored(staff: TestClient, db: Session) -> None:
    answer = submit_form(staff, NUMBER, STORED | {"1-6": "○○商事", "3-2-1": "設定係", "deposit": "1.返却可能"})
    event = db.get_one(Event, answer["event_id"])
    assert event.answers == STORED
    assert (event.borrower, event.deposit) == ("", None)


def test_a_question_that_the_form_no_longer_asks_keeps_its_answer(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT | {"1-2": "LOAN-2024-001"})
    current = db.scalars(select(Form).where(Form.kind == "terminal", Form.number == 2)).one()
    questions = [question for question in current.questions if question["key"] != "1-2"]
    db.add(Form(kind="terminal", number=3, questions=questions, published_at=days_after_start(1)))
    db.commit()

    answer = submit_form(staff, NUMBER, LENT | {"1-4": "無し"})

    assert db.get_one(Event, answer["event_id"]).answers["1-2"] == "LOAN-2024-001"
    assert [change["header"] for change in answer["changes"] if change["old"] == "LOAN-2024-001"] == ["1-2.貸出番号"]


def test_an_older_form_version_is_refused_with_the_changes(staff: TestClient, db: Session) -> None:
    form = form_body(staff, NUMBER, LENT)
    current = db.scalars(select(Form).where(Form.kind == "terminal", Form.number == 2)).one()
    asset = {**current.questions[-1], "key": "0-8", "title": "付属品"}
    db.add(Form(kind="terminal", number=3, questions=[*current.questions, asset], published_at=days_after_start(1)))
    db.commit()

    answer = staff.post(f"/api/loaners/devices/{NUMBER}/status", json=form)

    assert answer.status_code == 409
    assert "第3版" in answer.json()["detail"]
    assert "質問「0-8.付属品」が増えました。" in answer.json()["detail"]
    assert count_forms(db) == 0


def test_a_stale_form_is_refused_and_overwrites_nothing(staff: TestClient, db: Session) -> None:
    form = form_body(staff, NUMBER, STORED)
    submit_form(staff, NUMBER, LENT)
    answer = staff.post(f"/api/loaners/devices/{NUMBER}/status", json=form)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:genba:stale"
    assert "sato さんさんが" in answer.json()["detail"]
    assert "「1.貸出中」で登録しました" in answer.json()["detail"]
    assert count_forms(db) == 1


def test_a_late_entry_stands_where_it_happened_and_today_stays(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT, effective_at=days_after_start(20).isoformat())
    submit_form(staff, NUMBER, COLLECTED, effective_at=days_after_start(40).isoformat())
    form = form_body(staff, NUMBER, LENT | {"1-4": "無し"}, effective_at=days_after_start(30).isoformat())
    check = {name: value for name, value in form.items() if name != "client_id"}
    expected = staff.post(f"/api/loaners/devices/{NUMBER}/status/check", json=check).json()
    answer = staff.post(f"/api/loaners/devices/{NUMBER}/status", json=form).json()

    assert "現在のステータスは「2.回収後社内保管」のままです。" in expected["warnings"][0]
    assert answer["status_word"] == "2.回収後社内保管"
    assert [(change["old"], change["new"]) for change in answer["changes"]] == [("有り", "無し")]
    held = [state(staff, NUMBER, days_after_start(day))["held"] for day in (25, 35)]
    assert held == [True, False]
    assert state(staff, NUMBER)["status"] == 2
    assert timeline(staff, NUMBER)[0]["is_late"]


@pytest.mark.parametrize(
    ("effective_at", "message"),
    [("2100-01-01T00:00:00Z", "発生日時が未来です"), ("2025-12-31T00:00:00Z", "より前のことは登録")],
)
def test_what_cannot_have_happened_then_is_refused(staff: TestClient, effective_at: str, message: str) -> None:
    answer = post_form(staff, NUMBER, LENT, effective_at=effective_at)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], message in error["message"]) == ("effective_at", True)


def test_a_lent_device_is_lent_to_no_other_borrower(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT)
    answer = post_form(staff, NUMBER, LENT | {"1-6": "△△工業"})
    assert answer.status_code == 409
    assert "「○○商事株式会社」へ貸出中です" in answer.json()["detail"]
    assert "「△△工業」への貸出は、返却" in answer.json()["detail"]

    submit_form(staff, NUMBER, COLLECTED)
    submit_form(staff, NUMBER, LENT | {"1-6": "△△工業"})
    assert state(staff, NUMBER)["loan"]["borrower"] == "△△工業"


def test_the_same_loan_goes_on_and_its_name_may_be_put_right(staff: TestClient) -> None:
    submit_form(staff, NUMBER, LENT | {"1-2": "LOAN-2024-001"})
    since = state(staff, NUMBER)["loan"]["since"]
    submit_form(staff, NUMBER, LENT | {"1-2": "LOAN-2024-001", "1-6": "○○商事", "1-8": "2026-07-31"})
    loan = state(staff, NUMBER)["loan"]
    assert (loan["since"], loan["borrower"], loan["due_on"]) == (since, "○○商事", "2026-07-31")
    assert loan["overdue_days"] > 0


def test_an_archived_device_takes_no_form(staff: TestClient, db: Session, device: Device) -> None:
    from service.loaners.history import actions as history
    from service.loaners.history.rules import EventKind, Source

    history.record_event(
        db,
        people.create_actor(db, "ida", loaners="admin"),
        device.id,
        history.NewEvent(kind=EventKind.ARCHIVED, source=Source.VIEWER),
    )
    db.commit()
    assert "無効です" in staff.get(f"/api/loaners/devices/{NUMBER}/status-form").json()["refusal"]
    assert post_form(staff, NUMBER, LENT).status_code == 409


def test_an_auditor_reads_and_writes_nothing(device: Device, sign_in: SignIn) -> None:
    auditor = sign_in("aoki", loaners="auditor")
    assert auditor.get(f"/api/loaners/devices/{NUMBER}/state").status_code == 200
    form = {"form": 2, "answers": LENT, "client_id": str(uuid.uuid4())}
    assert auditor.post(f"/api/loaners/devices/{NUMBER}/status", json=form).status_code == 403
    answer = auditor.put(f"/api/loaners/devices/{NUMBER}/deposit", json={"deposit": 1, "based_on": 1})
    assert answer.status_code == 403


def test_mails_are_none_while_the_flag_is_off(staff: TestClient, db: Session) -> None:
    submit_form(staff, NUMBER, LENT)
    assert mails(db) == []
