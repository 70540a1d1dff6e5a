"""探す shows nobody more than the lists do, whoever's texts are searched."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from service.core.search.sources import sources
from tests.api.walks.walk import CHOOSE_WALKERS, LEFT_OUT, Walker, WalkerChoice

BOTH = ({"archived": "false"}, {"archived": "true"})
# The lists in which a hit has to be: those in use and those archived, of all states.
LISTS: Mapping[str, tuple[str, tuple[dict[str, str], ...]]] = {
    "fleet.terminal": ("/api/fleet/terminals", BOTH),
    "fleet.customer": ("/api/fleet/customers", BOTH),
    "fleet.incident": ("/api/fleet/incidents", ({"state": "open"}, {"state": "resolved"})),
    "entries.parent": ("/api/entries/parents", BOTH),
    "entries.child": ("/api/entries/children", BOTH),
    "entries.nursery": ("/api/entries/nurseries", BOTH),
    "loaners.device": ("/api/loaners/devices", BOTH),
    "loaners.site": ("/api/loaners/sites", BOTH),
    "agencies.corporation": ("/api/agencies/corporations", ({},)),
    "agencies.case": ("/api/agencies/cases", ({"status": "all"},)),
    "agencies.request": ("/api/agencies/requests", ({"mine": "false"},)),
    "agencies.agency": ("/api/agencies/agencies", ({},)),
    "reservations.reservation": ("/api/reservations/reservations", ({},)),
    "reservations.shop": ("/api/reservations/shops", BOTH),
    "reservations.enquiry": ("/api/reservations/enquiries", ({"state": "all"},)),
    "reservations.incident": ("/api/reservations/incidents", ({"state": "all"},)),
}
# A site is in no list of its own: its page is that of its request.
SITE = "agencies.site"
QUESTIONS, PARTS = 30, (2, 3, 5)


def test_every_kind_has_its_list() -> None:
    assert {*LISTS, SITE} == set(sources())


@CHOOSE_WALKERS
def test_a_hit_is_a_row_of_a_list_that_its_reader_may_read(walkers: list[Walker], choose: WalkerChoice) -> None:
    texts = sorted(set().union(*(walker.texts() for walker in walkers)))
    found = set()
    for walker in choose(walkers):
        ids: dict[str, set[int]] = {}
        for question in questions(texts):
            for group in walker.call("GET", "/api/search", params={"q": question}).json()["groups"]:
                key = group["key"]
                if key not in ids:
                    ids[key] = listed_ids(walker, key)
                for hit in group["hits"]:
                    row_id = int(hit["address"].partition("id=")[2]) if key == SITE else hit["id"]
                    assert row_id in ids[key], (walker.login_id, question, hit)
                    found.add(key)
    assert LEFT_OUT or len(found) > 5, "the questions find too little to prove anything"


def questions(texts: list[str]) -> list[str]:
    """Texts of everybody's rows, whole and in parts."""
    chosen = [text.strip()[:100] for text in random.sample(texts, min(QUESTIONS, len(texts)))]
    parts = [
        text[start : start + length]
        for text, length in zip(chosen, PARTS * QUESTIONS, strict=False)
        for start in [random.randrange(max(1, len(text) - length))]
    ]
    return [question for question in [*chosen, *parts] if question.strip()]


def listed_ids(walker: Walker, key: str) -> set[int]:
    if key == SITE:
        return set().union(*(listed_ids(walker, kind) for kind in ("agencies.case", "agencies.request")))
    path, variants = LISTS[key]
    return {row["id"] for params in variants for row in _rows(walker, path, params)}


def _rows(walker: Walker, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        further = {"cursor": cursor} if cursor else {}
        answer = walker.call("GET", path, params={"limit": "100", **params, **further})
        if answer.status_code != 200:
            return rows  # Not even the list may be read.
        rows += answer.json()["items"]
        cursor = answer.json().get("next_cursor")
        if not cursor:
            return rows


@CHOOSE_WALKERS
def test_nobody_finds_a_row_of_another_tenant(walkers: list[Walker], choose: WalkerChoice) -> None:
    """By texts of the others' rows: no hit has an id that only another tenant lists."""
    for walker in choose([walker for walker in walkers if walker.tenants]):
        others = [other for other in walkers if _is_stranger(walker, other)]
        texts = sorted(set().union(*(other.texts() for other in others)) - walker.texts())
        for question in random.sample(texts, min(2 * QUESTIONS, len(texts))):
            for group in walker.call("GET", "/api/search", params={"q": question[:100]}).json()["groups"]:
                own = listed_ids(walker, group["key"])
                shown = {
                    int(hit["address"].partition("id=")[2]) if group["key"] == SITE else hit["id"]
                    for hit in group["hits"]
                }
                assert shown <= own, (walker.login_id, question, group)


def _is_stranger(walker: Walker, other: Walker) -> bool:
    return all(other.tenants.get(area) not in (None, tenant) for area, tenant in walker.tenants.items())
