"""Authentication and permissions. A route declares its permission: `actor: Annotated[Actor, allow("…")]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from service.core.access import identity
from service.core.areas import areas
from service.core.database.session import NO_SCOPES, Db, Scopes, set_scopes
from service.core.http import idempotency, rate_limits
from service.core.http.addresses import address_of, closed_areas
from service.core.problems import Forbidden, PasswordChangeNeeded, Unauthorized


@dataclass(frozen=True)
class Actor:
    """A signed-in user. `roles` maps area to role, `grants` maps area to the permissions of that role; areas that are
    closed to the user's address are in neither. `closed_out`: the user has areas, and all of them are closed."""

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
        """The areas where the user has the permission. An area's administrator has no rights in other areas."""
        return frozenset(area for area, granted in self.grants.items() if permission in granted)

    def tenant_in(self, area: str) -> int | None:
        """The tenant whose rows the user creates in the area; None for a user who sees the whole area."""
        if area in self.scopes.whole:
            return None
        return next((tenant for name, tenant in self.scopes.tenants if name == area), None)


def client_address(request: Request) -> str:
    return address_of(request)


class _Bearer(HTTPBearer):
    """The bearer token. Dependencies are few, because each one costs time, and async where they do not wait, because
    FastAPI sends a plain function to another thread and back."""

    async def __call__(self, request: Request) -> str:  # type: ignore[override]
        credentials = await super().__call__(request)
        if credentials is None:
            raise Unauthorized("ログインしてから操作してください。")
        rate_limits.mark_token_read(request.scope)
        return credentials.credentials


BearerToken = Annotated[str, Depends(_Bearer(scheme_name="HTTPBearer", auto_error=False))]


def actor_of(active_session: identity.ActiveSession, address: str) -> Actor:
    roles, grants, whole_areas, tenants = {}, {}, set(), set()
    closed = closed_areas(address)
    for area_name, role_name, tenant_id in active_session.memberships:
        area = areas().get(area_name)
        role = area.roles.get(role_name) if area else None
        if role is None or area_name in closed:  # a role or an area of an earlier release grants nothing
            continue
        roles[area_name], grants[area_name] = role_name, role.permissions
        if role.scope is None:
            whole_areas.add(area_name)
        elif tenant_id is not None:
            tenants.add((area_name, tenant_id))
    return Actor(
        user_id=active_session.user_id,
        login_id=active_session.login_id,
        name=active_session.name,
        roles=roles,
        grants=grants,
        scopes=Scopes(frozenset(whole_areas), frozenset(tenants)),
        session_id=active_session.session_id,
        session_expires_at=active_session.expires_at,
        address=address,
        must_change_password=active_session.must_change_password,
        closed_out=not roles and any(area in closed for area, _, _ in active_session.memberships),
    )


ADDRESS_NOT_ALLOWED = (
    "お使いの場所（ネットワーク）からは利用できません。許可された場所から接続するか、"
    "この場所から使う必要がある場合は管理者に接続元の登録を依頼してください。"
)


class ScopeCache:
    """The scopes that each session had at its last request. A cached scope saves a statement when it is still right
    and costs one when it is not. It decides nothing: every request compares it with what the database says now."""

    MAX_ENTRIES = 4096

    def __init__(self) -> None:
        self._by_token_hash: dict[bytes, Scopes] = {}

    def get(self, token: str) -> Scopes:
        return self._by_token_hash.get(identity.hash_token(token), NO_SCOPES)

    def remember(self, token: str, scopes: Scopes) -> None:
        if len(self._by_token_hash) >= self.MAX_ENTRIES:
            self._by_token_hash.clear()
        self._by_token_hash[identity.hash_token(token)] = scopes


scope_cache = ScopeCache()


def authenticate(request: Request, db: Db, token: BearerToken) -> Actor:
    """The user of the session, also one who has to change the password first."""
    cached_scopes = scope_cache.get(token)
    active_session = identity.find_session(db, token, cached_scopes)
    if active_session is None:
        raise Unauthorized("セッションの有効期限が切れています。もう一度ログインしてください。")
    actor = actor_of(active_session, client_address(request))
    if actor.closed_out:
        raise Forbidden(ADDRESS_NOT_ALLOWED)
    if actor.scopes != cached_scopes:
        set_scopes(db, actor.scopes)
        scope_cache.remember(token, actor.scopes)
    return actor


def authenticate_and_claim_key(request: Request, db: Db, token: BearerToken) -> Actor:
    """As `authenticate`, in the transaction that does the request's work; claims the request's idempotency key."""
    actor = authenticate(request, db, token)
    idempotency.claim(request, db, actor.user_id)
    return actor


authenticate_and_claim_key.claims = True  # type: ignore[attr-defined]  # read by `idempotency.is_idempotent`

Authenticated = Annotated[Actor, Depends(authenticate_and_claim_key)]


def require_own_password(actor: Actor) -> Actor:
    """Raises PasswordChangeNeeded when the user has to change the password before doing anything else."""
    if actor.must_change_password:
        raise PasswordChangeNeeded(
            "仮のパスワードのままでは利用できません。アカウント画面で新しいパスワードを設定してください。"
        )
    return actor


async def signed_in(request: Request, actor: Authenticated) -> Actor:
    require_own_password(actor)
    idempotency.raise_replay(request)
    return actor


SignedIn = Annotated[Actor, Depends(signed_in)]


def require(actor: Actor, permission: str) -> Actor:
    if permission not in actor.permissions:
        raise Forbidden("お使いのアカウントには、この操作の権限がありません。必要な場合は管理者に依頼してください。")
    return actor


def allow(permission: str) -> Any:
    """A route's permission: the signed-in user when their roles grant it, otherwise 401 or 403."""

    async def check(request: Request, actor: Authenticated) -> Actor:
        require(require_own_password(actor), permission)
        idempotency.raise_replay(request)
        return actor

    check.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    return Depends(check)
