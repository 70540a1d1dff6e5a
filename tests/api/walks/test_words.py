"""Words of another tenant are nowhere in what one can read."""

from __future__ import annotations

from importlib import import_module

from service.core.areas import AREAS, areas
from service.core.audit.search import ACTION_TITLES
from service.reservations.events.rules import STATE_LABELS, WAITING_LABEL
from tests.api.walks.walk import LOOKING, TELLING, Asking, Walker, operations

# Names of areas, which jobs are called after, and of their records, fields, choices and actions, as the code and as the
# trail says them.
PRODUCTS_OWN = {*AREAS} | {
    word
    for area in areas().values()
    for words in (area.subjects, area.fields, *area.values.values())
    for word in (*words, *words.values())
}
PRODUCTS_OWN |= {word for words in ACTION_TITLES.items() for word in words}
PRODUCTS_OWN |= {role for area in areas().values() for role in area.roles}
# 定期作業 come with the product: who does them and on which page.
CHORES = import_module("service.migrations.versions.2026_11_22_reservations_chores").CHORES
PRODUCTS_OWN |= {chore[name] for chore in CHORES for name in ("code", "owner", "page")}
# A reservation's state is told in words; which ones stand in a list depends on the moment.
PRODUCTS_OWN |= {*STATE_LABELS.values(), WAITING_LABEL}
# Where nobody sees one agency or nursery only, all is one tenant: what a colleague lists may stand in a detail.
UNDIVIDED = {name for name, area in areas().items() if not any(role.scope for role in area.roles.values())}


@LOOKING
def test_words_of_others_are_nowhere_in_what_one_can_read(walkers: list[Walker], looking: Asking) -> None:
    """Lists, details, searches, exports, pictures, the audit trail: not a word of another tenant's rows. What one is
    refused for want of a permission says the same of every row (test_refusals)."""
    words = {walker.login_id: walker.words() for walker in walkers}
    for one in looking(walkers):
        read = "\n".join(
            one.reads(place)
            for operation in operations()
            if operation.method == "GET" and one.may(operation)
            for place in one.places(operation.path)
            if not place.startswith(("/api/auth", "/api/health"))
        )
        colleagues = _of_colleagues(one, words)
        foreign = set().union(*words.values()) - words[one.login_id] - PRODUCTS_OWN - colleagues
        # Of the many words most do not even begin anywhere.
        beginnings = {read[place : place + TELLING] for place in range(len(read))}
        there = {word for word in foreign if word[:TELLING] in beginnings and word in read}
        found = {word for word in there if not _is_shared(word, words, one)}
        whose = {word: [login_id for login_id, known in words.items() if word in known] for word in sorted(found)[:5]}
        assert not found, (one.login_id, whose)


def _of_colleagues(one: Walker, words: dict[str, set[str]]) -> set[str]:
    if one.home not in UNDIVIDED:
        return set()
    return set().union(*(known for login_id, known in words.items() if login_id.startswith(f"{one.home}-")))


def _is_shared(word: str, words: dict[str, set[str]], one: Walker) -> bool:
    """A part of something one sees anyway (「新宿店」 in 「新宿店 レジ1番」) gives nothing away, nor do several such,
    or words too short to tell anything, in one cell of a file."""
    return all(len(part) < TELLING or any(part in known for known in words[one.login_id]) for part in word.split("、"))
