"""Memberships: what an area notes about its people, and suspension of those whose tenant is out of use."""

from __future__ import annotations

from alembic import op

revision = "0026_memberships"
down_revision = "0025_loaners"

UPGRADE = """
ALTER TABLE memberships
    ADD COLUMN details jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT ck_memberships_details CHECK (jsonb_typeof(details) = 'object'),
    ADD COLUMN is_suspended boolean NOT NULL DEFAULT false;
-- Those of one tenant are counted and suspended; it also finds those of an area.
CREATE INDEX ix_memberships_area_tenant_id ON memberships (area, tenant_id);
DROP INDEX ix_memberships_area;
"""

DOWNGRADE = """
CREATE INDEX ix_memberships_area ON memberships (area);
DROP INDEX ix_memberships_area_tenant_id;
ALTER TABLE memberships DROP COLUMN is_suspended, DROP COLUMN details;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
