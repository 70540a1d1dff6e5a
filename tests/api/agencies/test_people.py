"""ユーザー管理 of 申込投入 (2.2): sales belong to an agency and have the carrier's codes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from service.core.access.identity import User
from service.core.audit import AuditEntry
from tests.api.agencies.scene import Scene

USERS = "/api/core/users"


def new_user(agency_id: int | None, role: str = "sales", **details: str) -> dict[str, Any]:
    membership = {"area": "agencies", "role": role, "tenant_id": agency_id, "details": details}
    return {"login_id": "t.yamada", "name": "山田 太郎", "mail": None, "memberships": [membership]}


def test_users_are_registered_with_agency_and_codes(team: Scene) -> None:
    client = team.sign_in(team.adam)

    answer = client.post(USERS, json=new_user(team.a.id, sales_staff_code="LCK0A0AY", l_code="L10009"))
    [listed] = client.get(USERS, params={"q": "t.yamada"}).json()["items"]

    assert answer.status_code == 201
    [membership] = listed["memberships"]
    assert (membership["role"], membership["tenant_id"]) == ("sales", team.a.id)
    assert membership["details"] == {"sales_staff_code": "LCK0A0AY", "l_code": "L10009"}
    user = team.db.scalars(select(User).where(User.login_id == "t.yamada")).one()
    assert team.acting(user).tenant_in("agencies") == team.a.id


def test_sales_without_an_agency_are_refused_and_operators_need_none(team: Scene) -> None:
    client = team.sign_in(team.adam)

    assert client.post(USERS, json=new_user(None)).status_code == 422
    assert client.post(USERS, json=new_user(None, "operator")).status_code == 201


def test_no_user_is_bound_to_an_inactive_agency(team: Scene) -> None:
    client = team.sign_in(team.adam)
    client.post(f"/api/agencies/agencies/{team.b.id}/deactivate", json={})

    assert client.post(USERS, json=new_user(team.b.id)).status_code in (409, 422)
    assert client.post(USERS, json=new_user(team.a.id)).status_code == 201


def test_a_change_of_codes_is_audited_in_words(team: Scene) -> None:
    client = team.sign_in(team.adam)
    membership = {
        "area": "agencies",
        "role": "sales",
        "tenant_id": team.a.id,
        "details": {"sales_staff_code": "LCK0A0AZ"},
    }

    changed = client.patch(f"{USERS}/{team.alice.id}", json={"version": 1, "memberships": [membership]})
    number = team.db.scalars(select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1)).one()
    entry = next(item for item in client.get("/api/core/audit").json()["items"] if item["id"] == number)

    assert changed.status_code == 200
    assert "LCK0A0AZ" in str(entry)
    assert "株式会社AAA代理店" in str(entry)
