"""An administrator's scope: whole areas, and single tenants of areas, by the roles there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, false, or_, tuple_

from service.core.access.auth import Actor
from service.core.access.identity import Membership
from service.core.areas import areas

READ, UPDATE = "core:user:read", "core:user:update"


@dataclass(frozen=True)
class AdminScope:
    """The areas and tenants whose memberships an administrator may see, or change."""

    whole: frozenset[str]
    tenants: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, actor: Actor, permission: str) -> AdminScope:
        permitted = actor.areas_where(permission)
        return cls(
            frozenset(permitted & actor.scopes.whole),
            frozenset((area, tenant) for area, tenant in actor.scopes.tenants if area in permitted),
        )

    def covers(self, area: str, tenant_id: int | None) -> bool:
        return area in self.whole or (tenant_id is not None and (area, tenant_id) in self.tenants)

    def covers_all(self, memberships: list[Membership]) -> bool:
        return all(self.covers(membership.area, membership.tenant_id) for membership in memberships)

    def sql(self) -> ColumnElement[bool]:
        """`covers` as a condition on rows of memberships."""
        conditions = [Membership.area.in_(self.whole)] if self.whole else []
        if self.tenants:
            conditions.append(tuple_(Membership.area, Membership.tenant_id).in_(self.tenants))
        return or_(*conditions) if conditions else false()


def administrators(area: str) -> ColumnElement[bool]:
    """A condition on rows of memberships: those that administer the whole area."""
    roles = [name for name, role in areas()[area].roles.items() if UPDATE in role.permissions and role.scope is None]
    return and_(Membership.area == area, Membership.role.in_(roles))


def administers(area: str, role: str) -> bool:
    declared_role = areas()[area].roles.get(role) if area in areas() else None
    return declared_role is not None and UPDATE in declared_role.permissions and declared_role.scope is None
