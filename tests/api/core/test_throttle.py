"""Too many attempts: refused in words before the password is checked, for every user, and counted by all processes
together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs import core as core_jobs
from service.core.access import identity, throttle
from service.core.access.throttle import Limit
from service.core.database.session import SYSTEM, transaction
from service.core.settings import settings
from tests.api.core.test_addresses import set_signed_address
from tests.conftest import Service
from tests.people import PASSWORD, create_user

FEW = Limit("test", 3, timedelta(minutes=10))


def attempt(client: TestClient, login_id: str, password: str = "wrong") -> int:
    return client.post("/api/auth/login", json={"login_id": login_id, "password": password}).status_code


def age(db: Session, minutes: float) -> None:
    """As if so much time had passed."""
    db.execute(
        text(
            "UPDATE throttles SET refused_until = refused_until - :by, expires_at = expires_at - :by, "
            "hits = ARRAY(SELECT hit - CAST(:by AS interval) FROM unnest(hits) hit ORDER BY hit)"
        ),
        {"by": timedelta(minutes=minutes)},
    )
    db.commit()


@pytest.fixture
def checked_passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that were checked, without the quarter of a second that each takes."""
    checked: list[str] = []

    def is_right(password: str, hashed: str | None) -> bool:
        checked.append(password)
        return password == PASSWORD and hashed is not None

    monkeypatch.setattr(identity, "check_password", is_right)
    return checked


@pytest.mark.parametrize("login_id", ["alice", "nobody"])
def test_after_five_failures_even_the_right_password_waits(
    client: TestClient, db: Session, checked_passwords: list[str], login_id: str
) -> None:
    create_user(db, "alice", fleet="operator")
    db.commit()
    limit = settings().sign_in_attempts

    statuses = [attempt(client, login_id) for _ in range(limit)]
    refused = client.post("/api/auth/login", json={"login_id": login_id, "password": PASSWORD})

    assert statuses == [401] * limit
    assert refused.status_code == 429
    assert 14 * 60 < int(refused.headers["retry-after"]) <= 15 * 60
    assert "あと15分ほど待ってから" in refused.json()["detail"]
    assert PASSWORD not in checked_passwords
    age(db, settings().sign_in_window_minutes + 0.1)
    assert attempt(client, login_id, PASSWORD) == (200 if login_id == "alice" else 401)


def test_the_right_password_resets_the_count(client: TestClient, db: Session, checked_passwords: list[str]) -> None:
    create_user(db, "alice", fleet="operator")
    db.commit()

    for _ in range(3):
        for _ in range(settings().sign_in_attempts - 1):
            assert attempt(client, "alice") == 401
        assert attempt(client, "alice", PASSWORD) == 200


def test_a_source_that_tries_many_login_ids_is_stopped(
    client: TestClient, checked_passwords: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "sign_in_attempts_per_source", 7)

    statuses = [attempt(client, f"somebody-{number}") for number in range(9)]

    assert statuses == [401] * 7 + [429] * 2
    assert len(checked_passwords) == 7


@pytest.mark.parametrize(
    ("addresses", "is_one_source"),
    [
        (["2001:db8:5::{}", "2001:db8:5::ffff:{}"], True),
        (["192.0.2.7", "::ffff:192.0.2.7"], True),
        (["2001:db8:{}::1"], False),
    ],
)
def test_a_change_of_address_within_one_network_is_no_other_source(
    client: TestClient,
    checked_passwords: list[str],
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    is_one_source: bool,
) -> None:
    monkeypatch.setattr(settings(), "sign_in_attempts", 3)

    statuses = []
    for number in range(1, 7):
        set_signed_address(client, addresses[number % len(addresses)].format(number))
        statuses.append(attempt(client, "alice"))

    assert statuses == ([401] * 3 + [429] * 3 if is_one_source else [401] * 6)


