"""Whose rows a person may see by a permission, as a condition of the query: isolation holds here as well as in the
database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from service.core.auth import Actor


def within(
    by: Actor, permission: str, area: InstrumentedAttribute[str], tenant: InstrumentedAttribute[Any]
) -> ColumnElement[bool]:
    """Rows of the areas where the permission is held: all of them, or a tenant's where the role is bound to one."""
    held = by.areas_where(permission)
    conditions: list[ColumnElement[bool]] = []
    if whole := held & by.scopes.whole:
        conditions.append(area.in_(sorted(whole)))
    if bound := sorted(one for one in by.scopes.tenants if one[0] in held):
        conditions.append(tuple_(area, tenant).in_(bound))
    return or_(*conditions) if conditions else false()
