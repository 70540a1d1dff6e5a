"""The watch: which terminals fell silent, and which alerts it opens, resolves and notifies of."""

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


def record_heartbeat(db: Session, *terminals: Terminal, **facts: Any) -> None:
    """Updates terminals as the ingest does after a heartbeat."""
    now = app_now(db)
    values = {"status": "online", "last_heartbeat_at": now, "offline_after": now + timedelta(minutes=11)} | facts
    ids = [terminal.id for terminal in terminals]
    db.execute(update(TerminalState).where(TerminalState.terminal_id.in_(ids)).values(**values))


def advance_clock(db: Session, minutes: float, *, service_alive: bool = True) -> None:
    """Moves the product's clock. The service was running all the while, unless `service_alive` is false."""
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(minutes=minutes)))
    if service_alive:
        db.execute(update(Liveness).values(alive_at=app_now(db)))


def open_alerts(db: Session) -> list[tuple[int, str]]:
    return [(alert.terminal_id, alert.alert_type) for alert in db.scalars(select(Alert).where(~Alert.is_resolved))]


def mails(db: Session) -> list[dict[str, Any]]:
    return [message.payload for message in db.scalars(select(OutboxMessage).order_by(OutboxMessage.id))]


def test_a_terminal_silent_past_its_deadline_is_offline_with_an_alert_and_a_mail(db: Session) -> None:
    terminal = factories.terminal(db, factories.customer(db, "ABC商事"))
    record_heartbeat(db, terminal)
    advance_clock(db, 10.9)
    assert actions.watch(db)["offline"] == 0

    advance_clock(db, 0.2)
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
    alive_interval, watch_interval = RECORD_ALIVE_SECONDS, TICKS["fleet.watch"]["schedule"].total_seconds()
    record_heartbeat(db, factories.terminal(db))
    # Worst case: our sign of life was written just before the deadline, and the watch runs just before the next sign:
    # it cannot tell silence from our own outage yet.
    advance_clock(db, 11 - 0.1 / 60)
    advance_clock(db, (alive_interval - 0.1) / 60, service_alive=False)
    assert actions.watch(db)["offline"] == 0

    # The run after that finds it, even when one run between them is lost or its worker just restarted.
    advance_clock(db, watch_interval / 60)
    assert actions.watch(db)["offline"] == 1
    assert alive_interval + 2 * watch_interval <= rules.MAX_DETECTION_DELAY.total_seconds() == 30


def test_new_alerts_are_posted_to_slack_when_a_channel_is_set(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = settings().model_copy(update={"alert_slack_channel": "#fleet-alerts"})
    monkeypatch.setattr(actions, "settings", lambda: changed)
    record_heartbeat(db, factories.terminal(db, factories.customer(db, "A&B商事"), "TC200-000042"))
    advance_clock(db, 12)
    actions.watch(db)
    actions.watch(db)

    mail, post = db.scalars(select(OutboxMessage).order_by(OutboxMessage.topic))
    assert (mail.topic, post.topic) == ("mail", "slack")
    assert post.payload["channel"] == post.recipient == "#fleet-alerts"
    assert "障害を1件検知しました" in post.payload["text"]
    assert "• A&amp;B商事 - 新宿店 レジ1番: オフライン（TC200-000042）" in post.payload["text"]
    assert post.payload["text"].endswith(f"/alerts?id={mail.subject_id}|アラート一覧を開く>")
    assert (post.area, post.subject, post.expires_at) == ("fleet", "incident", app_now(db) + timedelta(days=1))


def test_watching_twice_notifies_once(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    advance_clock(db, 12)

    actions.watch(db)
    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}

    assert len(mails(db)) == 1


def test_a_customer_that_falls_silent_is_one_incident_and_one_mail(db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    for store in ("新宿店 レジ1番", "新宿店 レジ2番", "池袋店 レジ1番"):
        record_heartbeat(db, factories.terminal(db, customer, store_name=store))
    advance_clock(db, 12)

    assert actions.watch(db)["opened"] == 3

    [mail] = mails(db)
    assert mail["subject"] == "【Genba】ABC商事: オフライン 3台"
    assert all(store in mail["body"] for store in ("新宿店 レジ1番", "新宿店 レジ2番", "池袋店 レジ1番"))


def test_a_new_heartbeat_resolves_the_alert(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    advance_clock(db, 12)
    actions.watch(db)

    record_heartbeat(db, terminal)
    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 1, "reminded": 0}

    db.expire_all()
    [alert] = db.scalars(select(Alert))
    assert alert.is_resolved
    assert alert.resolved_at is not None


def test_other_alerts_stay_open_when_one_terminal_recovers(db: Session) -> None:
    recovered, silent = factories.terminal(db), factories.terminal(db)
    record_heartbeat(db, recovered, silent)
    advance_clock(db, 12)
    actions.watch(db)

    record_heartbeat(db, recovered)

    assert actions.watch(db)["resolved"] == 1
    assert open_alerts(db) == [(silent.id, "offline")]


def test_an_error_opens_an_alert_with_the_agents_message(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal, status="error", error="カードリーダー応答なし", terminal_connected=True)

    actions.watch(db)

    [alert] = db.scalars(select(Alert))
    assert (alert.alert_type, alert.message) == ("error", "カードリーダー応答なし")


def test_an_unplugged_terminal_is_named_as_such(db: Session) -> None:
    record_heartbeat(db, factories.terminal(db), status="error", error=None, terminal_connected=False)

    actions.watch(db)

    assert (
        db.scalars(select(Alert.message)).one() == "店舗PCは通信していますが、端末（TC-200）がUSBで接続されていません。"
    )


def test_a_terminal_without_a_heartbeat_raises_no_alert(db: Session) -> None:
    factories.terminal(db)
    advance_clock(db, 60 * 24)

    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}


def test_maintenance_is_left_alone(db: Session) -> None:
    record_heartbeat(db, factories.terminal(db), status="maintenance")
    advance_clock(db, 60)

    assert actions.watch(db) == {"offline": 0, "opened": 0, "resolved": 0, "reminded": 0}


def test_no_terminal_goes_offline_while_the_service_is_down(db: Session) -> None:
    record_heartbeat(db, factories.terminal(db))
    advance_clock(db, 30, service_alive=False)

    assert actions.watch(db)["offline"] == 0


def test_the_job_leaves_its_heartbeat(db: Session) -> None:
    fleet_jobs.watch()

    assert "fleet.watch" in db.scalars(select(JobHeartbeat.name)).all()
