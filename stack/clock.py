"""Moves the demo's clock: the product's and the sandbox vendors' clocks move together, otherwise a payment page would
be requested that ends a day late, and calls would not end. Terminals stay online during the move."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psutil
import psycopg

from stack.home import Home
from stack.programs import environment
from stack.supervise import leftover_processes

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# The scope in which the owner role sees the fleet's rows (row-level security).
_SCOPE_OPTIONS = "-c genba.areas={fleet}"
# All pages show this time, wherever the machine is.
_TOKYO = ZoneInfo("Asia/Tokyo")


def clock(home: Home, ahead: str) -> int:
    """`ahead`: 90m, 48h, 3d; empty only prints the time."""
    environ = environment(home)
    span = _parse_span(ahead)
    if span is None:
        print("How far ahead? For example: make clock AHEAD=90m (or 48h, 3d)")
        return 2
    if environ["GENBA_MODE"] != "demo":
        print("Only the demo's clock can be moved.")
        return 1
    try:
        shift = move_clocks(environ["DATABASE_OWNER_URL"], _sandbox_port(home, environ), span)
    except (psycopg.OperationalError, OSError) as error:
        print(f"Genba does not answer, and its clock is where it was ({type(error).__name__}). Start it with: make up")
        return 1
    now = (datetime.now(UTC) + shift).astimezone(_TOKYO)
    print(f"It is {now:%Y-%m-%d %H:%M} in Tokyo for Genba and its vendors: {shift} ahead of the real time.")
    return 0


def move_clocks(owner_url: str, sandbox_port: int, span: timedelta, silent: str = "") -> timedelta:
    """Moves all clocks or none; returns how far they are ahead. `silent`: a terminal that sends no heartbeats
    meanwhile.

    Raises:
        psycopg.Error, OSError: the database, or the sandbox, does not answer.
    """
    with psycopg.connect(owner_url, options=_SCOPE_OPTIONS) as owner:
        row = owner.execute("UPDATE app_clock SET shift = shift + %s RETURNING shift", [span]).fetchone()
        assert row is not None
        shift: timedelta = row[0]
        if span:
            owner.execute("UPDATE fleet_liveness SET alive_at = app_now()")
            owner.execute(
                "UPDATE fleet_terminal_states s SET offline_after = offline_after + %s "
                "FROM fleet_terminals t WHERE t.id = s.terminal_id AND t.serial_number <> %s",
                [span, silent],
            )
        _set_sandbox_clock(sandbox_port, shift)
    return shift


def _sandbox_port(home: Home, environ: Mapping[str, str]) -> int:
    """The port of the running sandbox: `make up` may have used another port than this command's settings."""
    for name, process in leftover_processes(home):
        if name == "sandbox":
            # While it starts, its environment is empty.
            with contextlib.suppress(psutil.Error, KeyError):
                return int(process.environ()["SANDBOX_PORT"])
    return int(environ["SANDBOX_PORT"])


def _set_sandbox_clock(port: int, shift: timedelta) -> None:
    body = json.dumps({"shift": shift.total_seconds()}).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}/_control/clock", body, headers), timeout=10
    ) as response:
        response.read()


def _parse_span(ahead: str) -> timedelta | None:
    if not ahead:
        return timedelta(0)
    match = re.fullmatch(r"(\d{1,4})([mhd])", ahead.strip())
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
