"""The audit log is shown in Japanese. `tests.audit_words` checks the entries that tests write; this module checks
the entries that the code names."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from service.core.areas import AREAS, CORE
from service.core.audit import Action, names, search
from service.core.catalogue import entries_by_key
from service.core.exports.declared import ExportList
from stack.home import ROOT
from tests.audit_words import missing_titles

WRITERS = {"audit.record", "audit.record_many"}


def entries_in_code() -> list[tuple[str, ast.Call]]:
    """Every call that writes an audit entry, with the area of its file."""
    calls = []
    for path in [*(ROOT / "service").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")]:
        package, area = path.relative_to(ROOT).parts[:2]
        text = path.read_text()
        if not any(writer in text for writer in WRITERS):
            continue
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in WRITERS:
                calls.append((area if package == "service" and area in AREAS else CORE, call))
    return calls


def keys(value: ast.AST) -> set[str]:
    dicts = [part for part in ast.walk(value) if isinstance(part, ast.Dict)]
    return {str(key.value) for item in dicts for key in item.keys if isinstance(key, ast.Constant)}


def test_every_subject_and_field_that_the_code_names_has_a_label() -> None:
    calls = entries_in_code()
    missing = []
    for area, call in calls:
        subject = call.args[4].value if isinstance(call.args[4], ast.Constant) else "user"
        fields = {key for keyword in call.keywords if keyword.arg in ("before", "after") for key in keys(keyword.value)}
        missing += missing_titles(area, str(subject), dict.fromkeys(fields))

    assert len(calls) > 20
    assert missing == [], "add its label to `subjects` or `fields` of AREA in `service/<area>/rules.py`"


def test_every_action_has_a_label() -> None:
    assert set(Action.__args__) == set(search.ACTION_TITLES), "add its label to ACTION_TITLES"  # type: ignore[attr-defined]


def codes_in(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    """The codes that a filter takes: of an enumeration, or of a pattern of choices."""
    if "$ref" in schema:
        return codes_in(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    choices = re.fullmatch(r"\^\((.*)\)\$", schema.get("pattern", ""))
    codes = [*schema.get("enum", ()), *(choices[1].split("|") if choices else ())]
    inner = [code for part in schema.get("anyOf", ()) for code in codes_in(part, definitions)]
    return [code for code in (*codes, *inner) if re.fullmatch(r"\w+", str(code))]


def test_the_filters_of_every_export_are_audited_in_words() -> None:
    missing = []
    for key, export in entries_by_key("exports", ExportList).items():
        schema = export.filters.model_json_schema()
        titles, values = search.field_titles(export.area), search._values(export.area, key)
        for name, field in schema["properties"].items():
            # The categories of devices are the document's own words; sort keys are fields.
            codes = [] if name in ("category", "sort") else codes_in(field, schema.get("$defs", {}))
            missing += [] if name in titles else [f"{key}: {name}"]
            missing += [f"{key}: {name} {code}" for code in codes if code not in values.get(name, {})]
            if name.endswith("_id"):
                missing += [] if name in names.fields(export.area) else [f"{key}: names of {name}"]

    assert missing == []


def test_a_missing_label_is_noticed() -> None:
    assert missing_titles("fleet", "spaceship", {"name": "x", "cargo": [{"weight": 1}]}) == [
        "fleet: subject spaceship",
        "fleet: field cargo",
        "fleet: field weight",
    ]
