"""An answer that got lost: who presses again stores once, and sees what was answered the first time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.fleet.models import Customer, EnrolmentCode
from tests import factories
from tests.dashboards.conftest import Line, opened_at

Screen = Callable[..., AppTest]


def press(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()


def said(page: AppTest) -> str:
    return "\n".join(one.value for one in (*page.error, *page.markdown)).replace("\\", "")


def names(db: Session) -> list[str]:
    db.expire_all()
    return list(db.scalars(select(Customer.company_name).order_by(Customer.id)))


@pytest.fixture
def registering(screen: Screen) -> AppTest:
    page = opened_at(screen("anna", fleet="admin"), "customers")
    press(page, "customers.new")
    for name, value in {
        "company_name": "田中ストア",
        "contact_person": "田中 花子",
        "contact_email": "h.tanaka@example.jp",
        "contact_phone": "06-1234-5678",
    }.items():
        page.text_input(key=f"customer.new.{name}.0").input(value)
    return page


def lost(page: AppTest, line: Line, key: str) -> None:
    """The press is done, and nobody hears of it."""
    line.lose_answers()
    press(page, key)
    line.mend()


def test_a_form_that_is_sent_again_is_stored_once_and_says_so(registering: AppTest, db: Session, line: Line) -> None:
    lost(registering, line, "customer.new.submit")
    assert names(db) == ["田中ストア"]
    assert "二重には保存されません" in said(registering)

    press(registering, "customer.new.submit")

    assert names(db) == ["田中ストア"]
    assert [toast.value for toast in registering.toast] == ["田中ストアを登録しました。"]


def test_who_changes_something_in_between_is_told_and_may_go_on(registering: AppTest, db: Session, line: Line) -> None:
    lost(registering, line, "customer.new.submit")
    registering.text_input(key="customer.new.company_name.0").input("田中ストア 本店")

    press(registering, "customer.new.submit")
    assert "前回の送信は、応答が届きませんでしたが、すでに保存されています" in said(registering)
    assert names(db) == ["田中ストア"]

    press(registering, "customer.new.submit")
    assert names(db) == ["田中ストア", "田中ストア 本店"]


def test_a_code_that_is_shown_once_is_still_shown(screen: Screen, db: Session, line: Line) -> None:
    factories.customer(db, "ABC商事")
    db.commit()
    page = opened_at(screen("anna", fleet="admin"), "enrolments")
    press(page, "enrolments.issue")
    customer = db.scalars(select(Customer)).one()
    page.selectbox(key="enrolments.new.customer_id.0").set_value(customer.id)

    lost(page, line, "enrolments.new.submit")
    press(page, "enrolments.new.submit")

    assert len(db.scalars(select(EnrolmentCode)).all()) == 1
    assert page.code[0].value
