"""The tenants that a role may be bound to: an area's agencies or nurseries. An area with such roles lists them in its
`queries`: `tenants(db) -> list[Tenant]`, in the order of their names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.core.areas import areas

Names = Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Tenant:
    """No further user can be bound to a tenant that is not `in_use`; the area suspends those who are bound to it
    (`access.memberships`)."""

    id: int
    name: str
    in_use: bool


def tenants(db: Session, area: str) -> list[Tenant]:
    """The area's tenants that the transaction sees."""
    if not any(role.scope for role in areas()[area].roles.values()):
        return []
    listed: list[Tenant] = importlib.import_module(f"service.{area}.queries").tenants(db)
    return listed


def names(db: Session, among: Iterable[str]) -> Names:
    """Tenant names by area and tenant id."""
    return {area: {tenant.id: tenant.name for tenant in tenants(db, area)} for area in among if area in areas()}
