"""Every route of the OpenAPI document, called by every demo account: without the permission it is refused, and rows
of another tenant are nowhere. An area takes part as soon as it has demo data; no area is named here."""

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
from tests.conftest import seeded_database


def _walking_users(users: list[User]) -> list[User]:
    """Where areas are left out: the users with a role in one of the other areas, and one user without."""
    if not LEFT_OUT:
        return users
    inside = [user for user in users if any(not f"/api/{m.area}/".startswith(LEFT_OUT) for m in user.memberships)]
    return [*inside, next(user for user in users if user not in inside)]


@pytest.fixture(scope="package")
def _engine(running_servers: Home) -> Iterator[Engine]:
    """Filled with the demo, which takes as long as the longest walk. Areas that are left out are not walked, so they
    are not filled."""
    filled = [name for name in AREAS if not f"/api/{name}/".startswith(LEFT_OUT)]
    with seeded_database(running_servers, "genba_walks", lambda db: fill(db, filled)) as engine:
        yield engine


@pytest.fixture(scope="package")
def listed_rows() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The rows that each user was shown, by login ID and path. Walks that write list the rows again."""
    return {}


@pytest.fixture
def walkers(db: Session, client: TestClient, listed_rows: dict[str, dict[str, list[dict[str, Any]]]]) -> list[Walker]:
    """Every demo account, signed in, on the data of the demo."""
    # A whole walk is one transaction, which is idle while the test computes.
    db.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    users = _walking_users(list(db.scalars(select(User).order_by(User.id))))
    tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in users]
    db.commit()
    return [
        Walker(
            user.login_id,
            token,
            client,
            {m.area: m.tenant_id for m in user.memberships if m.tenant_id},
            listed_rows.setdefault(user.login_id, {}),
        )
        for user, token in zip(users, tokens, strict=True)
    ]
