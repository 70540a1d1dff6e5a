"""Idempotency keys when an answer is lost: pressing again stores once, and shows the first answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.fleet.models import Customer, EnrolmentCode
from tests import factories
from tests.dashboards.conftest import Network, open_address

Screen = Callable[..., AppTest]


def press(page: AppTest, key: str) -> None:
    page.button(key=key).click().run()


def messages(page: AppTest) -> str:
    return "\n".join(element.value for element in (*page.error, *page.markdown)).replace("\\", "")


def names(db: Session) -> list[str]:
    db.expire_all()
    return list(db.scalars(select(Customer.company_name).order_by(Customer.id)))


@pytest.fixture
def customer_form(screen: Screen) -> AppTest:
    page = open_address(screen("anna", fleet="admin"), "customers")
    press(page, "customers.new")
    for name, value in {
        "company_name": "田中ストア",
        "contact_person": "田中 花子",
        "contact_email": "h.tanaka@example.jp",
        "contact_phone": "06-1234-5678",
    }.items():
        page.text_input(key=f"customer.new.{name}.0").input(value)
    return page


def press_and_lose_answer(page: AppTest, network: Network, key: str) -> None:
    """The service handles the press, but its answer does not arrive."""
    network.lose_answers()
    press(page, key)
    network.restore()


def test_a_form_that_is_sent_again_is_stored_once_and_says_so(
    customer_form: AppTest, db: Session, network: Network
) -> None:
    press_and_lose_answer(customer_form, network, "customer.new.submit")
    assert names(db) == ["田中ストア"]
    assert "二重には保存されません" in messages(customer_form)

    press(customer_form, "customer.new.submit")

    assert names(db) == ["田中ストア"]
    assert [toast.value for toast in customer_form.toast] == ["田中ストアを登録しました。"]


def test_a_form_changed_after_a_lost_answer_warns_before_it_is_stored_again(
    customer_form: AppTest, db: Session, network: Network
) -> None:
    press_and_lose_answer(customer_form, network, "customer.new.submit")
    customer_form.text_input(key="customer.new.company_name.0").input("田中ストア 本店")

    press(customer_form, "customer.new.submit")
    assert "前回の送信は、応答が届きませんでしたが、すでに保存されています" in messages(customer_form)
    assert names(db) == ["田中ストア"]

    press(customer_form, "customer.new.submit")
    assert names(db) == ["田中ストア", "田中ストア 本店"]


def test_a_code_that_is_shown_once_is_still_shown(screen: Screen, db: Session, network: Network) -> None:
    factories.customer(db, "ABC商事")
    db.commit()
    page = open_address(screen("anna", fleet="admin"), "enrolments")
    press(page, "enrolments.issue")
    customer = db.scalars(select(Customer)).one()
    page.selectbox(key="enrolments.new.customer_id.0").set_value(customer.id)

    press_and_lose_answer(page, network, "enrolments.new.submit")
    press(page, "enrolments.new.submit")

    assert len(db.scalars(select(EnrolmentCode)).all()) == 1
    assert page.code[0].value
