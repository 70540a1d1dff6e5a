"""Upkeep of agents: commands without a report expire, old tokens are renewed, and old bundles are deleted."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from jobs.timetable import TICKS
from service.core.access.identity import hash_token, new_token
from service.core.database.clock import app_clock, app_now
from service.core.files import deposit, records
from service.core.files.records import File
from service.core.monitoring.health import JobHeartbeat
from service.fleet.agents import actions, rules
from service.fleet.agents.models import Command
from service.fleet.models import Terminal, TerminalState, TerminalToken, terminal_logs
from service.fleet.rules import BUNDLE
from service.fleet.settings import settings
from tests import factories


@pytest.fixture
def terminal(db: Session) -> Terminal:
    terminal = factories.terminal(db)
    db.add(TerminalToken(token_hash=hash_token(new_token()), terminal_id=terminal.id))
    db.flush()
    return terminal


def command(db: Session, terminal: Terminal, name: str = "diagnose", **facts: Any) -> Command:
    command = Command(
        **{"terminal_id": terminal.id, "name": name, "expires_at": app_now(db) + rules.COMMAND_TTL} | facts
    )
    db.add(command)
    db.flush()
    return command


def advance_clock(db: Session, **by: float) -> None:
    """Moves the product's clock; the terminals send heartbeats all the while."""
    db.flush()
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(**by)))
    db.execute(update(TerminalState).values(last_heartbeat_at=app_now(db)))


def test_a_command_that_no_agent_accepts_expires_after_a_day(db: Session, terminal: Terminal) -> None:
    waiting = command(db, terminal)
    advance_clock(db, hours=23.9)
    assert actions.run_housekeeping(db)["expired"] == 0

    advance_clock(db, hours=0.2)
    assert actions.run_housekeeping(db)["expired"] == 1
    assert actions.run_housekeeping(db)["expired"] == 0

    db.refresh(waiting)
    assert (waiting.state, waiting.finished_at) == ("expired", app_now(db))
    [(kind, detail)] = db.execute(select(terminal_logs.c.kind, terminal_logs.c.detail)).all()
    assert (kind, detail) == ("command", {"id": waiting.id, "name": "diagnose", "state": "expired"})


@pytest.mark.parametrize("state", ["accepted", "running"])
def test_a_running_command_without_a_report_expires_after_an_hour(db: Session, terminal: Terminal, state: str) -> None:
    at_work = command(db, terminal, state=state, expires_at=app_now(db) + rules.REPORT_TIMEOUT)
    advance_clock(db, minutes=61)

    assert actions.run_housekeeping(db)["expired"] == 1

    db.refresh(at_work)
    assert at_work.state == "expired"


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_finished_command_does_not_expire(db: Session, terminal: Terminal, state: str) -> None:
    finished = command(db, terminal, state=state, finished_at=app_now(db))
    advance_clock(db, days=3)

    assert actions.run_housekeeping(db)["expired"] == 0

    db.refresh(finished)
    assert finished.state == state


def test_renewal_of_an_old_token_is_requested_once_a_week(db: Session, terminal: Terminal) -> None:
    advance_clock(db, days=settings().token_days - 0.1)
    assert actions.run_housekeeping(db)["renewals"] == 0

    advance_clock(db, days=0.2)
    assert actions.run_housekeeping(db)["renewals"] == 1
    assert actions.run_housekeeping(db)["renewals"] == 0
    # The agent cannot do it: the command expired, and is not sent again with every run.
    advance_clock(db, days=2)
    assert actions.run_housekeeping(db) == {"expired": 1, "renewals": 0, "bundles": 0}
    advance_clock(db, days=6)
    assert actions.run_housekeeping(db)["renewals"] == 1

    commands = db.scalars(select(Command).where(Command.terminal_id == terminal.id).order_by(Command.id)).all()
    assert [(command.name, command.state) for command in commands] == [
        ("rotate_token", "expired"),
        ("rotate_token", "waiting"),
    ]


def test_a_renewal_waits_for_an_offline_terminal(db: Session, terminal: Terminal) -> None:
    advance_clock(db, days=100)
    db.execute(update(TerminalState).values(last_heartbeat_at=app_now(db) - timedelta(hours=2)))
    assert actions.run_housekeeping(db)["renewals"] == 0

    db.execute(update(TerminalState).values(last_heartbeat_at=app_now(db)))
    assert actions.run_housekeeping(db)["renewals"] == 1


def test_a_revoked_token_is_not_renewed(db: Session, terminal: Terminal) -> None:
    db.execute(update(TerminalToken).values(revoked_at=app_now(db)))
    advance_clock(db, days=100)

    assert actions.run_housekeeping(db)["renewals"] == 0


def test_a_fleet_enrolled_in_one_day_renews_its_tokens_in_more(
    db: Session, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.fleet.agents.queries.MAX_RENEWALS", 2)
    for _ in range(2):
        db.add(TerminalToken(token_hash=hash_token(new_token()), terminal_id=factories.terminal(db).id))
    advance_clock(db, days=91)

    assert [actions.run_housekeeping(db)["renewals"] for _ in range(3)] == [2, 1, 0]


def test_a_bundle_goes_after_a_month(db: Session, terminal: Terminal) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as bundle:
        bundle.writestr("log.txt", "x")
    file = records.add(db, "agent", deposit.store(written, BUNDLE, "診断.zip"))
    records.attach_generated(db, file)
    sent = command(db, terminal, "send_bundle", state="done", finished_at=app_now(db), file_id=file.id)
    advance_clock(db, days=29)
    assert actions.run_housekeeping(db)["bundles"] == 0

    advance_clock(db, days=2)
    assert actions.run_housekeeping(db)["bundles"] == 1

    db.refresh(sent)
    deleted = db.get_one(File, file.id, populate_existing=True)
    assert (sent.file_id, deleted.attached_at) == (None, None)
    assert deleted.expires_at is not None


def test_the_job_leaves_its_heartbeat(db: Session) -> None:
    fleet_jobs.tend_agents()

    assert "fleet.agents" in TICKS
    assert "fleet.agents" in db.scalars(select(JobHeartbeat.name)).all()
