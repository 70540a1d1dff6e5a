"""The baseline of the reservations: shops, reservations, operations, incidents, enquiries, chores, reports."""

from __future__ import annotations

from alembic import op
from sqlalchemy import column, table

from service.migrations import baseline

revision = "0045_reservations"
down_revision = "0044_agencies"


def upgrade() -> None:
    baseline.create("reservations")
    # The rows of document sections 4.1.2, 6 and 7.3.2 with their times and owners; where it names no time, it is null
    # (変動), and the day that of the work it belongs to.
    chores = baseline.read_rows("reservations_chores")
    names = [*chores[0], "position"]
    rows = [chore | {"position": position} for position, chore in enumerate(chores, 1)]
    op.bulk_insert(table("reservations_chores", *(column(name) for name in names)), rows)


def downgrade() -> None:
    baseline.refuse_downgrade()
