"""`make clock`: it moves the product's clock and the sandbox's clock together, or none of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, func, select, update
from sqlalchemy.orm import Session

from service.fleet.models import Terminal, TerminalState
from stack import servers
from stack.clock import clock, move_clocks
from stack.home import Home
from tests import factories
from tests.conftest import committed_database
from tests.processes import free_port
from tests.rls_bypass import rls_bypass_url
from tests.sandbox.process import Sandbox, running_sandbox

DATABASE = "genba_clock"
TWO_DAYS = timedelta(days=2)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def owner(running_servers: Home) -> Iterator[str]:
    with committed_database(running_servers, DATABASE):
        yield servers.url(running_servers, "owner", DATABASE)


def shift(owner: str) -> timedelta:
    with psycopg.connect(owner) as connection:
        row = connection.execute("SELECT shift FROM app_clock").fetchone()
    assert row is not None
    value: timedelta = row[0]
    return value


def test_both_clocks_move_together_even_if_they_differed(owner: str, vendors: Sandbox) -> None:
    vendors.clock(shift=60)

    assert move_clocks(owner, vendors.port, TWO_DAYS) == TWO_DAYS
    assert move_clocks(owner, vendors.port, timedelta(hours=1)) == shift(owner) == timedelta(days=2, hours=1)

    assert vendors.clock()["shift"] == shift(owner).total_seconds()


def test_all_terminals_send_heartbeats_except_the_silent_one(owner: str, vendors: Sandbox) -> None:
    engine = create_engine(rls_bypass_url(owner))
    with Session(engine) as db:
        numbers = [factories.terminal(db).serial_number for _ in range(3)]
        db.execute(update(TerminalState).values(offline_after=func.now()))
        db.commit()
        deadlines = select(TerminalState.offline_after).join(Terminal).order_by(Terminal.id)
        before = db.scalars(deadlines).all()

        move_clocks(owner, vendors.port, TWO_DAYS, silent=numbers[1])
        db.expire_all()
        moved = [
            after - previous
            for after, previous in zip(db.scalars(deadlines), before, strict=True)
            if after and previous
        ]
    engine.dispose()
    assert moved == [TWO_DAYS, timedelta(0), TWO_DAYS]


def test_without_the_sandbox_no_clock_moves(owner: str) -> None:
    with pytest.raises(OSError, match="refused"):
        move_clocks(owner, free_port(), TWO_DAYS)

    assert shift(owner) == timedelta(0)


def test_the_command_prints_the_time_and_refuses_invalid_arguments(
    running_servers: Home,
    owner: str,
    vendors: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", owner)
    monkeypatch.setenv("SANDBOX_PORT", str(vendors.port))

    assert clock(running_servers, "36h") == 0
    output = capsys.readouterr().out
    assert "1 day, 12:00:00 ahead of the real time" in output
    moved = datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(hours=36)
    assert any(f"{now:%Y-%m-%d %H:%M} in Tokyo" in output for now in (moved, moved - timedelta(minutes=1)))
    assert clock(running_servers, "") == 0
    assert shift(owner) == timedelta(hours=36)
    assert clock(running_servers, "-2h") == 2
    monkeypatch.setenv("GENBA_MODE", "production")
    assert clock(running_servers, "1h") == 1
    assert shift(owner) == timedelta(hours=36)


def test_the_running_sandbox_is_found_on_any_port(
    owner: str, vendors: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """README: SERVICE_PORT=8800 make up. `make clock` works without the same variable."""
    home = Home(tmp_path)
    home.pids.mkdir()
    monkeypatch.setenv("SANDBOX_PORT", str(vendors.port))
    # Its environment cannot be read before its program runs.
    command = [sys.executable, "-c", "print('running', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        assert sandbox.stdout.readline() == "running\n"
        (home.pids / "sandbox").write_text(f"{sandbox.pid} {psutil.Process(sandbox.pid).create_time()}")
        monkeypatch.setenv("DATABASE_OWNER_URL", owner)
        monkeypatch.setenv("SANDBOX_PORT", str(free_port()))

        assert clock(home, "1h") == 0
        sandbox.kill()

    assert vendors.clock()["shift"] == shift(owner).total_seconds() == 3600
