"""Rows of another tenant are nowhere: not in lists, and not by their ids."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.api.walks.walk import (
    CHOOSE_WALKERS,
    PARAMETER,
    Operation,
    Walker,
    WalkerChoice,
    bodies,
    protected_operations,
    walker_pairs,
)

# Lists of an area that are the same for all its tenants, each for a reason of its own.
SHARED_LISTS = frozenset(
    {
        # Masters: the choices, and the names that the carrier gives them.
        "/api/agencies/choices",
        "/api/agencies/options",
        "/api/agencies/carrier-fields",
    }
)
# An id that no row has.
ABSENT_ID = str(2**62)


def test_people_of_two_agencies_or_nurseries_have_no_row_in_common(walkers: list[Walker]) -> None:
    for reader, owner in walker_pairs(walkers):
        owner_lists = dict(owner.lists())
        for path, rows in reader.lists():
            tenants = [walker.tenants.get(path.split("/")[2]) for walker in (reader, owner)]
            if None in tenants or tenants[0] == tenants[1] or path in SHARED_LISTS:
                continue
            common = {row["id"] for row in rows if "id" in row} & {row.get("id") for row in owner_lists.get(path, [])}
            assert not common, (
                f"{path} shows {reader.login_id} rows of {owner.login_id}: {common}. Scope its query (`in_scope`) and "
                "its table (`enforce_isolation`), or add a list that all share to SHARED_LISTS"
            )


@CHOOSE_WALKERS
def test_rows_of_other_tenants_are_404_for_every_operation(walkers: list[Walker], choose: WalkerChoice) -> None:
    """Read, change, delete: an absent row and a row of another tenant are the same 404. A missing permission is
    tested in test_refusals."""
    wrong, chosen = list[tuple[Any, ...]](), choose(walkers)
    for operation in protected_operations():
        if not operation.path_parameter_count:
            continue
        paths = {path for walker in walkers for path in walker.paths(operation.path)}
        for walker in (walker for walker in chosen if walker.may(operation)):
            # Everything that the walker can list, and not only the first ROWS_FOLLOWED: rows further down are its own
            # too.
            for path in paths - walker.all_paths(operation.path):
                for body in bodies(operation):
                    answer = walker.call(operation.method, path, json=body)
                    if answer.status_code not in (403, 404) and not _is_refused_anyway(walker, operation, body, answer):
                        wrong.append((walker.login_id, operation.method, path, answer.status_code, answer.text[:300]))
    assert not wrong


def _is_refused_anyway(walker: Walker, operation: Operation, body: object, answer: httpx2.Response) -> bool:
    """A body that the document's schema allows and its text does not, such as an end before its beginning, is
    refused before the row is looked up: then an absent row is refused in the same way."""
    if answer.status_code != 422:
        return False
    absent = walker.call(operation.method, PARAMETER.sub(ABSENT_ID, operation.path), json=body)
    return (absent.status_code, absent.json()) == (answer.status_code, answer.json())
