"""登録コード: issued and shown once, listed with its state, revoked after being asked."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboards.fleet.words import CODES
from service.fleet.agents.rules import CodeState
from service.fleet.models import Customer, EnrolmentCode
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.fleet.scene import a_morning
from tests.dashboards.pages import Screen, act, fill, goes_away, press, rows, said, texts


def test_a_code_is_issued_shown_once_with_the_line_for_the_store_pc_and_revoked_after_being_asked(
    db: Session, screen: Screen, line: Line
) -> None:
    a_morning(db)
    page = opened_at(screen("anna", fleet="admin"), "enrolments")
    assert "**まだ登録コードはありません**" in texts(page)
    press(page, "enrolments.issue")
    abc = db.scalars(select(Customer).where(Customer.company_name == "ABC商事")).one()
    fill(page, "enrolments.new", customer_id=abc.id, maximum_uses=5)
    press(page, "enrolments.new.submit")

    made = db.scalars(select(EnrolmentCode)).one()
    assert (made.customer_id, made.maximum_uses) == (abc.id, 5)
    code = page.code[0].value
    assert f"agent enrol --config /etc/genba-agent.toml --code {code}" in said(page.code)
    assert "install-windows.ps1" in said(page.code)
    press(page, "enrolment.noted")
    assert code not in said(page.code)
    assert "使える登録コードは1件で、あと5台を登録できます。" in texts(page)
    assert rows(page)[0]["対象"] == "ABC商事"

    act(page, "fleet.codes", "失効させる")
    press(page, f"enrolments.revoke.{made.id}.confirm")
    db.refresh(made)
    assert made.revoked_at is not None
    assert rows(page)[0]["状態"] == ["失効"]
    goes_away(page, line)


def test_every_state_has_a_word() -> None:
    assert CODES.keys() == {state.value for state in CodeState}
