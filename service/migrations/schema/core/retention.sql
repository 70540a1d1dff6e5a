-- What is kept how long, one maker for all partitions, retention, and the audit log.

-- The application's role owns nothing. It makes, drops and deletes through the functions below, which run with the
-- owner's rights, know the tables named in `kept_tables` only, and touch nothing younger than `at_least` there.

-- aged_by: the column that says how old a row is. partitions: the table is cut by it (Tokyo time) and loses old rows
-- by the partition; without, row by row, except the newest one (of each `last_of`, when that names a column).
-- compacted_until: rows of some tables are summed up before they go: what is younger has not been yet, and stays.
-- ahead: for how many days or months partitions are made in advance.
CREATE TABLE kept_tables (
    name varchar(63) CONSTRAINT pk_kept_tables PRIMARY KEY,
    aged_by varchar(63) NOT NULL,
    at_least interval NOT NULL,
    partitions varchar(5),
    ahead integer NOT NULL DEFAULT 0,
    last_of varchar(63),
    compacted_until timestamptz,
    CONSTRAINT ck_kept_tables_partitions CHECK (partitions IN ('day', 'month'))
);
INSERT INTO kept_tables (name, aged_by, at_least, partitions, ahead, last_of) VALUES
    ('audit_entries', 'at', '3 years', 'month', 2, NULL),
    ('outbox_messages', 'over_at', '90 days', NULL, 0, NULL),
    ('sessions', 'expires_at', '30 days', NULL, 0, 'user_id'),
    ('probes', 'at', '1 year', NULL, 0, NULL),
    ('tasks', 'finished_at', '30 days', NULL, 0, NULL),
    ('backups', 'at', '1 year', NULL, 0, NULL);
GRANT SELECT, UPDATE (compacted_until) ON kept_tables TO genba_app;

-- The moment before which rows of this table may go. Neither a clock moved ahead nor one moved back makes it later.
CREATE FUNCTION retention_floor(target text) RETURNS timestamptz STABLE LANGUAGE sql
    -- least() passes over nulls.
    RETURN (SELECT least(now() - at_least, app_now() - at_least, compacted_until) FROM kept_tables WHERE name = target);

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

-- The trail, by Tokyo months. Its sequence and its NOT NULLs have names with a 1, because it took the place of a table
-- without partitions, and databases of 1.0.0 have them.
CREATE TABLE audit_entries (
    id bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME audit_entries_id_seq1)
        CONSTRAINT audit_entries_id_not_null1 NOT NULL,
    at timestamptz CONSTRAINT audit_entries_at_not_null1 NOT NULL DEFAULT now(),
    user_id bigint CONSTRAINT fk_audit_entries_user_id REFERENCES users ON DELETE RESTRICT,
    actor varchar(100) CONSTRAINT audit_entries_actor_not_null1 NOT NULL,
    address varchar(64) CONSTRAINT audit_entries_address_not_null1 NOT NULL,
    area varchar(32) CONSTRAINT audit_entries_area_not_null1 NOT NULL,
    action varchar(32) CONSTRAINT audit_entries_action_not_null1 NOT NULL,
    subject varchar(64) CONSTRAINT audit_entries_subject_not_null1 NOT NULL,
    subject_id varchar(100) CONSTRAINT audit_entries_subject_id_not_null1 NOT NULL,
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
SELECT make_partitions('audit_entries');
GRANT SELECT, INSERT ON audit_entries TO genba_app;
-- Whoever acts leaves an entry; only those who see the area read it. Who signed in is seen where they are members.
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON audit_entries FOR INSERT WITH CHECK (true);
CREATE POLICY isolation ON audit_entries FOR SELECT USING (
    area = ANY ((SELECT whole_areas())::text[])
    OR area = 'core' AND user_id IN (SELECT user_id FROM memberships WHERE area = ANY ((SELECT whole_areas())::text[]))
);
