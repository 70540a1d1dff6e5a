"""Holidays, and the first target of an alert."""

from __future__ import annotations

import jpholiday
from alembic import op
from sqlalchemy import text

revision = "0008_calendar"
down_revision = "0007_files"

# The job that tops up does the rest; until it first ran, deadlines must already know the years around this release.
SHIPPED_YEARS = range(2025, 2030)

UPGRADE = """
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

-- 初動確認 within five minutes of detection (document 4.2); fixed when the alert opens.
SELECT set_config('genba.areas', '{fleet}', true);
ALTER TABLE fleet_alerts ADD COLUMN respond_by timestamptz;
UPDATE fleet_alerts SET respond_by = created_at + interval '5 minutes';
ALTER TABLE fleet_alerts ALTER COLUMN respond_by SET NOT NULL;
"""

DOWNGRADE = """
ALTER TABLE fleet_alerts DROP COLUMN respond_by;
DROP TABLE holidays, calendar_version;
DROP FUNCTION renew_calendar_version;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)
    op.get_bind().execute(
        text("INSERT INTO holidays (day, name, source) VALUES (:day, :name, 'shipped')"),
        [{"day": day, "name": name} for year in SHIPPED_YEARS for day, name in jpholiday.year_holidays(year)],
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
