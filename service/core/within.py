"""Whose rows a person may see by a permission, as a condition of the query: isolation holds here as well as in the
database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, String, any_, bindparam, cast, literal, or_
from sqlalchemy.orm import InstrumentedAttribute

from service.core.auth import Actor

_ARRAY = ARRAY(String)


def within_reach(area: InstrumentedAttribute[str], tenant: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Rows within the reach of somebody who is named by the parameters that `reach` gives: for statements made once."""
    areas, tenants = bindparam("reached_areas", type_=_ARRAY), bindparam("reached_tenants", type_=_ARRAY)
    return _within(area, tenant, areas, tenants)


def within(
    by: Actor, permission: str, area: InstrumentedAttribute[str], tenant: InstrumentedAttribute[Any]
) -> ColumnElement[bool]:
    """Rows within the person's reach."""
    found = reach(by, permission)
    areas, tenants = literal(found["reached_areas"], _ARRAY), literal(found["reached_tenants"], _ARRAY)
    return _within(area, tenant, areas, tenants)


def reach(by: Actor, permission: str) -> dict[str, list[str]]:
    """The areas where the permission is held: whole, or a tenant's where the role is bound to one."""
    held = by.areas_where(permission)
    return {
        "reached_areas": sorted(held & by.scopes.whole),
        "reached_tenants": [f"{area}:{tenant}" for area, tenant in sorted(by.scopes.tenants) if area in held],
    }


def _within(
    area: InstrumentedAttribute[str],
    tenant: InstrumentedAttribute[Any],
    areas: ColumnElement[Any],
    tenants: ColumnElement[Any],
) -> ColumnElement[bool]:
    return or_(area == any_(areas), area + ":" + cast(tenant, String) == any_(tenants))
