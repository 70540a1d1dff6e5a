"""Every route of the OpenAPI document by every demo account: who may not, gets nothing; who is a stranger, finds
nothing. Areas join by having demo data; nothing here names one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from functools import cache

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.areas import AREAS, areas
from service.core.identity import User, open_session
from service.core.trail import ACTION_WORDS
from service.demo import fill
from service.main import app
from tests.api.walk import PARAMETER, TELLING, Walker, operations

# Areas whose routes are left out: tests/house/test_sixth_area.py walks one area again, and not all of the product.
LEFT_OUT = tuple(f"/api/{name}/" for name in os.environ.get("WALK_WITHOUT", "").split())
WHOLE = app().fastapi.openapi()
DOCUMENT = WHOLE | {"paths": {path: item for path, item in WHOLE["paths"].items() if not path.startswith(LEFT_OUT)}}
OPERATIONS = operations(DOCUMENT)
# Lists of an area that are the same for all its tenants, each for a reason of its own.
SHARED_LISTS: frozenset[str] = frozenset()
# Names of areas, which jobs are called after, and of their records, fields, choices and actions, as the code and as the
# trail says them.
PRODUCTS_OWN = {*AREAS} | {
    word
    for area in areas().values()
    for words in (area.subjects, area.fields, *area.values.values())
    for word in (*words, *words.values())
}
PRODUCTS_OWN |= {word for words in ACTION_WORDS.items() for word in words}
LOCKED = [operation for operation in OPERATIONS if operation.permission]
GENERATED = {
    (operation.method.upper(), operation.path): operation
    for operation in (found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations())
}


@pytest.fixture
def walkers(db: Session, client: TestClient) -> list[Walker]:
    """Every demo account, signed in, in front of the demo's data."""
    fill(db)
    db.commit()
    people = list(db.scalars(select(User).order_by(User.id)))
    tokens = [open_session(db, user, "testclient", timedelta(hours=1))[0] for user in people]
    db.commit()
    return [
        Walker(user.login_id, token, client, DOCUMENT, {m.area: m.tenant_id for m in user.memberships if m.tenant_id})
        for user, token in zip(people, tokens, strict=True)
    ]


def test_there_is_an_account_for_every_role(db: Session, walkers: list[Walker]) -> None:
    """And two of different tenants where a role is bound to one, or the walk would prove nothing."""
    memberships = [membership for user in db.scalars(select(User)) for membership in user.memberships]

    for name in AREAS:
        for role, described in areas()[name].roles.items():
            held = {m.tenant_id for m in memberships if (m.area, m.role) == (name, role)}
            assert len(held) >= (2 if described.scope else 1), f"no demo account for {name}:{role}"


def test_who_lacks_the_permission_is_refused_before_anything_else(walkers: list[Walker]) -> None:
    for walker in walkers:
        held = walker.may()
        for operation in LOCKED:
            if operation.permission not in held:
                answer = walker.call(operation.method, PARAMETER.sub("1", operation.path))
                assert answer.status_code == 403, (walker.login_id, operation)
                assert "権限" in answer.json()["detail"]


def test_who_holds_the_permission_is_answered(walkers: list[Walker]) -> None:
    """Reads only: a write without its body says nothing about permissions."""
    for walker in walkers:
        held = walker.may()
        for operation in LOCKED:
            if operation.permission in held and operation.method == "GET":
                for place in walker.places(operation.path):
                    answer = walker.call("GET", place)
                    # 422: a route that cannot be asked without parameters.
                    assert answer.status_code in (200, 404, 422), (walker.login_id, place, answer.text[:300])


def test_people_of_two_agencies_or_nurseries_have_no_row_in_common(walkers: list[Walker]) -> None:
    for one, other in strangers(walkers):
        theirs = dict(other.lists())
        for place, rows in one.lists():
            tenants = [walker.tenants.get(place.split("/")[2]) for walker in (one, other)]
            if None in tenants or tenants[0] == tenants[1] or place in SHARED_LISTS:
                continue
            common = {row["id"] for row in rows if "id" in row} & {row.get("id") for row in theirs.get(place, [])}
            assert not common, (place, one.login_id, other.login_id, common)


def strangers(walkers: list[Walker]) -> Iterator[tuple[Walker, Walker]]:
    """(who looks, whose rows): pairs of whom the first does not see everything that the second sees."""
    yield from ((one, other) for one in walkers for other in walkers if one is not other)


def test_rows_of_others_are_not_there_whatever_one_does_with_their_ids(walkers: list[Walker]) -> None:
    """Read, change, delete: absent and not-yours are the same 404."""
    for operation in LOCKED:
        if not operation.parameters:
            continue
        places = {place for walker in walkers for place in walker.places(operation.path)}
        for one in walkers:
            # All that one can list, and not only the first ROWS_FOLLOWED: what is further down is one's own too.
            for place in places - _all_places(one, operation.path):
                for body in _bodies(operation.method, operation.path):
                    answer = one.call(operation.method, place, json=body)
                    assert answer.status_code in (403, 404), (one.login_id, operation.method, place, answer.text[:300])


def test_words_of_others_are_nowhere_in_what_one_can_read(walkers: list[Walker]) -> None:
    """Lists, details, searches, exports, pictures, the audit trail: not a word of another tenant's rows."""
    words = {walker.login_id: walker.words() for walker in walkers}
    for one in walkers:
        read = "\n".join(
            one.reads(place)
            for operation in OPERATIONS
            if operation.method == "GET"
            for place in one.places(operation.path)
            if not place.startswith(("/api/auth", "/api/health"))
        )
        foreign = set().union(*words.values()) - words[one.login_id] - PRODUCTS_OWN
        found = {word for word in foreign if word in read and not _is_shared(word, words, one)}
        whose = {word: [login_id for login_id, known in words.items() if word in known] for word in sorted(found)[:5]}
        assert not found, (one.login_id, whose)


def _all_places(walker: Walker, template: str) -> set[str]:
    found = PARAMETER.search(template)
    assert found is not None
    before, after = template[: found.start()], template[found.end() :]
    rows = {f"{before}{row['id']}{after}" for row in walker.rows(before.rstrip("/")) if "id" in row}
    return {place for row in rows for place in (_all_places(walker, row) if PARAMETER.search(row) else {row})}


def _is_shared(word: str, words: dict[str, set[str]], one: Walker) -> bool:
    """A part of something one sees anyway (「新宿店」 in 「新宿店 レジ1番」) gives nothing away, nor do several such,
    or words too short to tell anything, in one cell of a file."""
    return all(len(part) < TELLING or any(part in known for known in words[one.login_id]) for part in word.split("、"))


@cache
def _bodies(method: str, path: str) -> list[object]:
    """Bodies that follow the document, so that a refusal is about the row and not about the form."""
    operation = GENERATED[method, path]
    if not operation.body:
        return [None]
    made: list[object] = []

    @settings(
        max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def collect(case: schemathesis.Case) -> None:
        made.append(case.body)

    collect()
    return made
