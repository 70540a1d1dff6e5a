"""Monthly reports: the figures match a slow calculation, drafting twice changes nothing, and reports are mailed."""

from __future__ import annotations

import statistics
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from jobs import outbox as outbox_jobs
from service.core.database.clock import app_clock, app_now
from service.core.database.partitions import RetentionTable
from service.core.database.session import SYSTEM, transaction
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.outbox.records import OutboxMessage
from service.core.problems import Conflict, Stale
from service.core.values.times import DAY, TOKYO, Month, month_of
from service.fleet.history.actions import compact
from service.fleet.incidents.models import Incident, IncidentStep
from service.fleet.models import Alert, Day, Terminal, TerminalState, heartbeats, terminal_logs
from service.fleet.monthly import actions, queries, rules
from service.fleet.monthly.models import MonthlyReport
from service.fleet.monthly.schemas import Sending
from tests import factories, pdfs, people
from tests.sandbox.process import Sandbox
from tests.workers import Environment, environment

__all__ = ["environment"]

STREAM = uuid.UUID("6a2f41a3-c54c-fce8-32d2-0324e1c32e22")
MONTH = Month(2026, 10)


@dataclass
class Trouble:
    """An incident, `second` seconds after the month's beginning, with its terminals (by index). Times in seconds."""

    second: int
    kind: str
    scope: str
    members: list[int]
    respond: int | None
    repair: int | None
    silent: int | None
    shut_down: bool


@dataclass
class History:
    """Each terminal's customer (0 or 1) and its days: seconds online, offline, in error, in maintenance."""

    customers: list[int]
    days: list[dict[int, tuple[int, int, int, int]]]
    troubles: list[Trouble] = field(default_factory=list)


@st.composite
def histories(draw: st.DrawFn) -> History:
    count = draw(st.integers(1, 4))
    customers = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    spent = st.tuples(*[st.integers(0, 21600)] * 4)
    # Days -1 and 31 are outside of October.
    days = [draw(st.dictionaries(st.sampled_from([-1, 0, 1, 15, 30, 31]), spent, max_size=6)) for _ in range(count)]
    troubles = []
    for _ in range(draw(st.integers(0, 5))):
        second = draw(st.sampled_from([-3600, 0, 86400 * 3 + 77, 31 * 86400 - 1, 31 * 86400]))
        members = sorted(draw(st.sets(st.integers(0, count - 1), min_size=1)))
        troubles.append(
            Trouble(
                second,
                draw(st.sampled_from(["offline", "error", "high_cpu"])),
                draw(st.sampled_from(["terminal", "store"])),
                members,
                draw(st.none() | st.sampled_from([10, 300, 301, 4000])),
                draw(st.none() | st.sampled_from([20, 3600, 3601, 90000])),
                draw(st.none() | st.sampled_from([600, 690, 691, 5000])),
                draw(st.booleans()),
            )
        )
    return History(customers, days, troubles)


def create_history(db: Session, history: History) -> list[Terminal]:
    begins, _ = MONTH.bounds()
    owners = [factories.customer(db, name) for name in ("A商店", "B商店")]
    terminals = [factories.terminal(db, owners[index]) for index in history.customers]
    for terminal, days in zip(terminals, history.days, strict=True):
        for day, (online, offline, error, maintenance) in days.items():
            db.add(
                Day(
                    terminal_id=terminal.id,
                    begins_at=begins + day * DAY,
                    heartbeats=0,
                    online_seconds=online,
                    offline_seconds=offline,
                    error_seconds=error,
                    maintenance_seconds=maintenance,
                    firmware_version=f"1.{max(day, 0)}.0" if online else None,
                )
            )
    for trouble in history.troubles:
        _create_incident(db, trouble, terminals, begins + timedelta(seconds=trouble.second))
    db.flush()
    return terminals


