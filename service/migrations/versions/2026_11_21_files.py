"""Files by reference, and the photos of where a terminal stands."""

from __future__ import annotations

from alembic import op

revision = "0007_files"
down_revision = "0006_tasks"

UPGRADE = """
-- The bytes are in the storage under storage_key. expires_at: when retention removes row and bytes; null while in use.
CREATE TABLE files (
    id uuid CONSTRAINT pk_files PRIMARY KEY,
    area varchar(32) NOT NULL,
    tenant_id bigint,
    purpose varchar(64) NOT NULL,
    name varchar(200) NOT NULL,
    content_type varchar(100) NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    width integer,
    height integer,
    storage_key varchar(200) NOT NULL CONSTRAINT uq_files_storage_key UNIQUE,
    has_thumbnail boolean NOT NULL,
    user_id bigint CONSTRAINT fk_files_user_id REFERENCES users ON DELETE RESTRICT,
    client_id uuid,
    created_at timestamptz NOT NULL DEFAULT app_now(),
    attached_at timestamptz,
    expires_at timestamptz,
    CONSTRAINT uq_files_user_id_client_id UNIQUE (user_id, client_id),
    CONSTRAINT ck_files_size CHECK (size > 0),
    CONSTRAINT ck_files_sha256 CHECK (octet_length(sha256) = 32)
);
CREATE INDEX ix_files_expires_at ON files (expires_at) WHERE expires_at IS NOT NULL;
SELECT enforce_isolation('files');
GRANT SELECT, INSERT, DELETE, UPDATE (tenant_id, attached_at, expires_at) ON files TO genba_app;

CREATE TABLE fleet_terminal_photos (
    file_id uuid CONSTRAINT pk_fleet_terminal_photos PRIMARY KEY
        CONSTRAINT fk_fleet_terminal_photos_file_id REFERENCES files ON DELETE RESTRICT,
    terminal_id bigint NOT NULL
        CONSTRAINT fk_fleet_terminal_photos_terminal_id REFERENCES fleet_terminals ON DELETE RESTRICT,
    added_at timestamptz NOT NULL DEFAULT app_now()
);
CREATE INDEX ix_fleet_terminal_photos_terminal_id ON fleet_terminal_photos (terminal_id);
SELECT enforce_isolation('fleet_terminal_photos', 'fleet');
GRANT SELECT, INSERT, DELETE ON fleet_terminal_photos TO genba_app;
"""

DOWNGRADE = "DROP TABLE fleet_terminal_photos, files"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
