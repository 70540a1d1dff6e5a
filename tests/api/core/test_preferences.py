"""The user's own preferences: what she put is there, nobody else sees it, and it cannot grow without end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.session import NO_SCOPES, SYSTEM, transaction
from service.core.users.preferences import MAX_BYTES, MAX_LEVELS, MAX_PREFERENCES, Preference
from tests.people import create_user, signed_in_client

PATH = "/api/me/preferences"


def put(client: TestClient, name: str, value: object) -> int:
    return client.put(f"{PATH}/{name}", json={"value": value}).status_code


def items(client: TestClient) -> Any:
    return client.get(PATH).json()["items"]


def test_what_was_put_is_read_and_the_last_value_holds(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="viewer")
    assert items(client) == {}

    for value in (["alerts"], ["alerts", "terminals"]):
        assert put(client, "menu.favourites", value) == 204
    assert put(client, "columns.fleet.terminals", {"hidden": ["製造番号"], "width": 1.5, "wide": None}) == 204

    assert items(client) == {
        "menu.favourites": ["alerts", "terminals"],
        "columns.fleet.terminals": {"hidden": ["製造番号"], "width": 1.5, "wide": None},
    }
    assert db.scalar(select(func.count()).select_from(AuditEntry)) == 0


def test_nobody_sees_or_changes_what_is_anothers(client: TestClient, db: Session) -> None:
    alice, bob = create_user(db, "alice", agencies="admin"), create_user(db, "bob", fleet="admin")
    assert put(signed_in_client(db, client, alice), "menu.favourites", ["cases"]) == 204

    assert items(signed_in_client(db, client, bob)) == {}
    assert put(client, "menu.favourites", ["alerts"]) == 204
    assert items(signed_in_client(db, client, alice)) == {"menu.favourites": ["cases"]}
    client.headers.pop("Authorization")
    assert client.get(PATH).status_code == put(client, "menu.favourites", []) == 401


@pytest.mark.parametrize("scopes", [NO_SCOPES, SYSTEM])
def test_the_database_shows_a_users_rows_to_her_transactions_only(
    sign_in: Callable[..., TestClient], db: Session, scopes: Any
) -> None:
    put(sign_in("alice", fleet="viewer"), "recent", [])

    with transaction(scopes) as other:
        other.execute(text("SELECT set_config('genba.person', '', true)"))
        assert other.scalars(select(Preference)).all() == []


@pytest.mark.parametrize("name", ["Menu", "1", "a b", "a%00", "x" * 65, "%E3%81%82"])
def test_a_name_is_short_and_plain(sign_in: Callable[..., TestClient], name: str) -> None:
    assert put(sign_in("alice", fleet="viewer"), name, 1) == 422


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    "body",
    [
        '{"value": "' + "x" * MAX_BYTES + '"}',
        '{"value": "' + "あ" * (MAX_BYTES // 3 + 1) + '"}',
        '{"value": "\\u0000"}',
        '{"value": "\\ud800"}',
        '{"value": NaN}',
        '{"value": 1e999}',
        '{"value": ' + "[" * (MAX_LEVELS + 1) + "]" * (MAX_LEVELS + 1) + "}",
        '{"value": ' + "[" * 900 + "]" * 900 + "}",
        '{"value": 1, "user_id": 1}',
        "{}",
    ],
)
def test_what_is_too_much_or_cannot_be_stored_is_refused(sign_in: Callable[..., TestClient], body: str) -> None:
    client = sign_in("alice", fleet="viewer")

    refused = client.put(f"{PATH}/recent", content=body, headers={"Content-Type": "application/json"})

    assert refused.status_code == 422, refused.text
    assert items(client) == {}


def test_the_largest_value_is_stored(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("alice", fleet="viewer")
    value = [nested(MAX_LEVELS - 2), "x" * (MAX_BYTES - 100)]

    assert put(client, "recent", value) == 204
    assert items(client) == {"recent": value}


def test_there_are_so_many_and_no_more_but_each_can_still_change(
    sign_in: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.core.users.preferences.MAX_PREFERENCES", 3)
    client = sign_in("alice", fleet="viewer")

    assert [put(client, f"list.{number}", 0) for number in range(5)] == [204, 204, 204, 422, 422]
    assert put(client, "list.2", 1) == 204
    assert MAX_PREFERENCES > 100
