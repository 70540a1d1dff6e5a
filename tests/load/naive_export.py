"""`python -m tests.load.naive_export`: the straightforward version of an export, rows in a list, written by the csv
module, sent as one text. Prints its seconds and the bytes of memory it took."""

from __future__ import annotations

import csv
import io
import resource
import time

from service.core.database.session import SYSTEM, transaction
from service.fleet import queries, schemas
from tests.people import create_actor


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    with transaction(SYSTEM) as db:
        actor = create_actor(db, "naive", fleet="admin")
        bytes_before, started_at = peak_bytes(), time.perf_counter()
        rows = db.execute(queries.export_customers(actor, schemas.CustomerFilters())).all()
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        text.getvalue().encode("utf-8-sig")
        print(time.perf_counter() - started_at, peak_bytes() - bytes_before)


if __name__ == "__main__":
    main()
