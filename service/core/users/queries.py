"""Every read of users by administrators. A user outside of the administrator's scope counts as not found."""

from __future__ import annotations

from sqlalchemy import String, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from service.core.access import tenant_scope
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.access.tenants import tenants
from service.core.areas import areas
from service.core.database.paging import Key, Listing, Page, contains, equals
from service.core.problems import NotFound
from service.core.users import schemas
from service.core.users.scope import READ, AdminScope
from service.core.values.states import UserState

USER_NOT_FOUND = "指定されたユーザーは見つかりません。一覧を開き直してください。"


_MEMBER = select(Membership.id).where(
    Membership.user_id == User.id,
    tenant_scope.in_bound_scope(Membership.area, Membership.tenant_id),
    # Area and role of the same membership.
    *(
        or_(parameter.is_(None), column == parameter)
        for column in (Membership.area, Membership.role)
        for parameter in (bindparam(f"member_{column.key}", type_=String),)
    ),
)
_USERS = Listing(
    select(User.id).where(exists(_MEMBER)),
    model=int,
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
) -> Page[schemas.UserItem]:
    """Users with a membership in the actor's scope, by login id; filtered by part of login id, name or mail. Area and
    role have to be those of the same membership."""
    parameters = {**tenant_scope.scope_parameters(actor, READ), "member_area": area, "member_role": role}
    page = _USERS.read(db, limit, cursor, item=lambda row: row["id"], parameters=parameters, active=active, q=q)
    by_id = {user.id: user for user in db.scalars(select(User).where(User.id.in_(page.items)))}
    scope = AdminScope.of(actor, READ)
    items = [user_item(by_id[user_id], scope) for user_id in page.items]
    return Page(items=items, total=page.total, next_cursor=page.next_cursor)


def summary(db: Session, actor: Actor) -> schemas.Summary:
    member = select(Membership.id).where(Membership.user_id == User.id, AdminScope.of(actor, READ).sql())
    counts = db.execute(
        select(
            func.count().filter(User.is_active),
            func.count().filter(User.is_active, User.must_change_password),
            func.count().filter(~User.is_active),
        ).where(exists(member))
    ).one()
    return schemas.Summary(active=counts[0], one_time_password=counts[1], inactive=counts[2])


def user_item(user: User, scope: AdminScope) -> schemas.UserItem:
    visible = [membership for membership in user.memberships if scope.covers(membership.area, membership.tenant_id)]
    return schemas.UserItem(
        id=user.id,
        login_id=user.login_id,
        name=user.name,
        mail=user.mail,
        is_active=user.is_active,
        must_change_password=user.must_change_password,
        state=_state(user),
        last_signed_in_at=user.last_signed_in_at,
        created_at=user.created_at,
        version=user.version,
        memberships=[
            schemas.MembershipOut(
                area=membership.area,
                role=membership.role,
                tenant_id=membership.tenant_id,
                details=membership.details,
                is_suspended=membership.is_suspended,
            )
            for membership in visible
        ],
        elsewhere=len(visible) < len(user.memberships),
    )


def _state(user: User) -> UserState:
    if not user.is_active:
        return UserState.INACTIVE
    return UserState.ONE_TIME_PASSWORD if user.must_change_password else UserState.ACTIVE


def get_user(db: Session, actor: Actor, user_id: int, permission: str = READ, *, lock: bool = False) -> User:
    """The user with all memberships, when one of them is in the actor's scope.

    Raises:
        NotFound: there is no such user in the actor's scope.
    """
    scope = AdminScope.of(actor, permission)
    statement = select(User).where(
        User.id == user_id, exists(select(Membership.id).where(and_(Membership.user_id == User.id, scope.sql())))
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    user = db.scalars(statement).one_or_none()
    if user is None:
        raise NotFound(USER_NOT_FOUND)
    return user


def roles(db: Session, actor: Actor) -> list[schemas.AreaChoice]:
    """The choices for memberships: the areas in the actor's scope, with titles of their roles and tenants."""
    scope = AdminScope.of(actor, READ)
    areas_of_tenants = {area for area, _ in scope.tenants}
    return [
        schemas.AreaChoice(
            area=name,
            title=area.title,
            roles=[
                schemas.RoleChoice(role=key, title=role.title, scope=role.scope)
                for key, role in area.roles.items()
                if name in scope.whole or role.scope is not None
            ],
            details=[schemas.DetailChoice(name=key, title=title) for key, title in area.details.items()],
            tenants=[tenant for tenant in tenants(db, name) if scope.covers(name, tenant.id)],
        )
        for name, area in areas().items()
        if name in scope.whole or name in areas_of_tenants
    ]
