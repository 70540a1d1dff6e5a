"""What the support team truly finds in its inbox of an incident: once the news, then a word for each target missed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from service.core.database.clock import app_now
from service.core.outbox import queue
from service.core.settings import settings
from service.fleet.incidents import actions as incidents
from service.fleet.incidents import schemas
from service.fleet.incidents.models import Incident
from service.fleet.watch import actions
from tests import factories, people
from tests.jobs.test_fleet_watch import heard, later
from tests.sandbox.process import Sandbox

PAGE = f"{settings().public_base_url.rstrip('/')}/alerts"
# Minutes: in production it is one; no two targets are so near to one another.
LOOKS_EVERY = 4
MOMENT = re.compile(r"\d{4}/\d\d?/\d\d?（.）\d\d?:\d\d")


def minutes_pass(db: Session, minutes: int) -> None:
    """The watch looks again and again; whatever it wants to be sent, is."""
    for passed in range(0, minutes, LOOKS_EVERY):
        later(db, min(LOOKS_EVERY, minutes - passed))
        actions.watch(db)
        db.commit()
        outbox_jobs.send_topic("mail")


def inbox(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Subject and text of each mail, oldest first, its moments left out."""
    found = sorted(sandbox.mails(), key=lambda mail: int(mail["id"]))
    return [(mail["subject"], MOMENT.sub("（日時）", mail["body"])) for mail in found]


def test_a_store_that_falls_silent_is_one_mail_and_then_one_for_each_target_missed(
    db: Session, sandbox: Sandbox
) -> None:
    customer = factories.customer(db, "ABC商事")
    for till in (1, 2):
        heard(db, factories.terminal(db, customer, f"TC200-00000{till}", f"新宿店 レジ{till}番"))
    minutes_pass(db, 12)

    [(subject, body)] = inbox(sandbox)
    page = f"{PAGE}?id={db.scalars(select(Incident.id)).one()}"
    assert subject == "【Genba】ABC商事 - 新宿店: オフライン 2台"
    assert body == (
        "（日時） に、次の障害を検知しました。\n"
        "5分以内に初動確認をお願いします。\n\n"
        "■ ABC商事 - 新宿店: オフライン 2台\n"
        "・ABC商事 - 新宿店 レジ1番（TC200-000001）\n"
        "  オフライン: 店舗PCからの通信が途絶えています。最終通信は （日時） です。\n"
        "・ABC商事 - 新宿店 レジ2番（TC200-000002）\n"
        "  オフライン: 店舗PCからの通信が途絶えています。最終通信は （日時） です。\n\n"
        f"アラート一覧: {page}\n"
    )
    assert {tuple(mail["recipients"]) for mail in sandbox.mails()} == {("support@techcore.example",)}

    minutes_pass(db, 7)
    reminders = inbox(sandbox)[1:]
    assert reminders == [
        (
            "【Genba】目標時間を過ぎました: 初動確認 ABC商事 - 新宿店",
            "（日時） の時点で、次の対応が目標時間を過ぎています。\n"
            "対応したら、アラート一覧で完了を記録してください。\n\n"
            "・初動確認（運用チーム）: ABC商事 - 新宿店\n\n"
            f"アラート一覧: {page}\n",
        )
    ]
    minutes_pass(db, 60)
    assert [subject.split(" ")[1] for subject, _ in inbox(sandbox)[1:]] == [
        "初動確認",
        "リモート診断",
        "顧客連絡",
        "対応実施",
    ]


def test_what_is_done_in_time_is_not_reminded_of(db: Session, sandbox: Sandbox) -> None:
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"), "TC200-000001")
    heard(db, terminal, status="error", error="カードリーダー応答なし", offline_after=app_now(db) + timedelta(days=1))
    minutes_pass(db, 1)
    operator = people.actor(db, "olivia", fleet="operator")
    [incident] = db.scalars(select(Incident.id))
    incidents.acknowledge(db, operator, incident)
    incidents.finish_step(db, operator, incident, 3, schemas.StepDone(note="回線は正常"))
    support = people.actor(db, "sam", fleet="support")
    incidents.finish_step(db, support, incident, 4, schemas.StepDone())
    db.commit()

    minutes_pass(db, 59)
    assert [subject for subject, _ in inbox(sandbox)] == ["【Genba】ABC商事 - 新宿店 レジ1番: エラー"]

    incidents.finish_step(db, operator, incident, 5, schemas.StepDone())
    db.commit()
    minutes_pass(db, 12)
    assert [subject for subject, _ in inbox(sandbox)][1:] == [
        "【Genba】目標時間を過ぎました: 完了報告 ABC商事 - 新宿店 レジ1番"
    ]


@pytest.mark.parametrize("length", range(2, 24, 3))
def test_a_long_subject_arrives_with_all_of_its_spaces(db: Session, sandbox: Sandbox, length: int) -> None:
    """Wherever its line is broken on the way."""
    subject = f"【Genba】{'障害' * length}: 初動確認 ABC商事 - 新宿店 レジ1番 ほか3件"
    queue.publish(
        db,
        "mail",
        {"to": ["support@techcore.example"], "subject": subject, "body": "本文です。\n"},
        area="fleet",
        recipient="support@techcore.example",
        title=subject,
    )
    db.commit()

    outbox_jobs.send_topic("mail")

    assert [found for found, _ in inbox(sandbox)] == [subject]
