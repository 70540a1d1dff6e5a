"""Two concurrent transactions on two connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.waiting import wait_for


def run_concurrently(
    engine: Engine, first: Session, work: Callable[[Session], object], then: Callable[[], object]
) -> None:
    """Run `work` in its own transaction while `first` is open. When it is done or waits for a lock, call `then` and
    commit `first`. Raises what `work` raised."""

    def run_work() -> None:
        with Session(engine) as db, db.begin():
            work(db)

    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(run_work)
        _wait_for_end_or_lock(engine, future)
        then()
        first.commit()
        future.result(20)


def _wait_for_end_or_lock(engine: Engine, future: Future[None]) -> None:
    lock_waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_for(lambda: future.done() or connection.scalar(lock_waits))
