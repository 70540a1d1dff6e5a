"""Sorting the list of terminals: every key, both ways, page by page, while rows come and go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.database.paging import write_cursor
from service.fleet.models import Terminal, TerminalState
from tests import factories

KEYS = ("status", "serial_number", "store_name", "customer_name", "last_heartbeat_at")
LIST = "/api/fleet/terminals"


def pages(client: TestClient, limit: int = 2, **query: str) -> list[dict[str, Any]]:
    """All rows of the list, read page by page."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params: dict[str, str | int] = {"limit": limit, **query}
        if cursor:
            params["cursor"] = cursor
        answer = client.get(LIST, params=params)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["items"]
        if (cursor := answer.json()["next_cursor"]) is None:
            return rows


@pytest.fixture
def operator(db: Session, sign_in: Callable[..., TestClient]) -> TestClient:
    """Seven terminals of three customers; values repeat, and two never sent a heartbeat."""
    customers = [factories.customer(db, name) for name in ("株式会社　青木商店", "ABC商事", "XYZ商店")]
    now = app_now(db)
    for number, (customer, store, status, age) in enumerate(
        [
            (0, "新宿店　1番", "online", 3),
            (1, "梅田店", "offline", None),
            (2, "新宿店　1番", "error", 3),
            (1, "あ" * 100, "maintenance", 1),
            (0, "梅田店", "online", None),
            (2, "100%の店", "offline", 90),
            (1, "梅田店", "online", 2),
        ]
    ):
        terminal = factories.terminal(db, customers[customer], f"SORT-{(number * 3) % 7}", store)
        state = db.get_one(TerminalState, terminal.id)
        state.status, state.last_heartbeat_at = status, None if age is None else now - timedelta(minutes=age)
    db.commit()
    return sign_in("olivia", fleet="operator")


@pytest.mark.parametrize("key", KEYS)
def test_every_key_sorts_both_ways_without_gaps_and_repeats(operator: TestClient, key: str) -> None:
    ascending, descending = pages(operator, sort=key), pages(operator, sort=f"-{key}")

    assert len({row["id"] for row in ascending}) == len(ascending) == 7
    if key == "last_heartbeat_at":
        times = [row[key] for row in ascending if row[key]]
        assert times == sorted(times)
        assert [row[key] for row in ascending[-2:]] == [row[key] for row in descending[-2:]] == [None, None]
        assert descending[:5] == ascending[:5][::-1]
    else:
        assert descending == ascending[::-1]
    one_page = operator.get(LIST, params={"sort": key}).json()
    assert [row["id"] for row in one_page["items"]] == [row["id"] for row in ascending]
    assert one_page["next_cursor"] is None


def test_without_a_sort_those_in_trouble_come_first(operator: TestClient) -> None:
    assert [row["status"] for row in pages(operator)] == ["offline"] * 2 + ["error", "maintenance"] + ["online"] * 3


def test_rows_that_come_and_go_neither_repeat_nor_hide_others(operator: TestClient, db: Session) -> None:
    query: dict[str, str | int] = {"limit": 3, "sort": "serial_number"}
    first = operator.get(LIST, params=query).json()
    assert [row["serial_number"] for row in first["items"]] == ["SORT-0", "SORT-1", "SORT-2"]

    factories.terminal(db, serial_number="SORT-00")
    moved = db.get_one(Terminal, first["items"][0]["id"])
    moved.serial_number = "RENAMED"
    db.commit()

    second = operator.get(LIST, params=query | {"cursor": first["next_cursor"]}).json()
    assert [row["serial_number"] for row in second["items"]] == ["SORT-3", "SORT-4", "SORT-5"]
    assert second["total"] == 8


def test_a_heartbeat_between_two_pages_hides_no_terminal_without_heartbeats(operator: TestClient, db: Session) -> None:
    first = operator.get(LIST, params={"limit": 6, "sort": "-last_heartbeat_at"}).json()
    assert first["items"][5]["last_heartbeat_at"] is None
    db.get_one(TerminalState, first["items"][5]["id"]).last_heartbeat_at = app_now(db)
    db.commit()

    query = {"limit": 6, "sort": "-last_heartbeat_at", "cursor": first["next_cursor"]}
    [last] = operator.get(LIST, params=query).json()["items"]

    assert last["last_heartbeat_at"] is None
    assert last["id"] not in {row["id"] for row in first["items"]}


@pytest.mark.parametrize("sort", ["id", "--status", "status;drop table fleet_terminals", "Status", ""])
def test_a_sort_that_is_not_offered_is_refused_and_those_offered_are_named(operator: TestClient, sort: str) -> None:
    answer = operator.get(LIST, params={"sort": sort})

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "sort"
    assert "-last_heartbeat_at" in error["message"]


@pytest.mark.parametrize(
    "cursor",
    [
        write_cursor("store_name", "新宿店", 1),  # of another sort
        write_cursor("-last_heartbeat_at", "gestern", 1),
        write_cursor("-last_heartbeat_at", 5, 1),
        write_cursor("-last_heartbeat_at", "2026-11-21T09:00:00+09:00", 2**63),
        write_cursor("-last_heartbeat_at", "2026-11-21T09:00:00+09:00"),
    ],
)
def test_a_cursor_of_another_sort_or_made_up_is_refused(operator: TestClient, cursor: str) -> None:
    answer = operator.get(LIST, params={"sort": "-last_heartbeat_at", "cursor": cursor})

    assert answer.status_code == 422
    assert "最初のページから開き直してください。" in answer.json()["detail"]


def test_a_page_beyond_the_last_row_still_knows_how_many_there_are(operator: TestClient) -> None:
    cursor = write_cursor("serial_number", "SORT-9", 1)

    answer = operator.get(LIST, params={"sort": "serial_number", "cursor": cursor}).json()

    assert answer == {"items": [], "total": 7, "next_cursor": None}


@pytest.mark.parametrize("typed", ["%", "_", "/", "100%"])
def test_wildcards_are_searched_for_as_they_are(operator: TestClient, typed: str) -> None:
    rows = pages(operator, q=typed)

    assert [row["store_name"] for row in rows] == (["100%の店"] if "%" in typed else [])


def test_a_missing_value_is_no_position_where_none_is_missing(operator: TestClient) -> None:
    cursor = write_cursor("serial_number", None, 1)

    assert operator.get(LIST, params={"sort": "serial_number", "cursor": cursor}).status_code == 422
