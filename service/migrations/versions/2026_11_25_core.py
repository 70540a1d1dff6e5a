"""The baseline of core: clock, row-level security, users, retention, audit, outbox, tasks, files, monitoring."""

from __future__ import annotations

import jpholiday
from alembic import op
from sqlalchemy import text

from service.migrations import baseline

revision = "0040_core"
down_revision = None

# The job that tops up does the rest; until it first ran, deadlines must already know the years around this release.
SHIPPED_YEARS = range(2025, 2030)


def upgrade() -> None:
    baseline.create("core")
    op.get_bind().execute(
        text("INSERT INTO holidays (day, name, source) VALUES (:day, :name, 'shipped')"),
        [{"day": day, "name": name} for year in SHIPPED_YEARS for day, name in jpholiday.year_holidays(year)],
    )


def downgrade() -> None:
    baseline.refuse_downgrade()
