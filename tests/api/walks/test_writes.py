"""What is written stands in the audit log (`tests/audited.py` asks it of each answer), and what is posted twice under
one key is done once: at every door that somebody with a session may write to."""

from __future__ import annotations

import uuid
from dataclasses import replace
from itertools import islice, product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.http.idempotency import HEADER, REPLAYED_HEADER
from tests.api.walks.walk import LEFT_OUT, Operation, Walker, bodies, operations

# All of a walk is one transaction, whose own doings the server counts. What it notes of a session is no work.
CHANGES = text(
    "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables "
    "WHERE relname NOT IN ('answers', 'sessions')"
)
# Bodies are drawn, and most rows are in a state in which most things cannot be done: that much is done at least.
AT_LEAST = 20


@pytest.mark.parametrize(("people", "rows"), [(1, 2), pytest.param(2, 4, marks=pytest.mark.deep)])
def test_what_is_written_is_audited_and_a_repeat_changes_nothing(
    db: Session, walkers: list[Walker], people: int, rows: int
) -> None:
    """So many people try each operation, in so many rows each."""
    walkers = [replace(walker, seen={}) for walker in walkers]
    rights = {walker.login_id: walker.held for walker in walkers}  # before anybody ends somebody's session
    # People last: somebody may be signed out. Before them what is taken away.
    writing = sorted(
        (one for one in operations() if one.method != "GET" and (one.permission or HEADER in one.asked)),
        key=lambda one: (one.path.startswith(("/api/core/users", "/api/auth")), one.method == "DELETE"),
    )
    written = [operation for operation in writing if _was_written(db, walkers, operation, people, rows)]
    repeated = [operation.path for operation in written if HEADER in operation.asked]

    assert all(rights.values())
    # Without the areas there are mostly people to write to, and who ends their own session can write no more.
    possible = [one for one in writing if HEADER in one.asked]
    assert len(repeated) >= (1 if LEFT_OUT else min(AT_LEAST, len(possible) // 4)), repeated


def _was_written(db: Session, walkers: list[Walker], operation: Operation, people: int, rows: int) -> bool:
    """Whether any of the tries did something."""
    may = (walker for walker in walkers if walker.may(operation))
    return any(
        _is_written(db, one, operation, place, body)
        for one, body in product(islice(may, people), bodies(operation))
        for place in islice(one.places(operation.path), rows)
    )


def _is_written(db: Session, one: Walker, operation: Operation, place: str, body: object) -> bool:
    if isinstance(body, dict) and (row := _row(one, place)).keys() & body.keys() & {"version"}:
        body = body | {"version": row["version"]}
    key = {HEADER: str(uuid.uuid4())}
    untouched = _changes(db)
    first = one.call(operation.method, place, json=body, headers=key)
    assert first.status_code < 500, (operation.method, place, body)
    if not first.is_success or one.call("GET", "/api/auth/me").status_code != 200:  # it has ended the session
        return False
    before = _changes(db)
    changed = before != untouched
    if HEADER in operation.asked:
        again = one.call("POST", place, json=body, headers=key)
        assert (again.status_code, again.content) == (first.status_code, first.content), place
        assert again.headers.get(REPLAYED_HEADER) == "true", place
        assert _changes(db) == before, place
    # Of a changed row, often all that is drawn is what it says already.
    return changed or operation.method == "POST"


def _row(one: Walker, place: str) -> dict[str, Any]:
    """As its list shows it; empty where there is none."""
    above, _, last = place.rpartition("/")
    return next((row for row in one.rows(above) if str(row.get("id")) == last), {})


def _changes(db: Session) -> dict[str, int]:
    """Rows put in, changed and taken out so far, by table."""
    return {table: count for table, count in db.execute(CHANGES) if count}
