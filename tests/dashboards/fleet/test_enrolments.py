"""登録コード: issued and shown once, listed with its state, revoked after being asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.fleet.words import CODES
from service.fleet.agents.rules import CodeState
from service.fleet.models import Customer, EnrolmentCode
from tests import factories
from tests.dashboards.conftest import opened_at
from tests.dashboards.fleet.scene import a_morning

Screen = Callable[..., AppTest]


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


def codes(page: AppTest) -> str:
    return "\n".join(element.value for element in page.code)


@pytest.fixture
def page(db: Session, screen: Screen) -> AppTest:
    a_morning(db)
    return opened_at(screen("anna", fleet="admin"), "enrolments")


def test_a_code_is_issued_and_shown_once_with_the_line_for_the_store_pc(page: AppTest, db: Session) -> None:
    assert "**まだ登録コードはありません**" in texts(page)
    page.button(key="enrolments.issue").click().run()
    abc = db.scalars(select(Customer).where(Customer.company_name == "ABC商事")).one()
    page.selectbox(key="enrolments.new.customer_id.0").set_value(abc.id)
    page.number_input(key="enrolments.new.maximum_uses.0").set_value(5)
    page.button(key="enrolments.new.submit").click().run()

    row = db.scalars(select(EnrolmentCode)).one()
    assert (row.customer_id, row.maximum_uses) == (abc.id, 5)
    code = page.code[0].value
    assert f"agent enrol --config /etc/genba-agent.toml --code {code}" in codes(page)
    assert "install-windows.ps1" in codes(page)
    page.button(key="enrolment.noted").click().run()
    assert code not in codes(page)
    assert "使える登録コードは1件で、あと5台を登録できます。" in texts(page)


def test_a_code_is_revoked_after_being_asked(db: Session, screen: Screen) -> None:
    factories.enrolment_code(db, factories.customer(db, "ABC商事"))
    db.commit()
    page = opened_at(screen("anna", fleet="admin"), "enrolments")
    [row] = page.session_state["live.fleet.codes"].data["items"]
    assert page.dataframe[0].value["対象"][0] == "ABC商事"
    page.session_state["fleet.codes.clicked"] = ("失効させる", row)
    page.run()
    page.button(key=f"enrolments.revoke.{row['id']}.confirm").click().run()
    db.expire_all()
    assert db.get_one(EnrolmentCode, row["id"]).revoked_at is not None
    assert list(page.dataframe[0].value["状態"][0]) == ["失効"]


def test_an_operator_is_refused(screen: Screen) -> None:
    page = opened_at(screen("olivia", fleet="operator"), "enrolments")
    assert [title.value for title in page.title] == ["この画面を表示する権限がありません"]


def test_every_state_has_a_word() -> None:
    assert CODES.keys() == {state.value for state in CodeState}
