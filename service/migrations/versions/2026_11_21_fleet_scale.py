"""Lists over a year of 20,000 terminals: what they are sorted and filled by lies where it is read at once."""

from __future__ import annotations

from alembic import op

revision = "0022_fleet_scale"
down_revision = "0021_fleet_hours"

UPGRADE = """
-- A list of reports shows these; to read them out of the figures takes the whole of each out of its storage.
ALTER TABLE fleet_monthly_reports
    ADD COLUMN terminals integer NOT NULL GENERATED ALWAYS AS ((figures ->> 'terminals')::integer) STORED,
    ADD COLUMN incidents integer NOT NULL GENERATED ALWAYS AS ((figures #>> '{counts,incidents}')::integer) STORED,
    ADD COLUMN uptime numeric GENERATED ALWAYS AS ((figures ->> 'uptime')::numeric) STORED;

-- An incident's first alert, whatever number it has.
CREATE INDEX ix_fleet_alerts_incident_id_id ON fleet_alerts (incident_id, id);
DROP INDEX ix_fleet_alerts_incident_id;

-- A roll-out's tasks, wave by wave.
CREATE INDEX ix_fleet_update_tasks_rollout_id_wave ON fleet_update_tasks (rollout_id, wave, id);
"""

DOWNGRADE = """
DROP INDEX ix_fleet_update_tasks_rollout_id_wave;
CREATE INDEX ix_fleet_alerts_incident_id ON fleet_alerts (incident_id);
DROP INDEX ix_fleet_alerts_incident_id_id;
ALTER TABLE fleet_monthly_reports DROP COLUMN terminals, DROP COLUMN incidents, DROP COLUMN uptime;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
