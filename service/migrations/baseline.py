"""The schema of release 1.0.0 as one migration for each area, from the SQL in `schema/`.

1.0.0 itself came to this schema by 39 migrations, 0001 to 0039, which its own source has. Its databases are recognised
by the last of them (`stack.migrations`). The baseline does not change any more; what comes after it is a migration of
its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import op

RELEASE = "1.0.0"
# The newest migration of 1.0.0, and the last one of the baseline: the same schema.
RELEASE_REVISION, REVISION = "0039_reservations_chore_audit", "0045_reservations"
MIGRATIONS = Path(__file__).parent
SCHEMA = MIGRATIONS / "schema"
# In the order in which they refer to each other.
FILES = {
    "core": ("access", "retention", "work", "monitoring"),
    "fleet": ("terminals", "history", "incidents", "firmware"),
    "entries": ("entries",),
    "loaners": ("loaners",),
    "agencies": ("agencies", "corporations", "requests"),
    "reservations": ("shops", "reservations", "operations", "incidents", "enquiries", "reports"),
}


def read_sql(area: str) -> Iterator[str]:
    for name in FILES[area]:
        yield (SCHEMA / area / f"{name}.sql").read_text()


def read_rows(name: str) -> Any:
    return json.loads((MIGRATIONS / f"{name}.json").read_text())


def create(area: str) -> None:
    """Creates the tables of an area. The transaction sees its rows from then on, so that the caller may add some:
    row-level security holds for the owner too."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    for sql in read_sql(area):
        op.execute(sql)
    op.execute(f"SELECT set_config('genba.areas', '{{{area}}}', true)")


def refuse_downgrade() -> None:
    """Nothing stands before the baseline: a way back would be an empty database.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        f"There is no way back past {RELEASE}, whose schema this is: it would delete all data. {RELEASE} works on this "
        "database as it is (docs/upgrades.md)."
    )
