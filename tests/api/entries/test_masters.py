"""Nurseries, parents and children: created, changed, linked, archived, each within its nursery."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access import identity
from service.core.access.identity import Membership
from service.core.audit import AuditEntry
from service.entries.models import Nursery
from tests import people
from tests.api.entries.conftest import PASSWORD, log_in

SignIn = Callable[..., TestClient]


def sign_in_member(db: Session, client: TestClient, nursery: Nursery, role: str = "nursery_admin") -> TestClient:
    """Signs the client in as a user of the nursery."""
    user = people.create_user(db, f"{role}-{nursery.code}", entries=role)
    user.memberships[0].tenant_id = nursery.id
    return people.signed_in_client(db, client, user)


def test_an_administrator_creates_a_nursery_and_switches_its_station_on(
    db: Session, client: TestClient, sign_in: SignIn
) -> None:
    sign_in("alice", entries="admin")

    created = client.post("/api/entries/nurseries", json={"name": "つくし保育園", "code": "TKS789"})
    login = {"nurseryCode": "TKS789", "password": PASSWORD}
    off = client.post("/api/auth/entry-exit-login", json=login)
    switched = client.put(
        f"/api/entries/nurseries/{created.json()['id']}/station-password", json={"password": PASSWORD}
    )
    on = client.post("/api/auth/entry-exit-login", json=login)

    assert (created.status_code, switched.status_code, on.status_code) == (201, 200, 200)
    assert off.status_code == 403
    assert "園情報" in off.json()["detail"]
    assert str(db.get_one(Nursery, created.json()["id"]).station_password_hash).startswith(
        f"$2b${identity.BCRYPT_COST:02}$"
    )


def test_a_new_station_password_ends_the_sessions_of_the_old_one(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    stations = log_in(client), log_in(client, "HMW456")
    sign_in_member(db, client, sakura)

    ended = client.put(f"/api/entries/nurseries/{sakura.id}/station-password", json={"password": "another-password"})

    assert ended.json() == {"stations": 1}
    assert [client.post("/api/auth/heartbeat", headers=headers).status_code for headers in stations] == [401, 200]


def test_users_of_only_an_archived_nursery_have_no_access_until_it_is_restored(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery, sign_in: SignIn
) -> None:
    hana, jun = (
        people.create_user(db, "hana", sakura.id, entries="staff"),
        people.create_user(db, "jun", himawari.id, entries="staff"),
    )
    both = people.create_user(db, "both", sakura.id, entries="staff")
    both.memberships.append(Membership(area="fleet", role="viewer"))
    tokens = [people.signed_in_client(db, client, user).headers["Authorization"] for user in (hana, jun, both)]

    def statuses() -> list[int]:
        return [client.get("/api/entries/children", headers={"Authorization": token}).status_code for token in tokens]

    def log_in_status() -> int:
        return client.post("/api/auth/login", json={"login_id": "hana", "password": people.PASSWORD}).status_code

    before = statuses(), log_in_status()
    sign_in("alice", entries="admin")
    archived = client.post(f"/api/entries/nurseries/{sakura.id}/archive").status_code
    while_closed = statuses(), log_in_status()
    restored = client.post(f"/api/entries/nurseries/{sakura.id}/restore").status_code
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "nursery").order_by(AuditEntry.id)).first()

    assert (before, archived, restored) == (([200] * 3, 200), 204, 204)
    # A user with a role in another area stays signed in, without access here.
    assert while_closed[0] == [401, 200, 403]
    assert while_closed[1] in (401, 403)
    assert log_in_status() == 200
    assert entry is not None
    assert entry.after == {"archived": True, "sessions_ended": 2, "stations_ended": 0}


def test_a_nurserys_own_administrator_neither_creates_nor_changes_nor_sees_another(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    sign_in_member(db, client, sakura)

    created = client.post("/api/entries/nurseries", json={"name": "つくし保育園", "code": "TKS789"})
    listed = client.get("/api/entries/nurseries").json()
    refused = [
        client.patch(f"/api/entries/nurseries/{himawari.id}", json={"version": 1, "name": "x"}),
        client.patch("/api/entries/parents/223456", json={"version": 1, "name": "x"}),
        client.get("/api/entries/parents", params={"nursery_id": himawari.id}),
        client.post("/api/entries/children", json={"nursery_id": himawari.id, "name": "誰か"}),
    ]

    assert created.status_code == 403
    assert ([item["name"] for item in listed["items"]], listed["total"]) == (["さくら保育園"], 1)
    assert [response.status_code for response in refused] == [404] * 4


def test_a_parent_is_listed_with_children_and_changed_with_them(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura)
    child = client.post("/api/entries/children", json={"nursery_id": sakura.id, "name": "山田三郎"}).json()["id"]
    [before] = client.get("/api/entries/parents", params={"q": "花子"}).json()["items"]

    links = [{"id": item["id"], "relation": "母"} for item in before["children"]] + [{"id": child}]
    changed = client.patch(
        f"/api/entries/parents/{before['id']}",
        json={"version": before["version"], "phone_number": "090-1111-2222", "children": links},
    )
    [after] = client.get("/api/entries/parents", params={"id": 123456}).json()["items"]
    stale = client.patch(f"/api/entries/parents/{before['id']}", json={"version": before["version"], "name": "別人"})

    assert [item["name"] for item in before["children"]] == ["山田太郎", "山田次郎"]
    assert changed.status_code == 204
    assert (after["phone_number"], len(after["children"]), after["children"][0]["relation"]) == (
        "090-1111-2222",
        3,
        "母",
    )
    assert (stale.status_code, stale.json()["current"]["name"]) == (409, "山田花子")
    conditions = (AuditEntry.subject == "parent", AuditEntry.action == "update")
    last = db.scalars(select(AuditEntry).where(*conditions).order_by(AuditEntry.id.desc())).first()
    assert last is not None
    assert [len((side or {}).get("children", [])) for side in (last.before, last.after)] == [2, 3]


def test_an_archived_child_keeps_its_parents_whatever_is_edited_meanwhile(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura)
    [before] = client.get("/api/entries/parents", params={"q": "花子"}).json()["items"]
    kept, archived = before["children"]
    assert client.post(f"/api/entries/children/{archived['id']}/archive").status_code == 204

    links = [{"id": kept["id"], "relation": "母"}]
    path = f"/api/entries/parents/{before['id']}"
    assert client.patch(path, json={"version": before["version"], "children": links}).status_code == 204
    stale = client.patch(path, json={"version": before["version"], "children": []}).json()
    assert client.post(f"/api/entries/children/{archived['id']}/restore").status_code == 204

    assert [child["id"] for child in stale["current"]["children"]] == [kept["id"]]
    assert [child["name"] for child in client.get(path).json()["children"]] == [kept["name"], archived["name"]]


def test_errors_of_a_parent_name_the_fields_of_the_form(db: Session, client: TestClient, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura)
    wrong = {"phone_number": "09x", "mail": "hanako"}
    refused = client.post("/api/entries/parents", json={"nursery_id": sakura.id, "name": "山田花子", **wrong})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["phone_number", "mail"]

    empty = {"phone_number": "", "mail": ""}
    created = client.post("/api/entries/parents", json={"nursery_id": sakura.id, "name": "山田花子", **empty})
    assert created.status_code == 201


def test_a_child_of_another_nursery_cannot_be_linked(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery, sign_in: SignIn
) -> None:
    sign_in("alice", entries="admin")
    [other_child] = client.get("/api/entries/children", params={"nursery_id": himawari.id}).json()["items"]

    refused = client.patch("/api/entries/parents/123456", json={"version": 1, "children": [{"id": other_child["id"]}]})

    assert refused.status_code == 422


def test_an_archived_parent_leaves_the_list_and_no_scan_finds_it(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    station = log_in(client)
    sign_in_member(db, client, sakura)

    archived = client.post("/api/entries/parents/123456/archive")
    refused = client.post("/api/entry-exit-logs", json={"parentId": 123456, "entryType": "Entry"}, headers=station)
    listed = client.get("/api/entries/parents").json()["items"]
    client.post("/api/entries/parents/123456/restore")
    again = client.post("/api/entry-exit-logs", json={"parentId": 123456, "entryType": "Entry"}, headers=station)

    assert (archived.status_code, refused.status_code, again.status_code) == (204, 404, 201)
    assert [parent["name"] for parent in listed] == ["佐藤太郎"]


def test_staff_read_the_masters_and_change_nothing(db: Session, client: TestClient, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura, "staff")

    assert client.get("/api/entries/parents").json()["total"] == 2
    assert client.post("/api/entries/children", json={"nursery_id": sakura.id, "name": "x"}).status_code == 403
    assert client.patch("/api/entries/parents/123456", json={"version": 1, "name": "x"}).status_code == 403


def test_parents_and_children_are_counted_by_nursery(sakura: Nursery, himawari: Nursery, sign_in: SignIn) -> None:
    admin = sign_in("alice", entries="admin")

    def count_in(**params: int) -> tuple[int, int]:
        counts = admin.get("/api/entries/people", params=params).json()
        return counts["parents"], counts["children"]

    assert count_in() == (3, 4)
    assert [count_in(nursery_id=nursery.id) for nursery in (sakura, himawari)] == [(2, 3), (1, 1)]
