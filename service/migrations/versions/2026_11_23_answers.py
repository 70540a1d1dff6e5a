"""Answers that are given again to whoever sends a request a second time."""

from __future__ import annotations

from alembic import op

revision = "0036_answers"
down_revision = "0035_agencies_reading"

UPGRADE = """
-- As `service.core.http.idempotency`. status and sealed are null while the request is at work, which nobody else sees.
CREATE TABLE answers (
    user_id bigint NOT NULL CONSTRAINT fk_answers_user_id REFERENCES users ON DELETE RESTRICT,
    key uuid NOT NULL,
    request bytea NOT NULL,
    status smallint,
    sealed bytea,
    created_at timestamptz NOT NULL DEFAULT app_now(),
    CONSTRAINT pk_answers PRIMARY KEY (user_id, key),
    CONSTRAINT ck_answers_sealed CHECK ((status IS NULL) = (sealed IS NULL))
);
CREATE INDEX ix_answers_created_at ON answers (created_at);
-- One's own, and all of them for the sweep.
ALTER TABLE answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE answers FORCE ROW LEVEL SECURITY;
CREATE POLICY isolation ON answers USING (
    user_id = nullif(current_setting('genba.person', true), '')::bigint
    OR (SELECT 'core' = ANY (whole_areas()))
);
GRANT SELECT, INSERT, DELETE, UPDATE (status, sealed) ON answers TO genba_app;
"""

DOWNGRADE = "DROP TABLE answers;"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
