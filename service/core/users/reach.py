"""How far an administrator reaches: whole areas, and single tenants of areas, by the roles held there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, false, or_, tuple_

from service.core.areas import areas
from service.core.auth import Actor
from service.core.identity import Membership

READ, UPDATE = "core:user:read", "core:user:update"


@dataclass(frozen=True)
class Reach:
    """Memberships in these are somebody's to see, or to change."""

    whole: frozenset[str]
    tenants: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, actor: Actor, permission: str) -> Reach:
        held = actor.areas_where(permission)
        return cls(
            frozenset(held & actor.scopes.whole),
            frozenset((area, tenant) for area, tenant in actor.scopes.tenants if area in held),
        )

    def covers(self, area: str, tenant_id: int | None) -> bool:
        return area in self.whole or (tenant_id is not None and (area, tenant_id) in self.tenants)

    def covers_all(self, memberships: list[Membership]) -> bool:
        return all(self.covers(held.area, held.tenant_id) for held in memberships)

    def sql(self) -> ColumnElement[bool]:
        """`covers`, of rows of memberships."""
        conditions = [Membership.area.in_(self.whole)] if self.whole else []
        if self.tenants:
            conditions.append(tuple_(Membership.area, Membership.tenant_id).in_(self.tenants))
        return or_(*conditions) if conditions else false()


def administrators(area: str) -> ColumnElement[bool]:
    """Memberships that administer the whole area, of rows of memberships."""
    roles = [name for name, role in areas()[area].roles.items() if UPDATE in role.permissions and role.scope is None]
    return and_(Membership.area == area, Membership.role.in_(roles))


def administers(area: str, role: str) -> bool:
    found = areas()[area].roles.get(role) if area in areas() else None
    return found is not None and UPDATE in found.permissions and found.scope is None
