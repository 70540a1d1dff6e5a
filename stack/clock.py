"""The demo's time, moved on: the product's clock and the vendors' in the sandbox go together, or a page to pay on would
be asked for that ends a day late, and calls would not end. What has its own place in time goes along: terminals are
heard of all the while."""

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
from stack.supervise import leftovers

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# Of the fleet's rows, which the owner sees none of otherwise.
_SIGHT = "-c genba.areas={fleet}"
# Every page shows this time, wherever the machine stands.
_TOKYO = ZoneInfo("Asia/Tokyo")


def clock(place: Home, ahead: str) -> int:
    """`ahead`: 90m, 48h, 3d; nothing: only says what time it is."""
    environ = environment(place)
    span = _span(ahead)
    if span is None:
        print("How far ahead? For example: make clock AHEAD=90m (or 48h, 3d)")
        return 2
    if environ["GENBA_MODE"] != "demo":
        print("Only the demo's clock can be moved.")
        return 1
    try:
        shift = move(environ["DATABASE_OWNER_URL"], _sandbox_port(place, environ), span)
    except (psycopg.OperationalError, OSError) as why:
        print(f"Genba does not answer, and its clock is where it was ({type(why).__name__}). Start it with: make up")
        return 1
    now = (datetime.now(UTC) + shift).astimezone(_TOKYO)
    print(f"It is {now:%Y-%m-%d %H:%M} in Tokyo for Genba and its vendors: {shift} ahead of the real time.")
    return 0


def move(owner_url: str, sandbox_port: int, span: timedelta, silent: str = "") -> timedelta:
    """All of it or nothing; how far the clocks then are ahead. `silent`: a terminal that is not heard of meanwhile.

    Raises:
        psycopg.Error, OSError: the database, or the sandbox, does not answer.
    """
    with psycopg.connect(owner_url, options=_SIGHT) as owner:
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
        _tell(sandbox_port, shift)
    return shift


def _sandbox_port(place: Home, environ: Mapping[str, str]) -> int:
    """Of the sandbox that runs: `make up` may have been told another port than this command was."""
    for name, process in leftovers(place):
        if name == "sandbox":
            with contextlib.suppress(psutil.Error):
                return int(process.environ()["SANDBOX_PORT"])
    return int(environ["SANDBOX_PORT"])


def _tell(port: int, shift: timedelta) -> None:
    body = json.dumps({"shift": shift.total_seconds()}).encode()
    kind = {"Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}/_control/clock", body, kind), timeout=10
    ) as answer:
        answer.read()


def _span(ahead: str) -> timedelta | None:
    if not ahead:
        return timedelta(0)
    found = re.fullmatch(r"(\d{1,4})([mhd])", ahead.strip())
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
