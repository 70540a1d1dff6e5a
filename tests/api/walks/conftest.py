"""Every route of the OpenAPI document by every demo account: who may not, gets nothing; who is a stranger, finds
nothing. Areas join by having demo data; nothing here names one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from service.core.access.identity import User, open_session
from service.core.areas import AREAS
from service.demo import fill
from stack.home import Home
from tests.api.walks.walk import LEFT_OUT, Walker
from tests.conftest import filled_database


def _walking(people: list[User]) -> list[User]:
    """Where areas are left out: whoever has a role in the others, and somebody who has none there."""
    if not LEFT_OUT:
        return people
    inside = [user for user in people if any(not f"/api/{m.area}/".startswith(LEFT_OUT) for m in user.memberships)]
    return [*inside, next(user for user in people if user not in inside)]


@pytest.fixture(scope="package")
def _engine(running_servers: Home) -> Iterator[Engine]:
    """The demo is in it: to live it takes as long as the longest walk. Of areas that are left out nothing is walked, so
    nothing is filled."""
    filled = [name for name in AREAS if not f"/api/{name}/".startswith(LEFT_OUT)]
    with filled_database(running_servers, "genba_walks", lambda db: fill(db, filled)) as engine:
        yield engine


@pytest.fixture(scope="package")
def listed() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What each person has been shown, by login ID and path. Walks that write look for themselves."""
    return {}


@pytest.fixture
def walkers(db: Session, client: TestClient, listed: dict[str, dict[str, list[dict[str, Any]]]]) -> list[Walker]:
    """Every demo account, signed in, in front of the demo's data."""
    # All of a walk is one transaction, which looks idle while the test thinks.
    db.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    people = _walking(list(db.scalars(select(User).order_by(User.id))))
    tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in people]
    db.commit()
    return [
        Walker(
            user.login_id,
            token,
            client,
            {m.area: m.tenant_id for m in user.memberships if m.tenant_id},
            listed.setdefault(user.login_id, {}),
        )
        for user, token in zip(people, tokens, strict=True)
    ]
