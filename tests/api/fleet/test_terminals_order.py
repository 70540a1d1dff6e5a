"""The query of the list of terminals: what does not decide which rows are on a page is read for the rows of that
page only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.database.session import fetch
from service.fleet.models import TerminalState
from service.fleet.queries import TERMINALS
from tests import factories

ROOT = "/api/fleet/terminals"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def tables(plan: dict[str, Any]) -> list[str]:
    return sorted(node["Relation Name"] for node in nodes(plan) if "Relation Name" in node)


def planned(db: Session, sort: str, **filters: Any) -> tuple[list[str], list[str]]:
    """The tables that are read to find the page, and those that are read to count."""
    names, values = TERMINALS._cut({"is_in_use": True, **filters})
    statement = TERMINALS._statement(names, sort, 50, "first")
    [[[explained]]] = fetch(db, f"EXPLAIN (FORMAT JSON) {statement.text}", {**statement.own_values, **values})
    [page] = (node for node in nodes(explained["Plan"]) if node["Node Type"] == "Limit")
    [count] = (node for node in nodes(explained["Plan"]) if node.get("Strategy") == "Plain")
    return tables(page), tables(count)


@pytest.mark.parametrize(
    ("sort", "page"),
    [
        ("status", ["fleet_terminal_states", "fleet_terminals"]),
        ("serial_number", ["fleet_terminals"]),
        ("customer_name", ["fleet_customers", "fleet_terminals"]),
    ],
)
def test_a_page_is_found_by_what_it_is_sorted_by_alone(db: Session, sort: str, page: list[str]) -> None:
    assert planned(db, sort) == (page, ["fleet_terminals"])


def test_the_table_of_a_filter_is_read_too(db: Session) -> None:
    both = ["fleet_terminal_states", "fleet_terminals"]

    assert planned(db, "serial_number", status="error") == (both, both)


@pytest.mark.parametrize("sort", TERMINALS.names)
def test_pages_go_on_where_the_last_one_ended_in_every_order(
    sign_in: Callable[..., TestClient], db: Session, sort: str
) -> None:
    """Some terminals share the value that they are sorted by, and some have none."""
    admin, now = sign_in("alice", fleet="admin"), app_now(db)
    terminals = [factories.terminal(db) for _ in range(11)]
    for number, terminal in enumerate(terminals):
        last_heartbeat_at = now - timedelta(minutes=number // 3) if number % 4 else None
        values = {"status": ("online", "error", "offline")[number % 3], "last_heartbeat_at": last_heartbeat_at}
        db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(**values))
    one_page = admin.get(ROOT, params={"sort": sort, "limit": 100}).json()

    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"sort": sort, "limit": 3}
    while len(rows) < 50:
        page = admin.get(ROOT, params=query).json()
        rows += page["items"]
        assert page["total"] == len(terminals)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert rows == one_page["items"]
    assert sorted(row["id"] for row in rows) == [terminal.id for terminal in terminals]
