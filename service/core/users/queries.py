"""Every read of people by those who administer them. Absent and not-yours are the same."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from service.core import within
from service.core.areas import areas
from service.core.auth import Actor
from service.core.identity import Membership, User
from service.core.paging import Key, Listing, contains, equals
from service.core.problems import NotFound
from service.core.tenants import tenants
from service.core.users.reach import READ, Reach

ABSENT = "指定されたユーザーは見つかりません。一覧を開き直してください。"


_MEMBER = select(Membership.id).where(
    Membership.user_id == User.id,
    within.within_reach(Membership.area, Membership.tenant_id),
    # In one and the same membership.
    *(
        or_(wanted.is_(None), column == wanted)
        for column in (Membership.area, Membership.role)
        for wanted in (bindparam(f"member_{column.key}", type_=String),)
    ),
)
_USERS = Listing(
    select(User.id).where(exists(_MEMBER)),
    unique=User.id,
    keys={"login_id": Key(User.login_id)},
    default="login_id",
    filters={"active": equals(User.is_active), "q": contains(User.login_id, User.name, User.mail)},
)


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
    asked = {**within.reach(actor, READ), "member_area": area, "member_role": role}
    found = _USERS.page(db, limit, cursor, item=lambda row: row["id"], asked=asked, active=active, q=q)
    people = {user.id: user for user in db.scalars(select(User).where(User.id.in_(found["items"])))}
    reach = Reach.of(actor, READ)
    return found | {"items": [as_seen(people[user_id], reach) for user_id in found["items"]]}


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
    seen = [held for held in user.memberships if reach.covers(held.area, held.tenant_id)]
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
        "memberships": [
            {
                "area": held.area,
                "role": held.role,
                "tenant_id": held.tenant_id,
                "details": held.details,
                "is_suspended": held.is_suspended,
            }
            for held in seen
        ],
        "elsewhere": len(seen) < len(user.memberships),
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


def roles(db: Session, actor: Actor) -> list[dict[str, Any]]:
    """What the actor can put somebody into: the areas within reach with their roles and tenants, in words."""
    reach = Reach.of(actor, READ)
    bound = {area for area, _ in reach.tenants}
    return [
        {
            "area": name,
            "title": area.title,
            "roles": [
                {"role": key, "title": role.title, "scope": role.scope}
                for key, role in area.roles.items()
                if name in reach.whole or role.scope is not None
            ],
            "details": [{"name": key, "title": title} for key, title in area.details.items()],
            "tenants": [tenant for tenant in tenants(db, name) if reach.covers(name, tenant.id)],
        }
        for name, area in areas().items()
        if name in reach.whole or name in bound
    ]
