"""What is posted is done once: each call of the dashboards has a key, or stands here with the reason why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fastapi.routing import APIRoute

from service.core.http import idempotency
from service.main import route_permissions
from stack.home import ROOT
from tests.whole import whole

# By the file and the last word of the path.
WITHOUT_A_KEY = {
    # Only read: what a form would do, who is alike, who else looks.
    ("agencies/case_talk.py", "viewing"),
    ("agencies/corporation.py", "duplicates"),
    ("agencies/new_request.py", "duplicates"),
    ("agencies/sending.py", "check"),
    ("fleet/firmware_forms.py", "preview"),
    ("loaners/status_form.py", "check"),
    # A card number is shown for a moment, and no copy of it is kept to be told again.
    ("agencies/card_dialogs.py", "reveal"),
    # Twice is once: read up to here, found is found, and what is worked out from the records.
    ("agencies/request.py", "read"),
    ("loaners/stocktake_count.py", "scans"),
    ("loaners/upkeep.py", "rebuild"),
    ("reservations/management.py", "recount"),
    # The body carries an id of its own.
    ("agencies/sending.py", "PATH"),
    ("loaners/status_form.py", "status"),
    ("reservations/reservation_new.py", "operation_actions.PATH"),
    # Doors that no session opens, or that end it.
    ("core/password.py", "password"),
    ("login.py", "login"),
    ("login.py", "logout"),
}


def _without_a_key() -> Iterator[tuple[str, str]]:
    folder = ROOT / "dashboards"
    for path in folder.rglob("*.py"):
        text = path.read_text()
        for call in ast.walk(ast.parse(text)) if "once=None" in text else ():
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "post"):
                continue
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if given.get("once") == "None":
                place = ast.unparse(call.args[0]).strip("f'\"").rpartition("/")[2]
                yield path.relative_to(folder).as_posix(), place


def test_what_is_posted_without_a_key_does_no_harm_when_it_is_posted_twice() -> None:
    assert set(_without_a_key()) == WITHOUT_A_KEY


def test_every_door_that_a_session_opens_knows_a_repeat_and_can_tell_its_answer_again() -> None:
    """An answer is kept as JSON, or as nothing: a file is none of these."""
    posts = [
        route
        for _, route, declared in route_permissions(whole().fastapi)
        if declared and "POST" in (route.methods or ())
    ]

    assert [route.path for route in posts if not idempotency.is_idempotent(route)] == [
        "/api/agencies/corporations/{corporation_id}/card/reveal"
    ]
    assert [route.path for route in posts if not (route.status_code == 204 or _is_json(route))] == []


def _is_json(route: APIRoute) -> bool:
    return route.response_model is not None
