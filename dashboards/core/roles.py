"""Areas and their roles in words, as the service offers them to this administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards import session
from dashboards.client import PATIENCE_SECONDS
from dashboards.ui.kept import kept

SUSPENDED = "（所属先が無効）"


def choices() -> list[dict[str, Any]]:
    """What can be given; nothing while the service is away, which the list below says."""
    return [*kept("core.roles", _choices).values()]


def _choices() -> dict[str, dict[str, Any]]:
    found = session.api(patience=PATIENCE_SECONDS).get("/api/core/roles")
    return {area["area"]: area for area in found}


def tenant_name(area: Mapping[str, Any], tenant_id: int) -> str:
    """さくら保育園; the number of one that has gone."""
    found = next((tenant["name"] for tenant in area["tenants"] if tenant["id"] == tenant_id), None)
    return str(found or tenant_id)


def tenant_words(area: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    """（さくら保育園）（所属先が無効）"""
    if not held["tenant_id"]:
        return ""
    return f"（{tenant_name(area, held['tenant_id'])}）" + (SUSPENDED if held.get("is_suspended") else "")


def details(user: Mapping[str, Any], areas: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """What is noted about somebody beside the roles, by area and name; empty where it could be, and is not."""
    held = {membership["area"]: membership for membership in user["memberships"]}
    return {
        (area["area"], detail["name"]): held.get(area["area"], {}).get("details", {}).get(detail["name"], "")
        for area in areas
        for detail in area["details"]
    }


def detail_titles(areas: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """端末管理での担当者コード, by area and name"""
    return {
        (area["area"], detail["name"]): f"{area['title']}での{detail['title']}"
        for area in areas
        for detail in area["details"]
    }


def in_words(user: Mapping[str, Any], areas: Sequence[Mapping[str, Any]]) -> str:
    """端末管理・運用オペレーター、入退管理・園職員（さくら保育園）、…"""
    words = [
        f"{area['title']}・{role['title']}{tenant_words(area, held)}"
        for held in user["memberships"]
        for area in areas
        if area["area"] == held["area"]
        for role in area["roles"]
        if role["role"] == held["role"]
    ]
    return "、".join([*words, *(["ほかの業務"] if user["elsewhere"] else [])])
