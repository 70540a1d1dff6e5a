"""Opening hours learned from heartbeats: what a day keeps of them, what is learned, and who does not want it."""

from __future__ import annotations

from alembic import op

revision = "0021_fleet_hours"
down_revision = "0020_fleet_history"

UPGRADE = """
-- Bit n: heard of all through the hour from n o'clock, Tokyo time. Null: summed up before hours were looked at.
ALTER TABLE fleet_days ADD COLUMN heard_hours integer;
-- Offline, but outside of the hours that were learned.
ALTER TABLE fleet_days ADD COLUMN closed_seconds integer NOT NULL DEFAULT 0;

-- Whether hours are learned from it, or from any terminal of the customer.
ALTER TABLE fleet_customers ADD COLUMN learned_hours boolean NOT NULL DEFAULT true;
ALTER TABLE fleet_terminals ADD COLUMN learned_hours boolean NOT NULL DEFAULT true;

-- week: 0 and 1, one for each hour from Monday 0:00, null when too little is known. ahead: of each hour from
-- learned_until on, how many hours after it the shop opens next, negative while it is open; null: nobody waits.
CREATE TABLE fleet_hours (
    terminal_id bigint CONSTRAINT pk_fleet_hours PRIMARY KEY
        CONSTRAINT fk_fleet_hours_terminal_id REFERENCES fleet_terminals ON DELETE RESTRICT,
    learned_until timestamptz NOT NULL,
    days smallint NOT NULL,
    week varchar(168),
    ahead smallint[],
    CONSTRAINT ck_fleet_hours_week CHECK (week ~ '^[01]{168}$'),
    CONSTRAINT ck_fleet_hours_ahead CHECK (ahead IS NULL OR (cardinality(ahead) = 192 AND week IS NOT NULL))
);
SELECT enforce_isolation('fleet_hours', 'fleet');
GRANT SELECT, INSERT, UPDATE ON fleet_hours TO genba_app;

-- When silence that began outside of the learned hours becomes an alert.
ALTER TABLE fleet_terminal_states ADD COLUMN alert_after timestamptz;
"""

DOWNGRADE = """
ALTER TABLE fleet_terminal_states DROP COLUMN alert_after;
DROP TABLE fleet_hours;
ALTER TABLE fleet_terminals DROP COLUMN learned_hours;
ALTER TABLE fleet_customers DROP COLUMN learned_hours;
ALTER TABLE fleet_days DROP COLUMN closed_seconds;
ALTER TABLE fleet_days DROP COLUMN heard_hours;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
