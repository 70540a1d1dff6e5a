"""ユーザー管理 of 申込投入 (2.2): sales belong to an agency and have the carrier's codes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from service.core.access.identity import User
from service.core.audit import AuditEntry
from tests.api.agencies.scene import Scene

USERS = "/api/core/users"


def new(agency_id: int | None, role: str = "sales", **details: str) -> dict[str, Any]:
    membership = {"area": "agencies", "role": role, "tenant_id": agency_id, "details": details}
    return {"login_id": "t.yamada", "name": "山田 太郎", "mail": None, "memberships": [membership]}


def test_people_are_registered_with_agency_and_codes(team: Scene) -> None:
    client = team.sign_in(team.adam)

    made = client.post(USERS, json=new(team.a.id, sales_staff_code="LCK0A0AY", l_code="L10009"))
    [shown] = client.get(USERS, params={"q": "t.yamada"}).json()["items"]

    assert made.status_code == 201
    [held] = shown["memberships"]
    assert (held["role"], held["tenant_id"]) == ("sales", team.a.id)
    assert held["details"] == {"sales_staff_code": "LCK0A0AY", "l_code": "L10009"}
    user = team.db.scalars(select(User).where(User.login_id == "t.yamada")).one()
    assert team.acting(user).tenant_in("agencies") == team.a.id


def test_sales_without_an_agency_are_refused_and_operators_need_none(team: Scene) -> None:
    client = team.sign_in(team.adam)

    assert client.post(USERS, json=new(None)).status_code == 422
    assert client.post(USERS, json=new(None, "operator")).status_code == 201


def test_nobody_is_bound_to_an_agency_out_of_use(team: Scene) -> None:
    client = team.sign_in(team.adam)
    client.post(f"/api/agencies/agencies/{team.b.id}/deactivate", json={})

    assert client.post(USERS, json=new(team.b.id)).status_code in (409, 422)
    assert client.post(USERS, json=new(team.a.id)).status_code == 201


def test_a_change_of_codes_is_audited_in_words(team: Scene) -> None:
    client = team.sign_in(team.adam)
    held = {"area": "agencies", "role": "sales", "tenant_id": team.a.id, "details": {"sales_staff_code": "LCK0A0AZ"}}

    changed = client.patch(f"{USERS}/{team.alice.id}", json={"version": 1, "memberships": [held]})
    number = team.db.scalars(select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1)).one()
    entry = next(one for one in client.get("/api/core/audit").json()["items"] if one["id"] == number)

    assert changed.status_code == 200
    assert "LCK0A0AZ" in str(entry)
    assert "株式会社AAA代理店" in str(entry)
