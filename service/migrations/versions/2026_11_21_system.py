"""What the watchdog saw."""

from __future__ import annotations

from alembic import op

revision = "0010_system"
down_revision = "0009_retention"

UPGRADE = """
-- A row per question. The moment comes first: a month is one range, and a repeated delivery meets the same key.
CREATE TABLE probes (
    at timestamptz NOT NULL,
    source varchar(64) NOT NULL,
    target varchar(32) NOT NULL,
    every_seconds integer NOT NULL CONSTRAINT ck_probes_every CHECK (every_seconds BETWEEN 1 AND 3600),
    ok boolean NOT NULL,
    latency_ms integer NOT NULL CONSTRAINT ck_probes_latency CHECK (latency_ms >= 0),
    down varchar(500),
    CONSTRAINT pk_probes PRIMARY KEY (at, source, target),
    CONSTRAINT ck_probes_words CHECK (ok = (down IS NULL))
);
GRANT SELECT, INSERT ON probes TO genba_app;
"""
DOWNGRADE = "DROP TABLE probes"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
