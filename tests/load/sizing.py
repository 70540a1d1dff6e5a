"""What a fleet needs, calculated from the cost of one heartbeat: `python -m tests.load.sizing` writes it into
docs/scaling.md, with the figures measured there (row `doubling` of `make bench`) and in docs/benchmarks.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack.home import ROOT
from tests.load import marked

BENCHMARKS = ROOT / "docs" / "benchmarks.md"
# Terminals, seconds between heartbeats.
FLEETS = ((20_000, 300), (100_000, 300), (1_000_000, 300), (1_000_000, 60))
RETENTION_DAYS = 35
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Cost:
    """The cost of one heartbeat: microseconds of CPU, bytes. `new_connection`: of the service and PostgreSQL alone,
    when each heartbeat has a new connection."""

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


def needs(cost: Cost, terminals: int, interval: int, kept_days: int = RETENTION_DAYS) -> Needs:
    """Linear: the cost of a heartbeat does not depend on their number, as long as nothing is at its limit."""
    a_second = terminals / interval
    a_day = a_second * DAY_SECONDS
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


def read_cost() -> Cost:
    """Reads the cost from the two documents."""
    rows = [marked.cells(line) for line in marked.read("doubling") if line.startswith("|")]
    beat = next(row for row in rows if row[0].startswith("heartbeats") and row[1] == "1")
    cpu = {process: _parse_number(micros) for process, micros in re.findall(r"(\w+) ([\d,]+)", beat[4])}
    bytes_by_place = {row[0]: _parse_number(row[1]) for row in rows if len(row) == 2 and row[0].startswith("in ")}
    on_new_connection = re.search(
        r"^\| Genba, 67/s, each on a new connection \| \d+ \| ([\d,]+)", BENCHMARKS.read_text(), re.M
    )
    assert on_new_connection is not None
    return Cost(
        service=cpu["service"],
        postgres=cpu["PostgreSQL"],
        proxy=cpu["Caddy"],
        new_connection=_parse_number(on_new_connection[1]),
        log=bytes_by_place["in PostgreSQL's log (WAL)"],
        disk=bytes_by_place["in the table of heartbeats"],
    )


def _parse_number(text: str) -> float:
    return float(text.replace(",", ""))


def table_lines(cost: Cost) -> list[str]:
    fleets = [needs(cost, terminals, interval) for terminals, interval in FLEETS]

    def row(name: str, formula: str, figures: list[str]) -> str:
        return f"| {name} | {formula} | {' | '.join(figures)} |"

    headings = [f"{terminals:,} every {interval} s" for terminals, interval in FLEETS]
    return [
        row("terminals", "formula", headings),
        f"| --- | --- |{' ---: |' * len(FLEETS)}",
        row("heartbeats a second", "n ÷ interval", [f"{fleet.a_second:,.0f}" for fleet in fleets]),
        row("cores, service", f"rate × {cost.service:,.0f} µs", [f"{fleet.service:.2f}" for fleet in fleets]),
        row("cores, PostgreSQL", f"rate × {cost.postgres:,.0f} µs", [f"{fleet.postgres:.2f}" for fleet in fleets]),
        row("cores, Caddy without TLS", f"rate × {cost.proxy:,.0f} µs", [f"{fleet.proxy:.2f}" for fleet in fleets]),
        row(
            "cores, service and PostgreSQL, when each comes on a new connection, few at once",
            f"rate × {cost.new_connection:,.0f} µs",
            [f"{fleet.new_connections:.2f}" for fleet in fleets],
        ),
        row("WAL, MB a second", f"rate × {cost.log:,.0f} B", [f"{fleet.log_a_second:.2f}" for fleet in fleets]),
        row("WAL, GB a day", "× 86,400 s", [f"{fleet.log_a_day:,.0f}" for fleet in fleets]),
        row("rows a day, millions", "rate × 86,400 s", [f"{fleet.rows_a_day / 1e6:,.0f}" for fleet in fleets]),
        row("heartbeats, GB a day", f"rows × {cost.disk:,.0f} B", [f"{fleet.disk_a_day:,.1f}" for fleet in fleets]),
        row(
            f"heartbeats, GB in {RETENTION_DAYS} days",
            f"× {RETENTION_DAYS}",
            [f"{fleet.disk:,.0f}" for fleet in fleets],
        ),
        row(
            "one row a terminal and day, millions in a year",
            "n × 365",
            [f"{terminals * 365 / 1e6:,.0f}" for terminals, _ in FLEETS],
        ),
    ]


def main() -> None:
    marked.write("arithmetic", table_lines(read_cost()))


if __name__ == "__main__":
    main()
