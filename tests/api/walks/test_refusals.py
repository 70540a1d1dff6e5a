"""Every route that requires a permission refuses a caller without it and answers a caller with it."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.areas import AREAS, areas
from tests.api.walks.walk import LEFT_OUT, PARAMETER, Walker, WalkerChoice, protected_operations


def test_there_is_an_account_for_every_role(db: Session, walkers: list[Walker]) -> None:
    """And two of different tenants where a role is bound to one, or the walk would prove nothing."""
    memberships = [membership for user in db.scalars(select(User)) for membership in user.memberships]

    for name in (name for name in AREAS if not f"/api/{name}/".startswith(LEFT_OUT)):
        for role, definition in areas()[name].roles.items():
            tenant_ids = {m.tenant_id for m in memberships if (m.area, m.role) == (name, role)}
            assert len(tenant_ids) >= (2 if definition.scope else 1), f"no demo account for {name}:{role}"


def random_walker(walkers: list[Walker]) -> list[Walker]:
    """A random one."""
    return random.sample(walkers, min(len(walkers), 1))


# What a user may do is a set of permissions, and each route requires one of them: who the user is makes no difference
# to it.
CHOOSE_CALLERS = pytest.mark.parametrize(
    "choose", [random_walker, pytest.param(list, marks=pytest.mark.deep)], ids=["one", "everybody"]
)


@CHOOSE_CALLERS
def test_who_lacks_the_permission_is_refused_before_anything_else(walkers: list[Walker], choose: WalkerChoice) -> None:
    """With the same text for every route: it contains nothing of a row."""
    by_permissions = {walker.permissions: walker for walker in walkers}
    texts = set()
    for operation in protected_operations():
        for walker in choose([walker for walker in by_permissions.values() if not walker.may(operation)]):
            answer = walker.call(operation.method, PARAMETER.sub("1", operation.path))
            assert answer.status_code == 403, (walker.login_id, operation)
            texts.add(answer.text)
    assert len(texts) == 1, texts
    assert "権限" in texts.pop()


@CHOOSE_CALLERS
def test_who_holds_the_permission_is_answered(walkers: list[Walker], choose: WalkerChoice) -> None:
    """Reads only: a write without its body says nothing about permissions."""
    for operation in (operation for operation in protected_operations() if operation.method == "GET"):
        for walker in choose([walker for walker in walkers if walker.may(operation)]):
            for path in walker.paths(operation.path):
                answer = walker.call("GET", path)
                # 422: a route that requires parameters.
                assert answer.status_code in (200, 404, 422), (walker.login_id, path, answer.text[:300])
                assert "cache-control" in answer.headers, path
                if answer.headers.get("content-type") == "application/json":
                    assert "no-store" in answer.headers["cache-control"], path
