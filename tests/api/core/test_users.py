"""ユーザー管理: an area's administrator sees and changes the users of that area, and no others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import areas
from service.core.access.identity import Membership, User, open_session
from service.core.access.tenants import Tenant
from service.core.areas import ADMINISTRATOR_PERMISSIONS, Area, Role
from service.core.audit import MASK, AuditEntry
from tests import people
from tests.conftest import Service

SHOPS = Area(
    name="shops",
    title="店舗",
    roles={
        "admin": Role("管理者", ADMINISTRATOR_PERMISSIONS),
        "head": Role("園長", ADMINISTRATOR_PERMISSIONS, scope="nursery"),
        "staff": Role("職員", frozenset(), scope="nursery"),
    },
)


@pytest.fixture
def shops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second area, in which some roles are bound to a nursery. It has no routes and no tables, only users."""
    monkeypatch.setitem(sys.modules, "service.shops.rules", SimpleNamespace(AREA=SHOPS))
    tenants = [Tenant(1, "一番保育園", True), Tenant(2, "二番保育園", True)]
    monkeypatch.setitem(sys.modules, "service.shops.queries", SimpleNamespace(tenants=lambda _: tenants))
    areas.areas.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(areas, "AREAS", ("fleet", "shops"))
        areas.areas()
    yield
    areas.areas.cache_clear()


