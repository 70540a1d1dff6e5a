"""Every write of people: change, audit, one verb each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core import audit, memberships, passwords
from service.core.areas import areas
from service.core.audit import Action
from service.core.auth import Actor
from service.core.db import violates
from service.core.identity import Membership, User, close_sessions, find_by_login_id
from service.core.problems import Conflict, Forbidden, Invalid, Stale
from service.core.tenants import tenants
from service.core.users import schemas
from service.core.users.queries import as_seen, get_user
from service.core.users.reach import UPDATE, Reach, administers, administrators

# Who acts, in the trail, when somebody works on the server itself.
COMMAND_LINE = "command line"
SHARED = (
    "{name}さんは、あなたが管理者ではない業務でも使われているアカウントです。"
    "{what}は、すべての業務の管理者である人に依頼してください。"
)


def create_user(db: Session, by: Actor, new: schemas.NewUser, password_hash: str) -> User:
    reach = Reach.of(by, UPDATE)
    _check(db, new.memberships, reach, {})
    user = User(
        login_id=new.login_id,
        name=new.name,
        mail=new.mail,
        password_hash=password_hash,
        must_change_password=True,
        one_time_until=passwords.one_time_until(),
        memberships=[Membership(**membership.model_dump()) for membership in new.memberships],
    )
    try:
        with db.begin_nested():
            db.add(user)
    except IntegrityError as error:
        if not violates(error, "uq_users_login_id"):
            raise
        message = f"ログインID「{new.login_id}」はすでに使われています。別のログインIDにしてください。"
        raise Conflict(message, [("login_id", message)]) from None
    _record(db, by, "create", user, None, _state(user))
    return user


def change_user(db: Session, by: Actor, user_id: int, change: schemas.UserChange) -> User:
    """
    Raises:
        Stale: somebody changed the person since `version` was read.
    """
    reach = Reach.of(by, UPDATE)
    _guard_administrators(db, reach)
    user = get_user(db, by, user_id, UPDATE, lock=True)
    given = change.model_dump(exclude={"version"}, exclude_unset=True)
    if given.get("name", "") is None:
        raise Invalid("氏名を入力してください。", [("name", "氏名を入力してください。")])
    if change.version != user.version:
        raise Stale(
            "ほかの人が先にこのユーザーを変更しました。まだ保存されていません。"
            "最新の内容を確認してから、もう一度変更してください。",
            yours=given,
            current=schemas.UserItem.model_validate(as_seen(user, reach)).model_dump(mode="json"),
        )
    before = _state(user)
    own = {name: given[name] for name in ("name", "mail") if name in given and given[name] != getattr(user, name)}
    if own:
        _refuse_shared(user, reach, "氏名とメールアドレスの変更")
        for name, value in own.items():
            setattr(user, name, value)
    if change.memberships is not None:
        _check(db, change.memberships, reach, {held.area: held.tenant_id for held in user.memberships})
        _replace(user, change.memberships, reach)
    if _state(user) == before:
        return user
    user.version += 1
    db.flush()
    _keep_an_administrator(db, _lost(before, _state(user)))
    _record(db, by, "update", user, before, _state(user))
    return user


def reset_password(db: Session, by: Actor, user_id: int, password_hash: str) -> User:
    """The person has to sign in again, with the new password, and to change it there."""
    user = get_user(db, by, user_id, UPDATE, lock=True)
    if user.id == by.user_id:  # whoever finds an open browser must not get by without the old one
        raise Conflict(
            "ご自分のパスワードは再発行できません。「アカウント」画面で、現在のパスワードを入力して変更してください。"
        )
    _refuse_shared(user, Reach.of(by, UPDATE), "パスワードの再発行")
    _give_one_time_password(db, by, user, password_hash)
    return user


def reset_from_the_server(db: Session, login_id: str, password_hash: str) -> User | None:
    """As `reset_password`, for whoever runs the server: of anybody who may sign in, also of an only administrator."""
    user = find_by_login_id(db, login_id)
    if user is None or not user.is_active:
        return None
    db.refresh(user, with_for_update={"of": User})
    _give_one_time_password(db, COMMAND_LINE, user, password_hash)
    return user


def _give_one_time_password(db: Session, by: Actor | str, user: User, password_hash: str) -> None:
    user.password_hash, user.must_change_password = password_hash, True
    user.one_time_until = passwords.one_time_until()
    user.version += 1
    ended = close_sessions(db, user.id)
    _record(db, by, "update", user, {"password": "old"}, {"password": "new", "sessions_ended": ended})


def set_active(db: Session, by: Actor, user_id: int, active: bool) -> User:
    """To whoever is in that state already nothing happens. Deactivating ends the person's sessions."""
    reach = Reach.of(by, UPDATE)
    _guard_administrators(db, reach)
    user = get_user(db, by, user_id, UPDATE, lock=True)
    _refuse_shared(user, reach, "有効・無効の切り替え")
    if user.is_active == active:
        return user
    user.is_active = active
    user.version += 1
    db.flush()
    if not active:
        close_sessions(db, user.id)
        _keep_an_administrator(db, {held.area for held in user.memberships if administers(held.area, held.role)})
    _record(db, by, "status_change", user, {"is_active": not active}, {"is_active": active})
    return user


