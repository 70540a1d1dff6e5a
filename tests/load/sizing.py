"""From what one heartbeat costs to what a fleet needs: `python -m tests.load.sizing` writes it into docs/scaling.md,
out of the figures measured there (row `doubling` of `make bench`) and in docs/benchmarks.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack.home import ROOT
from tests.load import marked

BENCHMARKS = ROOT / "docs" / "benchmarks.md"
# Terminals, seconds between heartbeats.
FLEETS = ((20_000, 300), (100_000, 300), (1_000_000, 300), (1_000_000, 60))
KEPT_DAYS = 35
DAY = 86_400


@dataclass(frozen=True)
class Cost:
    """Of one heartbeat: microseconds of CPU (of the service and PostgreSQL alone where each comes on a new connection),
    bytes."""

    service: float
    postgres: float
    proxy: float
    new_connection: float
    log: float
    disk: float


@dataclass(frozen=True)
class Needs:
    """Cores; megabytes a second; gigabytes."""

    a_second: float
    service: float
    postgres: float
    proxy: float
    new_connections: float
    log_a_second: float
    log_a_day: float
    rows_a_day: float
    disk_a_day: float
    disk: float


def needs(cost: Cost, terminals: int, interval: int, kept_days: int = KEPT_DAYS) -> Needs:
    """Linear: what a heartbeat costs does not depend on how many there are, as long as nothing is full."""
    a_second = terminals / interval
    a_day = a_second * DAY
    return Needs(
        a_second=a_second,
        service=a_second * cost.service / 1e6,
        postgres=a_second * cost.postgres / 1e6,
        proxy=a_second * cost.proxy / 1e6,
        new_connections=a_second * cost.new_connection / 1e6,
        log_a_second=a_second * cost.log / 1e6,
        log_a_day=a_day * cost.log / 1e9,
        rows_a_day=a_day,
        disk_a_day=a_day * cost.disk / 1e9,
        disk=a_day * cost.disk * kept_days / 1e9,
    )


def measured() -> Cost:
    """What stands in the two documents."""
    rows = [marked.cells(line) for line in marked.read("doubling") if line.startswith("|")]
    beat = next(row for row in rows if row[0].startswith("heartbeats") and row[1] == "1")
    cpu = {who: _number(micros) for who, micros in re.findall(r"(\w+) ([\d,]+)", beat[4])}
    left = {row[0]: _number(row[1]) for row in rows if len(row) == 2 and row[0].startswith("in ")}
    alone = re.search(r"^\| Genba, 67/s, each on a new connection \| \d+ \| ([\d,]+)", BENCHMARKS.read_text(), re.M)
    assert alone is not None
    return Cost(
        service=cpu["service"],
        postgres=cpu["PostgreSQL"],
        proxy=cpu["Caddy"],
        new_connection=_number(alone[1]),
        log=left["in PostgreSQL's log (WAL)"],
        disk=left["in the table of heartbeats"],
    )


def _number(written: str) -> float:
    return float(written.replace(",", ""))


def lines(cost: Cost) -> list[str]:
    fleets = [needs(cost, terminals, interval) for terminals, interval in FLEETS]

    def row(what: str, formula: str, figures: list[str]) -> str:
        return f"| {what} | {formula} | {' | '.join(figures)} |"

    heads = [f"{terminals:,} every {interval} s" for terminals, interval in FLEETS]
    return [
        row("terminals", "formula", heads),
        f"| --- | --- |{' ---: |' * len(FLEETS)}",
        row("heartbeats a second", "n ÷ interval", [f"{one.a_second:,.0f}" for one in fleets]),
        row("cores, service", f"rate × {cost.service:,.0f} µs", [f"{one.service:.2f}" for one in fleets]),
        row("cores, PostgreSQL", f"rate × {cost.postgres:,.0f} µs", [f"{one.postgres:.2f}" for one in fleets]),
        row("cores, Caddy without TLS", f"rate × {cost.proxy:,.0f} µs", [f"{one.proxy:.2f}" for one in fleets]),
        row(
            "cores, service and PostgreSQL, when each comes on a new connection, few at once",
            f"rate × {cost.new_connection:,.0f} µs",
            [f"{one.new_connections:.2f}" for one in fleets],
        ),
        row("WAL, MB a second", f"rate × {cost.log:,.0f} B", [f"{one.log_a_second:.2f}" for one in fleets]),
        row("WAL, GB a day", "× 86,400 s", [f"{one.log_a_day:,.0f}" for one in fleets]),
        row("rows a day, millions", "rate × 86,400 s", [f"{one.rows_a_day / 1e6:,.0f}" for one in fleets]),
        row("heartbeats, GB a day", f"rows × {cost.disk:,.0f} B", [f"{one.disk_a_day:,.1f}" for one in fleets]),
        row(f"heartbeats, GB in {KEPT_DAYS} days", f"× {KEPT_DAYS}", [f"{one.disk:,.0f}" for one in fleets]),
        row(
            "one row a terminal and day, millions in a year",
            "n × 365",
            [f"{terminals * 365 / 1e6:,.0f}" for terminals, _ in FLEETS],
        ),
    ]


def main() -> None:
    marked.write("arithmetic", lines(measured()))


if __name__ == "__main__":
    main()
