"""Each POST of the dashboards has an idempotency key, or is listed here with the reason why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fastapi.routing import APIRoute

from service.core.http import idempotency
from service.main import route_permissions
from stack.home import ROOT
from tests.whole import service_app

# By file and last segment of the path.
WITHOUT_A_KEY = {
    # Read only: previews, duplicates, current viewers.
    ("agencies/case_talk.py", "viewing"),
    ("agencies/corporation.py", "duplicates"),
    ("agencies/new_request.py", "duplicates"),
    ("agencies/sending.py", "check"),
    ("fleet/firmware_forms.py", "preview"),
    ("loaners/status_form.py", "check"),
    # A card number is shown briefly, and no copy of it is stored for a replay.
    ("agencies/card_dialogs.py", "reveal"),
    # Repeating changes nothing: read markers, scans, and values computed from the records.
    ("agencies/request.py", "read"),
    ("loaners/stocktake_count.py", "scans"),
    ("loaners/upkeep.py", "rebuild"),
    ("reservations/management.py", "recount"),
    # The body has an id of its own.
    ("agencies/sending.py", "PATH"),
    ("loaners/status_form.py", "status"),
    ("reservations/reservation_new.py", "operation_actions.PATH"),
    # Routes without a session, or that end it.
    ("core/password.py", "password"),
    ("login.py", "login"),
    ("login.py", "logout"),
}


def _without_a_key() -> Iterator[tuple[str, str]]:
    folder = ROOT / "dashboards"
    for path in folder.rglob("*.py"):
        text = path.read_text()
        for call in ast.walk(ast.parse(text)) if "idempotency_key=None" in text else ():
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "post"):
                continue
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if arguments.get("idempotency_key") == "None":
                segment = ast.unparse(call.args[0]).strip("f'\"").rpartition("/")[2]
                yield path.relative_to(folder).as_posix(), segment


def test_what_is_posted_without_a_key_does_no_harm_when_it_is_posted_twice() -> None:
    posted = set(_without_a_key())

    assert posted <= WITHOUT_A_KEY, (
        f"{posted - WITHOUT_A_KEY}: post with `idempotency_key=key` (forms.send and confirm.confirm hand one over), or "
        "add it to WITHOUT_A_KEY with the reason why a second post does no harm"
    )
    assert posted >= WITHOUT_A_KEY, f"remove {WITHOUT_A_KEY - posted} from WITHOUT_A_KEY"


def test_every_post_route_with_a_permission_can_replay_its_answer() -> None:
    """An answer is stored for replay as JSON or as empty; a file is neither."""
    routes = [
        route
        for _, route, declared in route_permissions(service_app().fastapi)
        if declared and "POST" in (route.methods or ())
    ]

    assert [route.path for route in routes if not idempotency.is_idempotent(route)] == [
        "/api/agencies/corporations/{corporation_id}/card/reveal"
    ]
    assert [route.path for route in routes if not (route.status_code == 204 or _is_json(route))] == [], (
        "answer with a schema or with status 204"
    )


def _is_json(route: APIRoute) -> bool:
    return route.response_model is not None
