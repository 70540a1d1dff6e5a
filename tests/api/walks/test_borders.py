"""Rows of another tenant are nowhere: not in lists, and not whatever one does with their ids."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.api.walks.walk import LOOKING, PARAMETER, Asking, Operation, Walker, bodies, locked, strangers

# Lists of an area that are the same for all its tenants, each for a reason of its own.
SHARED_LISTS = frozenset(
    {
        # Masters: what one chooses from, and what the carrier calls it.
        "/api/agencies/choices",
        "/api/agencies/options",
        "/api/agencies/carrier-fields",
    }
)
# An id that no row has.
NOBODYS = str(2**62)


def test_people_of_two_agencies_or_nurseries_have_no_row_in_common(walkers: list[Walker]) -> None:
    for one, other in strangers(walkers):
        theirs = dict(other.lists())
        for place, rows in one.lists():
            tenants = [walker.tenants.get(place.split("/")[2]) for walker in (one, other)]
            if None in tenants or tenants[0] == tenants[1] or place in SHARED_LISTS:
                continue
            common = {row["id"] for row in rows if "id" in row} & {row.get("id") for row in theirs.get(place, [])}
            assert not common, (place, one.login_id, other.login_id, common)


@LOOKING
def test_rows_of_others_are_not_there_whatever_one_does_with_their_ids(walkers: list[Walker], looking: Asking) -> None:
    """Read, change, delete: absent and not-yours are the same 404. Who lacks the permission was refused above."""
    wrong, who = list[tuple[Any, ...]](), looking(walkers)
    for operation in locked():
        if not operation.parameters:
            continue
        places = {place for walker in walkers for place in walker.places(operation.path)}
        for one in (walker for walker in who if walker.may(operation)):
            # All that one can list, and not only the first ROWS_FOLLOWED: what is further down is one's own too.
            for place in places - one.all_places(operation.path):
                for body in bodies(operation):
                    answer = one.call(operation.method, place, json=body)
                    if answer.status_code not in (403, 404) and not _is_refused_anyway(one, operation, body, answer):
                        wrong.append((one.login_id, operation.method, place, answer.status_code, answer.text[:300]))
    assert not wrong


def _is_refused_anyway(one: Walker, operation: Operation, body: object, answer: httpx2.Response) -> bool:
    """A body that the document's schema allows and its words do not, such as an end before its beginning, is refused
    before any row is looked for: then a row that nobody has is refused the same."""
    if answer.status_code != 422:
        return False
    absent = one.call(operation.method, PARAMETER.sub(NOBODYS, operation.path), json=body)
    return (absent.status_code, absent.json()) == (answer.status_code, answer.json())
