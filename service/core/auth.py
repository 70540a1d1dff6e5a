"""Who calls, and what they may do. Permissions are declared at the door: `actor: Annotated[Actor, allow("…")]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.core import identity
from service.core.areas import areas
from service.core.db import Db, Scopes, set_scopes
from service.core.problems import Forbidden, Unauthorized

_bearer = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class Actor:
    """A signed-in person. `roles` maps area to role, `grants` area to what that role may do there."""

    user_id: int
    login_id: str
    name: str
    roles: Mapping[str, str]
    grants: Mapping[str, frozenset[str]]
    scopes: Scopes
    session_expires_at: datetime
    address: str

    @property
    def permissions(self) -> frozenset[str]:
        return frozenset[str]().union(*self.grants.values())

    def areas_where(self, permission: str) -> frozenset[str]:
        """The areas in which the person holds it. What an area's administrator may do ends at the area's border."""
        return frozenset(area for area, granted in self.grants.items() if permission in granted)


def client_address(request: Request) -> str:
    return request.client.host if request.client else "-"


def bearer_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    if credentials is None:
        raise Unauthorized("サインインしてから操作してください。")
    return credentials.credentials


def actor_of(user: identity.User, expires_at: datetime, address: str) -> Actor:
    roles, grants, whole, tenants = {}, {}, set(), set()
    for membership in user.memberships:
        area = areas().get(membership.area)
        role = area.roles.get(membership.role) if area else None
        if role is None:  # a role or an area of an earlier release grants nothing
            continue
        roles[membership.area], grants[membership.area] = membership.role, role.permissions
        if role.scope is None:
            whole.add(membership.area)
        elif membership.tenant_id is not None:
            tenants.add((membership.area, membership.tenant_id))
    return Actor(
        user_id=user.id,
        login_id=user.login_id,
        name=user.name,
        roles=roles,
        grants=grants,
        scopes=Scopes(frozenset(whole), frozenset(tenants)),
        session_expires_at=expires_at,
        address=address,
    )


def signed_in(request: Request, db: Db, token: Annotated[str, Depends(bearer_token)]) -> Actor:
    found = identity.find_session(db, token)
    if found is None:
        raise Unauthorized("セッションの有効期限が切れています。もう一度サインインしてください。")
    actor = actor_of(*found, client_address(request))
    set_scopes(db, actor.scopes)
    return actor


SignedIn = Annotated[Actor, Depends(signed_in)]


def allow(permission: str) -> Any:
    """A route's lock: the signed-in person, if their roles grant the permission; otherwise 401 or 403."""

    def check(actor: SignedIn) -> Actor:
        if permission not in actor.permissions:
            raise Forbidden(
                "お使いのアカウントには、この操作の権限がありません。必要な場合は管理者に依頼してください。"
            )
        return actor

    check.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
    return Depends(check)