def _create_incident(db: Session, trouble: Trouble, terminals: list[Terminal], opened_at: datetime) -> None:
    repaired_at = None if trouble.repair is None else opened_at + timedelta(seconds=trouble.repair)
    incident = Incident(
        alert_type=trouble.kind, scope=trouble.scope, opened_at=opened_at, joined_at=opened_at, resolved_at=repaired_at
    )
    db.add(incident)
    db.flush()
    done_at = None if trouble.respond is None else opened_at + timedelta(seconds=trouble.respond)
    db.add(IncidentStep(incident_id=incident.id, step=2, due_at=opened_at, done_at=done_at))
    for index, member in enumerate(trouble.members):
        db.add(
            Alert(
                incident_id=incident.id,
                terminal_id=terminals[member].id,
                alert_type=trouble.kind,
                message="x",
                is_resolved=True,
                created_at=opened_at + timedelta(seconds=index),
                resolved_at=repaired_at,
            )
        )
    if trouble.silent is not None:
        last_heartbeat = opened_at - timedelta(seconds=trouble.silent)
        store_heartbeat(db, terminals[trouble.members[0]], last_heartbeat)
        if trouble.shut_down:
            row = {"terminal_id": terminals[trouble.members[0]].id, "at": last_heartbeat, "kind": "shutdown"}
            db.execute(insert(terminal_logs).values(**row))


def store_heartbeat(db: Session, terminal: Terminal, at: datetime) -> None:
    values = {"cpu_usage": 1, "memory_usage": 1, "disk_usage": 1, "terminal_connected": True, "stream_id": STREAM}
    db.execute(insert(heartbeats).values(terminal_id=terminal.id, received_at=at, sent_at=at, sequence=1, **values))


def expected_figures(history: History, owner: int | None) -> dict[str, Any]:
    """Calculates the figures by hand. `owner`: a customer's index, None for all."""
    indexes = [index for index, customer in enumerate(history.customers) if owner in (None, customer)]
    spent = {
        index: [sum(day[part] for at, day in history.days[index].items() if 0 <= at <= 30) for part in range(4)]
        for index in indexes
        if any(0 <= at <= 30 for at in history.days[index])
    }
    totals = [sum(seconds[part] for seconds in spent.values()) for part in range(4)]
    by_day = {}
    for day in (0, 1, 15, 30):
        rows = [history.days[index][day] for index in indexes if day in history.days[index]]
        if rows:
            online, counted = sum(row[0] for row in rows), sum(sum(row[:3]) for row in rows)
            by_day[day + 1] = (len(rows), online / counted if counted else None)
    troubles = [
        trouble
        for trouble in history.troubles
        if 0 <= trouble.second < 31 * 86400 and set(trouble.members) & set(indexes)
    ]
    return {
        "terminals": len(spent),
        "seconds": tuple(totals),
        "uptime": totals[0] / sum(totals[:3]) if sum(totals[:3]) else None,
        "by_day": by_day,
        "incidents": len(troubles),
        "unresolved": sum(trouble.repair is None for trouble in troubles),
        "by_type": dict(Counter(trouble.kind for trouble in troubles)),
        "by_scope": dict(Counter(trouble.scope for trouble in troubles)),
        "respond": span_figures([trouble.respond for trouble in troubles], 300),
        "repair": span_figures([trouble.repair for trouble in troubles], 3600),
        "detect": span_figures(_detection_times(history, troubles), 690),
    }


def _detection_times(history: History, troubles: list[Trouble]) -> list[int | None]:
    """Seconds from the first terminal's newest heartbeat before the alert."""
    durations: list[int | None] = []
    beats = [
        (trouble.members[0], trouble.second - trouble.silent, trouble.shut_down)
        for trouble in history.troubles
        if trouble.silent is not None
    ]
    for trouble in troubles:
        if trouble.kind != "offline":
            continue
        own = [(at, down) for member, at, down in beats if member == trouble.members[0] and at < trouble.second]
        if own:
            newest = max(at for at, _ in own)
            if not any(down for at, down in own if at >= newest):
                durations.append(trouble.second - newest)
    return durations


