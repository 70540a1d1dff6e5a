"""Who may not is refused, and who may is answered: by every route that asks for a permission."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.areas import AREAS, areas
from tests.api.walks.walk import LEFT_OUT, PARAMETER, Asking, Walker, locked


def test_there_is_an_account_for_every_role(db: Session, walkers: list[Walker]) -> None:
    """And two of different tenants where a role is bound to one, or the walk would prove nothing."""
    memberships = [membership for user in db.scalars(select(User)) for membership in user.memberships]

    for name in (name for name in AREAS if not f"/api/{name}/".startswith(LEFT_OUT)):
        for role, described in areas()[name].roles.items():
            held = {m.tenant_id for m in memberships if (m.area, m.role) == (name, role)}
            assert len(held) >= (2 if described.scope else 1), f"no demo account for {name}:{role}"


def one(found: list[Walker]) -> list[Walker]:
    """Another one each day."""
    return random.sample(found, min(len(found), 1))


# What a person may is a set of permissions, and each route asks for one of them: who it is makes no difference to it.
ASKING = pytest.mark.parametrize("asking", [one, pytest.param(list, marks=pytest.mark.deep)], ids=["one", "everybody"])


@ASKING
def test_who_lacks_the_permission_is_refused_before_anything_else(walkers: list[Walker], asking: Asking) -> None:
    """In the same words whatever was asked for: nothing of a row is in them."""
    one_of_each = {walker.held: walker for walker in walkers}
    said = set()
    for operation in locked():
        for walker in asking([walker for walker in one_of_each.values() if not walker.may(operation)]):
            answer = walker.call(operation.method, PARAMETER.sub("1", operation.path))
            assert answer.status_code == 403, (walker.login_id, operation)
            said.add(answer.text)
    assert len(said) == 1, said
    assert "権限" in said.pop()


@ASKING
def test_who_holds_the_permission_is_answered(walkers: list[Walker], asking: Asking) -> None:
    """Reads only: a write without its body says nothing about permissions."""
    for operation in (operation for operation in locked() if operation.method == "GET"):
        for walker in asking([walker for walker in walkers if walker.may(operation)]):
            for place in walker.places(operation.path):
                answer = walker.call("GET", place)
                # 422: a route that cannot be asked without parameters.
                assert answer.status_code in (200, 404, 422), (walker.login_id, place, answer.text[:300])
