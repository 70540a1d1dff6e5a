"""探す: names are found to their end, because each term is cut and not the text; a term that two rows give to the same
thing stays while one of them does; wrong terms that the filling of 0048 may have left are removed."""

from __future__ import annotations

from importlib import import_module

from alembic import op

from service.core.areas import AREAS

revision = "0049_core_search_terms"
down_revision = "0048_core_search"

before = import_module("service.migrations.versions.2026_11_25_core_search")

FORM = rf"""
-- A text as it is compared: without differences of width, case and kana, without blanks, hyphens and other separators.
-- A telephone number is the national one. The long vowel is the hyphen of a number that was typed for kana.
CREATE OR REPLACE FUNCTION search_form(given text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN translate(
    regexp_replace(
        regexp_replace(lower(normalize(given, NFKC)), '^\s*(\+81|0081)\s*(\(0\))?', '0'),
        '[{before.SEPARATORS}]|(?<=[0-9a-z])ー', '', 'g'
    ), '{before.KATAKANA}', '{before.HIRAGANA}'
)
"""
TERMS = r"""
-- What a row is found by, up to its 40th character. `place`: 0 an identifier, 1 a name, 2 what stands within either: a
-- name from each character, an identifier from each of its groups (000042 and 42 of TC200-000042), a long number by its
-- last eight and four.
CREATE OR REPLACE FUNCTION search_terms_of(identifiers text[], numbers text[], names text[])
RETURNS TABLE (place smallint, term text) IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT min(f.place)::smallint, left(f.term, 40) FROM (
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
    ) f WHERE f.term <> '' GROUP BY left(f.term, 40)
$$
"""
# Arguments: area, kind, and of a row r its tenant, its subject, and what to call `search_terms_of` with. Of a subject
# with several rows, those that are left add again what they shared with the one that is gone.
KEEP = """
CREATE OR REPLACE FUNCTION keep_search_terms() RETURNS trigger LANGUAGE plpgsql AS $$
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
    others text := format(
        '(SELECT r.* FROM %s r WHERE %s IN (SELECT %2$s FROM %%s r))', TG_RELID::regclass, TG_ARGV[3]
    );
    has_others boolean := TG_ARGV[3] <> 'r.id';
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE format(added, 'new_rows');
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE format(removed, 'old_rows');
        IF has_others THEN
            EXECUTE format(added, format(others, 'old_rows'));
        END IF;
    ELSE
        EXECUTE format(removed, '(SELECT ($1).*)') USING OLD;
        EXECUTE format(added, '(SELECT ($1).*)') USING NEW;
        IF has_others THEN
            EXECUTE format(added, format(others, '(SELECT ($1).*)')) USING OLD;
        END IF;
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in (FORM, TERMS, KEEP):
        op.execute(statement)
    with op.get_context().autocommit_block():
        op.execute(f"SELECT set_config('genba.areas', '{{{','.join(AREAS)}}}', false)")
        for searchable in before.SEARCHABLE:
            searchable.remove_wrong_terms()
            searchable.fill()
        op.execute("SELECT set_config('genba.areas', '', false)")


def downgrade() -> None:
    """The terms stay: what is found by them is right."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in (before.FORM, before.TERMS, before.KEEP):
        op.execute(statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