def end_sessions(db: Session, by: Actor, user_id: int, session_id: int | None) -> int:
    user = get_user(db, by, user_id, UPDATE)
    _refuse_shared(user, Reach.of(by, UPDATE), "セッションの終了")
    ended = close_sessions(db, user.id, only=session_id)
    if ended:
        _record(db, by, "update", user, None, {"sessions_ended": ended})
    return ended


def change_own_password(db: Session, actor: Actor, password_hash: str, checked: str) -> int:
    """Ends the person's other sessions; how many. `checked` is the hash of the password that was just shown."""
    user = db.get_one(User, actor.user_id, with_for_update=True)
    if user.password_hash != checked:
        raise Conflict("確認しているあいだにパスワードが変更されました。新しいパスワードでログインし直してください。")
    user.password_hash, user.must_change_password, user.one_time_until = password_hash, False, None
    user.version += 1
    ended = close_sessions(db, user.id, but=actor.session_id)
    after = {"password": "new", "sessions_ended": ended}
    audit.record(db, actor, "update", "core", "user", user.id, before={"password": "old"}, after=after)
    return ended


def end_own_sessions(db: Session, actor: Actor, session_id: int | None) -> int:
    """All but the one that asks, or the one that is named."""
    but = actor.session_id if session_id is None else None
    ended = close_sessions(db, actor.user_id, but=but, only=session_id)
    if ended:
        audit.record(db, actor, "update", "core", "user", actor.user_id, after={"sessions_ended": ended})
    return ended


def _check(db: Session, wanted: list[schemas.MembershipIn], reach: Reach, held: Mapping[str, int | None]) -> None:
    """Areas the actor administers, roles that exist, a tenant where the role asks for one and nowhere else. `held` is
    to which tenant of an area the person is bound: who is there may stay when it went out of use."""
    errors, seen = [], set()
    bound = {(given.area, given.tenant_id) for given in wanted if given.tenant_id is not None}
    memberships.keep_in_use(db, bound - held.items())
    for place, given in enumerate(wanted):
        at = f"memberships.{place}"
        role = areas()[given.area].roles.get(given.role) if given.area in areas() else None
        if given.area in seen:
            errors.append((f"{at}.area", "同じ業務が2回選ばれています。1つの業務につき役割は1つです。"))
        elif given.area not in reach.whole and given.area not in {area for area, _ in reach.tenants}:
            errors.append((f"{at}.area", "あなたが管理者である業務の中から選んでください。"))
        elif role is None:
            errors.append((f"{at}.role", "この業務にある役割の中から選んでください。"))
        elif role.scope is not None and given.tenant_id is None:
            errors.append((f"{at}.tenant_id", "この役割には所属先（代理店・園）を指定してください。"))
        elif role.scope is None and given.tenant_id is not None:
            errors.append((f"{at}.tenant_id", "この役割に所属先は指定できません。"))
        elif not reach.covers(given.area, given.tenant_id):
            errors.append((f"{at}.tenant_id", "あなたが管理者である所属先の中から選んでください。"))
        elif wrong := _wrong_tenant(db, given, held.get(given.area)):
            errors.append((f"{at}.tenant_id", wrong))
        elif not given.details.keys() <= areas()[given.area].details.keys():
            errors.append((f"{at}.details", "この業務にない項目が含まれています。画面を開き直してください。"))
        seen.add(given.area)
    if errors:
        raise Invalid("業務と役割の指定を確認してください。", errors)


