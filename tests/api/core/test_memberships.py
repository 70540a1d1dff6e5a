"""Memberships: the details that an area stores about its users, and what happens to users whose nursery is archived."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import areas
from service.core.access.identity import Membership, User, find_user
from service.core.access.memberships import count_members, lock_tenants_in_use, set_suspended
from service.core.areas import CORE
from service.core.audit import AuditEntry
from service.core.database.paging import Key, Listing
from service.entries.models import Nursery
from tests import people
from tests.conftest import Service
from tests.people import PASSWORD

CODES = {"staff_code": "担当者コード", "line_code": "回線コード"}
BOSS = {"area": "entries", "role": "admin"}


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """端末管理 stores two codes about its users."""
    existing: Any = areas.areas()
    monkeypatch.setitem(existing, "fleet", replace(existing["fleet"], details=CODES))


def operator(**details: str) -> dict[str, Any]:
    return {"area": "fleet", "role": "operator", "details": details}


def create(client: TestClient, *memberships: dict[str, Any], login_id: str = "taro") -> Any:
    return client.post("/api/core/users", json={"login_id": login_id, "name": "太郎", "memberships": [*memberships]})


def error_fields(answer: Any) -> list[str]:
    assert answer.status_code == 422
    return [error["field"] for error in answer.json()["errors"]]


@pytest.mark.usefixtures("codes")
def test_details_of_a_membership_are_offered_stored_shown_and_audited(
    sign_in: Callable[..., TestClient],
) -> None:
    client = sign_in("amy", fleet="admin")
    [choice] = client.get("/api/core/roles").json()
    assert choice["details"] == [{"name": name, "title": title} for name, title in CODES.items()]

    created = create(client, operator(line_code=" L-7　", staff_code="A 1"))
    user = client.get(f"/api/core/users/{created.json()['id']}").json()
    membership = {"area": "fleet", "role": "operator", "tenant_id": None, "is_suspended": False}
    assert user["memberships"] == [membership | {"details": {"staff_code": "A 1", "line_code": "L-7"}}]

    change = {"version": 1, "memberships": [operator(staff_code="A 1", line_code="")]}
    changed = client.patch(f"/api/core/users/{user['id']}", json=change)
    assert changed.json()["memberships"] == [membership | {"details": {"staff_code": "A 1"}}]
    again = client.patch(f"/api/core/users/{user['id']}", json=change | {"version": 2})
    assert again.json()["version"] == 2

    entries = client.get("/api/core/audit", params={"subject": "user", "q": str(user["id"])}).json()["items"]
    changes = [change for entry in entries for change in entry["changes"] if change["field"] == "memberships"]
    first = "端末管理の運用オペレーター（担当者コード A 1・回線コード L-7）"
    assert [(change["before"], change["after"]) for change in changes] == [
        (first, "端末管理の運用オペレーター（担当者コード A 1）"),
        (None, first),
    ]


@pytest.mark.usefixtures("codes")
def test_a_stale_edit_shows_the_details_of_both_sides(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("amy", fleet="admin")
    user_id = create(client, operator(staff_code="A1")).json()["id"]
    path = f"/api/core/users/{user_id}"
    client.patch(path, json={"version": 1, "memberships": [operator(staff_code="A2")]})

    stale = client.patch(path, json={"version": 1, "memberships": [operator(staff_code="A3")]})

    assert stale.status_code == 409
    assert stale.json()["yours"]["memberships"][0]["details"] == {"staff_code": "A3"}
    assert stale.json()["current"]["memberships"][0]["details"] == {"staff_code": "A2"}


@pytest.mark.usefixtures("codes")
@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"shoe_size": "27"}, "details"),
        ({"staff_code": "1" * 51}, "details.staff_code"),
        ({"staff_code": "1\n2"}, "details.staff_code"),
        ({"staff_code": "1\x002"}, "details.staff_code"),
        ({str(number): "1" for number in range(11)}, "details"),
    ],
)
def test_only_declared_details_are_stored_and_only_as_one_short_line(
    sign_in: Callable[..., TestClient], details: dict[str, str], field: str
) -> None:
    assert error_fields(create(sign_in("amy", fleet="admin"), operator(**details))) == [f"memberships.0.{field}"]


def test_an_area_without_details_takes_none(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("amy", entries="admin")

    assert [area["details"] for area in client.get("/api/core/roles").json()] == [[]]
    assert error_fields(create(client, BOSS | {"details": {"staff_code": "1"}})) == ["memberships.0.details"]


@pytest.fixture
def sakura(db: Session) -> Nursery:
    return create_nursery(db, "さくら保育園", "ABC123")


@pytest.fixture
def himawari(db: Session) -> Nursery:
    return create_nursery(db, "ひまわり保育園", "HMW456")


def create_nursery(db: Session, name: str, code: str) -> Nursery:
    nursery = Nursery(name=name, code=code, station_password_hash="-")
    db.add(nursery)
    db.commit()
    return nursery


def works_at(db: Session, nursery: Nursery, login_id: str, **elsewhere: str) -> User:
    user = people.create_user(db, login_id, entries="staff", **elsewhere)
    next(membership for membership in user.memberships if membership.area == "entries").tenant_id = nursery.id
    db.commit()
    return user


def staff(nursery: Nursery, role: str = "staff") -> dict[str, Any]:
    return {"area": "entries", "role": role, "tenant_id": nursery.id}


def archive(db: Session, nursery: Nursery) -> int:
    """Archives it, as its area does; the number of sessions that ended."""
    nursery.archived_at = nursery.created_at
    ended = set_suspended(db, "entries", nursery.id, True)
    db.commit()
    return ended


def sign_in_as(client: TestClient, login_id: str, password: str = PASSWORD) -> Any:
    answer = client.post("/api/auth/login", json={"login_id": login_id, "password": password})
    if answer.status_code == 200:
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return answer


def areas_of(client: TestClient) -> list[str]:
    return [area["area"] for area in client.get("/api/auth/me").json()["areas"]]


def test_staff_of_an_archived_nursery_are_signed_out_until_it_is_restored(
    client: TestClient, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    alice = works_at(db, sakura, "alice")
    works_at(db, himawari, "bob")
    assert sign_in_as(client, "bob").status_code == 200
    assert sign_in_as(client, "alice").status_code == 200

    assert archive(db, sakura) == 1
    assert client.get("/api/auth/me").status_code == 401
    refused = sign_in_as(client, "alice")
    assert refused.status_code == 403
    assert "所属先（代理店・園）が無効" in refused.json()["detail"]
    assert "管理者" in refused.json()["detail"]
    # A caller without the password does not learn this.
    assert sign_in_as(client, "alice", "wrong").status_code == 401
    assert sign_in_as(client, "bob").status_code == 200
    of_alice = AuditEntry.actor == "alice", AuditEntry.area == CORE
    actions = db.scalars(select(AuditEntry.action).where(*of_alice).order_by(AuditEntry.id)).all()
    assert actions == ["login", "login_failed", "login_failed"]
    assert set_suspended(db, "entries", sakura.id, True) == 0

    assert set_suspended(db, "entries", sakura.id, False) == 0
    db.commit()
    assert sign_in_as(client, "alice").status_code == 200
    assert find_user(db, alice.id).memberships == (("entries", "staff", sakura.id),)  # type: ignore[union-attr]


def test_staff_with_another_area_stay_signed_in_for_that_area_only(
    client: TestClient, db: Session, sakura: Nursery
) -> None:
    carol = works_at(db, sakura, "carol", fleet="operator")
    sign_in_as(client, "carol")
    assert areas_of(client) == ["entries", "fleet"]

    assert archive(db, sakura) == 0

    assert areas_of(client) == ["fleet"]
    assert client.get("/api/entries/children").status_code == 403
    assert client.get("/api/fleet/terminals").status_code == 200
    assert find_user(db, carol.id).memberships == (("fleet", "operator", None),)  # type: ignore[union-attr]
    assert sign_in_as(client, "carol").status_code == 200


def test_no_user_is_bound_to_an_archived_nursery_and_a_bound_one_may_stay(
    client: TestClient, db: Session, sakura: Nursery, himawari: Nursery
) -> None:
    alice, bob = works_at(db, sakura, "alice"), works_at(db, himawari, "bob")
    archive(db, sakura)
    people.signed_in_client(db, client, people.create_user(db, "amy", entries="admin"))

    def put(user: User, *memberships: dict[str, Any], version: int = 1) -> Any:
        change = {"version": version, "memberships": [*memberships]}
        return client.patch(f"/api/core/users/{user.id}", json=change)

    for refused in (create(client, staff(sakura)), put(bob, staff(sakura))):
        assert error_fields(refused) == ["memberships.0.tenant_id"]
        assert refused.json()["errors"][0]["message"].startswith("この所属先は無効です。")
    edited = put(alice, staff(sakura, "nursery_admin")).json()
    assert [(membership["role"], membership["is_suspended"]) for membership in edited["memberships"]] == [
        ("nursery_admin", True)
    ]
    assert [item["state"] for item in client.get("/api/core/users?q=alice").json()["items"]] == ["active"]

    moved = put(alice, staff(himawari), version=2).json()
    assert [(membership["tenant_id"], membership["is_suspended"]) for membership in moved["memberships"]] == [
        (himawari.id, False)
    ]
    assert sign_in_as(client, "alice").status_code == 200


def test_a_role_of_the_whole_area_ends_the_binding_to_a_nursery(
    client: TestClient, db: Session, sakura: Nursery
) -> None:
    alice = works_at(db, sakura, "alice")
    archive(db, sakura)
    people.signed_in_client(db, client, people.create_user(db, "amy", entries="admin"))

    change = {"version": 1, "memberships": [BOSS]}
    [membership] = client.patch(f"/api/core/users/{alice.id}", json=change).json()["memberships"]

    assert (membership["role"], membership["tenant_id"], membership["is_suspended"]) == ("admin", None, False)


def test_a_list_of_nurseries_counts_its_active_staff(db: Session, sakura: Nursery, himawari: Nursery) -> None:
    for login_id in ("alice", "bob", "carol"):
        works_at(db, sakura, login_id)
    works_at(db, himawari, "dave").memberships[0].role = "nursery_admin"
    db.scalars(select(User).where(User.login_id == "carol")).one().is_active = False
    db.commit()
    staff_count = count_members("entries", "staff", Nursery.id).label("people")
    listing = Listing(
        select(Nursery.name, staff_count),
        unique=Nursery.id,
        keys={"people": Key(staff_count.element)},
        default="-people",
    )

    page = listing.read_rows(db, 10, None)

    assert page["items"] == [{"name": "さくら保育園", "people": 2}, {"name": "ひまわり保育園", "people": 0}]


def test_a_user_bound_to_a_nursery_while_it_is_archived_is_suspended_too(service: Service) -> None:
    with service.committed() as db:
        nursery = Nursery(name="すみれ保育園", code="SMR001", station_password_hash="-")
        db.add(nursery)
        db.flush()
        nursery_id = nursery.id

    def suspend() -> int:
        with service.committed() as db:
            return set_suspended(db, "entries", nursery_id, True)

    with ThreadPoolExecutor(1) as pool:
        with service.committed() as db:
            lock_tenants_in_use(db, [("entries", nursery_id)])
            waiting = pool.submit(suspend)
            with pytest.raises(StillWaiting):
                waiting.result(timeout=0.5)
            bound_late = people.create_user(db, "late")
            bound_late.memberships.append(Membership(area="entries", role="staff", tenant_id=nursery_id))
        assert waiting.result(timeout=10) == 0

    # The agencies have ids of their own, which may be equal.
    statement = "SELECT is_suspended FROM memberships WHERE area = 'entries' AND tenant_id = %s"
    assert service.rows(statement, nursery_id) == [(True,)]
