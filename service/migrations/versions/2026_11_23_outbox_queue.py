"""The queue of messages in the order in which they are claimed: those written at once have the same moment, and without
their id in the index each claim sorted all of them."""

from __future__ import annotations

from alembic import op

revision = "0038_outbox_queue"
down_revision = "0037_reservations_sms_looks"

OPEN = "WHERE sent_at IS NULL AND dead_at IS NULL"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    with op.get_context().autocommit_block():
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_outbox_messages_queue "
            f"ON outbox_messages (topic, next_attempt_at, id) {OPEN}"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_outbox_messages_due")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"CREATE INDEX IF NOT EXISTS ix_outbox_messages_due ON outbox_messages (topic, next_attempt_at) {OPEN}")
    op.execute("DROP INDEX IF EXISTS ix_outbox_messages_queue")
