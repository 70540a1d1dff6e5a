"""Every write of users: each function changes and audits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access import memberships, passwords
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User, close_sessions, find_by_login_id
from service.core.access.tenants import tenants
from service.core.areas import areas
from service.core.audit import Action
from service.core.database.session import violates
from service.core.problems import Conflict, Forbidden, Invalid, Stale
from service.core.users import schemas
from service.core.users.queries import get_user, user_item
from service.core.users.scope import UPDATE, AdminScope, administers, administrators

SHARED_ACCOUNT = (
    "{name}さんは、あなたが管理者ではない業務でも使われているアカウントです。"
    "{what}は、すべての業務の管理者である人に依頼してください。"
)


def create_user(db: Session, by: Actor, new_user: schemas.NewUser, password_hash: str) -> User:
    scope = AdminScope.of(by, UPDATE)
    _check(db, new_user.memberships, scope, {})
    user = User(
        login_id=new_user.login_id,
        name=new_user.name,
        mail=new_user.mail,
        password_hash=password_hash,
        must_change_password=True,
        one_time_until=passwords.one_time_until(),
        memberships=[Membership(**membership.model_dump()) for membership in new_user.memberships],
    )
    try:
        with db.begin_nested():
            db.add(user)
    except IntegrityError as error:
        if not violates(error, "uq_users_login_id"):
            raise
        raise Conflict.at_field(
            "login_id", f"ログインID「{new_user.login_id}」はすでに使われています。別のログインIDにしてください。"
        ) from None
    _record_by_area(db, by, "create", user, None, _audit_values(user))
    return user


def change_user(db: Session, by: Actor, user_id: int, change: schemas.UserChange) -> User:
    """
    Raises:
        Stale: another user changed this user since `version` was read.
    """
    scope = AdminScope.of(by, UPDATE)
    _lock_administrators(db, scope)
    user = get_user(db, by, user_id, UPDATE, lock=True)
    values = change.model_dump(exclude={"version"}, exclude_unset=True)
    if values.get("name", "") is None:
        raise Invalid.at_field("name", "氏名を入力してください。")
    if change.version != user.version:
        raise Stale(
            "ほかの人が先にこのユーザーを変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours=values,
            current=user_item(user, scope).model_dump(mode="json"),
        )
    before = _audit_values(user)
    own_values = {
        name: values[name] for name in ("name", "mail") if name in values and values[name] != getattr(user, name)
    }
    if own_values:
        _refuse_shared(user, scope, "氏名とメールアドレスの変更")
        for name, value in own_values.items():
            setattr(user, name, value)
    if change.memberships is not None:
        _check(
            db, change.memberships, scope, {membership.area: membership.tenant_id for membership in user.memberships}
        )
        _replace_memberships(user, change.memberships, scope)
    if _audit_values(user) == before:
        return user
    lost_areas = _areas_no_longer_administered(before, _audit_values(user))
    if lost_areas and user.id == by.user_id:
        raise Conflict("ご自分の管理者の役割は変更できません。必要な場合は、ほかの管理者に依頼してください。")
    user.version += 1
    db.flush()
    _require_an_administrator(db, lost_areas)
    _record_by_area(db, by, "update", user, before, _audit_values(user))
    return user


def reset_password(db: Session, by: Actor, user_id: int, password_hash: str) -> User:
    """The user has to sign in again with the new password, and to change it then."""
    user = get_user(db, by, user_id, UPDATE, lock=True)
    if user.id == by.user_id:  # a stranger at an open browser must not set a password without knowing the old one
        raise Conflict(
            "ご自分のパスワードは再発行できません。「アカウント」画面で、現在のパスワードを入力して変更してください。"
        )
    _refuse_shared(user, AdminScope.of(by, UPDATE), "パスワードの再発行")
    _set_one_time_password(db, by, user, password_hash)
    return user


def reset_password_from_server(db: Session, login_id: str, password_hash: str) -> User | None:
    """As `reset_password`, for the server's operator: for any active user, also an area's only administrator. None when
    there is no such user."""
    user = find_by_login_id(db, login_id)
    if user is None or not user.is_active:
        return None
    db.refresh(user, with_for_update={"of": User})
    _set_one_time_password(db, audit.COMMAND_LINE, user, password_hash)
    return user


def _set_one_time_password(db: Session, by: Actor | str, user: User, password_hash: str) -> None:
    user.password_hash, user.must_change_password = password_hash, True
    user.one_time_until = passwords.one_time_until()
    user.version += 1
    sessions_ended = close_sessions(db, user.id)
    _record_by_area(db, by, "update", user, {"password": "old"}, {"password": "new", "sessions_ended": sessions_ended})


def set_active(db: Session, by: Actor, user_id: int, active: bool) -> User:
    """Does nothing when the user is in that state already. Deactivation ends the user's sessions."""
    scope = AdminScope.of(by, UPDATE)
    _lock_administrators(db, scope)
    user = get_user(db, by, user_id, UPDATE, lock=True)
    if user.id == by.user_id and not active:
        raise Conflict("ご自分のアカウントは無効にできません。必要な場合は、ほかの管理者に依頼してください。")
    _refuse_shared(user, scope, "有効・無効の切り替え")
    if user.is_active == active:
        return user
    user.is_active = active
    user.version += 1
    db.flush()
    if not active:
        close_sessions(db, user.id)
        _require_an_administrator(
            db, {membership.area for membership in user.memberships if administers(membership.area, membership.role)}
        )
    _record_by_area(db, by, "status_change", user, {"is_active": not active}, {"is_active": active})
    return user


