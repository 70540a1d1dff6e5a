"""When Twilio is asked what became of an SMS: it tells of each status once, to whoever listens at that moment."""

from __future__ import annotations

from alembic import op

revision = "0037_reservations_sms_looks"
down_revision = "0036_answers"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE reservations_messages ADD COLUMN IF NOT EXISTS look_at timestamptz")
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_reservations_messages_look_at "
            "ON reservations_messages (look_at) WHERE look_at IS NOT NULL"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE reservations_messages DROP look_at")
