"""How the list of terminals is put together: what is not asked of all of them is asked of the page's alone."""

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
    for below in plan.get("Plans", []):
        yield from nodes(below)


def tables(plan: dict[str, Any]) -> list[str]:
    return sorted(node["Relation Name"] for node in nodes(plan) if "Relation Name" in node)


def planned(db: Session, sort: str, **filters: Any) -> tuple[list[str], list[str]]:
    """The tables that are read to find the page, and those that are read to count."""
    names, values = TERMINALS._cut({"is_in_use": True, **filters})
    statement = TERMINALS._statement(names, sort, 50, "first")
    [[[whole]]] = fetch(db, f"EXPLAIN (FORMAT JSON) {statement.text}", {**statement.given, **values})
    [page] = (node for node in nodes(whole["Plan"]) if node["Node Type"] == "Limit")
    [count] = (node for node in nodes(whole["Plan"]) if node.get("Strategy") == "Plain")
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


def test_what_the_list_is_cut_by_is_looked_at_too(db: Session) -> None:
    both = ["fleet_terminal_states", "fleet_terminals"]

    assert planned(db, "serial_number", status="error") == (both, both)


@pytest.mark.parametrize("sort", TERMINALS.names)
def test_pages_go_on_where_the_last_one_ended_in_every_order(
    sign_in: Callable[..., TestClient], db: Session, sort: str
) -> None:
    """Some share what they are sorted by, and some have none of it."""
    admin, now = sign_in("alice", fleet="admin"), app_now(db)
    made = [factories.terminal(db) for _ in range(11)]
    for place, terminal in enumerate(made):
        heard = now - timedelta(minutes=place // 3) if place % 4 else None
        facts = {"status": ("online", "error", "offline")[place % 3], "last_heartbeat_at": heard}
        db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(**facts))
    whole = admin.get(ROOT, params={"sort": sort, "limit": 100}).json()

    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"sort": sort, "limit": 3}
    while len(found) < 50:
        page = admin.get(ROOT, params=query).json()
        found += page["items"]
        assert page["total"] == len(made)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert found == whole["items"]
    assert sorted(row["id"] for row in found) == [terminal.id for terminal in made]
