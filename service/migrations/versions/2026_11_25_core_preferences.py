"""What users have arranged for themselves: favourites, folded areas, hidden columns."""

from __future__ import annotations

from alembic import op

revision = "0047_core_preferences"
down_revision = "0046_reservations_chore_audit"

TABLE = """
    CREATE TABLE core_preferences (
        user_id bigint NOT NULL
            CONSTRAINT fk_core_preferences_user_id REFERENCES users ON DELETE CASCADE,
        name varchar(64) NOT NULL,
        value jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT app_now(),
        CONSTRAINT pk_core_preferences PRIMARY KEY (user_id, name)
    )
"""
POLICY = """
    CREATE POLICY isolation ON core_preferences
        USING (user_id = nullif(current_setting('genba.person', true), '')::bigint)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)
    op.execute("ALTER TABLE core_preferences ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE core_preferences FORCE ROW LEVEL SECURITY")
    op.execute(POLICY)
    op.execute("GRANT SELECT, INSERT, UPDATE (value, updated_at) ON core_preferences TO genba_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE core_preferences")
