"""The outbox: what a message belongs to, dead letters, reconciling."""

from __future__ import annotations

from alembic import op

revision = "0005_outbox"
down_revision = "0004_people"

UPGRADE = "SELECT 1"
DOWNGRADE = "SELECT 1"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