def test_no_change_of_address_helps_for_ever(
    client: TestClient, db: Session, checked_passwords: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "sign_in_attempts_per_login_id", 8)
    monkeypatch.setattr(settings(), "sign_in_attempts", 3)
    create_user(db, "alice", fleet="operator")
    db.commit()

    # From one source, whatever the number of refusals: from another source the user can still sign in.
    set_signed_address(client, "198.51.100.1")
    assert [attempt(client, "alice") for _ in range(12)] == [401] * 3 + [429] * 9
    set_signed_address(client, "192.0.2.1")
    assert attempt(client, "alice", PASSWORD) == 200
    # From new sources each time: after so many attempts every sign-in is refused, with the right password too, for this
    # login id only.
    statuses = []
    for number in range(7):
        set_signed_address(client, f"203.0.113.{number}")
        statuses.append(attempt(client, "alice"))
    assert statuses == [401] * 5 + [429] * 2
    set_signed_address(client, "192.0.2.1")
    assert attempt(client, "alice", PASSWORD) == 429
    assert attempt(client, "bob") == 401
    age(db, 60.1)
    assert attempt(client, "alice", PASSWORD) == 200


def test_many_correct_sign_ins_from_one_source_are_no_attack(
    client: TestClient, db: Session, checked_passwords: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "sign_in_attempts_per_source", 3)
    create_user(db, "alice", fleet="operator")
    db.commit()

    assert [attempt(client, "alice", PASSWORD) for _ in range(8)] == [200] * 8


def test_the_window_slides(db: Session) -> None:
    assert [throttle.attempt(db, FEW, "x") for _ in range(2)] == [0, 0]
    age(db, 6)
    assert throttle.attempt(db, FEW, "x") == 0
    wait = throttle.attempt(db, FEW, "x")
    assert 3.9 * 60 < wait <= 4 * 60
    assert throttle.minutes(wait) == 4
    age(db, 4.1)
    assert [throttle.attempt(db, FEW, "x") > 0 for _ in range(3)] == [False, False, True]


def test_each_key_and_each_limit_is_counted_apart(db: Session) -> None:
    other = Limit("other", 3, timedelta(minutes=10))
    for _ in range(4):
        throttle.attempt(db, FEW, "x", "y")

    assert throttle.attempt(db, FEW, "x", "y") > 0
    assert (
        throttle.attempt(db, FEW, "x", "z")
        == throttle.attempt(db, FEW, "xy")
        == throttle.attempt(db, other, "x", "y")
        == 0
    )


def test_a_limit_that_was_lowered_holds_for_attempts_already_made(db: Session) -> None:
    for _ in range(3):
        throttle.attempt(db, FEW, "x")

    assert throttle.attempt(db, Limit("test", 1, timedelta(minutes=10)), "x") > 590


def test_of_many_attempts_at_once_no_more_get_through_than_may(service: Service) -> None:
    """Over HTTP, on connections of their own."""
    limit = settings().sign_in_attempts

    def try_it(_: int) -> int:
        with service.http() as http:
            body = {"login_id": "many-at-once", "password": "wrong"}
            return http.post("/api/auth/login", json=body).status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(try_it, range(12)))

    assert statuses == [401] * limit + [429] * (12 - limit)


def test_a_stored_row_does_not_show_who_tried(db: Session) -> None:
    throttle.attempt(db, FEW, "alice@example.com", "192.0.2.7")

    [row] = db.execute(text("SELECT key, hits::text FROM throttles")).all()

    assert b"alice" not in row.key
    assert len(row.key) == 32


def test_rows_whose_window_has_passed_are_swept(db: Session) -> None:
    throttle.attempt(db, FEW, "old")
    age(db, 11)
    throttle.attempt(db, FEW, "new")
    db.commit()

    core_jobs.sweep()

    with transaction(SYSTEM) as fresh:
        assert fresh.scalar(text("SELECT count(*) FROM throttles")) == 1
        assert fresh.scalar(text("SELECT rows FROM retention_runs WHERE target = 'throttles'")) == 1
