"""Client addresses: the one that the dashboards sign, and the address lists of the areas."""

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
from tests.people import PASSWORD, create_user

KEY = settings().secret_key.get_secret_value().encode()
OFFICE, HOME = "203.0.113.9", "192.0.2.1"


def set_signed_address(
    client: TestClient, address: str, *, key: bytes = KEY, age: float = 0, token: str | None = None
) -> None:
    """From now on the client's requests carry the header of dashboards that know the key."""
    session_token = client.headers.get("Authorization", "").removeprefix("Bearer ") if token is None else token
    timestamp = str(int(time.time() - age))
    client.headers[addresses.HEADER] = f"{address};{timestamp};{addresses.sign(key, address, timestamp, session_token)}"


def audited_address(client: TestClient, db: Session) -> str:
    client.post("/api/auth/logout")
    address = db.scalars(select(AuditEntry.address).where(AuditEntry.action == "logout")).one()
    return address


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in production: the fleet is open to the office and to one IPv6 network."""
    monkeypatch.setattr(settings(), "mode", "production")
    monkeypatch.setattr(settings(), "address_lists", "fleet=203.0.113.0/24,2001:db8:5::/48")
    addresses.closed_areas.cache_clear()
    yield
    addresses.closed_areas.cache_clear()


def test_the_audit_log_has_the_address_that_the_dashboards_sign(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    client = sign_in("alice", fleet="operator")
    set_signed_address(client, OFFICE)

    assert audited_address(client, db) == OFFICE


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
def test_an_address_without_a_valid_signature_is_ignored(
    sign_in: Callable[..., TestClient], db: Session, forgery: dict[str, object]
) -> None:
    client = sign_in("alice", fleet="operator")
    set_signed_address(client, **({"address": OFFICE} | forgery))  # type: ignore[arg-type]  # each case has other arguments

    assert audited_address(client, db) == "testclient"


@pytest.mark.parametrize(
    "header", ["", ";", ";;", f"{OFFICE};1;x", f"{OFFICE};-1;x", "x" * 5000, f"{OFFICE};{'9' * 400};x"]
)
def test_a_header_of_rubbish_is_no_reason_to_fail(sign_in: Callable[..., TestClient], db: Session, header: str) -> None:
    client = sign_in("alice", fleet="operator")
    client.headers[addresses.HEADER] = header

    assert audited_address(client, db) == "testclient"


def test_the_application_ignores_x_forwarded_for(sign_in: Callable[..., TestClient], db: Session) -> None:
    """uvicorn judges that header, by the address of the proxy; the application never reads it."""
    client = sign_in("alice", fleet="operator")
    client.headers["X-Forwarded-For"] = OFFICE

    assert audited_address(client, db) == "testclient"


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(
    ("address", "status"),
    [(OFFICE, 200), (f"::ffff:{OFFICE}", 200), ("2001:db8:5::7", 200), (HOME, 403), ("2001:db8:6::7", 403)],
)
def test_an_area_is_closed_to_those_who_sit_elsewhere(
    sign_in: Callable[..., TestClient], address: str, status: int
) -> None:
    client = sign_in("alice", fleet="operator")
    set_signed_address(client, address)

    answers = [client.get(path) for path in ("/api/fleet/terminals", "/api/auth/me")]

    assert [answer.status_code for answer in answers] == [status] * 2
    if status == 403:
        assert "お使いの場所（ネットワーク）からは利用できません" in answers[0].json()["detail"]


@pytest.mark.usefixtures("lists")
def test_a_sign_in_from_elsewhere_opens_no_session_and_is_audited(client: TestClient, db: Session) -> None:
    create_user(db, "alice", fleet="operator")
    db.commit()
    set_signed_address(client, HOME)

    refused = client.post("/api/auth/login", json={"login_id": "alice", "password": PASSWORD})

    assert refused.status_code == 403
    assert "管理者に接続元の登録を依頼してください" in refused.json()["detail"]
    assert [session.revoked_at is not None for session in db.scalars(select(UserSession))] == [True]
    entry = db.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.address) == ("login_failed", HOME)


@pytest.mark.usefixtures("lists")
def test_a_user_elsewhere_can_still_sign_out(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("alice", fleet="operator")
    set_signed_address(client, HOME)

    assert client.post("/api/auth/logout").status_code == 204


@pytest.mark.usefixtures("lists")
def test_machines_may_connect_from_any_address(client: TestClient, db: Session) -> None:
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
