"""What the daily backup says of itself."""

from __future__ import annotations

from alembic import op

revision = "0023_backups"
down_revision = "0022_fleet_scale"

UPGRADE = """
CREATE TABLE backups (
    at timestamptz NOT NULL,
    source varchar(64) NOT NULL,
    kind varchar(10) NOT NULL DEFAULT 'backup',
    seconds double precision NOT NULL,
    ok boolean NOT NULL,
    bytes bigint,
    kept integer NOT NULL,
    CONSTRAINT pk_backups PRIMARY KEY (at, source),
    CONSTRAINT ck_backups_kind CHECK (kind IN ('backup', 'rehearsal')),
    CONSTRAINT ck_backups_size CHECK (ok = (bytes IS NOT NULL)),
    CONSTRAINT ck_backups_figures CHECK (seconds >= 0 AND bytes >= 0 AND kept >= 0)
);
GRANT SELECT, INSERT ON backups TO genba_app;
INSERT INTO kept_tables (name, aged_by, at_least) VALUES ('backups', 'at', '1 year');
"""
DOWNGRADE = """
DELETE FROM kept_tables WHERE name = 'backups';
DROP TABLE backups;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