def span_figures(values: list[int | None], target: int) -> tuple[int, float | None, float | None, int]:
    present = [value for value in values if value is not None]
    median = statistics.median(present) if present else None
    return len(present), median, max(present, default=None), sum(value <= target for value in present)


def actual_figures(figures: rules.MonthFigures) -> dict[str, Any]:
    spent, counts = figures.seconds, figures.counts

    def span(measured_span: rules.Span) -> tuple[int, float | None, float | None, int]:
        return measured_span.count, measured_span.median, measured_span.worst, measured_span.within

    return {
        "terminals": figures.terminals,
        "seconds": (spent.online, spent.offline, spent.error, spent.maintenance),
        "uptime": figures.uptime,
        "by_day": {day.day.day: (day.terminals, day.uptime) for day in figures.by_day},
        "incidents": counts.incidents,
        "unresolved": counts.unresolved,
        "by_type": counts.by_type,
        "by_scope": counts.by_scope,
        "respond": span(counts.respond),
        "repair": span(counts.repair),
        "detect": span(counts.detect),
    }


@settings(max_examples=settings().max_examples // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
def test_the_figures_match_a_slow_calculation(db: Session, history: History) -> None:
    with db.begin_nested() as scene:
        terminals = create_history(db, history)

        assert actual_figures(queries.report_facts(db, MONTH, None).figures) == expected_figures(history, None)
        for owner in set(history.customers):
            customer_id = terminals[history.customers.index(owner)].customer_id
            facts = queries.report_facts(db, MONTH, customer_id)
            assert actual_figures(facts.figures) == expected_figures(history, owner)
            assert queries.load_figures(queries.dump_figures(facts.figures)) == facts.figures
        scene.rollback()


def test_firmware_is_the_newest_of_the_month_and_the_worst_come_first(db: Session) -> None:
    good, bad = {0: (86400, 0, 0, 0), 1: (86400, 0, 0, 0)}, {0: (43200, 43200, 0, 0)}
    terminals = create_history(db, History([0, 0, 1], [good, bad, {15: (0, 0, 0, 86400)}]))

    figures = queries.report_facts(db, MONTH, None).figures

    assert [(item.version, item.terminals) for item in figures.firmware] == [(None, 1), ("1.0.0", 1), ("1.1.0", 1)]
    assert [(item.serial_number, item.uptime) for item in figures.worst] == [(terminals[1].serial_number, 0.5)]
    assert [(item.terminals, item.uptime) for item in figures.customers] == [(2, 5 / 6), (1, None)]


@pytest.fixture
def october(db: Session) -> list[Terminal]:
    """Two customers with a terminal each, which ran all through October. It is the second of November."""
    now = datetime(2026, 11, 2, 3, 0, tzinfo=TOKYO)
    set_clock(db, now)
    terminals = [factories.terminal(db, factories.customer(db, name)) for name in ("ABC商事", "=XYZ商店")]
    for terminal in terminals:
        terminal.created_at = datetime(2026, 9, 30, 12, 0, tzinfo=TOKYO)
        state = db.get_one(TerminalState, terminal.id)
        state.status, state.status_since = "online", terminal.created_at
    db.execute(update(RetentionTable).values(compacted_until=MONTH.plus(-1).bounds()[1]))
    db.flush()
    return terminals


def set_clock(db: Session, at: datetime) -> None:
    db.execute(update(app_clock).values(shift=app_clock.c.shift + (at - app_now(db))))


def compact_all_days(db: Session) -> None:
    while compact(db):
        pass
    db.commit()


def drafts(db: Session) -> dict[int | None, MonthlyReport]:
    reports = db.scalars(select(MonthlyReport).execution_options(populate_existing=True))
    return {report.customer_id: report for report in reports}


def test_the_tick_waits_for_the_last_day_then_drafts_once(db: Session, october: list[Terminal]) -> None:
    db.commit()
    fleet_jobs.draft_monthly_reports()
    assert drafts(db) == {}
    compact_all_days(db)

    fleet_jobs.draft_monthly_reports()

    first = drafts(db)
    assert set(first) == {october[0].customer_id, october[1].customer_id, None}
    assert {report.month for report in first.values()} == {MONTH.first}
    assert {report.version for report in first.values()} == {1}
    pdf_ids = {report.pdf_id for report in first.values()}
    fleet_jobs.draft_monthly_reports()
    assert {report.pdf_id for report in drafts(db).values()} == pdf_ids

    customer = factories.customer(db, "田中ストア")
    october[1].customer_id = customer.id
    db.commit()
    fleet_jobs.draft_monthly_reports()
    assert drafts(db)[customer.id].figures["terminals"] == 1  # a customer that was missing is added


def test_a_report_is_stored_as_pdf_and_csv(db: Session, october: list[Terminal]) -> None:
    compact_all_days(db)
    fleet_jobs.draft_monthly_reports()

    report = drafts(db)[october[1].customer_id]

    text = "".join(pdfs.page_texts(content(db, report.pdf_id)))
    for label in (
        "端末月次報告書",
        "=XYZ商店 様",
        "2026年10月（10/1 〜 10/31）",
        "時間稼働率",
        october[1].serial_number,
    ):
        assert label in text, label
    assert "現在の稼働率" in text
    assert october[0].serial_number not in text
    csv = content(db, report.csv_id)
    assert csv.startswith(b"\xef\xbb\xbf")
    header, row, rest = csv.decode("utf-8-sig").split("\r\n")
    assert header.startswith("会社名,設置店舗名,シリアル番号,ファームウェア,時間稼働率（%）")
    assert row.startswith(f"'=XYZ商店,新宿店 レジ1番,{october[1].serial_number},")
    assert ",100.000,44640.0,0.0,0.0,0.0,0" in row
    assert rest == ""
    summary = "".join(pdfs.page_texts(content(db, drafts(db)[None].pdf_id)))
    assert "顧客企業別" in summary
    assert "ABC商事" in summary


def content(db: Session, file_id: uuid.UUID) -> bytes:
    file = db.get_one(File, file_id)
    assert file.attached_at is not None
    assert file.expires_at is None
    return bytes(storage().open(file.storage_key).read())


def test_a_month_without_any_terminal_has_no_reports(db: Session) -> None:
    set_clock(db, datetime(2026, 11, 2, 3, 0, tzinfo=TOKYO))
    db.execute(update(RetentionTable).values(compacted_until=MONTH.bounds()[1]))
    db.commit()

    fleet_jobs.draft_monthly_reports()

    assert drafts(db) == {}


def test_a_report_is_mailed_with_its_pdf_and_twice_only_on_purpose(
    db: Session, october: list[Terminal], sandbox: Sandbox
) -> None:
    compact_all_days(db)
    fleet_jobs.draft_monthly_reports()
    report = drafts(db)[october[0].customer_id]
    by = people.create_actor(db, "alice", fleet="admin")

    actions.send(db, by, report.id, Sending(version=1))
    db.commit()
    outbox_jobs.send_topic("mail")

    [mail] = sandbox.mails()
    assert mail["recipients"] == ["aoki@example.com"]
    pdf = db.get_one(File, report.pdf_id)
    assert mail["attachments"] == [
        {"name": pdf.name, "type": "application/pdf", "size": pdf.size, "sha256": pdf.sha256.hex()}
    ]
    assert "2026年10月" in mail["subject"]
    assert (report.sent_to, report.user_id, report.version) == ("aoki@example.com", by.user_id, 2)
    [message] = db.scalars(select(OutboxMessage).where(OutboxMessage.topic == "mail"))
    assert message.payload["attachments"] == [str(report.pdf_id)]
    assert message.sent_at is not None
    with pytest.raises(Conflict, match="送信済み"):
        actions.send(db, by, report.id, Sending(version=2))
    with pytest.raises(Stale):
        actions.send(db, by, report.id, Sending(version=1, again=True))
    with pytest.raises(Conflict, match="社内用"):
        actions.send(db, by, drafts(db)[None].id, Sending(version=1))
    actions.send(db, by, report.id, Sending(version=2, again=True))
    assert len(db.scalars(select(OutboxMessage)).all()) == 2


def test_a_sent_report_is_never_drafted_again(db: Session, october: list[Terminal]) -> None:
    compact_all_days(db)
    fleet_jobs.draft_monthly_reports()
    sent, draft = (drafts(db)[terminal.customer_id] for terminal in october)
    actions.send(db, people.create_actor(db, "alice", fleet="admin"), sent.id, Sending(version=1))
    db.commit()
    sent_pdf, replaced_pdf = sent.pdf_id, draft.pdf_id
    open_transaction = partial(transaction, SYSTEM)

    drafted = [actions.draft(open_transaction, "test", MONTH, terminal.customer_id, anew=True) for terminal in october]

    assert drafted == [False, True]
    reports = drafts(db)
    assert reports[october[0].customer_id].pdf_id == sent_pdf
    assert reports[october[1].customer_id].pdf_id != replaced_pdf
    assert reports[october[1].customer_id].version == 2
    assert db.get_one(File, replaced_pdf).expires_at is not None


def test_an_administrator_drafts_a_month_with_a_task_that_shows_its_progress(environment: Environment) -> None:
    alice, oscar = environment.sign_in("alice", fleet="admin"), environment.sign_in("oscar", fleet="operator")
    with transaction(SYSTEM) as db:
        create_history(db, History([0, 1], [{0: (86400, 0, 0, 0)}, {0: (43200, 43200, 0, 0)}]))
        db.execute(update(RetentionTable).values(compacted_until=MONTH.bounds()[1]))
    path = "/api/fleet/reports/monthly"
    assert oscar.post(f"{path}/drafts", json={"month": "2026-10"}).status_code == 403
    refused = alice.post(f"{path}/drafts", json={"month": "2026-11"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "month")
    assert "記録がない" in alice.post(f"{path}/drafts", json={"month": "2026-09"}).json()["detail"]

    task = alice.post(f"{path}/drafts", json={"month": "2026-10"})
    assert (task.status_code, task.json()["title"]) == (202, "2026年10月の月次報告書の作成")
    assert (task.json()["percent"], task.json()["message"]) == (0, "3件の報告書を作成します。")
    assert environment.run()

    done = alice.get(f"/api/core/tasks/{task.json()['id']}").json()
    assert (done["state"], done["percent"], done["figures"]) == ("done", 100, {"作成": 3, "送信済み（変更なし）": 0})
    overview = oscar.get(f"{path}/overview", params={"month": "2026-10"}).json()
    assert (overview["expected"], overview["drafted"], overview["sent"], overview["unsent"]) == (3, 3, 0, 2)
    assert (overview["figures"]["uptime"], overview["before"], overview["is_summed_up"]) == (0.75, None, True)
    summary, *customers = oscar.get(path, params={"month": "2026-10"}).json()["items"]
    assert (summary["customer_id"], summary["terminals"], len(customers)) == (None, 2, 2)
    pdf = oscar.get(f"/api/core/files/{summary['pdf_id']}")
    assert (pdf.status_code, pdf.content[:5]) == (200, b"%PDF-")


def test_the_month_is_tokyos() -> None:
    assert month_of(datetime(2026, 10, 31, 15, 0, tzinfo=TOKYO)) == MONTH
    assert MONTH.bounds()[0].astimezone(TOKYO).hour == 0
