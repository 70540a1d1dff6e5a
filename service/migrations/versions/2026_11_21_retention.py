"""What is kept how long: monthly partitions of the audit trail, one maker for all partitions, and retention.

The application's role owns nothing. It makes, drops and deletes through the functions below, which run with the
owner's rights, know the tables named in `kept_tables` only, and touch nothing younger than `at_least` there.
"""

from __future__ import annotations

from alembic import op

revision = "0009_retention"
down_revision = "0008_calendar"

POLICIES = """
-- As in 0003: whoever acts leaves an entry; only those who see the area read it.
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON audit_entries FOR INSERT WITH CHECK (true);
CREATE POLICY isolation ON audit_entries FOR SELECT USING (
    area = ANY ((SELECT whole_areas())::text[])
    OR area = 'core' AND user_id IN (SELECT user_id FROM memberships WHERE area = ANY ((SELECT whole_areas())::text[]))
);
"""

UPGRADE = """
-- aged_by: the column that says how old a row is. partitions: the table is cut by it (Tokyo time) and loses old rows
-- by the partition; without, row by row, except the newest one (of each `last_of`, when that names a column).
-- ahead: for how many days or months partitions are made in advance.
CREATE TABLE kept_tables (
    name varchar(63) CONSTRAINT pk_kept_tables PRIMARY KEY,
    aged_by varchar(63) NOT NULL,
    at_least interval NOT NULL,
    partitions varchar(5),
    ahead integer NOT NULL DEFAULT 0,
    last_of varchar(63),
    CONSTRAINT ck_kept_tables_partitions CHECK (partitions IN ('day', 'month'))
);
INSERT INTO kept_tables (name, aged_by, at_least, partitions, ahead, last_of) VALUES
    ('audit_entries', 'at', '3 years', 'month', 2, NULL),
    ('fleet_heartbeats', 'received_at', '7 days', 'day', 3, NULL),
    ('outbox_messages', 'sent_at', '90 days', NULL, 0, NULL),
    ('sessions', 'expires_at', '30 days', NULL, 0, 'user_id');
GRANT SELECT ON kept_tables TO genba_app;

-- The moment before which rows of this table may go. Neither a clock moved ahead nor one moved back makes it later.
CREATE FUNCTION retention_floor(target text) RETURNS timestamptz STABLE LANGUAGE sql
    RETURN (SELECT least(now(), app_now()) - at_least FROM kept_tables WHERE name = target);

-- Partitions from the one before now (a clock may run behind) to `ahead`, and for every row that the default partition
-- caught meanwhile: such rows move to where they belong.
CREATE FUNCTION make_partitions(target text) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    kept kept_tables;
    begins timestamp;
    part text;
    lower_bound timestamptz;
    upper_bound timestamptz;
    made int := 0;
BEGIN
    -- Locked: of two at once, the later one finds the partitions made.
    SELECT * INTO STRICT kept FROM kept_tables WHERE name = target AND partitions IS NOT NULL FOR UPDATE;
    FOR begins IN EXECUTE format(
        'SELECT date_trunc(%1$L, app_now() AT TIME ZONE ''Asia/Tokyo'') + n * %2$L::interval '
        'FROM generate_series(-1, %3$s) n '
        'UNION SELECT date_trunc(%1$L, %4$I AT TIME ZONE ''Asia/Tokyo'') FROM %5$I ORDER BY 1',
        kept.partitions, '1 ' || kept.partitions, kept.ahead, kept.aged_by, target || '_default'
    ) LOOP
        part := target || '_p' || to_char(begins, CASE kept.partitions WHEN 'day' THEN 'YYYYMMDD' ELSE 'YYYYMM' END);
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        lower_bound := begins AT TIME ZONE 'Asia/Tokyo';
        upper_bound := (begins + ('1 ' || kept.partitions)::interval) AT TIME ZONE 'Asia/Tokyo';
        -- A partition takes its identity from the parent when it is attached.
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING IDENTITY)', part, target);
        EXECUTE format(
            'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
            target || '_default', kept.aged_by, lower_bound, kept.aged_by, upper_bound, part
        );
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', target, part, lower_bound, upper_bound
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- The partitions that end by `before`, oldest first, the default one excepted. `rows` is what the planner knows,
-- -1 when it knows nothing yet.
CREATE FUNCTION old_partitions(target text, before timestamptz)
    RETURNS TABLE (part text, begins timestamptz, ends timestamptz, rows bigint, bytes bigint)
    STABLE LANGUAGE sql
BEGIN ATOMIC
    SELECT c.relname::text, bounds.begins, bounds.ends, c.reltuples::bigint, pg_total_relation_size(c.oid)
    FROM kept_tables k
    JOIN pg_inherits i ON i.inhparent = to_regclass(k.name)
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (
        SELECT to_date(
            substring(c.relname from '_p([0-9]+)$'), CASE k.partitions WHEN 'day' THEN 'YYYYMMDD' ELSE 'YYYYMM' END
        )
    ) AS named (first_day)
    CROSS JOIN LATERAL (
        SELECT named.first_day::timestamp AT TIME ZONE 'Asia/Tokyo',
            (named.first_day + ('1 ' || k.partitions)::interval) AT TIME ZONE 'Asia/Tokyo'
    ) AS bounds (begins, ends)
    WHERE k.name = target AND k.partitions IS NOT NULL AND bounds.ends <= before
    ORDER BY bounds.begins;
END;

CREATE FUNCTION drop_partition(target text, dropped text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    kept kept_tables;
    upper_bound timestamptz;
    newer boolean;
BEGIN
    SELECT * INTO STRICT kept FROM kept_tables WHERE name = target AND partitions IS NOT NULL;
    SELECT ends INTO upper_bound FROM old_partitions(target, retention_floor(target)) WHERE part = dropped;
    IF upper_bound IS NULL THEN
        RAISE EXCEPTION '% is no partition of % that may go yet', dropped, target;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= $1)', target, kept.aged_by) INTO newer USING upper_bound;
    IF NOT newer THEN
        RAISE EXCEPTION '% holds the last rows of %', dropped, target;
    END IF;
    EXECUTE format('DROP TABLE %I', dropped);
END
$$;

-- Counts the rows older than `before` that may go, or deletes them, the oldest first and `most` at once.
CREATE FUNCTION expire_rows(target text, before timestamptz, most int, dry boolean)
    RETURNS TABLE (rows bigint, bytes bigint, oldest timestamptz, newest timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    kept kept_tables;
    old text;
BEGIN
    SELECT * INTO STRICT kept FROM kept_tables WHERE name = target AND partitions IS NULL;
    IF before > retention_floor(target) THEN
        RAISE EXCEPTION 'rows of % are kept for % at least', target, kept.at_least;
    END IF;
    old := format('FROM %1$I t WHERE t.%2$I < %3$L AND ', target, kept.aged_by, before) || CASE
        WHEN kept.last_of IS NULL THEN format('t.%1$I < (SELECT max(%1$I) FROM %2$I)', kept.aged_by, target)
        ELSE format('EXISTS (SELECT FROM %1$I n WHERE n.%2$I = t.%2$I AND n.%3$I > t.%3$I)',
                    target, kept.last_of, kept.aged_by)
    END;
    IF dry THEN
        old := format('SELECT t.%I AS age, pg_column_size(t.*) AS size ', kept.aged_by) || old;
    ELSE
        old := format(
            'DELETE FROM %1$I d '
            'WHERE ctid = ANY (ARRAY(SELECT t.ctid %2$s ORDER BY t.%3$I LIMIT %4$s FOR UPDATE OF t)) '
            'RETURNING d.%3$I AS age, pg_column_size(d.*) AS size', target, old, kept.aged_by, most
        );
    END IF;
    RETURN QUERY EXECUTE
        'WITH gone AS (' || old || ') SELECT count(*), coalesce(sum(size), 0)::bigint, min(age), max(age) FROM gone';
END
$$;

REVOKE EXECUTE ON FUNCTION make_partitions, drop_partition, expire_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions, drop_partition, expire_rows TO genba_app;
-- 0002 made its first partitions with this one; from now on there is one maker.
REVOKE EXECUTE ON FUNCTION make_day_partitions FROM genba_app;

-- What each night's retention took away. The unique day is what makes it once a night.
CREATE TABLE retention_runs (
    id bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_retention_runs PRIMARY KEY,
    day date NOT NULL,
    target varchar(63) NOT NULL,
    at timestamptz NOT NULL DEFAULT app_now(),
    before timestamptz NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    oldest timestamptz,
    newest timestamptz,
    partitions varchar(63)[] NOT NULL DEFAULT '{}',
    CONSTRAINT uq_retention_runs_day_target UNIQUE (day, target)
);
GRANT SELECT, INSERT, UPDATE (rows, bytes, oldest, newest, partitions) ON retention_runs TO genba_app;

-- The trail by Tokyo months. FORCE is lifted from what is moved, or the owner would move nothing.
ALTER TABLE audit_entries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries RENAME TO audit_entries_moved;
ALTER INDEX pk_audit_entries RENAME TO pk_audit_entries_moved;
ALTER INDEX ix_audit_entries_at RENAME TO ix_audit_entries_moved_at;
CREATE TABLE audit_entries (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id bigint CONSTRAINT fk_audit_entries_user_id REFERENCES users ON DELETE RESTRICT,
    actor varchar(100) NOT NULL,
    address varchar(64) NOT NULL,
    area varchar(32) NOT NULL,
    action varchar(32) NOT NULL,
    subject varchar(64) NOT NULL,
    subject_id varchar(100) NOT NULL,
    before jsonb,
    after jsonb,
    CONSTRAINT pk_audit_entries PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
-- Newest first, of everything, of an area, of a person, of a thing.
CREATE INDEX ix_audit_entries_at_id ON audit_entries (at, id);
CREATE INDEX ix_audit_entries_area_at ON audit_entries (area, at);
CREATE INDEX ix_audit_entries_user_id_at ON audit_entries (user_id, at);
CREATE INDEX ix_audit_entries_subject_subject_id_at ON audit_entries (subject, subject_id, at);
CREATE TABLE audit_entries_default PARTITION OF audit_entries DEFAULT;
INSERT INTO audit_entries SELECT * FROM audit_entries_moved;
SELECT setval(pg_get_serial_sequence('audit_entries', 'id'), greatest(max(id), 1), max(id) IS NOT NULL)
    FROM audit_entries;
DROP TABLE audit_entries_moved;
SELECT make_partitions('audit_entries');
GRANT SELECT, INSERT ON audit_entries TO genba_app;
"""

