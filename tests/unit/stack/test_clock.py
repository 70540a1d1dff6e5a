"""`make clock`: the product's clock and the vendors' go together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from stack import servers
from stack.clock import clock, move
from stack.home import Home
from tests.conftest import committed_database
from tests.processes import free_port
from tests.sandbox.process import Sandbox, running_sandbox

DATABASE = "genba_clock"
TWO_DAYS = timedelta(days=2)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def owner(running_servers: Home) -> Iterator[str]:
    with committed_database(running_servers, DATABASE):
        yield servers.url(running_servers, "owner", DATABASE)


def shift(owner: str) -> timedelta:
    with psycopg.connect(owner) as connection:
        row = connection.execute("SELECT shift FROM app_clock").fetchone()
    assert row is not None
    found: timedelta = row[0]
    return found


def test_both_clocks_go_on_together_also_when_they_were_apart(owner: str, vendors: Sandbox) -> None:
    vendors.clock(shift=60)

    assert move(owner, vendors.port, TWO_DAYS) == TWO_DAYS
    assert move(owner, vendors.port, timedelta(hours=1)) == shift(owner) == timedelta(days=2, hours=1)

    assert vendors.clock()["shift"] == shift(owner).total_seconds()


def test_without_the_vendors_nothing_moves(owner: str) -> None:
    with pytest.raises(OSError, match="refused"):
        move(owner, free_port(), TWO_DAYS)

    assert shift(owner) == timedelta(0)


def test_the_command_says_what_time_it_is_and_refuses_what_it_cannot_read(
    running_servers: Home,
    owner: str,
    vendors: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", owner)
    monkeypatch.setenv("SANDBOX_PORT", str(vendors.port))

    assert clock(running_servers, "36h") == 0
    assert "1 day, 12:00:00 ahead of the real time" in capsys.readouterr().out
    assert clock(running_servers, "") == 0
    assert shift(owner) == timedelta(hours=36)
    assert clock(running_servers, "-2h") == 2
    monkeypatch.setenv("GENBA_MODE", "production")
    assert clock(running_servers, "1h") == 1
    assert shift(owner) == timedelta(hours=36)
