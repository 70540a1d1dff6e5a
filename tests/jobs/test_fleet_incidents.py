"""How the watch groups alerts into incidents: flapping, reminders, outages that may be ours, maintenance and
shutdown."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.incidents import actions as incidents
from service.fleet.incidents import queries, schemas
from service.fleet.incidents.models import Incident, IncidentEvent
from service.fleet.models import Alert, Terminal, terminal_logs
from service.fleet.watch import actions
from tests import factories, people
from tests.jobs.test_fleet_watch import advance_clock, mails, record_heartbeat


def incident_sizes(db: Session) -> list[tuple[str, int]]:
    """Scope and number of alerts of every incident, oldest first."""
    db.expire_all()
    sizes = {
        incident.id: len(db.scalars(select(Alert.id).where(Alert.incident_id == incident.id)).all())
        for incident in db.scalars(select(Incident).order_by(Incident.id))
    }
    return [(db.get_one(Incident, key).scope, count) for key, count in sizes.items()]


def store(db: Session, name: str, tills: int) -> list[Terminal]:
    customer = factories.customer(db, name)
    return factories.terminals(db, customer, [f"本店 レジ{till}番" for till in range(1, tills + 1)])


def test_one_store_is_one_incident_one_mail_and_one_reminder_per_step(db: Session) -> None:
    tills = store(db, "ABC商事", 19)
    record_heartbeat(db, *tills)
    advance_clock(db, 12)

    actions.watch(db)

    assert incident_sizes(db) == [("store", 19)]
    assert [mail["subject"] for mail in mails(db)] == ["【Genba】ABC商事 - 本店: オフライン 19台"]
    for _ in range(20):
        advance_clock(db, 4)
        actions.watch(db)
    reminders = [mail["subject"] for mail in mails(db)[1:]]
    assert [subject.partition(": ")[2].partition(" ")[0] for subject in reminders] == [
        "初動確認",
        "リモート診断",
        "顧客連絡",
        "対応実施",
    ]


def test_terminals_that_follow_within_ten_minutes_join_without_a_second_notice(db: Session) -> None:
    first, second = store(db, "ABC商事", 2)
    record_heartbeat(db, first)
    advance_clock(db, 6)
    record_heartbeat(db, second)
    advance_clock(db, 6)
    actions.watch(db)
    assert incident_sizes(db) == [("terminal", 1)]
    advance_clock(db, 6)
    actions.watch(db)

    assert incident_sizes(db) == [("store", 2)]
    assert len(mails(db)) == 2  # the incident, and the reminder of the missed first step
    joined = db.scalars(select(IncidentEvent).where(IncidentEvent.kind == "joined")).one()
    assert joined.detail == {"terminals": 1}


def test_a_terminal_that_follows_later_is_another_incident(db: Session) -> None:
    first, second = store(db, "ABC商事", 2)
    record_heartbeat(db, first)
    advance_clock(db, 12)
    actions.watch(db)
    record_heartbeat(db, second)
    advance_clock(db, 12)
    actions.watch(db)
    assert incident_sizes(db) == [("terminal", 1), ("terminal", 1)]


def test_terminals_behind_one_line_are_one_incident_across_customers(db: Session) -> None:
    for name in ("ABC商事", "XYZ商店"):
        record_heartbeat(db, factories.terminal(db, factories.customer(db, name)), address="8.8.8.8")
    advance_clock(db, 12)
    actions.watch(db)
    assert incident_sizes(db) == [("network", 2)]
    assert mails(db)[0]["subject"] == "【Genba】回線 8.8.8.0/24: オフライン 2台"


def test_a_flapping_terminal_reopens_its_incident_without_another_mail(db: Session) -> None:
    terminal = factories.terminal(db)
    for _ in range(3):
        record_heartbeat(db, terminal)
        advance_clock(db, 12)
        actions.watch(db)
        record_heartbeat(db, terminal)
        actions.watch(db)
    assert incident_sizes(db) == [("terminal", 3)]
    detail = queries.incident(
        db, people.create_actor(db, "olivia", fleet="operator"), db.scalars(select(Incident.id)).one()
    )
    assert (detail.members, detail.members_open, len(detail.listed)) == (1, 0, 1)
    assert detail.store_name == terminal.store_name
    assert len([mail for mail in mails(db) if "オフライン" in mail["subject"] and "目標" not in mail["subject"]]) == 1
    kinds = db.scalars(select(IncidentEvent.kind).order_by(IncidentEvent.id)).all()
    assert [kind for kind in kinds if kind != "reminded"] == [
        "opened",
        "recovered",
        "reopened",
        "recovered",
        "reopened",
        "recovered",
    ]


def test_an_outage_of_much_of_the_fleet_is_reported_as_possibly_ours(db: Session) -> None:
    for number in range(20):
        record_heartbeat(db, factories.terminal(db, factories.customer(db, f"顧客 {number}")))
    advance_clock(db, 12)
    actions.watch(db)
    assert incident_sizes(db) == [("fleet", 20)]
    [mail] = mails(db)
    assert "監視側の障害の可能性があります" in mail["subject"]


def test_high_usage_is_an_alert_after_two_heartbeats_and_over_below_eighty(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal, cpu_run=1, cpu_usage=95)
    assert actions.watch(db)["opened"] == 0
    record_heartbeat(db, terminal, cpu_run=2, cpu_usage=96)
    assert actions.watch(db)["opened"] == 1
    assert db.scalars(select(Alert.message)).one() == "CPU使用率が96%です（2回続けて90%以上）。"
    record_heartbeat(db, terminal, cpu_run=2, cpu_usage=85)
    assert actions.watch(db)["resolved"] == 0
    record_heartbeat(db, terminal, cpu_run=0, cpu_usage=79)
    assert actions.watch(db)["resolved"] == 1


def test_going_offline_does_not_end_an_error(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal, status="error", error="紙切れ")
    actions.watch(db)
    advance_clock(db, 12)
    assert actions.watch(db) == {"offline": 1, "opened": 1, "resolved": 0, "reminded": 1}


def test_a_shop_that_closes_is_no_outage_until_it_should_have_opened(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal, shutdown_at=app_now(db))
    advance_clock(db, 60)
    assert actions.watch(db) == {"offline": 1, "opened": 0, "resolved": 0, "reminded": 0}
    advance_clock(db, 11 * 60 + 1)
    actions.watch(db)
    assert db.scalars(select(Alert.message)).one().startswith("店舗PCが正常に終了したまま")


def test_after_a_maintenance_nothing_is_fired_before_its_own_deadline(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal, status="error", error="紙切れ", alerts_from=app_now(db) + timedelta(minutes=11))
    assert actions.watch(db)["opened"] == 0
    advance_clock(db, 12)
    record_heartbeat(db, terminal, status="error", error="紙切れ")
    assert actions.watch(db)["opened"] == 1


def test_two_agents_on_one_token_are_an_alert_that_says_so(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal, cloned_at=app_now(db))
    actions.watch(db)
    assert "同じトークンを使うエージェントが2台あります" in db.scalars(select(Alert.message)).one()
    record_heartbeat(db, terminal, cloned_at=None)
    assert actions.watch(db)["resolved"] == 1


def test_a_snoozed_incident_sends_no_reminder(db: Session) -> None:
    tomorrow = app_now(db) + timedelta(days=1)
    record_heartbeat(db, factories.terminal(db), status="error", error="紙切れ", offline_after=tomorrow)
    actions.watch(db)
    incident = db.scalars(select(Incident)).one()
    snooze = schemas.Snooze(version=incident.version, until=app_now(db) + timedelta(hours=2))
    incidents.snooze(db, people.create_actor(db, "alice", fleet="operator"), incident.id, snooze)
    advance_clock(db, 70)
    assert actions.watch(db)["reminded"] == 0
    advance_clock(db, 60)
    assert actions.watch(db)["reminded"] == 4


def test_every_change_of_status_is_logged(db: Session) -> None:
    terminal = factories.terminal(db)
    record_heartbeat(db, terminal)
    advance_clock(db, 12)
    actions.watch(db)
    rows = db.execute(
        select(terminal_logs.c.kind, terminal_logs.c.status, terminal_logs.c.detail).where(
            terminal_logs.c.terminal_id == terminal.id, terminal_logs.c.kind == "status"
        )
    )
    assert sorted(map(tuple, rows), key=str) == [
        ("status", "offline", {"from": "online"}),
        ("status", "online", {"from": "offline"}),
    ]
