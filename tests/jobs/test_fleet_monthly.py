"""Monthly reports: the figures against a slow reading of the same facts, drafting that does nothing twice, and mail."""

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
from tests import factories, paper, people
from tests.sandbox.process import Sandbox
from tests.workers import Ground, ground

__all__ = ["ground"]

STREAM = uuid.UUID("6a2f41a3-c54c-fce8-32d2-0324e1c32e22")
MONTH = Month(2026, 10)


@dataclass
class Trouble:
    """An incident, `second` after the month's beginning, with the terminals it took in (by place); times in seconds."""

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
    """Each terminal's customer (0 or 1) and its days: online, offline, error, maintenance."""

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


def lived(db: Session, history: History) -> list[Terminal]:
    begins, _ = MONTH.bounds()
    owners = [factories.customer(db, name) for name in ("A商店", "B商店")]
    terminals = [factories.terminal(db, owners[place]) for place in history.customers]
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
        _happened(db, trouble, terminals, begins + timedelta(seconds=trouble.second))
    db.flush()
    return terminals


def _happened(db: Session, trouble: Trouble, terminals: list[Terminal], opened: datetime) -> None:
    repaired = None if trouble.repair is None else opened + timedelta(seconds=trouble.repair)
    incident = Incident(
        alert_type=trouble.kind, scope=trouble.scope, opened_at=opened, joined_at=opened, resolved_at=repaired
    )
    db.add(incident)
    db.flush()
    done = None if trouble.respond is None else opened + timedelta(seconds=trouble.respond)
    db.add(IncidentStep(incident_id=incident.id, step=2, due_at=opened, done_at=done))
    for place, member in enumerate(trouble.members):
        db.add(
            Alert(
                incident_id=incident.id,
                terminal_id=terminals[member].id,
                alert_type=trouble.kind,
                message="x",
                is_resolved=True,
                created_at=opened + timedelta(seconds=place),
                resolved_at=repaired,
            )
        )
    if trouble.silent is not None:
        heard = opened - timedelta(seconds=trouble.silent)
        beat(db, terminals[trouble.members[0]], heard)
        if trouble.shut_down:
            row = {"terminal_id": terminals[trouble.members[0]].id, "at": heard, "kind": "shutdown"}
            db.execute(insert(terminal_logs).values(**row))


def beat(db: Session, terminal: Terminal, at: datetime) -> None:
    same = {"cpu_usage": 1, "memory_usage": 1, "disk_usage": 1, "terminal_connected": True, "stream_id": STREAM}
    db.execute(insert(heartbeats).values(terminal_id=terminal.id, received_at=at, sent_at=at, sequence=1, **same))


def slowly(history: History, owner: int | None) -> dict[str, Any]:
    """What the figures must be, by hand; `owner` is a customer's place, None for all."""
    mine = [place for place, customer in enumerate(history.customers) if owner in (None, customer)]
    spent = {
        place: [sum(day[part] for at, day in history.days[place].items() if 0 <= at <= 30) for part in range(4)]
        for place in mine
        if any(0 <= at <= 30 for at in history.days[place])
    }
    total = [sum(one[part] for one in spent.values()) for part in range(4)]
    by_day = {}
    for day in (0, 1, 15, 30):
        rows = [history.days[place][day] for place in mine if day in history.days[place]]
        if rows:
            online, counted = sum(row[0] for row in rows), sum(sum(row[:3]) for row in rows)
            by_day[day + 1] = (len(rows), online / counted if counted else None)
    found = [one for one in history.troubles if 0 <= one.second < 31 * 86400 and set(one.members) & set(mine)]
    return {
        "terminals": len(spent),
        "seconds": tuple(total),
        "uptime": total[0] / sum(total[:3]) if sum(total[:3]) else None,
        "by_day": by_day,
        "incidents": len(found),
        "unresolved": sum(one.repair is None for one in found),
        "by_type": dict(Counter(one.kind for one in found)),
        "by_scope": dict(Counter(one.scope for one in found)),
        "respond": measured([one.respond for one in found], 300),
        "repair": measured([one.repair for one in found], 3600),
        "detect": measured(_detected(history, found), 690),
    }


def _detected(history: History, found: list[Trouble]) -> list[int | None]:
    """From the newest heartbeat of the first terminal that is older than the alert."""
    took: list[int | None] = []
    beats = [
        (one.members[0], one.second - one.silent, one.shut_down) for one in history.troubles if one.silent is not None
    ]
    for one in found:
        if one.kind != "offline":
            continue
        own = [(at, down) for member, at, down in beats if member == one.members[0] and at < one.second]
        if own:
            newest = max(at for at, _ in own)
            if not any(down for at, down in own if at >= newest):
                took.append(one.second - newest)
    return took


