"""Watches that one transaction locks a reservation once: whoever has locked it passes it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select, event
from sqlalchemy.orm import ORMExecuteState, Session

from service.reservations.models import Reservation

# For `Session(info=…)`: a session in which a test does at once what the product does in several transactions.
SCENE = {"is_scene": True}


@contextmanager
def locked_once(exempt: Session | None = None) -> Iterator[None]:
    """Fails when a transaction in this block locks a reservation a second time, but not in the test's own session."""
    locked: WeakKeyDictionary[object, set[int]] = WeakKeyDictionary()
    twice: list[int] = []

    def watch(state: ORMExecuteState) -> Any:
        if state.session is exempt or SCENE.items() <= state.session.info.items() or not _locks_reservations(state):
            return None
        rows = state.invoke_statement().freeze()
        ids = {reservation.id for reservation in rows().scalars()}
        locked_before = locked.setdefault(state.session.get_transaction(), set())
        twice.extend(ids & locked_before)
        locked_before |= ids
        return rows()

    event.listen(Session, "do_orm_execute", watch)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", watch)
    assert twice == [], "reservations that one transaction locked twice"


def _locks_reservations(state: ORMExecuteState) -> bool:
    statement = state.statement
    if not isinstance(statement, Select) or statement._for_update_arg is None:
        return False
    return any(column["entity"] is Reservation for column in statement.column_descriptions)
