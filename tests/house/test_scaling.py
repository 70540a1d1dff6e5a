"""docs/scaling.md is true: each table has its place in the plan, and what a program wrote is what it would write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.load import marked, sizing, spread
from tests.load.sizing import Cost, needs
from tests.load.spread import Place


def test_every_table_has_its_place_in_the_plan_for_several_servers() -> None:
    assert sorted(spread.plan()) == sorted(spread.whole().tables)


def test_what_the_plan_says_of_keys_is_what_the_tables_have() -> None:
    """If it is not: `python -m tests.load.spread`, and read what has changed."""
    assert marked.read("tables") == spread.lines(spread.whole(), spread.plan())


def test_a_distributed_table_has_the_column_it_is_distributed_by() -> None:
    tables = spread.whole().tables
    placed = {name: place.column for name, place in spread.plan().items() if place.column}

    assert [name for name, column in placed.items() if column not in tables[name].columns] == []


def test_a_key_without_the_column_is_pointed_out() -> None:
    tables, placed = spread.whole().tables, spread.plan()
    states, alerts = tables["fleet_terminal_states"], tables["fleet_alerts"]

    assert spread.must_change(states, "terminal_id") == []
    assert spread.must_change(states, "status") == ["terminal_id"]
    assert spread.must_go(alerts, placed) == []
    assert spread.must_go(alerts, placed | {"fleet_incidents": Place("local", None)}) == [
        "incident_id → fleet_incidents"
    ]
    assert spread.must_go(alerts, placed | {"fleet_terminals": Place("distributed", "customer_id")}) == [
        "terminal_id → fleet_terminals"
    ]


def test_the_partitions_told_of_are_those_that_are_made(db: Session) -> None:
    kept = db.execute(
        text(
            "SELECT name, partitions, aged_by, at_least, ahead FROM kept_tables "
            "WHERE partitions IS NOT NULL ORDER BY name"
        )
    ).all()
    told = [marked.cells(line.replace("`", "")) for line in marked.read("partitions")[2:]]

    assert [row[:3] for row in told] == [[name, by, of] for name, by, of, _, _ in kept]
    assert [row[4] for row in told] == [str(ahead) for *_, ahead in kept]
    units = {"day": 1, "days": 1, "year": 365, "years": 365}
    said = [(int(number) * units[unit]) for number, unit in (row[3].split() for row in told)]
    assert said == [at_least.days for *_, at_least, _ in kept]


def test_the_arithmetic_is_that_of_the_figures_above_it() -> None:
    """If it is not: `python -m tests.load.sizing`."""
    assert marked.read("arithmetic") == sizing.lines(sizing.measured())


COST = Cost(service=50, postgres=30, proxy=20, new_connection=1000, log=600, disk=100)


def test_a_million_terminals_a_minute_by_hand() -> None:
    found = needs(COST, 1_000_000, 60, kept_days=10)

    assert found.a_second == pytest.approx(16_666.67, abs=0.01)
    assert (found.service, found.postgres, found.proxy) == pytest.approx((0.8333, 0.5, 0.3333), abs=0.001)
    assert found.new_connections == pytest.approx(16.67, abs=0.01)
    assert found.log_a_second == pytest.approx(10)
    assert found.log_a_day == pytest.approx(864)
    assert found.rows_a_day == pytest.approx(1.44e9)
    assert (found.disk_a_day, found.disk) == pytest.approx((144, 1440))


def test_twice_the_terminals_need_twice_as_much_and_twice_the_interval_half() -> None:
    once = needs(COST, 20_000, 300)

    assert needs(COST, 40_000, 600) == once
    assert needs(COST, 40_000, 300).disk == pytest.approx(2 * once.disk)
    assert needs(replace(COST, log=1200), 20_000, 300).log_a_day == pytest.approx(2 * once.log_a_day)
