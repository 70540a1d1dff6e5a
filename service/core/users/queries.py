"""Every read of people by those who administer them. Absent and not-yours are the same."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from service.core.areas import areas
from service.core.auth import Actor
from service.core.identity import Membership, User
from service.core.paging import read_cursor, write_cursor
from service.core.problems import NotFound
from service.core.users.reach import READ, Reach

ABSENT = "指定されたユーザーは見つかりません。一覧を開き直してください。"


def users(
    db: Session,
    actor: Actor,
    limit: int,
    cursor: str | None,
    q: str | None = None,
    area: str | None = None,
    role: str | None = None,
    active: bool | None = None,
) -> dict[str, Any]:
    """People with a membership within the actor's reach, by login id; found by part of login id, name or mail. Area
    and role are looked for in one and the same membership."""
    reach = Reach.of(actor, READ)
    member = select(Membership.id).where(Membership.user_id == User.id, reach.sql())
    if area is not None:
        member = member.where(Membership.area == area)
    if role is not None:
        member = member.where(Membership.role == role)
    found = select(User).where(exists(member))
    if active is not None:
        found = found.where(User.is_active == active)
    if q:
        found = found.where(
            or_(
                User.login_id.icontains(q, autoescape=True),
                User.name.icontains(q, autoescape=True),
                User.mail.icontains(q, autoescape=True),
            )
        )
    total = db.scalar(select(func.count()).select_from(found.subquery()))
    if cursor:
        login_id, _ = read_cursor(cursor, str, int)
        found = found.where(User.login_id > login_id)
    rows = db.scalars(found.order_by(User.login_id).limit(limit + 1)).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "items": [as_seen(user, reach) for user in rows[:limit]],
        "total": total,
        "next_cursor": write_cursor(last.login_id, last.id) if last else None,
    }


def summary(db: Session, actor: Actor) -> dict[str, int]:
    member = select(Membership.id).where(Membership.user_id == User.id, Reach.of(actor, READ).sql())
    counts = db.execute(
        select(
            func.count().filter(User.is_active),
            func.count().filter(User.is_active, User.must_change_password),
            func.count().filter(~User.is_active),
        ).where(exists(member))
    ).one()
    return dict(zip(("active", "one_time_password", "inactive"), counts, strict=True))


def as_seen(user: User, reach: Reach) -> dict[str, Any]:
    within = [held for held in user.memberships if reach.covers(held.area, held.tenant_id)]
    return {
        "id": user.id,
        "login_id": user.login_id,
        "name": user.name,
        "mail": user.mail,
        "is_active": user.is_active,
        "must_change_password": user.must_change_password,
        "state": "inactive" if not user.is_active else "one_time_password" if user.must_change_password else "active",
        "last_signed_in_at": user.last_signed_in_at,
        "created_at": user.created_at,
        "version": user.version,
        "memberships": [{"area": held.area, "role": held.role, "tenant_id": held.tenant_id} for held in within],
        "elsewhere": len(within) < len(user.memberships),
    }


def get_user(db: Session, actor: Actor, user_id: int, permission: str = READ, *, lock: bool = False) -> User:
    """The person, with all memberships, when one of them is within the actor's reach.

    Raises:
        NotFound: absent, or somebody else's.
    """
    reach = Reach.of(actor, permission)
    found = select(User).where(
        User.id == user_id, exists(select(Membership.id).where(and_(Membership.user_id == User.id, reach.sql())))
    )
    if lock:
        found = found.with_for_update().execution_options(populate_existing=True)
    user = db.scalars(found).one_or_none()
    if user is None:
        raise NotFound(ABSENT)
    return user


def roles(actor: Actor) -> list[dict[str, Any]]:
    """What the actor can put somebody into: the areas within reach with their roles, in words."""
    reach = Reach.of(actor, READ)
    tenants = {area: sorted(t for a, t in reach.tenants if a == area) for area, _ in reach.tenants}
    return [
        {
            "area": name,
            "title": area.title,
            "roles": [
                {"role": key, "title": role.title, "scope": role.scope}
                for key, role in area.roles.items()
                if name in reach.whole or role.scope is not None
            ],
            "tenant_ids": tenants.get(name) if name not in reach.whole else None,
        }
        for name, area in areas().items()
        if name in reach.whole or name in tenants
    ]
