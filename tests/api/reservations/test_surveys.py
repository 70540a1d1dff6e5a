"""満足度調査: sent once a quarter, once to each customer; an answer may be changed for a week and is then anonymous."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_now
from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.enquiries.models import Enquiry
from service.reservations.models import Reservation
from service.reservations.surveys import actions, queries
from service.reservations.surveys.models import Invitation, Survey, SurveyLink
from service.reservations.surveys.rules import MAX_COMMENT_LENGTH
from tests.api.reservations import scene
from tests.whole import service_app

SignIn = Callable[..., TestClient]
SURVEYS = "/api/reservations/surveys"
# The scene's date is 2031/1/8: customers are asked about the quarter before.
QUARTER, IN_QUARTER = "2030-Q4", datetime(2030, 11, 20, 12, tzinfo=TOKYO)


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def sally(sign_in: SignIn) -> TestClient:
    return sign_in("sally", reservations="support")


@pytest.fixture
def visitor(db: Session, portal: Any) -> TestClient:
    client = TestClient(service_app(), raise_server_exceptions=False, follow_redirects=False)
    client.portal = portal
    return client


def served(db: Session, state: str = "completed", at: datetime = IN_QUARTER, **fields: Any) -> Reservation:
    """A reservation that ended at that time."""
    reservation = scene.create_reservation(db, **fields)
    reservation.state, reservation.closed_at = state, at
    db.commit()
    return reservation


def add_enquiry(db: Session, **fields: Any) -> Enquiry:
    defaults = {"party": "customer", "channel": "mail", "sender_name": "青木", "topic": "質問", "content": "?"}
    times = {"received_at": IN_QUARTER, "first_due_at": IN_QUARTER, "first_warn_at": IN_QUARTER}
    enquiry = Enquiry(**(defaults | times | {"category": "other", "received_by": "x"} | fields))
    db.add(enquiry)
    db.commit()
    return enquiry


def create_survey(client: TestClient, quarter: str = QUARTER) -> dict[str, Any]:
    response = client.post(SURVEYS, json={"quarter": quarter})
    assert response.status_code == 201, response.text
    return get_survey(client, response.json()["id"])


def get_survey(client: TestClient, key: int) -> dict[str, Any]:
    survey: dict[str, Any] = client.get(f"{SURVEYS}/{key}").json()
    return survey


def send(client: TestClient, survey: dict[str, Any], status: int = 200, **fields: Any) -> dict[str, Any]:
    recipients = sum(survey["recipients"][name] for name in ("mail", "sms"))
    body = {"version": survey["version"], "recipients": recipients} | fields
    response = client.post(f"{SURVEYS}/{survey['id']}/send", json=body)
    assert response.status_code == status, response.text
    updated: dict[str, Any] = response.json()
    return updated


def sent_payloads(db: Session, topic: str) -> list[dict[str, Any]]:
    query = select(OutboxMessage).where(OutboxMessage.topic == topic, OutboxMessage.subject == "survey")
    return [message.payload for message in db.scalars(query.order_by(OutboxMessage.id))]


def link_path(payload: dict[str, Any]) -> str:
    match = re.search(r"/survey/[A-Za-z0-9_-]+", payload["body"])
    assert match is not None
    return match[0]


def rate(visitor: TestClient, path: str, stars: str, comment: str = "") -> int:
    token = re.search(r'name="form_token" value="([^"]+)"', visitor.get(path).text)
    response = visitor.post(path, data={"form_token": token[1] if token else "", "stars": stars, "comment": comment})
    return int(response.status_code)


def advance_clock(db: Session, **span: float) -> int:
    scene.set_clock(db, app_now(db) + timedelta(**span))
    processed = actions.process_due(db)
    db.commit()
    db.expire_all()
    return processed


def test_a_comment_is_as_long_as_the_page_says_and_no_longer(
    sally: TestClient, visitor: TestClient, db: Session
) -> None:
    served(db, phone="090-1111-0001")
    send(sally, create_survey(sally))
    link, longest = link_path(sent_payloads(db, "sms")[0]), "あ" * MAX_COMMENT_LENGTH
    assert rate(visitor, link, "4", longest + "あ") == 422
    assert rate(visitor, link, "4", longest) == 303
    assert longest in visitor.get(link).text


def test_every_customer_of_the_quarter_is_invited_once(sally: TestClient, db: Session) -> None:
    served(db, mail="Aoki@example.jp", phone="090-1111-0001")
    # The same customer, once without the address and once with it in lower case.
    served(db, "cancelled", phone="090-1111-0001")
    served(db, "refunded", mail="aoki@example.jp", phone="090-1111-0009")
    served(db, phone="090-1111-0002")
    # From before land lines were refused.
    served(db).phone = "+81311110003"
    add_enquiry(db, mail="ito@example.jp")
    add_enquiry(db, phone="+819011110004", channel="phone")
    # Not of the quarter, not served, or no customer.
    served(db, phone="090-1111-0005", at=IN_QUARTER + timedelta(days=60))
    served(db, "payment_timeout", phone="090-1111-0006")
    add_enquiry(db, mail="shop@example.jp", party="shop")

    survey = create_survey(sally)
    assert (survey["title"], survey["status"]) == ("2030年10〜12月", "preparing")
    assert survey["recipients"] == {"mail": 2, "sms": 2, "without": 1}
    sent = send(sally, survey)

    assert (sent["status"], sent["invited"], sent["answered"]) == ("open", 4, 0)
    assert sorted(payload["to"][0] for payload in sent_payloads(db, "mail")) == ["aoki@example.jp", "ito@example.jp"]
    assert sorted(payload["to"] for payload in sent_payloads(db, "sms")) == ["+819011110002", "+819011110004"]
    assert datetime.fromisoformat(sent["closes_at"]) == app_now(db) + timedelta(days=7)
    assert "2031/1/15（水）10:00" in sent_payloads(db, "sms")[0]["body"]


def test_nothing_is_sent_twice_at_night_or_to_another_number_than_was_confirmed(sally: TestClient, db: Session) -> None:
    served(db, phone="090-1111-0001")
    survey = create_survey(sally)
    assert "5人から1人に" in send(sally, survey, 409, recipients=5)["detail"]
    scene.set_clock(db, app_now(db) + timedelta(hours=11))
    db.commit()
    assert "9:00〜20:00の間に" in send(sally, survey, 422)["detail"]
    assert sent_payloads(db, "sms") == []

    scene.set_clock(db, app_now(db) - timedelta(hours=11))
    db.commit()
    send(sally, survey)
    assert "が送信しました" in send(sally, survey, 409)["detail"]
    assert len(sent_payloads(db, "sms")) == 1


def test_a_quarter_has_one_survey_and_has_to_be_over(sally: TestClient, db: Session) -> None:
    create_survey(sally)
    refused = {
        quarter: sally.post(SURVEYS, json={"quarter": quarter}).status_code
        for quarter in (QUARTER, "2031-Q1", "2031-Q2", "2029-Q4", "2030-Q5", "2030-Q1")
    }
    assert refused == {QUARTER: 409, "2031-Q1": 422, "2031-Q2": 422, "2029-Q4": 422, "2030-Q5": 422, "2030-Q1": 201}
    entries = select(AuditEntry.after).where(AuditEntry.subject == "survey").order_by(AuditEntry.id)
    assert [after and after["quarter"] for after in db.scalars(entries)] == [QUARTER, "2030-Q1"]


def test_an_answer_is_given_once_and_may_be_changed(sally: TestClient, visitor: TestClient, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    send(sally, create_survey(sally))
    link = link_path(sent_payloads(db, "mail")[0])
    for _ in range(3):
        page = visitor.get(link)
        assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
    assert "2030年10〜12月に" in page.text
    invitation = db.scalars(select(Invitation)).one()
    assert invitation.answered_at is None

    assert [rate(visitor, link, stars) for stars in ("", "0", "6", "x")] == [422] * 4
    assert rate(visitor, link, "5", "a" * 1001) == 422
    assert rate(visitor, link, "4", "早かったです <b>") == 303
    page = visitor.get(link)
    assert "2031/1/15（水）10:00までは、内容を変更できます" in page.text
    assert "早かったです &lt;b&gt;" in page.text
    assert re.search(r'value="4" checked', page.text)
    assert rate(visitor, link, "2", "やはり遅い") == 303

    db.expire_all()
    assert (invitation.stars, invitation.comment) == (2, "やはり遅い")
    survey = get_survey(sally, invitation.survey_id)
    assert (survey["answered"], survey["mean"], survey["distribution"]) == (1, 2.0, [0, 1, 0, 0, 0])


def test_an_unknown_link_and_a_form_without_a_token_are_refused(visitor: TestClient, db: Session) -> None:
    pages = [visitor.get(f"/survey/{token}") for token in ("x", "x" * 500, "%E2%82")]
    assert [page.status_code for page in pages] == [404] * 3
    assert len({page.text for page in pages}) == 1
    assert visitor.post("/survey/x", data={"stars": "5"}).status_code == 403


def test_customers_who_have_not_answered_are_reminded_once_by_day(
    sally: TestClient, visitor: TestClient, db: Session
) -> None:
    served(db, mail="aoki@example.jp")
    served(db, phone="090-1111-0002")
    send(sally, create_survey(sally))
    rate(visitor, link_path(sent_payloads(db, "mail")[0]), "5")

    assert advance_clock(db, days=3, hours=23) == 0
    assert advance_clock(db, hours=11) == 0  # It is 20:00.
    assert advance_clock(db, hours=13) == 1
    assert advance_clock(db, minutes=1) == 0
    assert (len(sent_payloads(db, "mail")), len(sent_payloads(db, "sms"))) == (1, 2)
    first, again = sent_payloads(db, "sms")
    assert "まだの方へ" in again["body"]
    assert link_path(first) != link_path(again)
    assert {rate(visitor, link_path(payload), "3") for payload in (first, again)} == {303}
    assert db.scalars(select(Survey)).one().reminded == 1


def test_after_a_week_the_survey_is_closed_and_its_answers_are_anonymous(
    sally: TestClient, visitor: TestClient, db: Session
) -> None:
    served(db, mail="aoki@example.jp")
    served(db, phone="090-1111-0002")
    survey = send(sally, create_survey(sally))
    links = [link_path(payload) for payload in (*sent_payloads(db, "mail"), *sent_payloads(db, "sms"))]
    assert rate(visitor, links[0], "4", "よかった") == 303
    advance_clock(db, days=4)
    scene.set_clock(db, app_now(db) + timedelta(days=3, seconds=-1))
    db.commit()
    assert rate(visitor, links[1], "1") == 303
    scene.set_clock(db, app_now(db) + timedelta(seconds=1))
    db.commit()
    late = visitor.get(links[0])
    assert "満足度調査は終了しました" in late.text
    assert "<form" not in late.text
    assert actions.answer(db, links[0].rpartition("/")[2], 1, "") is False

    assert advance_clock(db) == 1
    assert advance_clock(db) == 0
    assert get_survey(sally, survey["id"])["status"] == "closed"
    assert db.scalars(select(SurveyLink)).all() == []
    assert {invitation.address for invitation in db.scalars(select(Invitation))} == {None}
    assert [visitor.get(link).status_code for link in links] == [404, 404]
    result = queries.satisfaction(db, app_now(db) - timedelta(days=8), app_now(db))
    assert (result.count, result.mean, result.distribution) == (2, 2.5, {1: 1, 2: 0, 3: 0, 4: 1, 5: 0})


def test_support_may_end_it_early(sally: TestClient, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    survey = create_survey(sally)
    close = f"{SURVEYS}/{survey['id']}/close"
    assert sally.post(close, json={"version": survey["version"]}).status_code == 409
    sent = send(sally, survey)
    assert sally.post(close, json={"version": survey["version"]}).json()["type"] == "urn:genba:stale"
    assert sally.post(close, json={"version": sent["version"]}).json()["status"] == "closed"


def test_results_are_read_by_quarter_and_exported(sally: TestClient, visitor: TestClient, db: Session) -> None:
    for place in range(3):
        served(db, mail=f"a{place}@example.jp")
    send(sally, create_survey(sally))
    for payload, stars in zip(sent_payloads(db, "mail"), "532", strict=True):
        rate(visitor, link_path(payload), stars, "よい" if stars == "5" else "")

    [row] = sally.get(SURVEYS).json()["items"]
    assert (row["quarter"], row["answered"], row["mean"], row["distribution"]) == (QUARTER, 3, 3.33, [0, 1, 1, 0, 1])
    overview = sally.get(f"{SURVEYS}/overview").json()
    assert (overview["open"]["quarter"], overview["goal"], overview["next_quarter"]) == (QUARTER, 4.0, None)
    quarters = sally.get(f"{SURVEYS}/quality", params={"by": "quarter"}).json()["periods"]
    assert [(quarter["title"], quarter["satisfaction"], quarter["answers"]) for quarter in quarters[-2:]] == [
        ("2030年10〜12月", 3.33, 3),
        ("2031年1〜3月", None, 0),
    ]
    weeks = sally.get(f"{SURVEYS}/quality").json()["periods"]
    assert (len(weeks), weeks[-1]["title"]) == (12, "1/6")
    comments = sally.get(f"{SURVEYS}/answers", params={"commented": True}).json()["items"]
    assert [(answer["stars"], answer["comment"]) for answer in comments] == [(5, "よい")]
    assert "example.jp" not in sally.get(f"{SURVEYS}/answers").text
    response = sally.get(f"{SURVEYS}/answers.csv", params={"quarter": QUARTER, "stars": 2})
    [line] = csv.DictReader(io.StringIO(response.content.decode("utf-8-sig")))
    assert (line["対象の四半期"], line["評価（5段階）"]) == ("2030年10〜12月", "2")


def test_operators_and_managers_read_results_and_send_nothing(sally: TestClient, sign_in: SignIn, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    survey = create_survey(sally)
    for login_id, role in (("olivia", "operator"), ("mona", "manager")):
        reader = sign_in(login_id, reservations=role)
        assert get_survey(reader, survey["id"])["quarter"] == QUARTER
        assert reader.get(f"{SURVEYS}/quality").status_code == reader.get(f"{SURVEYS}/answers").status_code == 200
        send(reader, survey, 403)
        assert reader.post(SURVEYS, json={"quarter": "2030-Q3"}).status_code == 403
    assert sign_in("charlie", loaners="admin").get(SURVEYS).status_code == 403
