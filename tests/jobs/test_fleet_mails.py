"""What the support team finds in its inbox for an incident: one mail, then one reminder for each missed target."""

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
from tests.jobs.test_fleet_watch import advance_clock, record_heartbeat
from tests.sandbox.process import Sandbox

PAGE = f"{settings().public_base_url.rstrip('/')}/alerts"
# Minutes. In production it is one; no two targets are so close to each other.
WATCH_INTERVAL = 4
DATE_AND_TIME = re.compile(r"\d{4}/\d\d?/\d\d?（.）\d\d?:\d\d")


def minutes_pass(db: Session, minutes: int) -> None:
    """Runs the watch again and again, and sends its mails."""
    for passed in range(0, minutes, WATCH_INTERVAL):
        advance_clock(db, min(WATCH_INTERVAL, minutes - passed))
        actions.watch(db)
        db.commit()
        outbox_jobs.send_topic("mail")


def inbox(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Subject and text of each mail, oldest first, with dates and times masked."""
    mails = sorted(sandbox.mails(), key=lambda mail: int(mail["id"]))
    return [(mail["subject"], DATE_AND_TIME.sub("（日時）", mail["body"])) for mail in mails]


def test_a_store_that_falls_silent_is_one_mail_and_then_one_for_each_target_missed(
    db: Session, sandbox: Sandbox
) -> None:
    customer = factories.customer(db, "ABC商事")
    for till in (1, 2):
        record_heartbeat(db, factories.terminal(db, customer, f"TC200-00000{till}", f"新宿店 レジ{till}番"))
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


def test_steps_done_in_time_send_no_reminder(db: Session, sandbox: Sandbox) -> None:
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"), "TC200-000001")
    record_heartbeat(
        db, terminal, status="error", error="カードリーダー応答なし", offline_after=app_now(db) + timedelta(days=1)
    )
    minutes_pass(db, 1)
    operator = people.create_actor(db, "olivia", fleet="operator")
    [incident] = db.scalars(select(Incident.id))
    incidents.acknowledge(db, operator, incident)
    incidents.finish_step(db, operator, incident, 3, schemas.StepDone(note="回線は正常"))
    support = people.create_actor(db, "sam", fleet="support")
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
    """At every place where the header may be folded."""
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

    assert [received for received, _ in inbox(sandbox)] == [subject]
