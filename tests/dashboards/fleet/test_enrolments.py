"""登録コード: issued and shown once, listed with its state, revoked after a confirmation."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.fleet.models import Customer, EnrolmentCode
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning
from tests.dashboards.pages import Screen, assert_survives_outage, click_row_action, fill, press, rows, text_of, texts


def test_a_code_is_issued_shown_once_with_the_command_for_the_store_pc_and_revoked_after_a_confirmation(
    db: Session, screen: Screen, network: Network
) -> None:
    fill_morning(db)
    page = open_address(screen("anna", fleet="admin"), "enrolments")
    assert "**まだ登録コードはありません**" in texts(page)
    press(page, "enrolments.issue")
    abc = db.scalars(select(Customer).where(Customer.company_name == "ABC商事")).one()
    fill(page, "enrolments.new", customer_id=abc.id, maximum_uses=5)
    press(page, "enrolments.new.submit")

    enrolment_code = db.scalars(select(EnrolmentCode)).one()
    assert (enrolment_code.customer_id, enrolment_code.maximum_uses) == (abc.id, 5)
    code = page.code[0].value
    assert f"agent enrol --config /etc/genba-agent.toml --code {code}" in text_of(page.code)
    assert "install-windows.ps1" in text_of(page.code)
    press(page, "enrolment.noted")
    assert code not in text_of(page.code)
    assert "使える登録コードは1件で、あと5台を登録できます。" in texts(page)
    assert rows(page)[0]["対象"] == "ABC商事"

    click_row_action(page, "fleet.codes", "失効させる")
    press(page, f"enrolments.revoke.{enrolment_code.id}.confirm")
    db.refresh(enrolment_code)
    assert enrolment_code.revoked_at is not None
    assert rows(page)[0]["状態"] == ["失効"]
    assert_survives_outage(page, network)
