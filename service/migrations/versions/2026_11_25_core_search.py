"""探す: what things are called by, so that each part of it is found by a prefix in one index.

Under row-level security PostgreSQL uses an index only for operators that tell nothing of rows that may not be seen:
those of a B-tree, but not LIKE, and none of pg_trgm's. So each part of a name is a term of its own, and found by how it
begins. Many words are of two characters, of which pg_trgm has no trigram either.
"""

from __future__ import annotations

from alembic import op

from service.core.areas import AREAS
from service.migrations.searchable import Searchable

revision = "0048_core_search"
down_revision = "0047_core_preferences"

KATAKANA = "".join(map(chr, range(0x30A1, 0x30F7)))
HIRAGANA = "".join(map(chr, range(0x3041, 0x3097)))
# As the text of a PostgreSQL pattern's bracket; its quote is doubled for the statement.
SEPARATORS = r"""-\s!"#%&''()*+,./:;<=>?@\[\\\]^_`{|}~‐‑‒–—―−─、。「」『』・…〜"""
FORM = rf"""
-- A text as it is compared: without differences of width, case and kana, without blanks, hyphens and other separators.
-- A telephone number is the national one. The long vowel is the hyphen of a number that was typed for kana.
CREATE FUNCTION search_form(given text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN left(translate(
    regexp_replace(
        regexp_replace(lower(normalize(given, NFKC)), '^\s*(\+81|0081)\s*(\(0\))?', '0'),
        '[{SEPARATORS}]|(?<=[0-9a-z])ー', '', 'g'
    ), '{KATAKANA}', '{HIRAGANA}'
), 40)
"""
TERMS = r"""
-- What a row is found by. `place`: 0 an identifier, 1 a name, 2 what stands within either: a name from each character,
-- an identifier from each of its groups (000042 and 42 of TC200-000042), a long number by its last eight and four.
CREATE FUNCTION search_terms_of(identifiers text[], numbers text[], names text[])
RETURNS TABLE (place smallint, term text) IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT min(f.place)::smallint, f.term FROM (
        SELECT 0 AS place, search_form(g) AS term FROM unnest(identifiers || numbers) g
        UNION ALL
        SELECT 1, search_form(g) FROM unnest(names) g
        UNION ALL
        SELECT 2, search_form(substr(g, n)) FROM unnest(identifiers) g, generate_series(2, length(g)) n
        WHERE substr(g, n - 1, 2) ~ '^([^0-9A-Za-z][0-9A-Za-z]|[A-Za-z][0-9])$'
        UNION ALL
        SELECT 2, substring(g FROM '[^0-9]0+([1-9][0-9]+)$') FROM unnest(identifiers) g
        UNION ALL
        SELECT 2, right(search_form(g), n) FROM unnest(numbers) g, unnest('{8,4}'::int[]) n
        UNION ALL
        SELECT 2, substr(w.form, n) FROM (SELECT search_form(g) AS form FROM unnest(names) g) w,
            generate_series(2, length(w.form) - 1) n
    ) f WHERE f.term <> '' GROUP BY f.term
$$
"""
TABLE = """
CREATE TABLE search_terms (
    area varchar(32) NOT NULL,
    kind varchar(32) NOT NULL,
    place smallint NOT NULL,
    term text COLLATE "C" NOT NULL,
    subject_id bigint NOT NULL,
    tenant_id bigint
)
"""
# Of those that are called the same, the newest first.
INDEX = """
CREATE UNIQUE INDEX uq_search_terms ON search_terms (area, kind, place, term, subject_id DESC) INCLUDE (tenant_id)
"""
# For a user of one tenant: in the other index, the words that all tenants have are in the way.
TENANT_INDEX = """
CREATE INDEX ix_search_terms_tenant ON search_terms (area, kind, tenant_id, place, term, subject_id DESC)
    WHERE tenant_id IS NOT NULL
"""
# Arguments: area, kind, and of a row r its tenant, its subject, and what to call `search_terms_of` with.
KEEP = """
CREATE FUNCTION keep_search_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    terms text := format(
        'SELECT %L, %L, t.place, t.term, %s, %s FROM %%s r, search_terms_of(%s) t',
        TG_ARGV[0], TG_ARGV[1], TG_ARGV[3], TG_ARGV[2], TG_ARGV[4]
    );
    added text := 'INSERT INTO search_terms (area, kind, place, term, subject_id, tenant_id) ' || terms
        || ' ON CONFLICT DO NOTHING';
    removed text := 'DELETE FROM search_terms s '
        'USING (' || terms || ') o (area, kind, place, term, subject_id, tenant_id) '
        'WHERE s.area = o.area AND s.kind = o.kind AND s.place = o.place AND s.term = o.term '
        'AND s.subject_id = o.subject_id';
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE format(added, 'new_rows');
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE format(removed, 'old_rows');
    ELSE
        EXECUTE format(removed, '(SELECT ($1).*)') USING OLD;
        EXECUTE format(added, '(SELECT ($1).*)') USING NEW;
    END IF;
    RETURN NULL;
END
$$
"""
SEARCHABLE = (
    Searchable("fleet_terminals", "fleet", "terminal", ("serial_number",), names=("store_name",)),
    Searchable(
        "fleet_customers", "fleet", "customer", numbers=("contact_phone",), names=("company_name", "contact_person")
    ),
    Searchable("entries_nurseries", "entries", "nursery", ("code",), names=("name",), tenant="id"),
    Searchable(
        "entries_parents", "entries", "parent", numbers=("phone_number",), names=("name", "kana"), tenant="nursery_id"
    ),
    Searchable("entries_children", "entries", "child", names=("name", "kana"), tenant="nursery_id"),
    Searchable("loaners_devices", "loaners", "device", ("number", "serial", "asset_number")),
    Searchable("loaners_aliases", "loaners", "alias", ("alias",), subject="device_id"),
    Searchable("loaners_sites", "loaners", "site", ("key", "code"), names=("name",)),
    Searchable("agencies_agencies", "agencies", "agency", ("code",), names=("name",), tenant="id"),
    Searchable(
        "agencies_corporations",
        "agencies",
        "corporation",
        numbers=("corporation_number", "phone1", "phone2"),
        names=("name", "kana"),
        tenant="agency_id",
    ),
    Searchable(
        "agencies_sites",
        "agencies",
        "site",
        numbers=("power_customer_location_number", "power_customer_number"),
        names=("power_branch_name",),
        tenant="agency_id",
    ),
    Searchable("reservations_reservations", "reservations", "reservation", ("code",), ("phone",), ("customer_name",)),
    Searchable("reservations_shops", "reservations", "shop", ("code",), ("phone",), ("name",)),
    Searchable(
        "reservations_enquiries",
        "reservations",
        "enquiry",
        ("reservation_given", "mail"),
        ("phone",),
        ("topic", "sender_name"),
    ),
    Searchable("reservations_incidents", "reservations", "incident", names=("title",)),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in (FORM, TERMS, TABLE, INDEX, TENANT_INDEX, KEEP):
        op.execute(statement)
    op.execute("SELECT enforce_isolation('search_terms')")
    # Written by the triggers.
    op.execute("GRANT SELECT, INSERT, DELETE ON search_terms TO genba_app")
    for searchable in SEARCHABLE:
        searchable.create_triggers()
    with op.get_context().autocommit_block():
        op.execute(f"SELECT set_config('genba.areas', '{{{','.join(AREAS)}}}', false)")
        for searchable in SEARCHABLE:
            searchable.fill()
        op.execute("SELECT set_config('genba.areas', '', false)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for searchable in SEARCHABLE:
        searchable.drop_triggers()
    op.execute("DROP FUNCTION keep_search_terms")
    op.execute("DROP TABLE search_terms")
    op.execute("DROP FUNCTION search_terms_of, search_form")