def _wrong_tenant(db: Session, given: schemas.MembershipIn, held: int | None) -> str | None:
    if given.tenant_id is None:
        return None
    found = next((known for known in tenants(db, given.area) if known.id == given.tenant_id), None)
    if found is None:
        return "この所属先は登録されていません。一覧から選び直してください。"
    if not found.in_use and given.tenant_id != held:
        return "この所属先は無効です。有効な所属先を選ぶか、先に所属先を有効にしてください。"
    return None


def _replace(user: User, wanted: list[schemas.MembershipIn], reach: Reach) -> None:
    by_area = {given.area: given for given in wanted}
    kept = []
    for held in user.memberships:
        given = by_area.pop(held.area, None)
        if not reach.covers(held.area, held.tenant_id):
            if given is not None:  # the same area, but another tenant's
                raise Forbidden(SHARED.format(name=user.name, what="この業務の役割の変更"))
        elif given is None:
            continue
        else:
            # Nobody is moved to one that is out of use.
            held.is_suspended = held.is_suspended and held.tenant_id == given.tenant_id
            held.role, held.tenant_id, held.details = given.role, given.tenant_id, given.details
        kept.append(held)
    user.memberships = kept + [Membership(**given.model_dump()) for given in by_area.values()]


def _refuse_shared(user: User, reach: Reach, what: str) -> None:
    """An account that works in other areas, too, is not one area's to take over."""
    if not reach.covers_all(user.memberships):
        raise Forbidden(SHARED.format(name=user.name, what=what))


def _guard_administrators(db: Session, reach: Reach) -> None:
    """One at a time per area, until the end of the transaction: of two administrators who take each other out at once,
    the second one must find the first one gone. Locks are taken in one order, before any row's."""
    for area in sorted(reach.whole):
        db.execute(text("SELECT pg_advisory_xact_lock(hashtext('administrators of ' || :area))"), {"area": area})


def _keep_an_administrator(db: Session, lost: Iterable[str]) -> None:
    for area in sorted(lost):
        left = db.scalar(
            select(func.count())
            .select_from(Membership)
            .join(User, User.id == Membership.user_id)
            .where(administrators(area), User.is_active)
        )
        if not left:
            raise Conflict(
                f"{areas()[area].title}の管理者がいなくなるため、変更できません。先に、ほかの人を管理者にしてください。"
            )


def _state(user: User) -> dict[str, Any]:
    held = sorted(user.memberships, key=lambda membership: membership.area)
    return {
        "login_id": user.login_id,
        "name": user.name,
        "mail": user.mail,
        "is_active": user.is_active,
        "memberships": [
            {"area": m.area, "role": m.role, "tenant_id": m.tenant_id} | ({"details": m.details} if m.details else {})
            for m in held
        ],
    }


def _lost(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The areas that the person administered, and does not any more."""
    held = [{m["area"] for m in state["memberships"] if administers(m["area"], m["role"])} for state in (before, after)]
    return held[0] - held[1]


def _record(
    db: Session,
    by: Actor | str,
    action: Action,
    user: User,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """One entry for each area concerned, with what is that area's: its administrators read it there, others do not."""
    listed = [side["memberships"] for side in (before, after) if side and "memberships" in side]
    concerned = {m["area"] for memberships in listed for m in memberships} | {m.area for m in user.memberships}
    for area in sorted(concerned):
        sides = [_of_area(side, area) for side in (before, after)]
        if sides[0] != sides[1]:
            audit.record(db, by, action, area, "user", user.id, before=sides[0], after=sides[1])


def _of_area(side: dict[str, Any] | None, area: str) -> dict[str, Any] | None:
    if side is None or "memberships" not in side:
        return side
    return side | {"memberships": [m for m in side["memberships"] if m["area"] == area]}
