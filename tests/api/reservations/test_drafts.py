"""週次・月次レポート: drafted once with fixed figures, written and finished by operators, read by managers, mailed."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pypdfium2 import PdfDocument
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.files.records import File
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.chores import actions as chores
from service.reservations.chores import schemas as chore_schemas
from service.reservations.chores.models import Chore, ChoreTurn
from service.reservations.drafts import actions
from service.reservations.drafts.models import ActivityReport
from service.reservations.incidents import actions as incidents
from service.reservations.incidents import queries as incident_queries
from service.reservations.incidents import schemas as incident_schemas
from service.reservations.incidents.rules import Level, Mark
from service.reservations.operations import actions as operations
from service.reservations.outgoing.models import Payment
from service.reservations.state_machine.states import Answer, Task
from tests import people
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
REPORTS = "/api/reservations/reports"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


@pytest.fixture(scope="module")
def _engine(planned_engine: Engine) -> Engine:
    return planned_engine


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    """Wednesday, 2031/1/8, at ten: the fifth business day of January; the calendar is planned."""
    scene.fill(db)
    db.commit()


@pytest.fixture
def olivia(sign_in: SignIn) -> TestClient:
    return sign_in("olivia", reservations="operator")


def draft_at(db: Session, now: datetime) -> int:
    scene.set_clock(db, now)
    count = actions.draft_due(db)
    db.commit()
    return count


def list_reports(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    response = client.get(REPORTS, params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def get_report(client: TestClient, report: dict[str, Any]) -> dict[str, Any]:
    response = client.get(f"{REPORTS}/{report['id']}")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def post(client: TestClient, report: dict[str, Any], action: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    response = client.post(f"{REPORTS}/{report['id']}/{action}", json={"version": report["version"]} | fields)
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def patch(client: TestClient, report: dict[str, Any], status: int = 200, **fields: Any) -> dict[str, Any]:
    response = client.patch(f"{REPORTS}/{report['id']}", json={"version": report["version"]} | fields)
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def draft_weekly(client: TestClient, db: Session) -> dict[str, Any]:
    """The draft of Friday, 2031/1/10: of the days from 1/3 to 1/9."""
    draft_at(db, at(2031, 1, 10, 8))
    return get_report(client, list_reports(client, kind="weekly")[0])


def outbox_messages(db: Session, topic: str) -> list[OutboxMessage]:
    return list(db.scalars(select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)))


def test_drafts_come_on_friday_and_on_the_fifth_business_day_at_eight_and_once(olivia: TestClient, db: Session) -> None:
    assert [
        draft_at(db, at(2031, 1, 7, 12)),
        draft_at(db, at(2031, 1, 8, 7, 59)),
        draft_at(db, at(2031, 1, 8, 8, 0)),
    ] == [
        2,  # 12/27 to 1/2, and November
        0,
        1,
    ]
    assert [
        draft_at(db, at(2031, 1, 8, 8, 5)),
        draft_at(db, at(2031, 1, 10, 8)),
        draft_at(db, at(2031, 1, 10, 8, 5)),
    ] == [
        0,
        1,
        0,
    ]

    assert [(item["kind"], item["period"]) for item in list_reports(olivia)] == [
        ("weekly", "2031/1/3（金）〜1/9（木）"),
        ("weekly", "2030/12/27（金）〜2031/1/2（木）"),
        ("monthly", "2030年12月"),
        ("monthly", "2030年11月"),
    ]
    assert sum("下書きができました" in message.payload["text"] for message in outbox_messages(db, "slack")) == 4
    again = olivia.post(REPORTS, json={"kind": "weekly"})
    assert (again.status_code, "すでにあります" in again.json()["detail"]) == (409, True)


def test_nothing_is_drafted_of_the_time_before_the_product_was_there(db: Session) -> None:
    for chore in db.scalars(select(Chore)):
        chore.created_at = at(2031, 1, 3, 0, 30)
    assert draft_at(db, at(2031, 1, 8, 12)) == 0
    assert draft_at(db, at(2031, 1, 10, 12)) == 1


def test_without_its_chore_no_report_is_drafted(olivia: TestClient, db: Session) -> None:
    by = people.create_actor(db, "anna", reservations="admin")
    chore = db.scalars(select(Chore).where(Chore.code == "weekly_report")).one()
    chores.end(db, by, chore.id)
    db.commit()
    assert draft_at(db, at(2031, 1, 10, 12)) == 1
    assert [item["kind"] for item in list_reports(olivia)] == ["monthly"]
    assert olivia.post(REPORTS, json={"kind": "weekly"}).status_code == 409


def test_a_report_has_the_periods_figures_and_keeps_them(olivia: TestClient, db: Session) -> None:
    by = people.create_actor(db, "otto", reservations="operator")
    booked = scene.confirmed(db)
    payment = db.scalars(select(Payment).where(Payment.reservation_id == booked.id)).one()
    payment.status, payment.closed_at = "paid", app_now(db)
    refused = scene.create_reservation(db)
    scene.pass_time(db)
    scene.record_shop_answer(db, refused, Answer.OK)
    task = operations.open_operation(db, refused.id, refused.code, Task.ALL_SHOPS_REFUSED)
    incidents.open_incident(db, by, incident_schemas.NewIncident(title="電話がつながらない店舗", level=Level.LOW))
    chores.finish_many(
        db,
        by,
        chore_schemas.FinishMany(
            turns=[
                {"id": turn.id, "version": 1}
                for turn in db.scalars(select(ChoreTurn).where(ChoreTurn.slot == date(2031, 1, 8)))
            ]
        ),
    )
    scene.set_clock(db, at(2031, 1, 8, 10, 40))
    task.resolved_at, task.resolved_by = at(2031, 1, 8, 10, 30), "olivia さん"
    db.commit()
    report = draft_weekly(olivia, db)
    contents = report["contents"]

    assert (contents["now"]["requested"], contents["now"]["success"]) == (2, {"part": 1, "whole": 1})
    assert contents["now"]["paid"] == report["sales"] == 5500
    assert contents["before"]["requested"] == 0
    assert contents["by_service"] == {"花束": 2}
    [operation] = contents["operations"]
    assert operation | {"median_minutes": 30} == {
        "kind": "all_shops_refused",
        "count": 1,
        "done": 1,
        "due": 1,
        "met": 1,
        "median_minutes": 30,
        "before": 0,
    }
    assert 25 <= operation["median_minutes"] <= 31
    assert report["operations"]["all_shops_refused"] == {"title": "全店舗予約NG", "estimate": "15〜30分"}
    [incident] = contents["incidents"]
    assert (incident["title"], incident["level"], incident["shared_weekly"]) == ("電話がつながらない店舗", "low", True)
    # Of the five daily ones, those of Wednesday were done; Thursday's were not, nor were the monthly ones.
    assert (contents["chores"]["due"], contents["chores"]["done"]) == (14, 5)
    assert {line["title"]: line["times"] for line in contents["chores"]["not_done"]}["ダッシュボード確認"] == 1

    scene.create_reservation(db)
    db.commit()
    assert get_report(olivia, report)["contents"] == contents
    refreshed = post(olivia, report, "refresh")
    # Reservations after the period are not counted.
    assert refreshed["contents"]["now"]["requested"] == 2
    assert refreshed["version"] == report["version"] + 1


def test_a_stale_edit_of_a_report_shows_both_sides(olivia: TestClient, db: Session) -> None:
    report = draft_weekly(olivia, db)
    written = patch(olivia, report, findings="予約は好調でした。", issues="SMSの不達")
    assert (written["findings"], written["issues"], written["next_steps"]) == ("予約は好調でした。", "SMSの不達", "")
    late = patch(olivia, report, 409, findings="低調でした。")

    assert late["type"] == "urn:genba:stale"
    assert (late["yours"]["findings"], late["current"]["findings"]) == ("低調でした。", "予約は好調でした。")
    assert post(olivia, report, "refresh", 409)["type"] == "urn:genba:stale"
    refreshed = post(olivia, written, "refresh")
    assert refreshed["findings"] == "予約は好調でした。"
    assert [event["kind"] for event in refreshed["events"]] == ["refreshed", "edited", "drafted"]


def test_a_finished_report_is_read_only_until_it_is_reopened(olivia: TestClient, db: Session) -> None:
    report = patch(olivia, draft_weekly(olivia, db), findings="予約は好調でした。")
    finished = post(olivia, report, "finish")

    assert finished["finished_by"] == "olivia さん"
    for refused in (
        patch(olivia, finished, 409, findings="x"),
        post(olivia, finished, "refresh", 409),
        post(olivia, finished, "finish", 409),
    ):
        assert "olivia さんが完成させました" in refused["detail"]
    assert post(olivia, finished, "reopen", 422, reason=" ")["errors"][0]["field"] == "reason"
    reopened = post(olivia, finished, "reopen", reason="売上の数字を確認し直す")
    assert (reopened["finished_at"], reopened["findings"]) == (None, "予約は好調でした。")
    assert post(olivia, reopened, "reopen", 409, reason="x")["status"] == 409
    entries = select(AuditEntry.after).where(AuditEntry.subject == "report", AuditEntry.action == "status_change")
    assert db.scalars(entries.order_by(AuditEntry.id)).all() == [
        {"finished": True},
        {"finished": False, "reason": "売上の数字を確認し直す"},
    ]


def test_with_the_report_its_chore_is_checked_off_and_medium_incidents_are_shared(
    olivia: TestClient, db: Session
) -> None:
    by = people.create_actor(db, "otto", reservations="operator")
    medium = incidents.open_incident(db, by, incident_schemas.NewIncident(title="APIの応答が遅い", level=Level.MEDIUM))
    db.commit()
    report = draft_weekly(olivia, db)
    assert report["open_chore"] is None  # It begins at nine.
    scene.set_clock(db, at(2031, 1, 10, 9, 30))
    db.commit()
    report = get_report(olivia, report)
    assert report["open_chore"] is not None
    assert report["unshared"] == [f"INC-{medium.id:04}"]
    finished = post(olivia, report, "finish", check_off=True, share=True)

    assert (finished["open_chore"], finished["unshared"]) == (None, [])
    turn = db.get_one(ChoreTurn, report["open_chore"], populate_existing=True)
    assert (turn.outcome, turn.done_by, turn.note) == (
        "done",
        "olivia さん",
        "週次レポート 2031/1/3（金）〜1/9（木） を完成",
    )
    mark = incident_queries.marks(db, medium.id)[Mark.WEEKLY]
    assert (mark.done_by, mark.note) == ("olivia さん", "週次レポート 2031/1/3（金）〜1/9（木） に記載")


def test_without_being_asked_nothing_else_is_checked_off(olivia: TestClient, db: Session) -> None:
    report = draft_weekly(olivia, db)
    scene.set_clock(db, at(2031, 1, 10, 9, 30))
    db.commit()
    turn = get_report(olivia, report)["open_chore"]
    post(olivia, report, "finish")
    assert db.get_one(ChoreTurn, turn, populate_existing=True).outcome is None


def test_management_reads_what_is_finished_and_nothing_else(olivia: TestClient, db: Session, sign_in: SignIn) -> None:
    report = draft_weekly(olivia, db)
    for login_id, role in (("mona", "manager"), ("sally", "support")):
        reader = sign_in(login_id, reservations=role)
        assert list_reports(reader) == list_reports(reader, state="draft") == []
        assert reader.get(f"{REPORTS}/{report['id']}").status_code == 404
        assert reader.get(f"{REPORTS}/{report['id']}.pdf").status_code == 404
        assert reader.get(f"{REPORTS}/counts").json()["drafts"] == 0
    people.signed_in_client(db, olivia, people.create_user(db, "oscar", reservations="operator"))
    finished = post(olivia, report, "finish")

    mona = sign_in("max", reservations="manager")
    assert [item["id"] for item in list_reports(mona)] == [report["id"]]
    assert list_reports(mona, state="draft") == []
    assert get_report(mona, report)["contents"] == finished["contents"]
    assert mona.get(f"{REPORTS}/{report['id']}.pdf").content.startswith(b"%PDF")
    patch(mona, finished, 403, findings="x")
    post(mona, finished, "reopen", 403, reason="x")
    post(mona, finished, "send", 403, to=["a@example.com"])
    assert sign_in("charlie", loaners="admin").get(REPORTS).status_code == 403


def test_a_finished_report_is_mailed_with_its_pdf_to_each_address(olivia: TestClient, db: Session) -> None:
    report = draft_weekly(olivia, db)
    to = ["mona@qualfia.example", "max@qualfia.example", "mona@qualfia.example"]
    assert "下書きです" in post(olivia, report, "send", 409, to=to)["detail"]
    finished = post(olivia, report, "finish")
    assert post(olivia, finished, "send", 422, to=["keine Adresse"])["errors"]
    assert post(olivia, report, "send", 409, to=to)["type"] == "urn:genba:stale"

    assert post(olivia, finished, "send", 202, to=to) == {"recipients": 2}
    mails = outbox_messages(db, "mail")
    assert [mail.payload["to"] for mail in mails] == [["mona@qualfia.example"], ["max@qualfia.example"]]
    assert mails[0].payload["subject"] == "【予約運用】週次レポート 2031/1/3（金）〜1/9（木）"
    [file_id] = mails[0].payload["attachments"]
    file = db.get_one(File, file_id)
    assert (file.name, file.purpose) == ("予約運用_週次レポート_20310103-20310109.pdf", "reservations.report")
    pdf = olivia.get(f"/api/core/files/{file_id}").content
    assert len(PdfDocument(io.BytesIO(pdf))) >= 1

    current = get_report(olivia, report)
    assert (current["sent_by"], current["events"][0]["text"]) == (
        "olivia さん",
        "mona@qualfia.example、max@qualfia.example",
    )
    post(olivia, current, "send", 202, to=["new@qualfia.example"])
    assert outbox_messages(db, "mail")[-1].payload["attachments"] == [file_id]


def test_after_reopening_another_pdf_is_sent(olivia: TestClient, db: Session) -> None:
    finished = post(olivia, draft_weekly(olivia, db), "finish")
    post(olivia, finished, "send", 202, to=["mona@qualfia.example"])
    reopened = post(olivia, get_report(olivia, finished), "reopen", reason="書き足す")
    finished_again = post(olivia, patch(olivia, reopened, findings="書き足しました。"), "finish")
    post(olivia, finished_again, "send", 202, to=["mona@qualfia.example"])

    first, second = (mail.payload["attachments"] for mail in outbox_messages(db, "mail"))
    assert first != second


def test_managers_with_an_address_are_offered(olivia: TestClient, db: Session) -> None:
    people.create_user(db, "mona", reservations="manager").mail = "mona@qualfia.example"
    people.create_user(db, "max", reservations="manager")
    db.commit()
    assert olivia.get(f"{REPORTS}/managers").json() == [{"name": "mona さん", "mail": "mona@qualfia.example"}]


def test_the_counts_have_open_drafts_and_the_next_reports(olivia: TestClient, db: Session) -> None:
    report = draft_weekly(olivia, db)
    counts = olivia.get(f"{REPORTS}/counts").json()

    assert (counts["drafts"], counts["finished"], counts["last_period"]) == (2, 0, None)
    assert datetime.fromisoformat(counts["next_weekly_at"]) == at(2031, 1, 17, 8)
    assert datetime.fromisoformat(counts["next_monthly_at"]) == at(2031, 2, 7, 8)
    post(olivia, report, "finish")
    counts = olivia.get(f"{REPORTS}/counts").json()
    assert (counts["drafts"], counts["last_period"]) == (1, "2031/1/3（金）〜1/9（木）")
    assert db.scalars(select(ActivityReport)).first() is not None
    assert olivia.get(f"{REPORTS}/999999").status_code == 404
    assert timedelta(0) < at(2031, 1, 17, 8) - at(2031, 1, 10, 8)
