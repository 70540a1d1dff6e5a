"""アラート一覧 shows what hurts the business most: by how much of a store is stopped, by contract and by hour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.fleet.hours.models import LearnedHours
from service.fleet.models import Customer, Terminal, TerminalState
from service.fleet.watch import actions as watch
from tests import factories
from tests.dashboards.fleet.scene import set_clock

PATH = "/api/fleet/incidents"


@pytest.fixture
def operator(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("alice", fleet="operator")


def store(db: Session, name: str, tills: int, contract: str = "basic") -> list[Terminal]:
    customer = factories.customer(db, name)
    db.execute(update(Customer).where(Customer.id == customer.id).values(contract_type=contract))
    terminals = [factories.terminal(db, customer, store_name=f"本店 レジ{till}番") for till in range(1, tills + 1)]
    for terminal in terminals:
        status(db, terminal, "online")
    return terminals


def status(db: Session, terminal: Terminal, status: str) -> None:
    db.execute(update(TerminalState).where(TerminalState.terminal_id == terminal.id).values(status=status))


def break_terminal(db: Session, terminal: Terminal, kind: str = "error") -> None:
    if kind == "error":
        status(db, terminal, "error")
    factories.alert(db, terminal, kind)


def listed(client: TestClient, **query: Any) -> list[tuple[str, int]]:
    items = client.get(PATH, params=query).json()["items"]
    return [(item["customer_name"], item["impact"]["score"]) for item in items]


def test_the_only_till_comes_before_one_of_eight_and_premium_before_basic(operator: TestClient, db: Session) -> None:
    set_clock(db, "10:00")
    for name, tills, contract in (
        ("八台のうち一台", 8, "basic"),
        ("八台のうち一台・プレミアム", 8, "premium"),
        ("一台だけ", 1, "basic"),
        ("一台だけ・スタンダード", 1, "standard"),
    ):
        break_terminal(db, store(db, name, tills, contract)[0])
    break_terminal(db, store(db, "CPU", 1)[0], "high_cpu")

    by_impact = listed(operator, sort="-impact")

    assert by_impact == [
        ("一台だけ・スタンダード", 90),
        ("一台だけ", 80),
        ("八台のうち一台・プレミアム", 48),
        ("八台のうち一台", 28),
        ("CPU", 20),
    ]
    # All of them are due in the same minute: then the impact decides too.
    assert listed(operator) == by_impact
    assert listed(operator, sort="impact") == by_impact[::-1]


def test_the_reasons_are_shown(operator: TestClient, db: Session) -> None:
    set_clock(db, "10:00")
    first, second, *_ = store(db, "ABC商事", 4, "premium")
    status(db, second, "offline")  # another incident's: the store has one till less all the same
    break_terminal(db, first)

    [item] = operator.get(PATH, params={"alert_type": "error"}).json()["items"]

    assert item["impact"] == {
        "score": 70,
        "level": "high",
        "stopped": 2,
        "terminals": 4,
        "contract_type": "premium",
        "is_trading": True,
    }
    assert operator.get(f"{PATH}/{item['id']}").json()["impact"] == item["impact"]


def test_at_night_the_same_weighs_less_and_what_is_over_weighs_nothing(operator: TestClient, db: Session) -> None:
    set_clock(db, "4:00")
    [till] = store(db, "ABC商事", 1)
    break_terminal(db, till)
    assert listed(operator) == [("ABC商事", 60)]

    status(db, till, "online")
    watch.watch(db)
    db.commit()

    [item] = operator.get(PATH, params={"state": "resolved"}).json()["items"]
    assert item["impact"] is None


def test_a_shop_with_learned_hours_weighs_by_its_own_and_not_by_the_setting(operator: TestClient, db: Session) -> None:
    set_clock(db, "4:00")
    [by_night] = store(db, "夜の店", 1)
    [by_day] = store(db, "昼の店", 1)
    for till, open_at_four in ((by_night, "1"), (by_day, "0")):
        break_terminal(db, till)
        db.add(LearnedHours(terminal_id=till.id, learned_until=app_now(db), days=28, week=open_at_four * 168))
    db.commit()

    assert listed(operator, sort="-impact") == [("夜の店", 80), ("昼の店", 60)]
    items = operator.get(PATH, params={"sort": "-impact"}).json()["items"]
    assert [item["impact"]["is_trading"] for item in items] == [True, False]


def test_pages_by_impact_have_no_gaps_and_no_repeats(operator: TestClient, db: Session) -> None:
    set_clock(db, "10:00")
    for number, tills in enumerate((1, 2, 2, 3, 8)):
        break_terminal(db, store(db, f"顧客{number} {tills}台", tills)[0])
    one_page = operator.get(PATH, params={"sort": "-impact"}).json()["items"]

    items, cursor = [], None
    while True:
        query: dict[str, Any] = {"sort": "-impact", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = operator.get(PATH, params=query).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [item["id"] for item in items] == [item["id"] for item in one_page]
    assert len(items) == 5
