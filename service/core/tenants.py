"""Whom a role may be bound to: an area's agencies or nurseries, by name. An area that has such roles says who they are
in its `queries`: `tenants(db) -> list[Tenant]`, in the order of their names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.core.areas import areas

Names = Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Tenant:
    """Nobody new is bound to one that is not `in_use`; who is, the area suspends (`service.core.memberships`)."""

    id: int
    name: str
    in_use: bool = True


def tenants(db: Session, area: str) -> list[Tenant]:
    """Those that the transaction sees."""
    if not any(role.scope for role in areas()[area].roles.values()):
        return []
    found: list[Tenant] = importlib.import_module(f"service.{area}.queries").tenants(db)
    return found


def names(db: Session, among: Iterable[str]) -> Names:
    """By area and number."""
    return {area: {tenant.id: tenant.name for tenant in tenants(db, area)} for area in among if area in areas()}
