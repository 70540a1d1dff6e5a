"""What is posted twice under one key is done once: at every door that somebody with a session may post to."""

from __future__ import annotations

import uuid
from itertools import islice, product

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.once import HEADER, REPEATED
from tests.api.walks.walk import OPERATIONS, Operation, Walker, bodies

# All of a walk is one transaction, whose own doings the server counts. What it notes of a session is no work.
DONE = text(
    "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables "
    "WHERE relname NOT IN ('answers', 'sessions')"
)
# People last: somebody may be signed out.
KNOWING = sorted(
    (operation for operation in OPERATIONS if HEADER in operation.asked),
    key=lambda one: one.path.startswith(("/api/core/users", "/api/auth")),
)
# Bodies are drawn, and most rows are in a state in which most things cannot be done: that much is done at least.
AT_LEAST = 20
TRIES = 4


def test_a_repeat_changes_nothing_and_is_told_the_same(db: Session, walkers: list[Walker]) -> None:
    rights = {walker.login_id: walker.held for walker in walkers}  # before anybody ends somebody's session
    told = [operation.path for operation in KNOWING if _was_repeated(db, walkers, operation)]

    assert all(rights.values())
    assert len(told) >= min(AT_LEAST, len(KNOWING) // 4), told


def _was_repeated(db: Session, walkers: list[Walker], operation: Operation) -> bool:
    """Whether any of the tries was answered."""
    may = (walker for walker in walkers if walker.may(operation))
    return any(
        _is_answered_twice(db, one, place, body)
        for one, body in product(islice(may, 2), bodies(operation))
        for place in islice(one.places(operation.path), TRIES)
    )


def _is_answered_twice(db: Session, one: Walker, place: str, body: object) -> bool:
    key = {HEADER: str(uuid.uuid4())}
    first = one.call("POST", place, json=body, headers=key)
    if not first.is_success or one.call("GET", "/api/auth/me").status_code != 200:  # it has ended the session
        return False
    before = db.scalar(DONE)
    again = one.call("POST", place, json=body, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content), place
    assert again.headers.get(REPEATED) == "true", place
    assert db.scalar(DONE) == before, place
    return True
