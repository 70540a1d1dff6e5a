"""Where people may come from: the address the dashboards vouch for, and the lists of the areas."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.identity import UserSession
from service.core.audit import AuditEntry
from service.core.http import addresses
from service.core.settings import Settings, settings
from tests import factories
from tests.people import PASSWORD, person

KEY = settings().secret_key.get_secret_value().encode()
OFFICE, HOME = "203.0.113.9", "192.0.2.1"


def vouched(client: TestClient, address: str, *, key: bytes = KEY, age: float = 0, token: str | None = None) -> None:
    """From now on the client's requests carry the header of dashboards that know the key."""
    mine = client.headers.get("Authorization", "").removeprefix("Bearer ") if token is None else token
    moment = str(int(time.time() - age))
    client.headers[addresses.HEADER] = f"{address};{moment};{addresses.sign(key, address, moment, mine)}"


def address_in_the_trail(client: TestClient, db: Session) -> str:
    client.post("/api/auth/logout")
    found = db.scalars(select(AuditEntry.address).where(AuditEntry.action == "logout")).one()
    return found


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in production: the fleet is for the office and for one network of IPv6."""
    monkeypatch.setattr(settings(), "mode", "production")
    monkeypatch.setattr(settings(), "address_lists", "fleet=203.0.113.0/24,2001:db8:5::/48")
    addresses.closed_areas.cache_clear()
    yield
    addresses.closed_areas.cache_clear()


def test_the_trail_shows_the_address_the_dashboards_vouch_for(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="operator")
    vouched(client, OFFICE)

    assert address_in_the_trail(client, db) == OFFICE


@pytest.mark.parametrize(
    "forgery",
    [
        {"key": b"another key that is long enough indeed"},
        {"age": 61},
        {"age": -75},
        {"token": "of another session"},
        {"address": "no address"},
        {"address": ""},
    ],
    ids=str,
)
def test_what_is_not_rightly_signed_counts_for_nothing(
    sign_in: Callable[..., TestClient], db: Session, forgery: dict[str, object]
) -> None:
    client = sign_in("alice", fleet="operator")
    vouched(client, **({"address": OFFICE} | forgery))  # type: ignore[arg-type]  # each case has other arguments

    assert address_in_the_trail(client, db) == "testclient"


@pytest.mark.parametrize(
    "header", ["", ";", ";;", f"{OFFICE};1;x", f"{OFFICE};-1;x", "x" * 5000, f"{OFFICE};{'9' * 400};x"]
)
def test_a_header_of_rubbish_is_no_reason_to_fail(sign_in: Callable[..., TestClient], db: Session, header: str) -> None:
    client = sign_in("alice", fleet="operator")
    client.headers[addresses.HEADER] = header

    assert address_in_the_trail(client, db) == "testclient"


def test_nobody_is_believed_about_an_address_by_x_forwarded_for(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    """That is uvicorn's to judge, by who the proxy is; the application never reads it."""
    client = sign_in("alice", fleet="operator")
    client.headers["X-Forwarded-For"] = OFFICE

    assert address_in_the_trail(client, db) == "testclient"


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(
    ("address", "status"),
    [(OFFICE, 200), (f"::ffff:{OFFICE}", 200), ("2001:db8:5::7", 200), (HOME, 403), ("2001:db8:6::7", 403)],
)
def test_an_area_is_closed_to_those_who_sit_elsewhere(
    sign_in: Callable[..., TestClient], address: str, status: int
) -> None:
    client = sign_in("alice", fleet="operator")
    vouched(client, address)

    answers = [client.get(path) for path in ("/api/fleet/terminals", "/api/auth/me")]

    assert [answer.status_code for answer in answers] == [status] * 2
    if status == 403:
        assert "お使いの場所（ネットワーク）からは利用できません" in answers[0].json()["detail"]


@pytest.mark.usefixtures("lists")
def test_who_sits_elsewhere_opens_no_session_and_the_attempt_is_kept(client: TestClient, db: Session) -> None:
    person(db, "alice", fleet="operator")
    db.commit()
    vouched(client, HOME)

    refused = client.post("/api/auth/login", json={"login_id": "alice", "password": PASSWORD})

    assert refused.status_code == 403
    assert "管理者に接続元の登録を依頼してください" in refused.json()["detail"]
    assert [session.revoked_at is not None for session in db.scalars(select(UserSession))] == [True]
    entry = db.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.address) == ("login_failed", HOME)


@pytest.mark.usefixtures("lists")
def test_who_sits_elsewhere_can_still_sign_out(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("alice", fleet="operator")
    vouched(client, HOME)

    assert client.post("/api/auth/logout").status_code == 204


@pytest.mark.usefixtures("lists")
def test_machines_are_not_held_to_it(client: TestClient, db: Session) -> None:
    code = factories.enrolment_code(db, factories.customer(db))
    db.commit()

    machine = {"enrolment_code": code, "serial_number": "TC200-900001", "store_name": "本店"}
    answer = client.post("/api/fleet/enrolments", json=machine)

    assert answer.status_code == 201


def test_the_demo_is_open_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "address_lists", "fleet=203.0.113.0/24")

    assert settings().networks == {}


@pytest.mark.parametrize("wrong", ["fleet", "fleet=", "loan=10.0.0.0/8", "fleet=10.0.0.0/33", "fleet=10.0.0.5/8"])
def test_a_list_that_is_not_understood_ends_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="address_lists"):
        Settings(address_lists=wrong)