def end_sessions(db: Session, by: Actor, user_id: int, session_id: int | None) -> int:
    user = get_user(db, by, user_id, UPDATE)
    _refuse_shared(user, AdminScope.of(by, UPDATE), "セッションの終了")
    sessions_ended = close_sessions(db, user.id, only=session_id)
    if sessions_ended:
        _record_by_area(db, by, "update", user, None, {"sessions_ended": sessions_ended})
    return sessions_ended


def change_own_password(db: Session, actor: Actor, password_hash: str, checked: str) -> int:
    """Ends the user's other sessions; returns how many. `checked` is the hash of the password that was just checked."""
    user = db.get_one(User, actor.user_id, with_for_update=True)
    if user.password_hash != checked:
        raise Conflict("確認しているあいだにパスワードが変更されました。新しいパスワードでログインし直してください。")
    user.password_hash, user.must_change_password, user.one_time_until = password_hash, False, None
    user.version += 1
    sessions_ended = close_sessions(db, user.id, but=actor.session_id)
    after = {"password": "new", "sessions_ended": sessions_ended}
    audit.record(db, actor, "update", "core", "user", user.id, before={"password": "old"}, after=after)
    return sessions_ended


def end_own_sessions(db: Session, actor: Actor, session_id: int | None) -> int:
    """Ends the session of this id; without an id all except the current one."""
    but = actor.session_id if session_id is None else None
    sessions_ended = close_sessions(db, actor.user_id, but=but, only=session_id)
    if sessions_ended:
        audit.record(db, actor, "update", "core", "user", actor.user_id, after={"sessions_ended": sessions_ended})
    return sessions_ended


def _check(
    db: Session,
    new_memberships: list[schemas.MembershipIn],
    scope: AdminScope,
    current_tenants: Mapping[str, int | None],
) -> None:
    """Checks that the actor administers the areas, that the roles exist, and that a tenant is given exactly where the
    role needs one. `current_tenants` maps areas to the user's present tenants: these may stay even when they are out
    of use."""
    errors, seen_areas = [], set()
    new_tenants = {
        (membership.area, membership.tenant_id) for membership in new_memberships if membership.tenant_id is not None
    }
    memberships.lock_tenants_in_use(db, new_tenants - current_tenants.items())
    for index, membership in enumerate(new_memberships):
        field_path = f"memberships.{index}"
        role = areas()[membership.area].roles.get(membership.role) if membership.area in areas() else None
        if membership.area in seen_areas:
            errors.append((f"{field_path}.area", "同じ業務が2回選ばれています。1つの業務につき役割は1つです。"))
        elif membership.area not in scope.whole and membership.area not in {area for area, _ in scope.tenants}:
            errors.append((f"{field_path}.area", "あなたが管理者である業務の中から選んでください。"))
        elif role is None:
            errors.append((f"{field_path}.role", "この業務にある役割の中から選んでください。"))
        elif role.scope is not None and membership.tenant_id is None:
            errors.append((f"{field_path}.tenant_id", "この役割には所属先（代理店・園）を指定してください。"))
        elif role.scope is None and membership.tenant_id is not None:
            errors.append((f"{field_path}.tenant_id", "この役割に所属先は指定できません。"))
        elif not scope.covers(membership.area, membership.tenant_id):
            errors.append((f"{field_path}.tenant_id", "あなたが管理者である所属先の中から選んでください。"))
        elif problem := _tenant_problem(db, membership, current_tenants.get(membership.area)):
            errors.append((f"{field_path}.tenant_id", problem))
        elif not membership.details.keys() <= areas()[membership.area].details.keys():
            errors.append((f"{field_path}.details", "この業務にない項目が含まれています。画面を開き直してください。"))
        seen_areas.add(membership.area)
    if errors:
        raise Invalid("業務と役割の指定を確認してください。", errors)


