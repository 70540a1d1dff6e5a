"""Who calls, and what they may do. Permissions are declared at the door: `actor: Annotated[Actor, allow("…")]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from service.core import identity, once
from service.core.addresses import address_of, closed_areas
from service.core.areas import areas
from service.core.db import NOBODY, Db, Scopes, set_scopes
from service.core.problems import Forbidden, PasswordChangeNeeded, Unauthorized


@dataclass(frozen=True)
class Actor:
    """A signed-in person. `roles` maps area to role, `grants` area to what that role may do there; areas that are
    closed to the person's address are in neither. `closed_out`: there were areas, and all of them are closed."""

    user_id: int
    login_id: str
    name: str
    roles: Mapping[str, str]
    grants: Mapping[str, frozenset[str]]
    scopes: Scopes
    session_id: int
    session_expires_at: datetime
    address: str
    must_change_password: bool = False
    closed_out: bool = False

    @property
    def permissions(self) -> frozenset[str]:
        return frozenset[str]().union(*self.grants.values())

    def areas_where(self, permission: str) -> frozenset[str]:
        """The areas in which the person holds it. What an area's administrator may do ends at the area's border."""
        return frozenset(area for area, granted in self.grants.items() if permission in granted)

    def tenant_in(self, area: str) -> int | None:
        """Whose rows the person makes who sees one tenant of the area only; None for who sees it whole."""
        if area in self.scopes.whole:
            return None
        return next((tenant for name, tenant in self.scopes.tenants if name == area), None)


def client_address(request: Request) -> str:
    return address_of(request)


class _Bearer(HTTPBearer):
    """The token itself. Dependencies are few and async where nothing waits: each one costs, and a plain function would
    be sent to another thread and back."""

    async def __call__(self, request: Request) -> str:  # type: ignore[override]
        credentials = await super().__call__(request)
        if credentials is None:
            raise Unauthorized("ログインしてから操作してください。")
        return credentials.credentials


BearerToken = Annotated[str, Depends(_Bearer(scheme_name="HTTPBearer", auto_error=False))]


def actor_of(found: identity.Found, address: str) -> Actor:
    roles, grants, whole, tenants = {}, {}, set(), set()
    closed = closed_areas(address)
    for area_name, role_name, tenant_id in found.memberships:
        area = areas().get(area_name)
        role = area.roles.get(role_name) if area else None
        if role is None or area_name in closed:  # a role or an area of an earlier release grants nothing
            continue
        roles[area_name], grants[area_name] = role_name, role.permissions
        if role.scope is None:
            whole.add(area_name)
        elif tenant_id is not None:
            tenants.add((area_name, tenant_id))
    return Actor(
        user_id=found.user_id,
        login_id=found.login_id,
        name=found.name,
        roles=roles,
        grants=grants,
        scopes=Scopes(frozenset(whole), frozenset(tenants)),
        session_id=found.session_id,
        session_expires_at=found.expires_at,
        address=address,
        must_change_password=found.must_change_password,
        closed_out=not roles and any(area in closed for area, _, _ in found.memberships),
    )


CLOSED_OUT = (
    "お使いの場所（ネットワーク）からは利用できません。許可された場所から接続するか、"
    "この場所から使う必要がある場合は管理者に接続元の登録を依頼してください。"
)


class Guesses:
    """What people of sessions were last found to see. A guess saves a statement when it is right, and costs one when
    it is not; it decides nothing, because every answer is compared with what the database says now."""

    AT_MOST = 4096

    def __init__(self) -> None:
        self._known: dict[bytes, Scopes] = {}

    def of(self, token: str) -> Scopes:
        return self._known.get(identity.hash_token(token), NOBODY)

    def remember(self, token: str, scopes: Scopes) -> None:
        if len(self._known) >= self.AT_MOST:
            self._known.clear()
        self._known[identity.hash_token(token)] = scopes


guesses = Guesses()


def recognised(request: Request, db: Db, token: BearerToken) -> Actor:
    """Whoever has a session, also somebody who first has to change the password."""
    guess = guesses.of(token)
    found = identity.find_session(db, token, guess)
    if found is None:
        raise Unauthorized("セッションの有効期限が切れています。もう一度ログインしてください。")
    actor = actor_of(found, client_address(request))
    if actor.closed_out:
        raise Forbidden(CLOSED_OUT)
    if actor.scopes != guess:
        set_scopes(db, actor.scopes)
        guesses.remember(token, actor.scopes)
    return actor


def recognised_once(request: Request, db: Db, token: BearerToken) -> Actor:
    """As `recognised`, in the transaction that does the request's work: it is the one that claims its key."""
    actor = recognised(request, db, token)
    once.claim(request, db, actor.user_id)
    return actor


recognised_once.claims = True  # type: ignore[attr-defined]  # read by `once.remembers`

Recognised = Annotated[Actor, Depends(recognised_once)]


def usable(actor: Actor) -> Actor:
    """Whoever has to change the password first may do nothing else."""
    if actor.must_change_password:
        raise PasswordChangeNeeded(
            "仮のパスワードのままでは利用できません。アカウント画面で新しいパスワードを設定してください。"
        )
    return actor


async def signed_in(request: Request, actor: Recognised) -> Actor:
    usable(actor)
    once.answer_repeat(request)
    return actor


SignedIn = Annotated[Actor, Depends(signed_in)]


def permitted(actor: Actor, permission: str) -> Actor:
    if permission not in actor.permissions:
        raise Forbidden("お使いのアカウントには、この操作の権限がありません。必要な場合は管理者に依頼してください。")
    return actor


def allow(permission: str) -> Any:
    """A route's lock: the signed-in person, if their roles grant the permission; otherwise 401 or 403."""

    async def check(request: Request, actor: Recognised) -> Actor:
        permitted(usable(actor), permission)
        once.answer_repeat(request)
        return actor

    check.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    return Depends(check)
