"""Memberships of an area's tenants: those of an agency that goes out of use are suspended."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, ScalarSelect, exists, func, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.access.identity import Membership, User, UserSession
from service.core.database.clock import real_now

_LOCK = "SELECT pg_advisory_xact_lock{shared}(hashtext('members of ' || :area), hashtext(:tenant))"
_LOCK_EXCLUSIVE, _LOCK_SHARED = text(_LOCK.format(shared="")), text(_LOCK.format(shared="_shared"))


def set_suspended(db: Session, area: str, tenant_id: int, suspended: bool) -> int:
    """Suspends, or restores, all memberships of the tenant, in the transaction that takes the tenant out of use or
    back. A user without another role is signed out. Returns how many sessions ended, for the tenant's audit entry."""
    db.execute(_LOCK_EXCLUSIVE, {"area": area, "tenant": str(tenant_id)})
    of_tenant = Membership.area == area, Membership.tenant_id == tenant_id
    users = select(User.id).where(User.id.in_(select(Membership.user_id).where(*of_tenant)))
    # A user who is signing in holds the row lock until the session exists: that session has to end, too.
    user_ids = db.scalars(users.order_by(User.id).with_for_update(key_share=True)).all()
    db.execute(
        update(Membership).where(*of_tenant, Membership.is_suspended != suspended).values(is_suspended=suspended)
    )
    if not suspended:
        return 0
    now = real_now()
    has_other_role = exists().where(Membership.user_id == UserSession.user_id, ~Membership.is_suspended)
    statement = (
        update(UserSession)
        .where(
            UserSession.user_id.in_(user_ids),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > now,
            ~has_other_role,
        )
        .values(revoked_at=now)
        .returning(UserSession.id)
    )
    return len(db.scalars(statement).all())


def lock_tenants_in_use(db: Session, tenants: Iterable[tuple[str, int | None]]) -> None:
    """Until the end of the transaction none of the tenants can be suspended: from here on, the caller can check whether
    a tenant is in use and bind a user to it. Locks are taken in one order."""
    for area, tenant_id in sorted(tenants, key=str):
        db.execute(_LOCK_SHARED, {"area": area, "tenant": str(tenant_id)})


def count_members(area: str, role: str, tenant: ColumnElement[int] | InstrumentedAttribute[int]) -> ScalarSelect[int]:
    """How many active users have the role at the tenant, whose id is a column of the outer statement."""
    return (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.area == area, Membership.tenant_id == tenant, Membership.role == role, User.is_active)
        .correlate_except(Membership, User)
        .scalar_subquery()
    )
