"""Long work: tasks, imports and their mappings."""

from __future__ import annotations

from alembic import op

revision = "0006_tasks"
down_revision = "0005_outbox"

UPGRADE = "SELECT 1"
DOWNGRADE = "SELECT 1"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
