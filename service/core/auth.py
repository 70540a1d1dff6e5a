"""Who calls, and what they may do. Permissions are declared at the door: `actor: Annotated[Actor, allow("…")]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.core import identity
from service.core.db import Db
from service.core.problems import Forbidden, Unauthorized

# area -> role -> permissions. Filled by the front door from each area's rules: the floor knows no area.
GRANTS: dict[str, Mapping[str, frozenset[str]]] = {}

_bearer = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class Actor:
    """A signed-in person. `roles` maps area to role."""

    user_id: int
    login_id: str
    name: str
    roles: Mapping[str, str]
    permissions: frozenset[str]
    session_expires_at: datetime
    address: str


def client_address(request: Request) -> str:
    return request.client.host if request.client else "-"


def bearer_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    if credentials is None:
        raise Unauthorized("サインインしてから操作してください。")
    return credentials.credentials


def actor_of(user: identity.User, expires_at: datetime, address: str) -> Actor:
    roles = {membership.area: membership.role for membership in user.memberships}
    granted = (GRANTS.get(area, {}).get(role, frozenset[str]()) for area, role in roles.items())
    return Actor(
        user_id=user.id,
        login_id=user.login_id,
        name=user.name,
        roles=roles,
        permissions=frozenset[str]().union(*granted),
        session_expires_at=expires_at,
        address=address,
    )


def signed_in(request: Request, db: Db, token: Annotated[str, Depends(bearer_token)]) -> Actor:
    found = identity.find_session(db, token)
    if found is None:
        raise Unauthorized("セッションの有効期限が切れています。もう一度サインインしてください。")
    return actor_of(*found, client_address(request))


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