def measured(values: list[int | None], target: int) -> tuple[int, float | None, float | None, int]:
    known = [value for value in values if value is not None]
    median = statistics.median(known) if known else None
    return len(known), median, max(known, default=None), sum(value <= target for value in known)


def told(found: rules.MonthFigures) -> dict[str, Any]:
    spent, counts = found.seconds, found.counts

    def span(one: rules.Span) -> tuple[int, float | None, float | None, int]:
        return one.count, one.median, one.worst, one.within

    return {
        "terminals": found.terminals,
        "seconds": (spent.online, spent.offline, spent.error, spent.maintenance),
        "uptime": found.uptime,
        "by_day": {one.day.day: (one.terminals, one.uptime) for one in found.by_day},
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
def test_the_figures_are_what_a_slow_reading_says(db: Session, history: History) -> None:
    with db.begin_nested() as scene:
        terminals = lived(db, history)

        assert told(queries.report_facts(db, MONTH, None).figures) == slowly(history, None)
        for owner in set(history.customers):
            customer_id = terminals[history.customers.index(owner)].customer_id
            facts = queries.report_facts(db, MONTH, customer_id)
            assert told(facts.figures) == slowly(history, owner)
            assert queries.load_figures(queries.dump_figures(facts.figures)) == facts.figures
        scene.rollback()


def test_firmware_is_the_newest_of_the_month_and_the_worst_come_first(db: Session) -> None:
    good, bad = {0: (86400, 0, 0, 0), 1: (86400, 0, 0, 0)}, {0: (43200, 43200, 0, 0)}
    terminals = lived(db, History([0, 0, 1], [good, bad, {15: (0, 0, 0, 86400)}]))

    figures = queries.report_facts(db, MONTH, None).figures

    assert [(one.version, one.terminals) for one in figures.firmware] == [(None, 1), ("1.0.0", 1), ("1.1.0", 1)]
    assert [(one.serial_number, one.uptime) for one in figures.worst] == [(terminals[1].serial_number, 0.5)]
    assert [(one.terminals, one.uptime) for one in figures.customers] == [(2, 5 / 6), (1, None)]


@pytest.fixture
def october(db: Session) -> list[Terminal]:
    """The second of November, and two customers with a terminal each, which both lived through October."""
    moment = datetime(2026, 11, 2, 3, 0, tzinfo=TOKYO)
    set_clock(db, moment)
    terminals = [factories.terminal(db, factories.customer(db, name)) for name in ("ABC商事", "=XYZ商店")]
    for terminal in terminals:
        terminal.created_at = datetime(2026, 9, 30, 12, 0, tzinfo=TOKYO)
        state = db.get_one(TerminalState, terminal.id)
        state.status, state.status_since = "online", terminal.created_at
    db.execute(update(RetentionTable).values(compacted_until=MONTH.plus(-1).bounds()[1]))
    db.flush()
    return terminals


def set_clock(db: Session, moment: datetime) -> None:
    db.execute(update(app_clock).values(shift=app_clock.c.shift + (moment - app_now(db))))


def summed_up(db: Session) -> None:
    while compact(db):
        pass
    db.commit()


def drafts(db: Session) -> dict[int | None, MonthlyReport]:
    found = db.scalars(select(MonthlyReport).execution_options(populate_existing=True))
    return {one.customer_id: one for one in found}


def test_the_tick_waits_for_the_last_day_then_drafts_once(db: Session, october: list[Terminal]) -> None:
    db.commit()
    fleet_jobs.draft_monthly_reports()
    assert drafts(db) == {}
    summed_up(db)

    fleet_jobs.draft_monthly_reports()

    first = drafts(db)
    assert set(first) == {october[0].customer_id, october[1].customer_id, None}
    assert {one.month for one in first.values()} == {MONTH.first}
    assert {one.version for one in first.values()} == {1}
    made = {one.pdf_id for one in first.values()}
    fleet_jobs.draft_monthly_reports()
    assert {one.pdf_id for one in drafts(db).values()} == made

    customer = factories.customer(db, "田中ストア")
    october[1].customer_id = customer.id
    db.commit()
    fleet_jobs.draft_monthly_reports()
    assert drafts(db)[customer.id].figures["terminals"] == 1  # who was missing is caught up with


def test_a_report_is_kept_as_pdf_and_csv(db: Session, october: list[Terminal]) -> None:
    summed_up(db)
    fleet_jobs.draft_monthly_reports()

    report = drafts(db)[october[1].customer_id]

    said = "".join(paper.pages(content(db, report.pdf_id)))
    for words in (
        "端末月次報告書",
        "=XYZ商店 様",
        "2026年10月（10/1 〜 10/31）",
        "時間稼働率",
        october[1].serial_number,
    ):
        assert words in said, words
    assert "現在の稼働率" in said
    assert october[0].serial_number not in said
    csv = content(db, report.csv_id)
    assert csv.startswith(b"\xef\xbb\xbf")
    header, row, rest = csv.decode("utf-8-sig").split("\r\n")
    assert header.startswith("会社名,設置店舗名,シリアル番号,ファームウェア,時間稼働率（%）")
    assert row.startswith(f"'=XYZ商店,新宿店 レジ1番,{october[1].serial_number},")
    assert ",100.000,44640.0,0.0,0.0,0.0,0" in row
    assert rest == ""
    whole = "".join(paper.pages(content(db, drafts(db)[None].pdf_id)))
    assert "顧客企業別" in whole
    assert "ABC商事" in whole


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
    summed_up(db)
    fleet_jobs.draft_monthly_reports()
    report = drafts(db)[october[0].customer_id]
    by = people.actor(db, "alice", fleet="admin")

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


def test_what_was_sent_is_never_drafted_anew(db: Session, october: list[Terminal]) -> None:
    summed_up(db)
    fleet_jobs.draft_monthly_reports()
    sent, draft = (drafts(db)[one.customer_id] for one in october)
    actions.send(db, people.actor(db, "alice", fleet="admin"), sent.id, Sending(version=1))
    db.commit()
    kept, replaced = sent.pdf_id, draft.pdf_id
    opened = partial(transaction, SYSTEM)

    outcome = [actions.draft(opened, "test", MONTH, one.customer_id, anew=True) for one in october]

    assert outcome == [False, True]
    again = drafts(db)
    assert again[october[0].customer_id].pdf_id == kept
    assert again[october[1].customer_id].pdf_id != replaced
    assert again[october[1].customer_id].version == 2
    assert db.get_one(File, replaced).expires_at is not None


def test_an_administrator_drafts_a_month_by_a_task_that_tells_how_far_it_is(ground: Ground) -> None:
    alice, oscar = ground.person("alice", fleet="admin"), ground.person("oscar", fleet="operator")
    with transaction(SYSTEM) as db:
        lived(db, History([0, 1], [{0: (86400, 0, 0, 0)}, {0: (43200, 43200, 0, 0)}]))
        db.execute(update(RetentionTable).values(compacted_until=MONTH.bounds()[1]))
    door = "/api/fleet/reports/monthly"
    assert oscar.post(f"{door}/drafts", json={"month": "2026-10"}).status_code == 403
    refused = alice.post(f"{door}/drafts", json={"month": "2026-11"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "month")
    assert "記録がない" in alice.post(f"{door}/drafts", json={"month": "2026-09"}).json()["detail"]

    task = alice.post(f"{door}/drafts", json={"month": "2026-10"})
    assert (task.status_code, task.json()["title"]) == (202, "2026年10月の月次報告書の作成")
    assert (task.json()["percent"], task.json()["message"]) == (0, "3件の報告書を作成します。")
    assert ground.run()

    done = alice.get(f"/api/core/tasks/{task.json()['id']}").json()
    assert (done["state"], done["percent"], done["figures"]) == ("done", 100, {"作成": 3, "送信済み（変更なし）": 0})
    told = oscar.get(f"{door}/overview", params={"month": "2026-10"}).json()
    assert (told["expected"], told["drafted"], told["sent"], told["unsent"]) == (3, 3, 0, 2)
    assert (told["figures"]["uptime"], told["before"], told["is_summed_up"]) == (0.75, None, True)
    whole, *customers = oscar.get(door, params={"month": "2026-10"}).json()["items"]
    assert (whole["customer_id"], whole["terminals"], len(customers)) == (None, 2, 2)
    pdf = oscar.get(f"/api/core/files/{whole['pdf_id']}")
    assert (pdf.status_code, pdf.content[:5]) == (200, b"%PDF-")


def test_the_month_is_tokyos() -> None:
    assert month_of(datetime(2026, 10, 31, 15, 0, tzinfo=TOKYO)) == MONTH
    assert MONTH.bounds()[0].astimezone(TOKYO).hour == 0
