"""The sweep: who fell silent, what is opened, resolved and told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from jobs.timetable import TICKS
from service.core.database.clock import app_clock, app_now
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.core.values.times import format_local_datetime
from service.fleet.ingest.tokens import RECORD_ALIVE_SECONDS
from service.fleet.models import Alert, Liveness, Terminal, TerminalState
from service.fleet.monthly import rules
from service.fleet.settings import settings
from service.fleet.watch import actions
from tests import factories


def heard(db: Session, *terminals: Terminal, **facts: Any) -> None:
    """As the ingest leaves terminals just after a heartbeat."""
    now = app_now(db)
    values = {"status": "online", "last_heartbeat_at": now, "offline_after": now + timedelta(minutes=11)} | facts
    ids = [terminal.id for terminal in terminals]
    db.execute(update(TerminalState).where(TerminalState.terminal_id.in_(ids)).values(**values))


def later(db: Session, minutes: float, *, service_alive: bool = True) -> None:
    """Moves the product's clock; the service was there all the while, unless said otherwise."""
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(minutes=minutes)))
    if service_alive:
        db.execute(update(Liveness).values(alive_at=app_now(db)))


def open_alerts(db: Session) -> list[tuple[int, str]]:
    return [(a.terminal_id, a.alert_type) for a in db.scalars(select(Alert).where(~Alert.is_resolved))]


def mails(db: Session) -> list[dict[str, Any]]:
    return [message.payload for message in db.scalars(select(OutboxMessage).order_by(OutboxMessage.id))]


def test_a_terminal_silent_past_its_deadline_is_offline_with_an_alert_and_a_mail(db: Session) -> None:
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"))
    heard(db, terminal)
    later(db, 10.9)
    assert actions.watch(db)["offline"] == 0

    later(db, 0.2)
    assert actions.watch(db) == {"offline": 1, "opened": 1, "resolved": 0, "reminded": 0}

    db.expire_all()
    assert db.get_one(TerminalState, terminal.id).status == "offline"
    assert open_alerts(db) == [(terminal.id, "offline")]
    [mail] = mails(db)
    assert mail["to"] == ["support@techcore.example"]
    assert mail["subject"] == "【Genba】ABC商事 - 新宿店 レジ1番: オフライン"
    assert terminal.serial_number in mail["body"]
    last_heartbeat_at = db.get_one(TerminalState, terminal.id).last_heartbeat_at
    assert last_heartbeat_at is not None
    assert (
        f"店舗PCからの通信が途絶えています。最終通信は {format_local_datetime(last_heartbeat_at)} です。"
        in mail["body"]
    )


def test_a_silent_terminal_is_found_at_most_thirty_seconds_after_its_deadline(db: Session) -> None:
    sign, look = RECORD_ALIVE_SECONDS, TICKS["fleet.watch"]["schedule"].total_seconds()
    heard(db, factories.terminal(db))
    # At worst our sign of life was written a moment before the deadline, and a look comes a moment before the next one:
    # it cannot tell silence from our own absence yet.
    later(db, 11 - 0.1 / 60)
    later(db, (sign - 0.1) / 60, service_alive=False)
    assert actions.watch(db)["offline"] == 0

    # The look after that finds it, also when one is lost between them, or its worker was just restarted.
    later(db, look / 60)
    assert actions.watch(db)["offline"] == 1
    assert sign + 2 * look <= rules.MAX_DETECTION_DELAY.total_seconds() == 30


def test_new_alerts_are_told_to_slack_too_where_a_channel_is_named(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings().model_copy(update={"alert_slack_channel": "#fleet-alerts"})
    monkeypatch.setattr(actions, "settings", lambda: told)
    heard(db, factories.terminal(db, factories.customer(db, "A&B商事"), "TC200-000042"))
    later(db, 12)
    actions.watch(db)
    actions.watch(db)

    mail, post = db.scalars(select(OutboxMessage).order_by(OutboxMessage.topic))
    assert (mail.topic, post.topic) == ("mail", "slack")
    assert post.payload["channel"] == post.recipient == "#fleet-alerts"
    assert "障害を1件検知しました" in post.payload["text"]
    assert "• A&amp;B商事 - 新宿店 レジ1番: オフライン（TC200-000042）" in post.payload["text"]
    assert post.payload["text"].endswith(f"/alerts?id={mail.subject_id}|アラート一覧を開く>")
    assert (post.area, post.subject, post.expires_at) == ("fleet", "incident", app_now(db) + timedelta(days=1))


def test_sweeping_twice_tells_once(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    later(db, 12)

    actions.watch(db)
    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}

    assert len(mails(db)) == 1


def test_a_customer_that_falls_silent_is_one_incident_and_one_mail(db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    for store in ("新宿店 レジ1番", "新宿店 レジ2番", "池袋店 レジ1番"):
        heard(db, factories.terminal(db, customer, store_name=store))
    later(db, 12)

    assert actions.watch(db)["opened"] == 3

    [mail] = mails(db)
    assert mail["subject"] == "【Genba】ABC商事: オフライン 3台"
    assert all(store in mail["body"] for store in ("新宿店 レジ1番", "新宿店 レジ2番", "池袋店 レジ1番"))


def test_a_terminal_heard_again_resolves_its_alert(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal)
    later(db, 12)
    actions.watch(db)

    heard(db, terminal)
    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 1, "reminded": 0}

    db.expire_all()
    [alert] = db.scalars(select(Alert))
    assert alert.is_resolved
    assert alert.resolved_at is not None


def test_the_others_stay_open_when_one_is_heard_again(db: Session) -> None:
    back, silent = factories.terminal(db), factories.terminal(db)
    heard(db, back, silent)
    later(db, 12)
    actions.watch(db)

    heard(db, back)

    assert actions.watch(db)["resolved"] == 1
    assert open_alerts(db) == [(silent.id, "offline")]


def test_an_error_opens_an_alert_with_the_agents_words(db: Session) -> None:
    terminal = factories.terminal(db)
    heard(db, terminal, status="error", error="カードリーダー応答なし", terminal_connected=True)

    actions.watch(db)

    [alert] = db.scalars(select(Alert))
    assert (alert.alert_type, alert.message) == ("error", "カードリーダー応答なし")


def test_an_unplugged_terminal_is_named_as_such(db: Session) -> None:
    heard(db, factories.terminal(db), status="error", error=None, terminal_connected=False)

    actions.watch(db)

    assert (
        db.scalars(select(Alert.message)).one() == "店舗PCは通信していますが、端末（TC-200）がUSBで接続されていません。"
    )


def test_a_terminal_never_heard_of_raises_nothing(db: Session) -> None:
    factories.terminal(db)
    later(db, 60 * 24)

    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}


def test_maintenance_is_left_alone(db: Session) -> None:
    heard(db, factories.terminal(db), status="maintenance")
    later(db, 60)

    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}


def test_while_the_service_was_away_nobody_went_offline(db: Session) -> None:
    heard(db, factories.terminal(db))
    later(db, 30, service_alive=False)

    assert actions.watch(db)["offline"] == 0


def test_the_job_leaves_its_heartbeat(db: Session) -> None:
    fleet_jobs.watch()

    assert "fleet.watch" in db.scalars(select(JobHeartbeat.name)).all()