DOWNGRADE = """
ALTER TABLE audit_entries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries RENAME TO audit_entries_moved;
ALTER INDEX pk_audit_entries RENAME TO pk_audit_entries_moved;
CREATE TABLE audit_entries (
    id bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_audit_entries PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id bigint CONSTRAINT fk_audit_entries_user_id REFERENCES users ON DELETE RESTRICT,
    actor varchar(100) NOT NULL,
    address varchar(64) NOT NULL,
    area varchar(32) NOT NULL,
    action varchar(32) NOT NULL,
    subject varchar(64) NOT NULL,
    subject_id varchar(100) NOT NULL,
    before jsonb,
    after jsonb
);
INSERT INTO audit_entries SELECT * FROM audit_entries_moved;
SELECT setval(pg_get_serial_sequence('audit_entries', 'id'), greatest(max(id), 1), max(id) IS NOT NULL)
    FROM audit_entries;
DROP TABLE audit_entries_moved;
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
GRANT SELECT, INSERT ON audit_entries TO genba_app;
GRANT EXECUTE ON FUNCTION make_day_partitions TO genba_app;
DROP TABLE retention_runs;
DROP FUNCTION expire_rows, drop_partition, old_partitions, make_partitions, retention_floor;
DROP TABLE kept_tables;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)
    op.execute(POLICIES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
    op.execute(POLICIES)
