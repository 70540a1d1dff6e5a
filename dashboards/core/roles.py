"""Areas and their roles as text, as far as this administrator may assign them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.contract.core import AreaChoice
from dashboards.ui.cache import load_cached

SUSPENDED = "（所属先が無効）"


def choices() -> list[AreaChoice]:
    """The roles that can be assigned; [] while the service is away, which the list below reports."""
    return [*load_cached("core.roles", _fetch_roles).values()]


def _fetch_roles() -> dict[str, AreaChoice]:
    areas: list[AreaChoice] = session.api(patience=PAGE_TIMEOUT_SECONDS).get("/api/core/roles")
    return {area["area"]: area for area in areas}


def tenant_name(area: AreaChoice, tenant_id: int) -> str:
    """さくら保育園; the id of a deleted tenant."""
    name = next((tenant["name"] for tenant in area["tenants"] if tenant["id"] == tenant_id), None)
    return str(name or tenant_id)


def tenant_text(area: AreaChoice, membership: Mapping[str, Any]) -> str:
    """（さくら保育園）（所属先が無効）"""
    if not membership["tenant_id"]:
        return ""
    return f"（{tenant_name(area, membership['tenant_id'])}）" + (SUSPENDED if membership.get("is_suspended") else "")


def details(user: Mapping[str, Any], areas: Sequence[AreaChoice]) -> dict[tuple[str, str], str]:
    """The details of a user's memberships by area and name; "" where there is none."""
    by_area = {membership["area"]: membership for membership in user["memberships"]}
    return {
        (area["area"], detail["name"]): by_area.get(area["area"], {}).get("details", {}).get(detail["name"], "")
        for area in areas
        for detail in area["details"]
    }


def detail_titles(areas: Sequence[AreaChoice]) -> dict[tuple[str, str], str]:
    """端末管理での担当者コード, by area and name"""
    return {
        (area["area"], detail["name"]): f"{area['title']}での{detail['title']}"
        for area in areas
        for detail in area["details"]
    }


def roles_text(user: Mapping[str, Any], areas: Sequence[AreaChoice]) -> str:
    """端末管理・運用オペレーター、入退管理・園職員（さくら保育園）、…"""
    texts = [
        f"{area['title']}・{role['title']}{tenant_text(area, membership)}"
        for membership in user["memberships"]
        for area in areas
        if area["area"] == membership["area"]
        for role in area["roles"]
        if role["role"] == membership["role"]
    ]
    return "、".join([*texts, *(["ほかの業務"] if user["elsewhere"] else [])])
