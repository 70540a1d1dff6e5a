"""ステータス登録: from a scanned label to the stored event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards import app as dashboards_app
from service.core.values.times import local_date
from service.loaners.forms.queries import current
from service.loaners.history import actions as history
from service.loaners.history.actions import NewEvent
from service.loaners.history.models import Event
from service.loaners.history.rules import EventKind, Source
from service.loaners.models import Device
from tests import people
from tests.api.loaners.telling import LENT, NUMBER, days_after_start, register_device
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import press, text_of, texts

Screen = Callable[..., AppTest]
KEY = "loaners.status_form"


@pytest.fixture
def device(db: Session) -> Device:
    device = register_device(db, people.create_actor(db, "ada", loaners="admin"))
    register_device(db, people.create_actor(db, "ida", loaners="admin"), serial="ABC99999")
    db.commit()
    return device


@pytest.fixture
def page(screen: Screen, device: Device) -> AppTest:
    return open_address(screen("sato", loaners="staff"), "status-form", number=NUMBER)


def lend(db: Session, device: Device) -> None:
    event = NewEvent(
        kind=EventKind.FORM,
        source=Source.FORM,
        form_id=current(db, device.kind).id,
        answers=LENT,
        status=1,
        held=True,
        borrower="○○商事株式会社",
        effective_at=days_after_start(10),
    )
    history.record_event(db, people.create_actor(db, "lena", loaners="staff"), device.id, event)
    db.commit()


def widget(page: AppTest, question: str) -> Any:
    name = page.session_state[KEY]["draft"]
    return next(element for element in input_widgets(page) if element.key == f"{KEY}.{name}.{question}")


def input_widgets(page: AppTest) -> list[Any]:
    return [*page.radio, *page.selectbox, *page.text_input, *page.date_input, *page.text_area]


def question_keys(page: AppTest) -> set[str]:
    prefix = f"{KEY}.{page.session_state[KEY]['draft']}."
    return {element.key.removeprefix(prefix) for element in input_widgets(page) if str(element.key).startswith(prefix)}


def event_count(db: Session) -> int:
    db.expire_all()
    return db.scalar(select(func.count()).where(Event.kind == "form")) or 0


def test_a_part_of_a_number_offers_devices_and_an_address_opens_its_device(screen: Screen, device: Device) -> None:
    page = open_address(screen("sato", loaners="staff"), "status-form")
    page.text_input(key=f"{KEY}.q").input("thinkpad").run()
    assert "登録する機器を選んでください。" in texts(page)
    press(page, f"{KEY}.{NUMBER}")
    assert "現在のステータスは" in texts(page)

    page = open_address(screen("suzuki", loaners="staff"), "status-form")
    page.text_input(key=f"{KEY}.q").input(f"https://genba.example/d/{NUMBER.lower()}").run()
    assert f"**{NUMBER}**" in texts(page)
    page = open_address(screen("sasaki", loaners="staff"), "status-form")
    page.text_input(key=f"{KEY}.q").input("どこにもない").run()
    assert "当てはまる機器はありません" in text_of(page.warning)


def test_a_labels_number_opens_the_form_however_it_is_written(screen: Screen, device: Device) -> None:
    page = open_address(screen("sato", loaners="staff"), "status-form", number=NUMBER.lower())
    assert f"**{NUMBER}**" in texts(page)


def test_an_unknown_number_says_so_and_leads_on(screen: Screen, device: Device) -> None:
    page = open_address(screen("sato", loaners="staff"), "status-form", number="OSAKA_SV_X_1_001")
    assert "の機器は登録されていません" in text_of(page.warning)
    press(page, f"{KEY}.other")
    assert "QRコードを読み取るか" in texts(page)


def test_questions_appear_by_the_answers_before_them(page: AppTest) -> None:
    assert question_keys(page) - {"greyed"} == {"0-4", "0-9"}
    widget(page, "0-4").set_value("3.社内にて保管中").run()
    assert "3-0" in question_keys(page)
    assert "3-1-1" not in question_keys(page)
    widget(page, "3-0").set_value("1.修理待ち").run()
    assert "3-1-1" in question_keys(page)
    widget(page, "0-4").set_value("1.貸出中").run()
    assert "1-6" in question_keys(page)
    assert "3-0" not in question_keys(page)


def test_the_deposit_is_greyed_out_until_a_users_machine_is_held(page: AppTest) -> None:
    def greyed() -> bool:
        return any(box.label == "預り機のステータス" and box.disabled for box in page.selectbox)

    assert greyed()
    assert "「有り」のときだけ選べます。" in texts(page)
    widget(page, "0-4").set_value("1.貸出中").run()
    assert greyed()
    widget(page, "1-4").set_value("有り").run()
    assert not greyed()
    assert widget(page, "deposit").options[0] == "1.返却可能"


def fill_in(page: AppTest) -> None:
    widget(page, "0-4").set_value("1.貸出中").run()
    widget(page, "1-6").input("○○商事株式会社")
    widget(page, "1-7").set_value(days_after_start(100).date())
    widget(page, "1-4").set_value("有り").run()


def test_what_changes_is_shown_and_a_second_press_stores_nothing_more(
    page: AppTest, db: Session, network: Network
) -> None:
    fill_in(page)
    press(page, f"{KEY}.check")
    assert "0-4.ステータス：:gray[（なし）] → **1.貸出中**" in texts(page)
    assert event_count(db) == 0

    state = page.session_state[KEY]
    press(page, f"{KEY}.send")
    assert "登録しました（" in text_of(page.success)
    assert event_count(db) == 1
    assert state["done"]["status_word"] == "1.貸出中"
    assert any("/loaners-device?number=" in element.value for element in page.html)

    press(page, f"{KEY}.next")
    assert "QRコードを読み取るか" in texts(page)


def test_an_answer_that_got_lost_and_its_repeat_are_stored_once(page: AppTest, db: Session, network: Network) -> None:
    fill_in(page)
    press(page, f"{KEY}.check")
    network.cut()
    press(page, f"{KEY}.send")
    assert "サービスに接続できません" in text_of(page.error)
    network.restore()
    press(page, f"{KEY}.check")
    press(page, f"{KEY}.send")
    assert "登録しました（" in text_of(page.success)
    assert event_count(db) == 1


def test_what_was_stored_although_its_answer_got_lost_is_found_and_stored_once(
    page: AppTest, db: Session, network: Network
) -> None:
    fill_in(page)
    press(page, f"{KEY}.check")
    network.lose_answers()
    press(page, f"{KEY}.send")
    assert event_count(db) == 1
    assert "登録されたかどうかわかりません" in text_of(page.error)
    assert "まだ登録されていません" not in text_of(page.error)
    network.cut()
    press(page, f"{KEY}.check")
    assert "登録されたかどうかわかりません" in text_of(page.error)
    network.restore()

    press(page, f"{KEY}.check")

    assert "登録しました（" in text_of(page.success)
    assert "0-4.ステータス：:gray[（なし）] → **1.貸出中**" in texts(page)
    assert event_count(db) == 1
    press(page, f"{KEY}.same")
    widget(page, "1-4").set_value("無し").run()
    press(page, f"{KEY}.check")
    press(page, f"{KEY}.send")
    assert event_count(db) == 2


def test_a_check_that_gets_no_answer_has_stored_nothing_and_says_so(
    page: AppTest, db: Session, network: Network
) -> None:
    fill_in(page)
    network.lose_answers()
    press(page, f"{KEY}.check")
    assert "この操作では何も保存されていません" in text_of(page.error)
    assert "確認できません" not in text_of(page.error)
    network.restore()
    press(page, f"{KEY}.check")
    press(page, f"{KEY}.send")
    assert event_count(db) == 1


def test_leaving_the_form_after_a_lost_answer_stores_nothing_twice(
    page: AppTest, db: Session, network: Network
) -> None:
    fill_in(page)
    press(page, f"{KEY}.check")
    network.lose_answers()
    press(page, f"{KEY}.send")
    network.restore()
    press(page, f"{KEY}.leave")
    page.text_input(key=f"{KEY}.q").input(NUMBER).run()

    press(page, f"{KEY}.check")

    assert "登録しました（" in text_of(page.success)
    assert event_count(db) == 1


def test_a_missing_answer_is_reported_at_its_question(page: AppTest) -> None:
    widget(page, "0-4").set_value("1.貸出中").run()
    press(page, f"{KEY}.check")
    assert "「貸出先」を入力してください。" in texts(page)
    assert "赤字の項目を直して" in text_of(page.error)


def test_it_begins_with_the_last_answers(page: AppTest, screen: Screen, db: Session, device: Device) -> None:
    lend(db, device)
    page = open_address(screen("suzuki", loaners="staff"), "status-form", number=NUMBER)
    assert widget(page, "1-6").value == "○○商事株式会社"
    assert widget(page, "1-4").value == "有り"


def test_a_stale_form_loads_the_newer_answers(page: AppTest, db: Session, device: Device) -> None:
    fill_in(page)
    lend(db, device)
    press(page, f"{KEY}.check")
    assert "で登録しました。あなたの入力はまだ登録されていません。" in text_of(page.error)
    press(page, f"{KEY}.again")
    assert widget(page, "1-6").value == "○○商事株式会社"
    assert event_count(db) == 1


def reopen() -> AppTest:
    """Opens the page as a phone does that has discarded it: the user is the same."""
    frame = AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)
    return open_address(frame, "status-form", number=NUMBER)


def test_a_page_that_is_loaded_anew_goes_on_with_what_was_typed(page: AppTest, db: Session) -> None:
    fill_in(page)
    page.toggle(key=f"{KEY}.{page.session_state[KEY]['draft']}.late").set_value(True).run()
    page.date_input(key=f"{KEY}.{page.session_state[KEY]['draft']}.late.day").set_value(
        days_after_start(150).date()
    ).run()

    page = reopen()

    assert "前回の入力の続きです" in texts(page)
    assert widget(page, "1-6").value == "○○商事株式会社"
    assert widget(page, "1-4").value == "有り"
    press(page, f"{KEY}.check")
    press(page, f"{KEY}.send")
    event = db.scalars(select(Event).where(Event.kind == "form")).one()
    assert local_date(event.effective_at) == days_after_start(150).date()
    # Once it is stored, no draft remains.
    assert "前回の入力の続きです" not in texts(reopen())


def test_what_one_user_typed_is_shown_to_no_other(page: AppTest, screen: Screen) -> None:
    fill_in(page)
    page = open_address(screen("suzuki", loaners="staff"), "status-form", number=NUMBER)
    assert "前回の入力の続きです" not in texts(page)
    assert widget(page, "0-4").value is None


def test_what_was_typed_before_can_be_discarded(page: AppTest) -> None:
    fill_in(page)
    page = reopen()
    press(page, f"{KEY}.begin")
    assert widget(page, "0-4").value is None
    assert "前回の入力の続きです" not in texts(reopen())


def test_what_was_typed_into_an_older_state_is_not_continued(page: AppTest, db: Session, device: Device) -> None:
    fill_in(page)
    widget(page, "1-6").input("別の会社").run()
    lend(db, device)
    page = reopen()
    assert "前回の入力の続きです" not in texts(page)
    assert widget(page, "1-6").value == "○○商事株式会社"


def test_a_late_entry_says_when_it_happened(page: AppTest, db: Session) -> None:
    fill_in(page)
    name = page.session_state[KEY]["draft"]
    page.toggle(key=f"{KEY}.{name}.late").set_value(True).run()
    page.date_input(key=f"{KEY}.{name}.late.day").set_value(days_after_start(150).date()).run()
    press(page, f"{KEY}.check")
    press(page, f"{KEY}.send")
    event = db.scalars(select(Event).where(Event.kind == "form")).one()
    assert local_date(event.effective_at) == days_after_start(150).date()
    assert event.recorded_at > event.effective_at
