"""満足度調査: asked once a quarter, everybody once; an answer may be changed for a week, and then is nobody's."""

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
from service.reservations.flow.models import Reservation
from service.reservations.surveys import actions, queries
from service.reservations.surveys.models import Invitation, Survey, SurveyLink
from service.reservations.surveys.rules import MAX_COMMENT_LENGTH
from tests.api.reservations import scene
from tests.whole import whole

SignIn = Callable[..., TestClient]
SURVEYS = "/api/reservations/surveys"
# The scene plays on 2031/1/8; customers are asked about the quarter before.
QUARTER, IN_IT = "2030-Q4", datetime(2030, 11, 20, 12, tzinfo=TOKYO)


@pytest.fixture(autouse=True)
def world(db: Session) -> None:
    scene.fill(db)
    db.commit()


@pytest.fixture
def sally(sign_in: SignIn) -> TestClient:
    return sign_in("sally", reservations="support")


@pytest.fixture
def visitor(db: Session, portal: Any) -> TestClient:
    client = TestClient(whole(), raise_server_exceptions=False, follow_redirects=False)
    client.portal = portal
    return client


def served(db: Session, state: str = "completed", at: datetime = IN_IT, **said: Any) -> Reservation:
    """As if it had ended then."""
    reservation = scene.ask(db, **said)
    reservation.state, reservation.closed_at = state, at
    db.commit()
    return reservation


def asked(db: Session, **said: Any) -> Enquiry:
    given = {"party": "customer", "channel": "mail", "sender_name": "青木", "topic": "質問", "content": "?"}
    times = {"received_at": IN_IT, "first_due_at": IN_IT, "first_warn_at": IN_IT}
    enquiry = Enquiry(**(given | times | {"category": "other", "received_by": "x"} | said))
    db.add(enquiry)
    db.commit()
    return enquiry


def made(client: TestClient, quarter: str = QUARTER) -> dict[str, Any]:
    answer = client.post(SURVEYS, json={"quarter": quarter})
    assert answer.status_code == 201, answer.text
    return shown(client, answer.json()["id"])


