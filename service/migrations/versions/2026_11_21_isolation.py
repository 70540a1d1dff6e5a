"""Row-level security: who sees which rows is decided by the database too.

Each transaction names the areas it sees whole (`genba.areas`) and the tenants it sees of others (`genba.tenants`,
as area:id); see service/core/database/session.py. Without a name it sees nothing. FORCE holds the owner to it as well:
a migration that reads or changes rows sets `genba.areas` for itself first.
"""

from __future__ import annotations

from alembic import op

revision = "0003_isolation"
down_revision = "0002_fleet"

UPGRADE = """
CREATE FUNCTION whole_areas() RETURNS text[] STABLE PARALLEL SAFE LANGUAGE sql
    RETURN coalesce(nullif(current_setting('genba.areas', true), '')::text[], '{}');
CREATE FUNCTION seen_tenants() RETURNS text[] STABLE PARALLEL SAFE LANGUAGE sql
    RETURN coalesce(nullif(current_setting('genba.tenants', true), '')::text[], '{}');
CREATE FUNCTION tenants_of(area text) RETURNS bigint[] STABLE PARALLEL SAFE LANGUAGE sql
    RETURN ARRAY(
        SELECT split_part(pair, ':', 2)::bigint FROM unnest(seen_tenants()) pair WHERE split_part(pair, ':', 1) = area
    );

-- The one way to put a table under row-level security:
--   ('t')                   each row names its area in `area` and, where it has one, its tenant in `tenant_id`
--   ('t', 'fleet')          all rows are the fleet's
--   ('t', 'x', 'agency_id') all rows are x's, each of the tenant in that column
-- Every question about the transaction stands in a sub-select: asked once, not for each row.
CREATE FUNCTION enforce_isolation(target regclass, area text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    condition text;
BEGIN
    IF area IS NULL THEN
        condition := 'area = ANY ((SELECT whole_areas())::text[])';
        IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = target AND attname = 'tenant_id' AND NOT attisdropped) THEN
            condition := condition || ' OR (area || '':'' || tenant_id) = ANY ((SELECT seen_tenants())::text[])';
        END IF;
    ELSE
        condition := format('(SELECT %L = ANY (whole_areas()))', area);
        IF tenant IS NOT NULL THEN
            condition := condition || format(' OR %I = ANY ((SELECT tenants_of(%L))::bigint[])', tenant, area);
        END IF;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY isolation ON %s USING (%s)', target, condition);
END
$$;
REVOKE EXECUTE ON FUNCTION enforce_isolation FROM PUBLIC;

ALTER TABLE memberships ADD COLUMN tenant_id bigint;

SELECT enforce_isolation(name, 'fleet') FROM unnest(ARRAY[
    'fleet_customers', 'fleet_terminals', 'fleet_terminal_states', 'fleet_terminal_tokens', 'fleet_enrolment_codes',
    'fleet_alerts', 'fleet_heartbeats'
]::regclass[]) name;

-- Whoever acts leaves an entry; only those who see the area read it. Who signed in is seen where they are members.
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON audit_entries FOR INSERT WITH CHECK (true);
CREATE POLICY isolation ON audit_entries FOR SELECT USING (
    area = ANY ((SELECT whole_areas())::text[])
    OR area = 'core' AND user_id IN (SELECT user_id FROM memberships WHERE area = ANY ((SELECT whole_areas())::text[]))
);
"""

DOWNGRADE = """
DROP POLICY isolation ON audit_entries;
DROP POLICY append ON audit_entries;
ALTER TABLE audit_entries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries DISABLE ROW LEVEL SECURITY;
DO $$
DECLARE
    name regclass;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'fleet_customers', 'fleet_terminals', 'fleet_terminal_states', 'fleet_terminal_tokens', 'fleet_enrolment_codes',
        'fleet_alerts', 'fleet_heartbeats'
    ]::regclass[] LOOP
        EXECUTE format('DROP POLICY isolation ON %s', name);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;
ALTER TABLE memberships DROP COLUMN tenant_id;
DROP FUNCTION enforce_isolation;
DROP FUNCTION tenants_of;
DROP FUNCTION seen_tenants;
DROP FUNCTION whole_areas;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
