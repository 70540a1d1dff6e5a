"""`python -m tests.load.time_sweep`: one offline sweep. Prints how many terminals were due, and its milliseconds."""

from __future__ import annotations

import time

from service.core.database.session import SYSTEM, transaction
from service.fleet.watch import actions


def main() -> None:
    with transaction(SYSTEM) as db:
        db.connection()
        started_at = time.perf_counter()
        due = actions.mark_offline(db)
        print(due, (time.perf_counter() - started_at) * 1000)


if __name__ == "__main__":
    main()