def shown(client: TestClient, key: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{SURVEYS}/{key}").json()
    return found


def send(client: TestClient, survey: dict[str, Any], status: int = 200, **said: Any) -> dict[str, Any]:
    to = sum(survey["recipients"][name] for name in ("mail", "sms"))
    body = {"version": survey["version"], "recipients": to} | said
    answer = client.post(f"{SURVEYS}/{survey['id']}/send", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def letters(db: Session, topic: str) -> list[dict[str, Any]]:
    found = select(OutboxMessage).where(OutboxMessage.topic == topic, OutboxMessage.subject == "survey")
    return [one.payload for one in db.scalars(found.order_by(OutboxMessage.id))]


def path(letter: dict[str, Any]) -> str:
    found = re.search(r"/survey/[A-Za-z0-9_-]+", letter["body"])
    assert found is not None
    return found[0]


def rate(visitor: TestClient, path: str, stars: str, comment: str = "") -> int:
    token = re.search(r'name="form_token" value="([^"]+)"', visitor.get(path).text)
    answer = visitor.post(path, data={"form_token": token[1] if token else "", "stars": stars, "comment": comment})
    return int(answer.status_code)


def later(db: Session, **span: float) -> int:
    scene.set_clock(db, app_now(db) + timedelta(**span))
    tended = actions.process_due(db)
    db.commit()
    db.expire_all()
    return tended


def test_a_comment_is_as_long_as_the_page_says_and_no_longer(
    sally: TestClient, visitor: TestClient, db: Session
) -> None:
    served(db, phone="090-1111-0001")
    send(sally, made(sally))
    page, longest = path(letters(db, "sms")[0]), "あ" * MAX_COMMENT_LENGTH
    assert rate(visitor, page, "4", longest + "あ") == 422
    assert rate(visitor, page, "4", longest) == 303
    assert longest in visitor.get(page).text


def test_everybody_of_the_quarter_is_asked_once(sally: TestClient, db: Session) -> None:
    served(db, mail="Aoki@example.jp", phone="090-1111-0001")
    # The same person, once without the address and once with it in other letters.
    served(db, "cancelled", phone="090-1111-0001")
    served(db, "refunded", mail="aoki@example.jp", phone="090-1111-0009")
    served(db, phone="090-1111-0002")
    # From before land lines were refused.
    served(db).phone = "+81311110003"
    asked(db, mail="ito@example.jp")
    asked(db, phone="+819011110004", channel="phone")
    # Not of the quarter, not served, or no customer.
    served(db, phone="090-1111-0005", at=IN_IT + timedelta(days=60))
    served(db, "payment_timeout", phone="090-1111-0006")
    asked(db, mail="shop@example.jp", party="shop")

    survey = made(sally)
    assert (survey["title"], survey["status"]) == ("2030年10〜12月", "preparing")
    assert survey["recipients"] == {"mail": 2, "sms": 2, "without": 1}
    sent = send(sally, survey)

    assert (sent["status"], sent["invited"], sent["answered"]) == ("open", 4, 0)
    assert sorted(one["to"][0] for one in letters(db, "mail")) == ["aoki@example.jp", "ito@example.jp"]
    assert sorted(one["to"] for one in letters(db, "sms")) == ["+819011110002", "+819011110004"]
    assert datetime.fromisoformat(sent["closes_at"]) == app_now(db) + timedelta(days=7)
    assert "2031/1/15（水）10:00" in letters(db, "sms")[0]["body"]


def test_nothing_is_sent_twice_at_night_or_to_another_number_than_was_confirmed(sally: TestClient, db: Session) -> None:
    served(db, phone="090-1111-0001")
    survey = made(sally)
    assert "5人から1人に" in send(sally, survey, 409, recipients=5)["detail"]
    scene.set_clock(db, app_now(db) + timedelta(hours=11))
    db.commit()
    assert "9:00〜20:00の間に" in send(sally, survey, 422)["detail"]
    assert letters(db, "sms") == []

    scene.set_clock(db, app_now(db) - timedelta(hours=11))
    db.commit()
    send(sally, survey)
    assert "が送信しました" in send(sally, survey, 409)["detail"]
    assert len(letters(db, "sms")) == 1


def test_a_quarter_has_one_survey_and_has_to_be_over(sally: TestClient, db: Session) -> None:
    made(sally)
    refused = {
        quarter: sally.post(SURVEYS, json={"quarter": quarter}).status_code
        for quarter in (QUARTER, "2031-Q1", "2031-Q2", "2029-Q4", "2030-Q5", "2030-Q1")
    }
    assert refused == {QUARTER: 409, "2031-Q1": 422, "2031-Q2": 422, "2029-Q4": 422, "2030-Q5": 422, "2030-Q1": 201}
    entries = select(AuditEntry.after).where(AuditEntry.subject == "survey").order_by(AuditEntry.id)
    assert [after and after["quarter"] for after in db.scalars(entries)] == [QUARTER, "2030-Q1"]


def test_an_answer_is_given_once_and_may_be_changed(sally: TestClient, visitor: TestClient, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    send(sally, made(sally))
    link = path(letters(db, "mail")[0])
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
    survey = shown(sally, invitation.survey_id)
    assert (survey["answered"], survey["mean"], survey["distribution"]) == (1, 2.0, [0, 1, 0, 0, 0])


def test_a_link_opens_nothing_else_and_a_form_of_nobody_is_refused(visitor: TestClient, db: Session) -> None:
    pages = [visitor.get(f"/survey/{token}") for token in ("x", "x" * 500, "%E2%82")]
    assert [page.status_code for page in pages] == [404] * 3
    assert len({page.text for page in pages}) == 1
    assert visitor.post("/survey/x", data={"stars": "5"}).status_code == 403


def test_who_is_silent_is_reminded_once_by_day(sally: TestClient, visitor: TestClient, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    served(db, phone="090-1111-0002")
    send(sally, made(sally))
    rate(visitor, path(letters(db, "mail")[0]), "5")

    assert later(db, days=3, hours=23) == 0
    assert later(db, hours=11) == 0  # It is 20:00.
    assert later(db, hours=13) == 1
    assert later(db, minutes=1) == 0
    assert (len(letters(db, "mail")), len(letters(db, "sms"))) == (1, 2)
    first, again = letters(db, "sms")
    assert "まだの方へ" in again["body"]
    assert path(first) != path(again)
    assert {rate(visitor, path(one), "3") for one in (first, again)} == {303}
    assert db.scalars(select(Survey)).one().reminded == 1


def test_after_a_week_it_is_over_and_nobody_knows_whose_answer_it_was(
    sally: TestClient, visitor: TestClient, db: Session
) -> None:
    served(db, mail="aoki@example.jp")
    served(db, phone="090-1111-0002")
    survey = send(sally, made(sally))
    links = [path(one) for one in (*letters(db, "mail"), *letters(db, "sms"))]
    assert rate(visitor, links[0], "4", "よかった") == 303
    later(db, days=4)
    scene.set_clock(db, app_now(db) + timedelta(days=3, seconds=-1))
    db.commit()
    assert rate(visitor, links[1], "1") == 303
    scene.set_clock(db, app_now(db) + timedelta(seconds=1))
    db.commit()
    late = visitor.get(links[0])
    assert "満足度調査は終了しました" in late.text
    assert "<form" not in late.text
    assert actions.answer(db, links[0].rpartition("/")[2], 1, "") is False

    assert later(db) == 1
    assert later(db) == 0
    assert shown(sally, survey["id"])["status"] == "closed"
    assert db.scalars(select(SurveyLink)).all() == []
    assert {one.address for one in db.scalars(select(Invitation))} == {None}
    assert [visitor.get(link).status_code for link in links] == [404, 404]
    found = queries.satisfaction(db, app_now(db) - timedelta(days=8), app_now(db))
    assert (found.count, found.mean, found.distribution) == (2, 2.5, {1: 1, 2: 0, 3: 0, 4: 1, 5: 0})


def test_support_may_end_it_early(sally: TestClient, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    survey = made(sally)
    close = f"{SURVEYS}/{survey['id']}/close"
    assert sally.post(close, json={"version": survey["version"]}).status_code == 409
    sent = send(sally, survey)
    assert sally.post(close, json={"version": survey["version"]}).json()["type"] == "urn:genba:stale"
    assert sally.post(close, json={"version": sent["version"]}).json()["status"] == "closed"


def test_results_are_read_by_quarter_and_taken_along(sally: TestClient, visitor: TestClient, db: Session) -> None:
    for place in range(3):
        served(db, mail=f"a{place}@example.jp")
    send(sally, made(sally))
    for letter, stars in zip(letters(db, "mail"), "532", strict=True):
        rate(visitor, path(letter), stars, "よい" if stars == "5" else "")

    [row] = sally.get(SURVEYS).json()["items"]
    assert (row["quarter"], row["answered"], row["mean"], row["distribution"]) == (QUARTER, 3, 3.33, [0, 1, 1, 0, 1])
    overview = sally.get(f"{SURVEYS}/overview").json()
    assert (overview["open"]["quarter"], overview["goal"], overview["next_quarter"]) == (QUARTER, 4.0, None)
    quarters = sally.get(f"{SURVEYS}/quality", params={"by": "quarter"}).json()["periods"]
    assert [(one["title"], one["satisfaction"], one["answers"]) for one in quarters[-2:]] == [
        ("2030年10〜12月", 3.33, 3),
        ("2031年1〜3月", None, 0),
    ]
    weeks = sally.get(f"{SURVEYS}/quality").json()["periods"]
    assert (len(weeks), weeks[-1]["title"]) == (12, "1/6")
    comments = sally.get(f"{SURVEYS}/answers", params={"commented": True}).json()["items"]
    assert [(one["stars"], one["comment"]) for one in comments] == [(5, "よい")]
    assert "example.jp" not in sally.get(f"{SURVEYS}/answers").text
    answer = sally.get(f"{SURVEYS}/answers.csv", params={"quarter": QUARTER, "stars": 2})
    [line] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (line["対象の四半期"], line["評価（5段階）"]) == ("2030年10〜12月", "2")


def test_operators_and_managers_read_results_and_send_nothing(sally: TestClient, sign_in: SignIn, db: Session) -> None:
    served(db, mail="aoki@example.jp")
    survey = made(sally)
    for login_id, role in (("olivia", "operator"), ("mona", "manager")):
        reader = sign_in(login_id, reservations=role)
        assert shown(reader, survey["id"])["quarter"] == QUARTER
        assert reader.get(f"{SURVEYS}/quality").status_code == reader.get(f"{SURVEYS}/answers").status_code == 200
        send(reader, survey, 403)
        assert reader.post(SURVEYS, json={"quarter": "2030-Q3"}).status_code == 403
    assert sign_in("charlie", loaners="admin").get(SURVEYS).status_code == 403
