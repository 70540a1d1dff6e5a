"""The search: the ids that a text finds, then their rows as the lists of the areas show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.search.schemas import SearchAnswer, SearchGroup, SearchHit
from service.core.search.sources import ARCHIVED, Source, address, sources
from service.core.search.terms import Match, find
from service.core.values.texts import half_width

# The hits of a group. More are looked for, because a list may leave some out.
SHOWN, CANDIDATES = 5, 12
_RELATED_RANK = 3


def search(db: Session, by: Actor, typed: str) -> SearchAnswer:
    permitted = [source for source in sources().values() if source.is_permitted(by)]
    kinds = {(source.area, kind) for source in _with_related(permitted) for kind in source.terms}
    found = find(db, by, typed, kinds, CANDIDATES)
    groups = [_group(db, by, source, _matches(db, source, typed, found), typed) for source in permitted]
    with_hits = [group for group in groups if group is not None]
    return SearchAnswer(groups=sorted(with_hits, key=lambda group: group.hits[0].rank))


def _with_related(permitted: Iterable[Source]) -> Iterable[Source]:
    for source in permitted:
        yield source
        if source.related:
            yield sources()[source.related.key]


def _matches(db: Session, source: Source, typed: str, found: Mapping[tuple[str, str], Sequence[Match]]) -> list[Match]:
    """The best of each row first: its number, its terms, then what it belongs to."""
    matches = [Match(number, 0)] if (number := source.id_of(typed)) is not None else []
    matches += sorted(_found_by(source, found), key=lambda match: match.rank)
    if source.related:
        others = [match.id for match in _found_by(sources()[source.related.key], found)]
        if others:
            statement = source.related.ids(others).limit(CANDIDATES)
            matches += [Match(row_id, _RELATED_RANK) for row_id in db.scalars(statement)]
    best: dict[int, Match] = {}
    for match in matches:
        best.setdefault(match.id, match)
    return list(best.values())[:CANDIDATES]


def _found_by(source: Source, found: Mapping[tuple[str, str], Sequence[Match]]) -> list[Match]:
    return [match for kind in source.terms for match in found.get((source.area, kind), ())]


def _group(db: Session, by: Actor, source: Source, matches: Sequence[Match], typed: str) -> SearchGroup | None:
    if not matches:
        return None
    rows = source.listing.read_among(
        db,
        [match.id for match in matches],
        parameters=source.parameters(db, by),
        **source.filters(by),
    )
    hits = []
    for match in matches:
        if row := rows.get(match.id):
            title, detail, page, state = source.hit(by, row)
            hits.append(
                SearchHit(
                    id=match.id,
                    title=title,
                    detail=detail,
                    address=page,
                    state=state.code if state else None,
                    state_label=state.label if state else "",
                    rank=match.rank,
                )
            )
    if not hits:
        return None
    return SearchGroup(
        key=source.key,
        title=source.title,
        hits=hits[:SHOWN],
        has_more=len(hits) > SHOWN,
        more=_list_address(db, by, source, hits, typed),
    )


def _list_address(db: Session, by: Actor, source: Source, hits: Sequence[SearchHit], typed: str) -> str | None:
    """None when the list, asked for the same text, would miss one of these hits: it compares other columns, and as they
    are written."""
    in_use = [hit.id for hit in hits if hit.state != ARCHIVED.code]
    if source.page is None or len(in_use) <= SHOWN:
        return None
    text = re.sub(r"\s+", " ", half_width(typed)).strip()
    listed = source.listing.read_among(db, in_use, parameters=source.parameters(db, by), **source.filters(by), q=text)
    return address(source.page, {"q": text}, source.page_filters) if len(listed) == len(in_use) else None