def _tenant_problem(db: Session, membership: schemas.MembershipIn, current_tenant: int | None) -> str | None:
    if membership.tenant_id is None:
        return None
    tenant = next((listed for listed in tenants(db, membership.area) if listed.id == membership.tenant_id), None)
    if tenant is None:
        return "この所属先は登録されていません。一覧から選び直してください。"
    if not tenant.in_use and membership.tenant_id != current_tenant:
        return "この所属先は無効です。有効な所属先を選ぶか、先に所属先を有効にしてください。"
    return None


def _replace_memberships(user: User, new_memberships: list[schemas.MembershipIn], scope: AdminScope) -> None:
    by_area = {new.area: new for new in new_memberships}
    retained = []
    for membership in user.memberships:
        new = by_area.pop(membership.area, None)
        if not scope.covers(membership.area, membership.tenant_id):
            if new is not None:  # the same area, but a tenant that the actor does not administer
                raise Forbidden(SHARED_ACCOUNT.format(name=user.name, what="この業務の役割の変更"))
        elif new is None:
            continue
        else:
            # A move to another tenant ends the suspension: the new tenant is in use.
            membership.is_suspended = membership.is_suspended and membership.tenant_id == new.tenant_id
            membership.role, membership.tenant_id, membership.details = new.role, new.tenant_id, new.details
        retained.append(membership)
    user.memberships = retained + [Membership(**new.model_dump()) for new in by_area.values()]


def _refuse_shared(user: User, scope: AdminScope, operation: str) -> None:
    """Raises Forbidden for an account that also has memberships outside of the actor's scope."""
    if not scope.covers_all(user.memberships):
        raise Forbidden(SHARED_ACCOUNT.format(name=user.name, what=operation))


def _lock_administrators(db: Session, scope: AdminScope) -> None:
    """Locks the area's administrators until the end of the transaction: when two administrators remove each other at
    the same time, the second transaction must see the first removal. The locks are taken in one order, before any row
    lock."""
    for area in sorted(scope.whole):
        db.execute(text("SELECT pg_advisory_xact_lock(hashtext('administrators of ' || :area))"), {"area": area})


def _require_an_administrator(db: Session, lost: Iterable[str]) -> None:
    for area in sorted(lost):
        remaining = db.scalar(
            select(func.count())
            .select_from(Membership)
            .join(User, User.id == Membership.user_id)
            .where(administrators(area), User.is_active)
        )
        if not remaining:
            raise Conflict(
                f"{areas()[area].title}の管理者がいなくなるため、変更できません。先に、ほかの人を管理者にしてください。"
            )


def _audit_values(user: User) -> dict[str, Any]:
    memberships_by_area = sorted(user.memberships, key=lambda membership: membership.area)
    return {
        "login_id": user.login_id,
        "name": user.name,
        "mail": user.mail,
        "is_active": user.is_active,
        "memberships": [
            {"area": m.area, "role": m.role, "tenant_id": m.tenant_id} | ({"details": m.details} if m.details else {})
            for m in memberships_by_area
        ],
    }


def _areas_no_longer_administered(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The areas that the user administered before, but not after."""
    administered = [
        {m["area"] for m in values["memberships"] if administers(m["area"], m["role"])} for values in (before, after)
    ]
    return administered[0] - administered[1]


def _record_by_area(
    db: Session,
    by: Actor | str,
    action: Action,
    user: User,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """Adds an audit entry for each area concerned, with that area's values only, for the area's administrators."""
    membership_lists = [state["memberships"] for state in (before, after) if state and "memberships" in state]
    areas_concerned = {m["area"] for memberships in membership_lists for m in memberships} | {
        m.area for m in user.memberships
    }
    for area in sorted(areas_concerned):
        values = [_values_of_area(state, area) for state in (before, after)]
        if values[0] != values[1]:
            audit.record(db, by, action, area, "user", user.id, before=values[0], after=values[1])


def _values_of_area(values: dict[str, Any] | None, area: str) -> dict[str, Any] | None:
    if values is None or "memberships" not in values:
        return values
    return values | {"memberships": [m for m in values["memberships"] if m["area"] == area]}
