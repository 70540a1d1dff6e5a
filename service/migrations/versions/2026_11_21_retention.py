"""Audit in partitions; what is kept how long, and what was dropped."""

from __future__ import annotations

from alembic import op

revision = "0009_retention"
down_revision = "0008_calendar"

UPGRADE = "SELECT 1"
DOWNGRADE = "SELECT 1"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
