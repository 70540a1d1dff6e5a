"""`python -m tests.load.run_import KIND FILE NAME ROWS`: imports a file and prints the seconds to the end of its task.

Raises AssertionError when the import finds another number of new rows.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from jobs.long.kinds import kinds
from service.core.database.session import SYSTEM, transaction
from service.core.imports import records
from service.core.imports.kinds import kind_for
from service.core.tasks.records import Task
from service.core.tasks.runner import run_next
from tests.people import create_actor


def main(kind: str, path: str, name: str, rows: str) -> None:
    content = Path(path).read_bytes()
    area = kind.partition(".")[0]
    with transaction(SYSTEM) as db:
        actor = create_actor(db, f"importer of {kind}{len(content)}", **{area: "admin"})
    started_at = time.perf_counter()
    with transaction(actor.scopes) as db:
        draft = records.add(db, actor, kind_for(actor, kind), records.read(content), name)
    with transaction(actor.scopes) as db:
        task_id = records.start_import(db, actor, draft.id).id
    run_next(kinds(), threading.Event())
    seconds = time.perf_counter() - started_at
    with transaction(SYSTEM) as db:
        task = db.get_one(Task, task_id)
        assert task.result, task.error
        assert task.result["figures"]["新規"] == int(rows), task.error
    print(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
