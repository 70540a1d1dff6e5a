"""Two transactions at once, by two connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.waiting import wait_for


def beside(several: Engine, first: Session, work: Callable[[Session], object], then: Callable[[], object]) -> None:
    """`work` in a transaction of its own while `first` is open; once it is done or waits, `then` and the commit of
    `first`. Raises what `work` raised."""

    def do() -> None:
        with Session(several) as db, db.begin():
            work(db)

    with ThreadPoolExecutor(1) as other:
        doing = other.submit(do)
        _await_end_or_lock(several, doing)
        then()
        first.commit()
        doing.result(20)


def _await_end_or_lock(several: Engine, doing: Future[None]) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with several.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_for(lambda: doing.done() or connection.scalar(waiting))
