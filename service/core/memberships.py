"""What an area does to the memberships of its tenants: those of an agency that goes out of use are suspended."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, ScalarSelect, exists, func, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.clock import real_now
from service.core.identity import Membership, User, UserSession

_LOCK = "SELECT pg_advisory_xact_lock{shared}(hashtext('members of ' || :area), hashtext(:tenant))"
_ALONE, _TOGETHER = text(_LOCK.format(shared="")), text(_LOCK.format(shared="_shared"))


def suspend(db: Session, area: str, tenant_id: int, suspended: bool) -> int:
    """Sets it for everybody who is bound to the tenant, in the transaction that takes the tenant out of use or back.
    Who is left with no other role is signed out; how many sessions ended, for the audit entry of the tenant."""
    db.execute(_ALONE, {"area": area, "tenant": str(tenant_id)})
    bound = Membership.area == area, Membership.tenant_id == tenant_id
    people = select(User.id).where(User.id.in_(select(Membership.user_id).where(*bound)))
    # Whoever is signing in has the row until the session is there: one more that has to end.
    found = db.scalars(people.order_by(User.id).with_for_update(key_share=True)).all()
    db.execute(update(Membership).where(*bound, Membership.is_suspended != suspended).values(is_suspended=suspended))
    if not suspended:
        return 0
    now = real_now()
    elsewhere = exists().where(Membership.user_id == UserSession.user_id, ~Membership.is_suspended)
    ended = (
        update(UserSession)
        .where(
            UserSession.user_id.in_(found), UserSession.revoked_at.is_(None), UserSession.expires_at > now, ~elsewhere
        )
        .values(revoked_at=now)
        .returning(UserSession.id)
    )
    return len(db.scalars(ended).all())


def keep_in_use(db: Session, tenants: Iterable[tuple[str, int | None]]) -> None:
    """Until the end of the transaction none of them is suspended: whether one is in use can be asked from here on, and
    somebody be bound to it. Locks are taken in one order."""
    for area, tenant_id in sorted(tenants, key=str):
        db.execute(_TOGETHER, {"area": area, "tenant": str(tenant_id)})


def count_members(area: str, role: str, tenant: ColumnElement[int] | InstrumentedAttribute[int]) -> ScalarSelect[int]:
    """How many active people hold the role at the tenant, whose number is a column of the statement around it."""
    return (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.area == area, Membership.tenant_id == tenant, Membership.role == role, User.is_active)
        .correlate_except(Membership, User)
        .scalar_subquery()
    )