@pytest.fixture
def admin(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("amy", fleet="admin")


def member(db: Session, login_id: str, area: str, role: str, tenant_id: int | None = None) -> User:
    user = User(login_id=login_id, name=f"{login_id} さん", password_hash="-")
    user.memberships.append(Membership(area=area, role=role, tenant_id=tenant_id))
    db.add(user)
    db.commit()
    return user


def sign_in_as(db: Session, client: TestClient, user: User) -> TestClient:
    return people.signed_in_client(db, client, user)


def fleet(role: str = "operator", **more: Any) -> dict[str, Any]:
    return {"area": "fleet", "role": role, **more}


def shown_fleet(role: str = "operator") -> dict[str, Any]:
    """As the service shows it."""
    return fleet(role, tenant_id=None, details={}, is_suspended=False)


def read_user(client: TestClient, user: User) -> dict[str, Any]:
    body: dict[str, Any] = client.get(f"/api/core/users/{user.id}").json()
    return body


def entries(db: Session, user_id: int) -> list[AuditEntry]:
    conditions = AuditEntry.subject == "user", AuditEntry.subject_id == str(user_id)
    return list(db.scalars(select(AuditEntry).where(*conditions).order_by(AuditEntry.id)))


def test_a_new_user_gets_a_one_time_password_and_can_sign_in_with_it(admin: TestClient, db: Session) -> None:
    new = {"login_id": "taro", "name": "山田 太郎", "mail": "taro@example.com", "memberships": [fleet()]}

    answer = admin.post("/api/core/users", json=new)

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    password = answer.json()["password"]
    assert len(password) >= 10
    signed_in = admin.post("/api/auth/login", json={"login_id": "taro", "password": password})
    assert signed_in.status_code == 200
    assert signed_in.json()["user"]["must_change_password"] is True
    shown = admin.get(f"/api/core/users/{answer.json()['id']}").json()
    assert shown["last_signed_in_at"]
    assert shown["memberships"] == [shown_fleet()]
    assert "password" not in " ".join(shown).replace("must_change_password", "")
    [created] = [entry for entry in entries(db, answer.json()["id"]) if entry.action == "create"]
    assert (created.actor, created.area, created.before) == ("amy", "fleet", None)
    assert created.after is not None
    assert created.after["memberships"] == [fleet(tenant_id=None)]
    assert password not in str(created.after)


@pytest.mark.parametrize("how", ["new", "reset"])
def test_a_one_time_password_is_good_for_72_hours(admin: TestClient, db: Session, how: str) -> None:
    if how == "new":
        new = {"login_id": "taro", "name": "山田 太郎", "memberships": [fleet()]}
        created = admin.post("/api/core/users", json=new).json()
    else:
        created = admin.post(f"/api/core/users/{member(db, 'taro', 'fleet', 'operator').id}/password").json()
    credentials = {"login_id": "taro", "password": created["password"]}

    def later(hours: float) -> httpx2.Response:
        """As if so much time had passed."""
        db.execute(update(User).values(one_time_until=User.one_time_until - timedelta(hours=hours)))
        db.commit()
        return admin.post("/api/auth/login", json=credentials)

    in_time = later(71.9)
    too_late = later(0.2)

    assert in_time.status_code == 200
    assert too_late.status_code == 403
    assert "再発行を依頼してください" in too_late.json()["detail"]
    assert [entry.action for entry in entries(db, created["id"])][-1] == "login_failed"


def test_a_chosen_password_does_not_expire(admin: TestClient, db: Session) -> None:
    taro = member(db, "taro", "fleet", "operator")
    password = admin.post(f"/api/core/users/{taro.id}/password").json()["password"]
    token = admin.post("/api/auth/login", json={"login_id": "taro", "password": password}).json()["token"]
    own = {"current_password": password, "new_password": "まったく新しい合言葉2026"}

    changed = admin.post("/api/auth/password", json=own, headers={"Authorization": f"Bearer {token}"})

    assert changed.status_code == 200
    db.refresh(taro)
    assert taro.one_time_until is None


def test_no_administrator_resets_the_own_password(admin: TestClient, db: Session) -> None:
    [amy] = db.scalars(select(User).where(User.login_id == "amy"))
    before = amy.password_hash

    refused = admin.post(f"/api/core/users/{amy.id}/password")

    assert refused.status_code == 409
    assert "アカウント" in refused.json()["detail"]
    db.refresh(amy)
    assert amy.password_hash == before
    assert admin.get("/api/auth/me").status_code == 200


def test_a_login_id_is_given_once(admin: TestClient) -> None:
    new = {"login_id": "amy", "name": "別人", "memberships": [fleet()]}

    answer = admin.post("/api/core/users", json=new)

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "login_id"
    assert "すでに使われています" in answer.json()["detail"]


def test_the_list_is_found_by_part_of_a_name_by_area_role_and_state_page_by_page(
    admin: TestClient, db: Session
) -> None:
    for number in range(5):
        member(db, f"op{number}", "fleet", "operator")
    inactive = member(db, "op9", "fleet", "viewer")
    inactive.is_active = False
    db.commit()

    def logins(**params: Any) -> list[str]:
        return [item["login_id"] for item in admin.get("/api/core/users", params=params).json()["items"]]

    assert logins() == ["amy", "op0", "op1", "op2", "op3", "op4", "op9"]
    assert logins(q="P3") == ["op3"]
    assert logins(q="op4 さん") == ["op4"]
    assert logins(role="viewer") == logins(active=False) == ["op9"]
    assert logins(area="loaners") == []
    first = admin.get("/api/core/users", params={"limit": 3}).json()
    second = admin.get("/api/core/users", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert first["total"] == second["total"] == 7
    assert [item["login_id"] for item in second["items"]] == ["op2", "op3", "op4"]


def test_an_edit_is_stored_and_audited_with_both_sides(admin: TestClient, db: Session) -> None:
    taro = member(db, "taro", "fleet", "operator")
    change = {"version": 1, "name": "山田 次郎", "memberships": [fleet("support")]}

    answer = admin.patch(f"/api/core/users/{taro.id}", json=change)

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["version"]) == ("山田 次郎", 2)
    [entry] = entries(db, taro.id)
    assert entry.before is not None
    assert entry.after is not None
    assert entry.action == "update"
    assert (entry.before["name"], entry.after["name"]) == ("taro さん", "山田 次郎")
    assert entry.before["memberships"] == [fleet(tenant_id=None)]
    assert entry.after["memberships"] == [fleet("support", tenant_id=None)]


def test_an_edit_of_what_was_changed_meanwhile_is_a_conflict_that_shows_both_sides(
    admin: TestClient, db: Session
) -> None:
    taro = member(db, "taro", "fleet", "operator")
    admin.patch(f"/api/core/users/{taro.id}", json={"version": 1, "name": "先の人"})

    answer = admin.patch(f"/api/core/users/{taro.id}", json={"version": 1, "name": "後の人"})

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:genba:stale"
    assert answer.json()["yours"] == {"name": "後の人"}
    assert (answer.json()["current"]["name"], answer.json()["current"]["version"]) == ("先の人", 2)
    assert read_user(admin, taro)["name"] == "先の人"


def test_a_reset_ends_the_sessions_and_the_old_password(admin: TestClient, db: Session) -> None:
    taro = people.create_user(db, "taro", fleet="operator")
    token, _ = open_session(db, taro, "192.0.2.7", timedelta(hours=1))
    db.commit()

    answer = admin.post(f"/api/core/users/{taro.id}/password")

    assert answer.status_code == 200
    assert admin.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    for password, status in ((people.PASSWORD, 401), (answer.json()["password"], 200)):
        body = {"login_id": "taro", "password": password}
        assert admin.post("/api/auth/login", json=body).status_code == status
    [reset] = [entry for entry in entries(db, taro.id) if entry.action == "update"]
    assert reset.after == {"password": MASK, "sessions_ended": 1}


def test_a_deactivated_user_is_signed_out_at_once_and_can_be_activated(admin: TestClient, db: Session) -> None:
    taro = people.create_user(db, "taro", fleet="operator")
    token, _ = open_session(db, taro, "192.0.2.7", timedelta(hours=1))
    db.commit()

    assert admin.post(f"/api/core/users/{taro.id}/deactivate").json()["is_active"] is False
    assert admin.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert admin.post(f"/api/core/users/{taro.id}/activate").json()["is_active"] is True
    assert admin.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert [entry.action for entry in entries(db, taro.id)] == ["status_change", "status_change"]


def test_sessions_are_listed_and_ended(admin: TestClient, db: Session) -> None:
    taro = member(db, "taro", "fleet", "operator")
    for address in ("192.0.2.7", "192.0.2.8"):
        open_session(db, taro, address, timedelta(hours=1))
        db.commit()

    listed = admin.get(f"/api/core/users/{taro.id}/sessions").json()
    session = next(item for item in listed["items"] if item["address"] == "192.0.2.7")
    ended = admin.post(f"/api/core/users/{taro.id}/sessions/revoke", json={"session_id": session["id"]})

    assert listed["total"] == 2
    assert ended.json() == {"ended": 1}
    remaining = admin.get(f"/api/core/users/{taro.id}/sessions").json()["items"]
    assert [item["address"] for item in remaining] == ["192.0.2.8"]
    assert admin.post(f"/api/core/users/{taro.id}/sessions/revoke", json={}).json() == {"ended": 1}


@pytest.mark.usefixtures("shops")
def test_users_of_another_area_are_404(admin: TestClient, db: Session) -> None:
    stranger = member(db, "mori", "shops", "admin")
    absent_id, calls = (
        stranger.id + 1000,
        ["", "/password", "/deactivate", "/activate", "/sessions", "/sessions/revoke"],
    )

    for call in calls:
        methods = ["GET"] if call == "/sessions" else ["GET", "PATCH"] if not call else ["POST"]
        for method in methods:
            body = {"version": 1} if method == "PATCH" else {} if call == "/sessions/revoke" else None
            foreign = admin.request(method, f"/api/core/users/{stranger.id}{call}", json=body)
            missing = admin.request(method, f"/api/core/users/{absent_id}{call}", json=body)
            assert foreign.status_code == missing.status_code == 404, (method, call)
            assert foreign.json() == missing.json()
    assert [item["login_id"] for item in admin.get("/api/core/users").json()["items"]] == ["amy"]


@pytest.mark.usefixtures("shops")
def test_an_account_that_works_elsewhere_too_cannot_be_taken_over(admin: TestClient, db: Session) -> None:
    both = member(db, "both", "fleet", "operator")
    both.memberships.append(Membership(area="shops", role="admin"))
    db.commit()

    shown = read_user(admin, both)
    assert shown["memberships"] == [shown_fleet()]
    assert shown["elsewhere"] is True
    for call in ("password", "deactivate", "activate", "sessions/revoke"):
        refused = admin.post(f"/api/core/users/{both.id}/{call}", json={})
        assert refused.status_code == 403, call
        assert "管理者ではない業務でも使われているアカウント" in refused.json()["detail"]
    renamed = admin.patch(f"/api/core/users/{both.id}", json={"version": 1, "name": "別人"})
    assert renamed.status_code == 403

    edited = admin.patch(f"/api/core/users/{both.id}", json={"version": 1, "memberships": [fleet("support")]})

    assert edited.status_code == 200
    memberships = db.execute(select(Membership.area, Membership.role).where(Membership.user_id == both.id)).all()
    assert sorted(map(tuple, memberships)) == [("fleet", "support"), ("shops", "admin")]
    assert [entry.area for entry in entries(db, both.id)] == ["fleet"]
    assert "shops" not in str([entry.after for entry in entries(db, both.id)])


@pytest.mark.usefixtures("shops")
@pytest.mark.parametrize(
    ("membership", "field"),
    [
        ({"area": "shops", "role": "admin"}, "area"),
        ({"area": "nowhere", "role": "admin"}, "area"),
        ({"area": "fleet", "role": "king"}, "role"),
        ({"area": "fleet", "role": "operator", "tenant_id": 1}, "tenant_id"),
    ],
)
def test_only_roles_of_the_administrators_own_areas_can_be_given(
    admin: TestClient, membership: dict[str, Any], field: str
) -> None:
    answer = admin.post("/api/core/users", json={"login_id": "new", "name": "新人", "memberships": [membership]})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [f"memberships.0.{field}"]


@pytest.mark.usefixtures("shops")
def test_a_role_of_a_nursery_needs_one_and_its_head_gives_no_other(client: TestClient, db: Session) -> None:
    def give(role: str, tenant_id: int | None = None, login_id: str = "new-one") -> int:
        membership = {"area": "shops", "role": role, "tenant_id": tenant_id}
        new = {"login_id": login_id, "name": "新人", "memberships": [membership]}
        return int(client.post("/api/core/users", json=new).status_code)

    other = member(db, "other-staff", "shops", "staff", 2)
    sign_in_as(db, client, member(db, "boss", "shops", "admin"))
    assert give("staff") == 422
    assert give("staff", 3) == 422
    assert give("staff", 1, "own-staff") == 201
    sign_in_as(db, client, member(db, "head", "shops", "head", 1))
    assert give("staff", 2) == 422
    assert give("admin") == 422
    assert give("staff", 1) == 201
    assert [item["login_id"] for item in client.get("/api/core/users").json()["items"]] == [
        "head",
        "new-one",
        "own-staff",
    ]
    assert client.get(f"/api/core/users/{other.id}").status_code == 404
    [choice] = client.get("/api/core/roles").json()
    assert choice["tenants"] == [{"id": 1, "name": "一番保育園", "in_use": True}]
    assert [role["role"] for role in choice["roles"]] == ["head", "staff"]


@pytest.mark.parametrize(
    ("how", "message"),
    [("deactivate", "ご自分のアカウントは無効にできません"), ("demote", "ご自分の管理者の役割は変更できません")],
)
def test_nobody_deactivates_or_demotes_themselves_but_another_administrator_does(
    admin: TestClient, db: Session, how: str, message: str
) -> None:
    [amy] = db.scalars(select(User).where(User.login_id == "amy"))
    second = member(db, "second", "fleet", "admin")

    def try_it() -> httpx2.Response:
        if how == "deactivate":
            return admin.post(f"/api/core/users/{amy.id}/deactivate")
        version = read_user(admin, amy)["version"]
        return admin.patch(f"/api/core/users/{amy.id}", json={"version": version, "memberships": [fleet()]})

    refused = try_it()
    assert refused.status_code == 409
    assert message in refused.json()["detail"]
    assert read_user(admin, amy)["is_active"] is True
    assert read_user(admin, amy)["memberships"] == [shown_fleet("admin")]
    sign_in_as(db, admin, second)
    assert try_it().status_code == 200


@pytest.mark.usefixtures("shops")
def test_nobody_gives_up_one_of_the_areas_that_they_administer(client: TestClient, db: Session) -> None:
    amy = member(db, "amy", "fleet", "admin")
    amy.memberships.append(Membership(area="shops", role="admin"))
    sign_in_as(db, client, amy)

    only_shops = {"version": 1, "memberships": [{"area": "shops", "role": "admin"}]}

    assert client.patch(f"/api/core/users/{amy.id}", json=only_shops).status_code == 409


@pytest.mark.parametrize("how", ["deactivate", "demote"])
def test_two_administrators_who_remove_each_other_at_once_leave_one(service: Service, how: str) -> None:
    with service.committed() as db:
        for membership in db.scalars(select(Membership).where(Membership.role == "admin")):
            membership.role = "viewer"  # those of other tests on this database
        people.create_user(db, f"gone-{how}", fleet="admin").is_active = False  # counts for nothing
        pair = [people.create_user(db, f"rival-{how}-{number}", fleet="admin") for number in (1, 2)]
        tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in pair]
        ids = [user.id for user in pair]

    def attack(number: int) -> int:
        target, headers = ids[1 - number], {"Authorization": f"Bearer {tokens[number]}"}
        with service.http() as http:
            if how == "deactivate":
                return http.post(f"/api/core/users/{target}/deactivate", headers=headers).status_code
            body = {"version": 1, "memberships": [fleet()]}
            return http.patch(f"/api/core/users/{target}", json=body, headers=headers).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(attack, [0, 1]))

    remaining = service.rows(
        "SELECT count(*) FROM users u JOIN memberships m ON m.user_id = u.id "
        "WHERE u.is_active AND m.area = 'fleet' AND m.role = 'admin'"
    )
    assert remaining == [(1,)]
    # The later request is refused; after a quick earlier one its sender is no administrator any more, or signed out.
    assert statuses[0] == 200
    assert statuses[1] in (401, 403, 409)


@pytest.mark.usefixtures("shops")
def test_users_of_other_areas_are_not_counted(sign_in: Callable[..., TestClient], db: Session) -> None:
    client, only_alice = sign_in("alice", fleet="admin"), {"active": 1, "one_time_password": 0, "inactive": 0}
    assert client.get("/api/core/users/summary").json() == only_alice
    people.create_user(db, "stranger", shops="admin")
    db.commit()
    assert client.get("/api/core/users/summary").json() == only_alice
