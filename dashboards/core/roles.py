"""Areas and their roles in words, as the service offers them to this administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards import session
from dashboards.client import PATIENCE_SECONDS
from dashboards.ui.kept import kept


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


def in_words(user: Mapping[str, Any], areas: Sequence[Mapping[str, Any]]) -> str:
    """端末管理・運用オペレーター、…"""
    words = [
        f"{area['title']}・{role['title']}"
        + (f"（{tenant_name(area, held['tenant_id'])}）" if held["tenant_id"] else "")
        for held in user["memberships"]
        for area in areas
        if area["area"] == held["area"]
        for role in area["roles"]
        if role["role"] == held["role"]
    ]
    return "、".join([*words, *(["ほかの業務"] if user["elsewhere"] else [])])
