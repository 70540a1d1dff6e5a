"""What things are called by, and the ids of those that a text finds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Index, SmallInteger, String, Table, Text
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.session import Base, fetch

# Written by triggers (service/migrations/searchable.py). Each index has all columns: rows are never looked at.
search_terms = Table(
    "search_terms",
    Base.metadata,
    Column("area", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("place", SmallInteger, nullable=False),
    Column("term", Text(collation="C"), nullable=False),
    Column("subject_id", BigInteger, nullable=False),
    Column("tenant_id", BigInteger),
)
_COLUMNS = search_terms.c
_NEWEST_FIRST = (_COLUMNS.place, _COLUMNS.term, _COLUMNS.subject_id.desc())
Index("uq_search_terms", _COLUMNS.area, _COLUMNS.kind, *_NEWEST_FIRST, unique=True, postgresql_include=["tenant_id"])
Index(
    "ix_search_terms_tenant",
    *(_COLUMNS.area, _COLUMNS.kind, _COLUMNS.tenant_id, *_NEWEST_FIRST),
    postgresql_where=_COLUMNS.tenant_id.is_not(None),
)
# The first of each kind and place, in the order of the index. Only operators that leak nothing, or row-level security
# would have each row of the kind read. The largest character of Unicode ends whatever begins with the text.
_TERMS = """
    SELECT s.place, s.term, s.subject_id FROM search_terms s
    WHERE {whose} AND s.area = k.area AND s.kind = k.kind AND s.place = p.place
        AND s.term >= query.form AND s.term < query.form || chr(1114111)
    ORDER BY s.term, s.subject_id DESC LIMIT %(limit)s
"""
_FIND = f"""
WITH query AS MATERIALIZED (SELECT left(search_form(%(text)s), 40) AS form)
SELECT k.area, k.kind, found.place, found.subject_id, found.term = query.form
FROM query
CROSS JOIN unnest(%(areas)s::text[], %(kinds)s::text[], %(tenants)s::bigint[]) AS k(area, kind, tenant)
CROSS JOIN generate_series(0, 2) AS p(place)
CROSS JOIN LATERAL (
    ({_TERMS.format(whose="k.tenant IS NULL")}) UNION ALL ({_TERMS.format(whose="s.tenant_id = k.tenant")})
) found
WHERE length(query.form) >= %(shortest)s
ORDER BY found.place, found.term, found.subject_id DESC
"""
# A single character begins a tenth of all names.
SHORTEST = 2


class Match(NamedTuple):
    id: int
    rank: int


def find(
    db: Session, by: Actor, text: str, kinds: Collection[tuple[str, str]], limit: int
) -> Mapping[tuple[str, str], list[Match]]:
    """By area and kind: what the text finds there, the best first, each once."""
    ordered = sorted(kinds)
    parameters = {
        "text": text,
        "areas": [area for area, _ in ordered],
        "kinds": [kind for _, kind in ordered],
        "tenants": [by.tenant_in(area) for area, _ in ordered],
        "limit": limit,
        "shortest": SHORTEST,
    }
    found: dict[tuple[str, str], dict[int, Match]] = {}
    for area, kind, place, subject_id, is_whole in fetch(db, _FIND, parameters):
        rank = place if is_whole and place < 2 else 2 if place < 2 else 3
        found.setdefault((area, kind), {}).setdefault(subject_id, Match(subject_id, rank))
    return {key: list(matches.values()) for key, matches in found.items()}
