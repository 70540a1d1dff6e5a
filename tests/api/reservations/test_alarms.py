"""監視: measures start alarms that are notified once and ended in place; figures propose incidents, operators
decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.http.traffic import BUCKETS_MS, TrafficMinute
from service.core.monitoring import probes
from service.core.monitoring.instances import Presence
from service.core.outbox.records import OutboxMessage
from service.reservations.alarms import actions, queries, rules
from service.reservations.alarms.models import Alarm, Measure, Proposal
from service.reservations.alarms.rules import Kind
from service.reservations.inbox.models import Webhook
from service.reservations.incidents.models import Incident
from service.reservations.models import Reservation
from service.reservations.operations.models import Operation
from service.reservations.operations.rules import TARGETS, Priority
from tests.api.reservations import scene

SignIn = Callable[..., TestClient]
URL = "/api/reservations/alarms"
MINUTE = timedelta(minutes=1)
NO_WAITING = dict.fromkeys(("waiting_ticks", "waiting_outbox", "waiting_inbox", "waiting_flow"), 0)
EMPTY_QUEUE: dict[str, Any] = {"queue_least": 0, "queue_most": 0} | NO_WAITING


@pytest.fixture(autouse=True)
def shops_and_services(db: Session) -> None:
    scene.fill(db)
    db.commit()


def posts(db: Session) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.topic == "slack").order_by(OutboxMessage.id)
    return list(db.scalars(query))


def add_measures(db: Session, now: datetime, count: int, **values: Any) -> None:
    """Measures of the whole minutes before `now`."""
    measured = {"cpu": 10.0, "memory": 40.0, "queue_least": 0, "queue_most": 0} | values
    for n in range(1, count + 1):
        minute = rules.to_minute(now) - n * MINUTE
        db.merge(Measure(minute=minute, samples=6, **(NO_WAITING | measured)))
    db.commit()


def add_requests(db: Session, now: datetime, requests: int, errors: int = 0, slow: int = 0) -> None:
    buckets = [0] * (len(BUCKETS_MS) + 1)
    buckets[0], buckets[BUCKETS_MS.index(rules.SLOW_MS) + 1] = requests - slow, slow
    db.merge(TrafficMinute(minute=rules.to_minute(now), requests=requests, errors=errors, buckets=buckets))
    db.commit()


def get_state(client: TestClient) -> dict[str, Any]:
    response = client.get(f"{URL}/state")
    assert response.status_code == 200, response.text
    return {check["kind"]: check for check in response.json()["checks"]} | {"whole": response.json()}


def test_a_measure_is_merged_into_its_minute(db: Session) -> None:
    Presence("service").report(db)
    now = real_now().replace(second=5)
    actions.record_measure(db, 3, now)
    db.execute(text("UPDATE instances SET host_cpu_percent = 80, host_memory_percent = 50"))
    db.execute(text("UPDATE reservations_measures SET cpu = 20, memory = 30"))
    actions.record_measure(db, 200, now + timedelta(seconds=10))

    measure = db.scalars(select(Measure).execution_options(populate_existing=True)).one()
    assert (measure.cpu, measure.memory, measure.samples) == (50, 40, 2)
    assert (measure.queue_least, measure.queue_most, measure.waiting_ticks) == (3, 200, 200)


def test_the_busiest_machine_counts_and_the_silent_ones_do_not(db: Session) -> None:
    for name, host, cpu, ago in (
        ("a", "one", 30, 0),
        ("b", "one", 50, 0),
        ("c", "two", 60, 0),
        ("d", "three", 99, 60),
    ):
        Presence(name).report(db)
        db.execute(
            text(
                "UPDATE instances SET host = :host, host_cpu_percent = :cpu, "
                "seen_at = now() - :ago * interval '1 second' WHERE name = :name"
            ),
            {"name": name, "host": host, "cpu": cpu, "ago": ago},
        )

    assert queries.machine_load(db, real_now())[0] == 60


def test_the_backlog_is_ticks_messages_webhooks_and_due_reservations(db: Session) -> None:
    now = real_now()
    assert queries.backlog(db, 7, now).total == 7
    scene.create_reservation(db)
    due = db.scalars(select(Reservation)).one()
    due.next_action_at = app_now(db) - MINUTE
    db.add(Webhook(provider="twilio", event_id="1", kind="sms", body=b""))
    db.flush()

    backlog = queries.backlog(db, 7, real_now() + MINUTE)

    assert (backlog.waiting_ticks, backlog.waiting_inbox, backlog.waiting_flow) == (7, 1, 1)
    # The SMS that confirms the request.
    assert backlog.waiting_outbox == len(db.scalars(select(OutboxMessage)).all()) > 0


def test_a_high_cpu_is_notified_once_updated_in_its_thread_and_ended_in_place(db: Session) -> None:
    now = real_now()
    add_measures(db, now, 5, cpu=91.6)
    assert actions.update_alarms(db, now)["begun"] == 1
    assert actions.update_alarms(db, now + timedelta(seconds=10)) == {"begun": 0, "over": 0, "going_on": 0}

    later = now + 31 * MINUTE
    add_measures(db, later, 6, cpu=97.2)
    assert actions.update_alarms(db, later)["going_on"] == 1
    assert actions.update_alarms(db, later + MINUTE)["going_on"] == 0

    end = now + 45 * MINUTE
    add_measures(db, end, 6, cpu=20)
    assert actions.update_alarms(db, end)["over"] == 1

    first, going_on, edit, thread = posts(db)
    assert first.payload["text"].splitlines()[:2] == [
        "CPU使用率が高い状態です",
        "CPU使用率: 92%（基準 80%、5分継続）",
    ]
    assert first.payload["text"].endswith("/monitoring|監視を開く>")
    assert first.payload["channel"] == "#qrv-alerts"
    assert (going_on.follows, going_on.payload["broadcast"]) == (first.key, False)
    assert going_on.payload["text"] == "続いています（31分経過）\nCPU使用率: 現在 97%、最大 97%"
    assert (edit.follows, edit.payload["do"]) == (first.key, "edit")
    assert edit.payload["text"].startswith("【解決済み】CPU使用率が高い状態です\n")
    assert "45分（CPU使用率: 最大 97%）" in edit.payload["text"]
    assert (thread.follows, thread.payload["text"]) == (first.key, "解決しました（45分）\nCPU使用率: 現在 20%")


def test_each_of_the_documents_alarms_has_its_text(db: Session) -> None:
    now = real_now()
    add_measures(db, now, 5, cpu=95, memory=95, queue_least=101, queue_most=140)
    add_requests(db, now, 100, errors=6)

    assert actions.update_alarms(db, now)["begun"] == 4

    titles = {post.payload["text"].splitlines()[0] for post in posts(db)}
    assert titles == {
        "CPU使用率が高い状態です",
        "メモリ使用率が高い状態です",
        "予約キューが溜まっています",
        "エラーが多発しています",
    }


def test_an_alarm_keeps_the_worst_of_the_minutes_that_began_it(db: Session) -> None:
    now = real_now()
    add_measures(db, now, 5, cpu=99)
    db.merge(Measure(minute=rules.to_minute(now) - MINUTE, samples=6, cpu=85, memory=1, **EMPTY_QUEUE))
    db.commit()
    actions.update_alarms(db, now)

    alarm = db.scalars(select(Alarm)).one()
    assert (alarm.latest, alarm.worst) == (85, 99)


def test_our_own_downtime_begins_and_ends_nothing(db: Session) -> None:
    now = real_now()
    add_measures(db, now, 5, cpu=95)
    actions.update_alarms(db, now)

    assert actions.update_alarms(db, now + timedelta(hours=3)) == {"begun": 0, "over": 0, "going_on": 1}
    assert db.scalars(select(Alarm.over_at)).one() is None


def test_the_state_names_every_check_of_the_document_with_its_limits(sign_in: SignIn, db: Session) -> None:
    client = sign_in("olivia", reservations="operator")
    before = get_state(client)
    assert [before[kind]["state"] for kind in ("alive", "cpu", "queue")] == ["unknown"] * 3
    assert before["whole"]["is_measured"] is False

    now = real_now()
    add_measures(db, now, 5, cpu=95)
    add_requests(db, now, 100, errors=2)
    actions.record_measure(db, 3, now)
    actions.update_alarms(db, now)
    probes.store(
        db,
        "here",
        [
            {"at": now, "target": target, "every_seconds": 30, "ok": True, "latency_ms": 1, "down": None}
            for target in probes.TARGETS
        ],
    )
    db.commit()

    checks = get_state(client)
    assert [
        (checks[kind]["title"], checks[kind]["every_minutes"], checks[kind]["priority"])
        for kind in ("alive", "cpu", "memory", "queue", "errors")
    ] == [
        ("サーバー死活", 5, "緊急"),
        ("CPU使用率", 5, "高"),
        ("メモリ使用率", 5, "高"),
        ("Celeryキュー長", 1, "高"),
        ("エラー率", 5, "緊急"),
    ]
    assert (checks["cpu"]["state"], checks["cpu"]["shown"], checks["cpu"]["limit"]) == (
        "alarm",
        "95%",
        "基準 80%、5分継続",
    )
    assert (checks["errors"]["state"], checks["errors"]["shown"]) == ("fine", "2%")
    assert (checks["queue"]["shown"], checks["queue"]["detail"]) == ("3件", "内訳: Celeryのキュー 3件")
    assert checks["alive"]["state"] == "fine"
    assert checks["whole"]["open"] == 1


def test_the_alarms_are_listed_and_filtered(sign_in: SignIn, db: Session) -> None:
    now = real_now()
    add_measures(db, now, 5, cpu=95, queue_least=120, queue_most=120)
    actions.update_alarms(db, now)
    add_measures(db, now + 10 * MINUTE, 6, cpu=95)
    actions.update_alarms(db, now + 10 * MINUTE)
    client = sign_in("olivia", reservations="operator")

    def kinds(**params: str | int) -> list[str]:
        return [item["kind"] for item in client.get(URL, params=params).json()["items"]]

    assert sorted(kinds()) == ["cpu", "queue"]
    assert kinds(state="open") == ["cpu"]
    assert kinds(state="over") == kinds(kind="queue") == ["queue"]
    [over] = client.get(URL, params={"state": "over"}).json()["items"]
    assert (over["text"], over["worst"]) == ("予約キューが溜まっています", "120件")
    assert client.get(URL, params={"sort": "kind"}).status_code == 422


def test_the_charts_have_24_hours_in_steps_and_gaps_without_measures(sign_in: SignIn, db: Session) -> None:
    now = real_now()
    add_measures(db, now, 3, cpu=30, queue_most=12)
    add_requests(db, now, 200, errors=1)

    points = sign_in("olivia", reservations="operator").get(f"{URL}/charts").json()["points"]

    assert len(points) == 144
    assert points[0]["cpu"] is None
    assert [point["cpu"] for point in points if point["cpu"] is not None][-1] == 30
    assert max(point["queue"] or 0 for point in points) == 12
    assert [point["errors"] for point in points if point["errors"] is not None] == [0.5]


def add_operations(db: Session, ago: timedelta, count: int) -> None:
    """That many tasks, opened and resolved that long ago."""
    at = app_now(db) - ago
    for _ in range(count):
        db.add(
            Operation(
                kind="customer_enquiry",
                priority="low",
                title="依頼者からの問い合わせ",
                opened_at=at,
                due_at=TARGETS[Priority.URGENT].span + at,
                warn_at=at,
                resolved_at=at,
                told_at=at,
            )
        )
    db.commit()


def start_history(db: Session, days: int) -> None:
    reservation = scene.create_reservation(db)
    reservation.created_at = app_now(db) - timedelta(days=days)
    db.commit()


def test_slow_answers_propose_an_incident_once(db: Session, sign_in: SignIn) -> None:
    now = real_now()
    add_requests(db, now, 100, slow=20)
    assert actions.propose_incidents(db, now) == 1
    assert actions.propose_incidents(db, now) == 0
    db.commit()

    [post] = posts(db)
    assert post.payload["text"].startswith(
        "インシデントの登録を提案します\nAPI応答時間が遅い（5秒超過）\n直近5分の応答100件"
    )
    [proposal] = sign_in("olivia", reservations="operator").get(f"{URL}/proposals").json()["items"]
    assert (proposal["title"], proposal["calm_at"]) == ("API応答時間が遅い（5秒超過）", None)

    # It stays until an operator decides, and shows that it is calm.
    actions.propose_incidents(db, now + timedelta(hours=1))
    db.commit()
    [proposal] = sign_in("oscar", reservations="operator").get(f"{URL}/proposals").json()["items"]
    assert proposal["calm_at"] is not None


def test_twice_the_usual_operations_propose_an_incident_with_figures(db: Session) -> None:
    start_history(db, 60)
    for days in range(2, 30):
        add_operations(db, timedelta(days=days), 3)
    add_operations(db, timedelta(hours=2), 7)

    assert actions.propose_incidents(db) == 1

    [proposal] = db.scalars(select(Proposal)).all()
    assert proposal.kind == "day"
    assert "直近24時間の手動対応は7件です" in proposal.impact
    assert "通常の2.4倍" in proposal.impact


def test_without_a_past_nothing_is_unusual(db: Session) -> None:
    start_history(db, 5)
    add_operations(db, timedelta(hours=2), 30)

    assert actions.propose_incidents(db) == 0


def test_a_proposal_is_opened_as_an_incident_of_medium(db: Session, sign_in: SignIn) -> None:
    now = real_now()
    add_requests(db, now, 100, slow=20)
    actions.propose_incidents(db, now)
    db.commit()
    client = sign_in("olivia", reservations="operator")
    [proposal] = client.get(f"{URL}/proposals").json()["items"]

    incident = {name: proposal[name] for name in ("title", "impact")} | {"level": "medium"}
    opened = client.post(f"{URL}/proposals/{proposal['id']}/incident", json={"incident": incident})
    assert opened.status_code == 201, opened.text

    stored = db.get_one(Incident, opened.json()["incident_id"])
    assert (stored.level, stored.title, stored.impact) == ("medium", proposal["title"], proposal["impact"])
    assert client.get(f"{URL}/proposals").json()["items"] == []
    again = client.post(f"{URL}/proposals/{proposal['id']}/incident", json={"incident": incident})
    assert again.status_code == 409
    assert "olivia さんが先に判断しました" in again.json()["detail"]
    first, _, thread = posts(db)
    assert (thread.follows, thread.payload["text"]) == (first.key, "インシデントを登録しました（olivia さん）")
    # The same problem is not proposed again.
    assert actions.propose_incidents(db, now) == 0


def test_a_dismissed_proposal_has_its_reason_and_comes_back_only_after_a_calm_and_a_day(
    db: Session, sign_in: SignIn
) -> None:
    now = real_now()
    add_requests(db, now, 100, slow=20)
    actions.propose_incidents(db, now)
    db.commit()
    client = sign_in("olivia", reservations="operator")
    [proposal] = client.get(f"{URL}/proposals").json()["items"]
    path = f"{URL}/proposals/{proposal['id']}/dismissal"
    assert client.post(path, json={"reason": " "}).status_code == 422
    assert client.post(path, json={"reason": "負荷試験のため"}).status_code == 204
    assert posts(db)[-1].payload["text"] == "見送りました（olivia さん）: 負荷試験のため"
    assert client.post(f"{URL}/proposals/999999/dismissal", json={"reason": "x"}).status_code == 404

    assert actions.propose_incidents(db, now) == 0
    actions.propose_incidents(db, now + timedelta(hours=1))  # calm
    assert actions.propose_incidents(db, now) == 0
    scene.set_clock(db, app_now(db) + timedelta(hours=25))
    assert actions.propose_incidents(db, now) == 1


def test_the_outages_that_the_watchdog_saw_are_listed(db: Session, sign_in: SignIn) -> None:
    now = real_now()
    for n, down in enumerate((None, "接続できません", "接続できません", None)):
        at = now - timedelta(minutes=10) + n * timedelta(seconds=30)
        results = [
            {"at": at, "target": target, "every_seconds": 30, "ok": down is None, "latency_ms": 1, "down": down}
            for target in probes.TARGETS
        ]
        probes.store(db, "here", results)
    db.commit()

    outages = sign_in("olivia", reservations="operator").get(f"{URL}/outages").json()

    assert (outages["total"], outages["down_minutes"]) == (1, 1.0)
    assert "接続できません" in outages["items"][0]["words"]


def test_every_kind_has_a_check() -> None:
    assert set(rules.CHECKS) == set(Kind)
