"""Finished tasks, old probes and messages that are over lose their old rows; what had no user goes."""

from __future__ import annotations

from alembic import op

revision = "0013_tidy"
down_revision = "0012_mappings"

UPGRADE = """
ALTER TABLE outbox_messages
    ADD over_at timestamptz GENERATED ALWAYS AS (coalesce(sent_at, discarded_at, dead_at)) STORED;
UPDATE kept_tables SET aged_by = 'over_at' WHERE name = 'outbox_messages';
INSERT INTO kept_tables (name, aged_by, at_least) VALUES
    ('probes', 'at', '1 year'),
    ('tasks', 'finished_at', '30 days');
ALTER TABLE tasks DROP checkpoint;
-- Since 0009 there is make_partitions.
DROP FUNCTION make_day_partitions;
"""

DOWNGRADE = """
CREATE FUNCTION make_day_partitions(parent regclass, days_ahead int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    day date;
    key text;
    part text;
    lower_bound timestamptz;
    upper_bound timestamptz;
    made int := 0;
BEGIN
    IF days_ahead NOT BETWEEN 0 AND 31 THEN
        RAISE EXCEPTION 'days_ahead must be between 0 and 31';
    END IF;
    SELECT attname INTO STRICT key FROM pg_partitioned_table t
        JOIN pg_attribute a ON a.attrelid = t.partrelid AND a.attnum = t.partattrs[0] WHERE t.partrelid = parent;
    FOR day IN SELECT generate_series(-1, days_ahead) + (app_now() AT TIME ZONE 'Asia/Tokyo')::date LOOP
        part := parent::text || '_p' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        lower_bound := day::timestamp AT TIME ZONE 'Asia/Tokyo';
        upper_bound := (day + 1)::timestamp AT TIME ZONE 'Asia/Tokyo';
        EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING ALL)', part, parent);
        EXECUTE format(
            'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
            parent::text || '_default', key, lower_bound, key, upper_bound, part
        );
        EXECUTE format(
            'ALTER TABLE %s ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, lower_bound, upper_bound
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION make_day_partitions FROM PUBLIC;
ALTER TABLE tasks ADD checkpoint jsonb;
DELETE FROM kept_tables WHERE name IN ('probes', 'tasks');
UPDATE kept_tables SET aged_by = 'sent_at' WHERE name = 'outbox_messages';
ALTER TABLE outbox_messages DROP over_at;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
