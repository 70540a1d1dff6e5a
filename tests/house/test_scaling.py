"""docs/scaling.md is up to date: each table has its place in the plan, and generated parts match what the programs
would write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.load import marked, sizing, spread
from tests.load.sizing import Cost, needs
from tests.load.spread import Distribution


def test_every_table_has_its_place_in_the_plan_for_several_servers() -> None:
    planned, tables = set(spread.plan()), set(spread.product_metadata().tables)

    assert planned == tables, (
        f"{sorted(tables - planned)}: add a row `| `name` | distributed by | | |` to the table of docs/scaling.md (a "
        f"column, `local` or `reference`), then run `python -m tests.load.spread`. Remove {sorted(planned - tables)}"
    )


def test_what_the_plan_says_of_keys_is_what_the_tables_have() -> None:
    assert marked.read("tables") == spread.table_lines(spread.product_metadata(), spread.plan()), (
        "docs/scaling.md is stale: run `python -m tests.load.spread` and read what changed"
    )


def test_a_distributed_table_has_the_column_it_is_distributed_by() -> None:
    tables = spread.product_metadata().tables
    placed = {name: place.column for name, place in spread.plan().items() if place.column}

    assert [name for name, column in placed.items() if column not in tables[name].columns] == [], (
        "name a column of the table in docs/scaling.md"
    )


def test_a_key_without_the_column_is_pointed_out() -> None:
    tables, placed = spread.product_metadata().tables, spread.plan()
    states, alerts = tables["fleet_terminal_states"], tables["fleet_alerts"]

    assert spread.unique_keys_to_change(states, "terminal_id") == []
    assert spread.unique_keys_to_change(states, "status") == ["terminal_id"]
    assert spread.foreign_keys_to_change(alerts, placed) == []
    assert spread.foreign_keys_to_change(alerts, placed | {"fleet_incidents": Distribution("local", None)}) == [
        "incident_id → fleet_incidents"
    ]
    assert spread.foreign_keys_to_change(
        alerts, placed | {"fleet_terminals": Distribution("distributed", "customer_id")}
    ) == ["terminal_id → fleet_terminals"]


def test_the_documented_partitions_are_those_that_are_created(db: Session) -> None:
    tables = db.execute(
        text(
            "SELECT name, partitions, aged_by, at_least, ahead FROM kept_tables "
            "WHERE partitions IS NOT NULL ORDER BY name"
        )
    ).all()
    documented = [marked.cells(line.replace("`", "")) for line in marked.read("partitions")[2:]]

    assert [row[:3] for row in documented] == [
        [name, partitions, aged_by] for name, partitions, aged_by, _, _ in tables
    ], "correct the table of partitions in docs/scaling.md: it has a row for each of `kept_tables` with partitions"
    assert [row[4] for row in documented] == [str(ahead) for *_, ahead in tables]
    units = {"day": 1, "days": 1, "year": 365, "years": 365}
    documented_days = [(int(number) * units[unit]) for number, unit in (row[3].split() for row in documented)]
    assert documented_days == [at_least.days for *_, at_least, _ in tables]


def test_the_arithmetic_is_that_of_the_figures_above_it() -> None:
    assert marked.read("arithmetic") == sizing.table_lines(sizing.read_cost()), "run `python -m tests.load.sizing`"


COST = Cost(service=50, postgres=30, proxy=20, new_connection=1000, log=600, disk=100)


def test_a_million_terminals_a_minute_by_hand() -> None:
    result = needs(COST, 1_000_000, 60, kept_days=10)

    assert result.a_second == pytest.approx(16_666.67, abs=0.01)
    assert (result.service, result.postgres, result.proxy) == pytest.approx((0.8333, 0.5, 0.3333), abs=0.001)
    assert result.new_connections == pytest.approx(16.67, abs=0.01)
    assert result.log_a_second == pytest.approx(10)
    assert result.log_a_day == pytest.approx(864)
    assert result.rows_a_day == pytest.approx(1.44e9)
    assert (result.disk_a_day, result.disk) == pytest.approx((144, 1440))


def test_twice_the_terminals_need_twice_as_much_and_twice_the_interval_half() -> None:
    base = needs(COST, 20_000, 300)

    assert needs(COST, 40_000, 600) == base
    assert needs(COST, 40_000, 300).disk == pytest.approx(2 * base.disk)
    assert needs(replace(COST, log=1200), 20_000, 300).log_a_day == pytest.approx(2 * base.log_a_day)
