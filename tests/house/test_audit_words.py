"""People read the audit trail in Japanese. What is written while tests run is watched by `tests.audit_words`; here is
what the code itself names."""

from __future__ import annotations

import ast

from service.core.areas import AREAS, CORE
from service.core.audit import Action, search
from stack.home import ROOT
from tests.audit_words import without_words

WRITERS = {"audit.record", "audit.record_many"}


def entries_in_code() -> list[tuple[str, ast.Call]]:
    """Every call that writes an entry, with the area of the file it stands in."""
    found = []
    for path in [*(ROOT / "service").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")]:
        room, area = path.relative_to(ROOT).parts[:2]
        text = path.read_text()
        if not any(writer in text for writer in WRITERS):
            continue
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in WRITERS:
                found.append((area if room == "service" and area in AREAS else CORE, call))
    return found


def keys(value: ast.AST) -> set[str]:
    shown = [part for part in ast.walk(value) if isinstance(part, ast.Dict)]
    return {str(key.value) for one in shown for key in one.keys if isinstance(key, ast.Constant)}


def test_every_subject_and_field_that_the_code_names_has_a_word() -> None:
    calls = entries_in_code()
    wordless = []
    for area, call in calls:
        subject = call.args[4].value if isinstance(call.args[4], ast.Constant) else "user"
        named = {key for part in call.keywords if part.arg in ("before", "after") for key in keys(part.value)}
        wordless += without_words(area, str(subject), dict.fromkeys(named))

    assert len(calls) > 20
    assert wordless == []


def test_every_action_has_a_word() -> None:
    assert set(Action.__args__) == set(search.ACTION_TITLES)  # type: ignore[attr-defined]


def test_what_has_no_word_is_noticed() -> None:
    assert without_words("fleet", "spaceship", {"name": "x", "cargo": [{"weight": 1}]}) == [
        "fleet: subject spaceship",
        "fleet: field cargo",
        "fleet: field weight",
    ]
