"""The part of the form of a user that chooses the roles, and the errors of the service about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.contract.core import AreaChoice, MembershipOut
from dashboards.core.roles import SUSPENDED, detail_titles, tenant_name
from dashboards.ui import forms

NONE = "（なし）"
TENANTS = {"agency": "代理店", "nursery": "保育園"}
DETAIL_LENGTH = 50


@dataclass(frozen=True)
class Assignment:
    """The role, tenant and details that were chosen for an area."""

    role: str | None
    tenant_id: int | None
    details: Mapping[str, str]


def fields(
    form: forms.Form, areas: list[AreaChoice], memberships: Mapping[str, MembershipOut]
) -> dict[str, Assignment]:
    """For each area a choice of role; for roles of an agency or a nursery, the tenant; and the area's details."""
    chosen: dict[str, Assignment] = {}
    titles_of_details = detail_titles(areas)
    for area in areas:
        titles = {role["role"]: role["title"] for role in area["roles"]}
        membership = memberships.get(area["area"])
        options = (
            [NONE, *titles]
            if membership is None or membership["role"] in titles
            else [NONE, membership["role"], *titles]
        )
        role = form.field(
            f"role.{area['area']}",
            st.selectbox,
            f"{area['title']}での役割",
            options=options,
            index=options.index(membership["role"])
            if membership
            else 1
            if len(areas) == 1 and not memberships and len(options) == 2
            else 0,
            format_func=lambda role, titles=titles: titles.get(role, role),
        )
        tenant = membership["tenant_id"] if membership else None
        if any(role_choice["scope"] for role_choice in area["roles"]):
            tenant = _tenant_field(form, area, tenant, bool(membership and membership.get("is_suspended")))
        stored_details = membership.get("details", {}) if membership else {}
        typed = {
            detail["name"]: form.field(
                f"details.{area['area']}.{detail['name']}",
                st.text_input,
                titles_of_details[area["area"], detail["name"]],
                value=stored_details.get(detail["name"], ""),
                max_chars=DETAIL_LENGTH,
            ).strip()
            for detail in area["details"]
        }
        filled = {name: value for name, value in typed.items() if value}
        chosen[area["area"]] = Assignment(None if role == NONE else role, tenant, filled)
    return chosen


def _tenant_field(form: forms.Form, area: AreaChoice, current: int | None, suspended: bool) -> int | None:
    """The tenants in use, and the user's own, even if `suspended`."""
    kinds = "・".join(dict.fromkeys(TENANTS[role["scope"]] for role in area["roles"] if role["scope"]))
    tenant_ids = [tenant["id"] for tenant in area["tenants"] if tenant["in_use"] or tenant["id"] == current]
    if current is not None and current not in tenant_ids:
        tenant_ids.append(current)
    chosen: int | None = form.field(
        f"tenant_id.{area['area']}",
        st.selectbox,
        f"{area['title']}での所属先（{kinds}）",
        options=tenant_ids,
        index=tenant_ids.index(current) if current is not None else None,
        format_func=lambda tenant_id: (
            tenant_name(area, tenant_id) + (SUSPENDED if suspended and tenant_id == current else "")
        ),
        placeholder="所属先を選んでください",
        help="所属先ごとの役割を選んだときだけ指定します。",
    )
    return chosen


def send_with_field_errors(call: Callable[[], None], chosen: Mapping[str, Assignment], hint: str = "") -> None:
    """Makes the call, and moves the service's errors about memberships to the form's fields."""
    area_names = [area for area, choice in chosen.items() if choice.role]
    if not area_names:
        message = f"役割を1つ以上選んでください。{hint}"
        # With several areas the error belongs to none of them.
        fields = [*chosen] if len(chosen) == 1 else []
        raise ApiProblem(422, "", message, [{"field": f"role.{area}", "message": message} for area in fields])
    try:
        call()
    except ApiProblem as problem:
        for error in problem.errors:
            _, _, membership_field = error["field"].partition("memberships.")
            number, _, name = membership_field.partition(".")
            if number.isdecimal():
                error["field"] = _field(area_names[int(number)], name)
        raise


def _field(area: str, name: str) -> str:
    """The form's name of a membership's field."""
    field, _, detail = name.partition(".")
    if field == "details" and detail:
        return f"details.{area}.{detail}"
    return f"{field if field == 'tenant_id' else 'role'}.{area}"


def chosen_memberships(chosen: Mapping[str, Assignment]) -> list[dict[str, Any]]:
    return [
        {"area": area, "role": choice.role, "tenant_id": choice.tenant_id, "details": choice.details}
        for area, choice in chosen.items()
        if choice.role
    ]
