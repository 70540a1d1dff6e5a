-- Holidays, and what the processes say of themselves.

-- A day that a person added, renamed or removed is `edited`, and is theirs from then on. A removed one stays as a row,
-- or the next top-up would bring it back.
CREATE TABLE holidays (
    day date CONSTRAINT pk_holidays PRIMARY KEY,
    name varchar(50) NOT NULL,
    source varchar(10) NOT NULL,
    is_removed boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT ck_holidays_source CHECK (source IN ('shipped', 'edited'))
);

-- Processes keep the days in memory as long as this does not change. Not a count: one that was rolled back would be
-- used again, for other days.
CREATE TABLE calendar_version (
    id smallint CONSTRAINT pk_calendar_version PRIMARY KEY CONSTRAINT ck_calendar_version_one_row CHECK (id = 1),
    version uuid NOT NULL
);
INSERT INTO calendar_version VALUES (1, gen_random_uuid());
CREATE FUNCTION renew_calendar_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE calendar_version SET version = gen_random_uuid();
    RETURN NULL;
END
$$;
CREATE TRIGGER renew_calendar_version AFTER INSERT OR UPDATE OR DELETE ON holidays
    FOR EACH STATEMENT EXECUTE FUNCTION renew_calendar_version();

GRANT SELECT, INSERT, UPDATE ON holidays TO genba_app;
GRANT SELECT, UPDATE ON calendar_version TO genba_app;

CREATE TABLE job_heartbeats (name varchar(64) CONSTRAINT pk_job_heartbeats PRIMARY KEY, at timestamptz NOT NULL);
GRANT SELECT, INSERT, UPDATE ON job_heartbeats TO genba_app;

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
