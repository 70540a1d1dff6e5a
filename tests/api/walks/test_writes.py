"""Every write is in the audit log, in words (`tests/audited.py` checks for each answer that it is there), and a request
that is posted twice under one idempotency key is done once: on every route that a user with a session may write to."""

from __future__ import annotations

import uuid
from dataclasses import replace
from itertools import islice, product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.areas import AREAS
from service.core.audit import search
from service.core.audit.schemas import Filters
from service.core.http.idempotency import HEADER, REPLAYED_HEADER
from tests.api.walks.walk import LEFT_OUT, Operation, Walker, bodies, operations
from tests.audit_words import raw_parts

# A whole walk is one transaction, and the server counts its changes. What it notes about a session is not counted.
CHANGES = text(
    "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables "
    "WHERE relname NOT IN ('answers', 'sessions')"
)
# Bodies are generated, and most rows are in a state that refuses most changes: at least this many must be repeated.
MIN_REPEATED = 20


@pytest.mark.parametrize(("user_count", "row_count"), [(1, 1), pytest.param(2, 4, marks=pytest.mark.deep)])
def test_what_is_written_is_audited_and_a_repeat_changes_nothing(
    db: Session, walkers: list[Walker], user_count: int, row_count: int
) -> None:
    """`user_count` users try each operation, in `row_count` rows each."""
    walkers = [replace(walker, rows_by_path={}) for walker in walkers]
    permissions = {walker.login_id: walker.permissions for walker in walkers}  # before a write ends one of the sessions
    # Users and sessions last, because a walker may be signed out. Deletions last within each group.
    writing = sorted(
        (
            operation
            for operation in operations()
            if operation.method != "GET" and (operation.permission or HEADER in operation.parameter_names)
        ),
        key=lambda operation: (
            operation.path.startswith(("/api/core/users", "/api/auth")),
            operation.method == "DELETE",
        ),
    )
    written = [operation for operation in writing if _was_written(db, walkers, operation, user_count, row_count)]
    repeated = [operation.path for operation in written if HEADER in operation.parameter_names]

    assert all(permissions.values())
    # Without the areas most writes are to users, and a walker that ends its own session can write no more.
    possible = [operation for operation in writing if HEADER in operation.parameter_names]
    assert len(repeated) >= (1 if LEFT_OUT else min(MIN_REPEATED, len(possible) // 4)), repeated
    # Those of the demo, too.
    entries = search.all_entries(db, {*AREAS}, Filters())
    raw = sorted({part for entry in entries for part in raw_parts(entry)})
    assert not raw, "\n".join(raw)


def _was_written(db: Session, walkers: list[Walker], operation: Operation, user_count: int, row_count: int) -> bool:
    """Whether any of the attempts changed something."""
    allowed = (walker for walker in walkers if walker.may(operation))
    return any(
        _is_written(db, walker, operation, path, body)
        for walker, body in product(islice(allowed, user_count), bodies(operation))
        for path in islice(walker.paths(operation.path), row_count)
    )


def _is_written(db: Session, walker: Walker, operation: Operation, path: str, body: object) -> bool:
    if isinstance(body, dict) and (row := _row(walker, path)).keys() & body.keys() & {"version"}:
        body = body | {"version": row["version"]}
    key = {HEADER: str(uuid.uuid4())}
    untouched = _changes(db)
    first = walker.call(operation.method, path, json=body, headers=key)
    assert first.status_code < 500, (operation.method, path, body)
    if not first.is_success or walker.call("GET", "/api/auth/me").status_code != 200:  # the write has ended the session
        return False
    before = _changes(db)
    changed = before != untouched
    if HEADER in operation.parameter_names:
        again = walker.call("POST", path, json=body, headers=key)
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers.get(REPLAYED_HEADER) == "true", path
        assert _changes(db) == before, path
    # A generated change often equals the stored values.
    return changed or operation.method == "POST"


def _row(walker: Walker, path: str) -> dict[str, Any]:
    """As its list shows it; empty when the list does not have it."""
    list_path, _, row_id = path.rpartition("/")
    return next((row for row in walker.rows(list_path) if str(row.get("id")) == row_id), {})


def _changes(db: Session) -> dict[str, int]:
    """Rows inserted, changed and deleted so far, by table."""
    return {table: count for table, count in db.execute(CHANGES) if count}
