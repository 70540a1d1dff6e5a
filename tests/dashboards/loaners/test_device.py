"""機器詳細: what a device is, who has it, and what happened to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.loaners.forms.queries import current
from service.loaners.history import actions as history
from service.loaners.history.actions import NewEvent
from service.loaners.history.models import Event, Mark
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device, DeviceState, Site
from tests import people
from tests.api.loaners.telling import COLLECTED, LENT, NUMBER, days_after_start, register_device
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import press, texts

Screen = Callable[..., AppTest]
KEY, PAST = "loaners.device", "loaners.timeline"


@pytest.fixture
def device(db: Session) -> Device:
    return register_device(db, people.create_actor(db, "ada", loaners="admin"))


def record_form_event(db: Session, device: Device, day: float, answers: dict[str, str], **columns: Any) -> int:
    event = NewEvent(
        kind=EventKind.FORM,
        source=Source.FORM,
        form_id=current(db, device.kind).id,
        answers=answers,
        effective_at=days_after_start(day),
        **columns,
    )
    login_id = f"lena-{day}".replace(".", "-")
    result = history.record_event(db, people.create_actor(db, login_id, loaners="staff"), device.id, event)
    db.commit()
    return result.event.id


@pytest.fixture
def lent(db: Session, device: Device) -> int:
    return record_form_event(
        db, device, 10, LENT, status=1, held=True, borrower="○○商事株式会社", lent_on=days_after_start(10).date()
    )


def state(db: Session, device: Device) -> DeviceState:
    db.expire_all()
    return db.scalars(select(DeviceState).where(DeviceState.device_id == device.id).order_by(DeviceState.during)).all()[
        -1
    ]


def test_the_first_line_says_where_it_is_and_who_has_it(screen: Screen, lent: int) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-device", number=NUMBER)
    assert "は**大阪**（関西）の機器で、" in texts(page)
    assert "**○○商事株式会社**へ貸し出してから" in texts(page)
    assert "預り機のステータスは**未設定**です。" in texts(page)
    assert "0-4.ステータス：:gray[（なし）] → **1.貸出中**" in texts(page)
    assert any(f"/status-form?number={NUMBER}" in element.value for element in page.html)
    assert not page.exception


def test_the_deposit_is_set_here_and_greyed_out_with_its_reason(
    screen: Screen, db: Session, device: Device, lent: int
) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-device", number=NUMBER)
    press(page, f"{KEY}.deposit")
    name = f"{KEY}.deposit.{lent}"
    page.radio(key=f"{name}.deposit.0").set_value(3)
    press(page, f"{name}.submit")
    assert state(db, device).deposit == 3
    assert "3.お客様による返却拒否" in texts(page)

    record_form_event(db, device, 20, COLLECTED, status=2)
    page = open_address(screen("suzuki", loaners="staff"), "loaners-device", number=NUMBER)
    assert page.button(key=f"{KEY}.deposit").disabled
    assert "「1.貸出中」のときだけ設定できます（現在は「2.回収後社内保管」です）。" in texts(page)


def test_an_administrator_marks_a_duplicate_event_and_undoes_it(
    screen: Screen, db: Session, device: Device, lent: int
) -> None:
    wrong = record_form_event(db, device, 20, COLLECTED, status=2)
    page = open_address(screen("anna", loaners="admin"), "loaners-device", number=NUMBER)
    assert f"{PAST}.more" not in {button.key for button in page.button}
    press(page, f"{PAST}.mark.{wrong}")
    press(page, f"{PAST}.mark.{wrong}.confirm")
    assert db.get(Mark, wrong, populate_existing=True) is not None
    assert state(db, device).status == 1
    assert "除去: 二重に登録したため（anna さん・" in texts(page)

    press(page, f"{PAST}.unmark.{wrong}")
    press(page, f"{PAST}.unmark.{wrong}.confirm")
    assert state(db, device).status == 2


def test_staff_see_no_way_to_mark_and_an_auditor_no_form(screen: Screen, lent: int) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-device", number=NUMBER)
    assert f"{PAST}.mark.{lent}" not in {button.key for button in page.button}
    page = open_address(screen("aoki", loaners="auditor"), "loaners-device", number=NUMBER)
    assert f"{KEY}.deposit" not in {button.key for button in page.button}
    assert not any("/status-form" in element.value for element in page.html)


def test_a_day_of_the_past_shows_the_state_of_that_day(screen: Screen, db: Session, device: Device, lent: int) -> None:
    record_form_event(db, device, 20, COLLECTED, status=2)
    page = open_address(
        screen("sato", loaners="staff"), "loaners-device", number=NUMBER, as_of=days_after_start(15).date().isoformat()
    )
    assert "2026/01/20 23:59:59時点では、" in texts(page)
    assert "**○○商事株式会社**へ" in texts(page)
    assert "最終更新 23:59:59" not in texts(page)
    press(page, f"{KEY}.now")
    assert "時点では" not in texts(page)


def test_the_mails_about_it_stand_below(screen: Screen, db: Session, device: Device) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-device", number=NUMBER)
    assert "この機器の通知はまだありません" in texts(page)

    db.execute(update(Site).values(notifies=True))
    db.commit()
    page = open_address(screen("suzuki", loaners="staff"), "status-form", number=NUMBER)
    name = page.session_state["loaners.status_form"]["draft"]
    page.radio(key=f"loaners.status_form.{name}.0-4").set_value("2.回収後社内保管").run()
    page.date_input(key=f"loaners.status_form.{name}.2-1").set_value(days_after_start(30).date()).run()
    press(page, "loaners.status_form.check")
    assert "test-group@example.com にメールで通知します。" in texts(page)
    press(page, "loaners.status_form.send")
    page = open_address(screen("sasaki", loaners="staff"), "loaners-device", number=NUMBER)
    assert f"【代替機】{NUMBER} 未登録 → 2.回収後社内保管" in texts(page)
    assert not any("mails" in str(button.key) for button in page.button)  # there are no further mails
    assert db.scalars(select(Event).where(Event.kind == "form")).one().status == 2


def test_a_device_is_moved_from_here(screen: Screen, db: Session, device: Device, lent: int) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-device", number=NUMBER)
    press(page, f"{KEY}.move_location")
    kobe = db.scalars(select(Site.id).where(Site.key == "kobe")).one()
    name = f"loaners.device.transfer.{device.id}"
    page.selectbox(key=f"{name}.site_id.0").set_value(kobe)
    page.text_input(key=f"{name}.reason.0").input("応援のため")
    press(page, f"{name}.submit")
    assert state(db, device).site_id == kobe
    assert "は**神戸**（関西）の機器で、" in texts(page)
    assert f"{KEY}.archive" not in {button.key for button in page.button}


def test_an_unknown_number_is_reported_once(screen: Screen, device: Device) -> None:
    page = open_address(screen("sato", loaners="staff"), "loaners-device", number="OSAKA_SV_X_1_001")
    assert [element.value.count("の機器は登録されていません") for element in page.error] == [1]
    assert not page.subheader
