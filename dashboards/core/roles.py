"""Areas and their roles in words, as the service offers them to this administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem


def choices() -> list[dict[str, Any]]:
    """What can be given; nothing while the service is away, which the list below says."""
    try:
        return _choices()
    except ApiProblem:
        return []


@st.cache_data(ttl=60, scope="session", show_spinner=False)
def _choices() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.api(patience=PATIENCE_SECONDS).get("/api/core/roles")
    return found


def in_words(user: Mapping[str, Any], areas: Sequence[Mapping[str, Any]]) -> str:
    """端末管理・運用オペレーター、…"""
    words = [
        f"{area['title']}・{role['title']}" + (f"（{held['tenant_id']}）" if held["tenant_id"] else "")
        for held in user["memberships"]
        for area in areas
        if area["area"] == held["area"]
        for role in area["roles"]
        if role["role"] == held["role"]
    ]
    return "、".join([*words, *(["ほかの業務"] if user["elsewhere"] else [])])
