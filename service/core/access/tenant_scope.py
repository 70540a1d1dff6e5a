"""Tenant isolation as a condition of the query, in addition to row-level security in the database: whose rows a user
may see by a permission."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, String, any_, bindparam, cast, literal, or_
from sqlalchemy.orm import InstrumentedAttribute

from service.core.access.auth import Actor

_ARRAY = ARRAY(String)


def in_bound_scope(area: InstrumentedAttribute[str], tenant: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Rows in the scope of the user whose `scope_parameters` are bound: for statements that are compiled once."""
    areas, tenants = bindparam("reached_areas", type_=_ARRAY), bindparam("reached_tenants", type_=_ARRAY)
    return _in_areas_or_tenants(area, tenant, areas, tenants)


def in_scope(
    by: Actor, permission: str, area: InstrumentedAttribute[str], tenant: InstrumentedAttribute[Any]
) -> ColumnElement[bool]:
    """Rows in the user's scope."""
    parameters = scope_parameters(by, permission)
    areas, tenants = literal(parameters["reached_areas"], _ARRAY), literal(parameters["reached_tenants"], _ARRAY)
    return _in_areas_or_tenants(area, tenant, areas, tenants)


def scope_parameters(by: Actor, permission: str) -> dict[str, list[str]]:
    """The areas where the user has the permission: whole ones, and (area, tenant) where the role is bound to one."""
    permitted = by.areas_where(permission)
    return {
        "reached_areas": sorted(permitted & by.scopes.whole),
        "reached_tenants": [f"{area}:{tenant}" for area, tenant in sorted(by.scopes.tenants) if area in permitted],
    }


def _in_areas_or_tenants(
    area: InstrumentedAttribute[str],
    tenant: InstrumentedAttribute[Any],
    areas: ColumnElement[Any],
    tenants: ColumnElement[Any],
) -> ColumnElement[bool]:
    return or_(area == any_(areas), area + ":" + cast(tenant, String) == any_(tenants))
