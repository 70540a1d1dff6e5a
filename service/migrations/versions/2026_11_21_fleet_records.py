"""A terminal's whole record: tags, what heartbeats say beside the usages, its log, its days."""

from __future__ import annotations

from alembic import op

revision = "0014_fleet_records"
down_revision = "0013_tidy"

UPGRADE = """
-- Edits carry the version they read; nothing is deleted, it is archived.
ALTER TABLE fleet_customers
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT app_now(),
    ADD COLUMN archived_at timestamptz;
ALTER TABLE fleet_terminals
    ADD COLUMN tags varchar(30)[] NOT NULL DEFAULT '{}',
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN archived_at timestamptz,
    -- The store without its till: 新宿店 レジ1番 stands in 新宿店.
    ADD COLUMN store varchar(100) NOT NULL
        GENERATED ALWAYS AS (regexp_replace(store_name, '[ \\u3000]+[^ \\u3000]*(レジ|端末|[0-9０-９]).*$', '')) STORED;
CREATE INDEX ix_fleet_terminals_customer_id_store ON fleet_terminals (customer_id, store);
DROP INDEX ix_fleet_terminals_customer_id;
CREATE INDEX ix_fleet_terminals_tags ON fleet_terminals USING gin (tags);

-- address: where the heartbeats come from. previous_*: the stream before the present one and how far it had come.
-- *_run: heartbeats running at 90 percent or more, 2 at most; 2 stays until the usage falls below 80.
-- alerts_from: before this moment no alert is opened, so that the end of a maintenance does not fire what it hid.
-- shutdown_at: when the agent said that it ends in order; null once it is heard of again.
ALTER TABLE fleet_terminal_states
    ADD COLUMN address inet,
    ADD COLUMN previous_stream_id uuid,
    ADD COLUMN previous_sequence bigint,
    ADD COLUMN cloned_at timestamptz,
    ADD COLUMN clock_skew_seconds integer,
    ADD COLUMN cpu_run smallint NOT NULL DEFAULT 0,
    ADD COLUMN memory_run smallint NOT NULL DEFAULT 0,
    ADD COLUMN alerts_from timestamptz,
    ADD COLUMN shutdown_at timestamptz,
    ADD COLUMN terminal_serial varchar(50);

-- What happened to a terminal, for its timeline and for the time it spent in each status.
CREATE TABLE fleet_terminal_logs (
    terminal_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT app_now(),
    kind varchar(30) NOT NULL,
    status varchar(20),
    detail jsonb,
    by varchar(100)
) PARTITION BY RANGE (at);
CREATE INDEX ix_fleet_terminal_logs_terminal_id_at ON fleet_terminal_logs (terminal_id, at);
CREATE INDEX ix_fleet_terminal_logs_status ON fleet_terminal_logs (at, terminal_id) WHERE kind = 'status';
CREATE TABLE fleet_terminal_logs_default PARTITION OF fleet_terminal_logs DEFAULT;
SELECT enforce_isolation('fleet_terminal_logs', 'fleet');
GRANT SELECT, INSERT ON fleet_terminal_logs TO genba_app;

-- Whoever changes a status, it is written down: the reports count these rows.
CREATE FUNCTION fleet_log_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fleet_terminal_logs (terminal_id, at, kind, status, detail)
    VALUES (NEW.terminal_id, NEW.status_since, 'status', NEW.status, jsonb_build_object('from', OLD.status));
    RETURN NULL;
END
$$;
CREATE TRIGGER log_status AFTER UPDATE OF status ON fleet_terminal_states
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION fleet_log_status();

-- A terminal's Tokyo day in one row, begins_at its midnight: what stays of the heartbeats when they are gone.
CREATE TABLE fleet_days (
    terminal_id bigint NOT NULL,
    begins_at timestamptz NOT NULL,
    heartbeats integer NOT NULL,
    online_seconds integer NOT NULL,
    offline_seconds integer NOT NULL,
    error_seconds integer NOT NULL,
    maintenance_seconds integer NOT NULL,
    cpu_average smallint,
    cpu_highest smallint,
    memory_average smallint,
    memory_highest smallint,
    disk_highest smallint,
    first_heartbeat_at timestamptz,
    last_heartbeat_at timestamptz,
    firmware_version varchar(20),
    CONSTRAINT pk_fleet_days PRIMARY KEY (terminal_id, begins_at)
) PARTITION BY RANGE (begins_at);
CREATE TABLE fleet_days_default PARTITION OF fleet_days DEFAULT;
SELECT enforce_isolation('fleet_days', 'fleet');
GRANT SELECT, INSERT, UPDATE ON fleet_days TO genba_app;

INSERT INTO kept_tables (name, aged_by, at_least, partitions, ahead, last_of) VALUES
    ('fleet_terminal_logs', 'at', '1 year', 'month', 2, NULL),
    ('fleet_days', 'begins_at', '1 year', 'month', 2, NULL);
SELECT make_partitions('fleet_terminal_logs'), make_partitions('fleet_days');
"""

DOWNGRADE = """
DELETE FROM kept_tables WHERE name IN ('fleet_terminal_logs', 'fleet_days');
DROP TABLE fleet_days;
DROP TRIGGER log_status ON fleet_terminal_states;
DROP FUNCTION fleet_log_status;
DROP TABLE fleet_terminal_logs;
ALTER TABLE fleet_terminal_states
    DROP COLUMN address, DROP COLUMN previous_stream_id, DROP COLUMN previous_sequence, DROP COLUMN cloned_at,
    DROP COLUMN clock_skew_seconds, DROP COLUMN cpu_run, DROP COLUMN memory_run, DROP COLUMN alerts_from,
    DROP COLUMN shutdown_at, DROP COLUMN terminal_serial;
CREATE INDEX ix_fleet_terminals_customer_id ON fleet_terminals (customer_id);
ALTER TABLE fleet_terminals DROP COLUMN store, DROP COLUMN tags, DROP COLUMN version, DROP COLUMN archived_at;
ALTER TABLE fleet_customers DROP COLUMN version, DROP COLUMN updated_at, DROP COLUMN archived_at;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
