"""What the processes say of themselves: who is there, and how many requests were answered how."""

from __future__ import annotations

from alembic import op

revision = "0011_traffic"
down_revision = "0010_system"

UPGRADE = """
CREATE TABLE instances (
    id uuid CONSTRAINT pk_instances PRIMARY KEY,
    name varchar(32) NOT NULL,
    host varchar(100) NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    cpu_percent real NOT NULL,
    memory_bytes bigint NOT NULL,
    host_cpu_percent real NOT NULL,
    host_memory_percent real NOT NULL,
    host_disk_percent real NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON instances TO genba_app;

-- Sums, so that any number of replicas write into the same minute.
CREATE TABLE traffic_minutes (
    minute timestamptz CONSTRAINT pk_traffic_minutes PRIMARY KEY,
    requests bigint NOT NULL,
    errors bigint NOT NULL,
    buckets bigint[] NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON traffic_minutes TO genba_app;
"""
DOWNGRADE = "DROP TABLE traffic_minutes, instances"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
