"""What is said about a wrong value, on every route and every tool: in Japanese, what the field takes, with an example
where it is a pattern, and never a bound that only a column has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from service.core.http.problem_responses import field_errors
from service.core.values import messages
from service.reservations.assistants import mcp
from tests.api.openapi.fields import fields_by_route

# Each is wrong for most kinds of fields; alone, and in the place of every field of a body.
WRONG: list[Any] = [
    None,
    "",
    " ",
    "\x00",
    "一行\n二行",
    "！？",
    "x" * 30_000,
    "0",
    "2026-99-99",
    "1969-01-01T00:00:00Z",
    "2026-11-21T09:05:00",
    10**30,
    -(10**30),
    2**63,
    2**31,
    -1,
    1.5,
    float("nan"),
    True,
    [],
    [None] * 2_000,
    {},
    {"?": 1},
]
# Words that a message may have besides Japanese: formats, and what an example or a choice is.
WORDS = {"API", "Base64", "Ed25519", "JSON", "NUL", "SHA", "SMS", "UUID", "false", "me", "none", "true", "KB", "URL"}
EXAMPLE = re.compile(r"（例: [^）]*）")
CHOICES = re.compile(r"選べる値は .* です。")
QUOTED = re.compile(r"「[^」]*」")
FORMATS = re.compile(r"\d{4}-\d\d(-\d\d)?(T[\d:]+(\+\d\d:\d\d|Z))?|next_cursor")
JAPANESE = re.compile(r"[ぁ-んァ-ン一-龥]")
FIELD = re.compile(r"[\w?-]+(\.[\w?-]+)*|")
EXAMPLE_OR_FORMAT = re.compile(r"例: |例）|\d{4}-\d\d|22:00| の形で")


def wrongly_filled(schema: Mapping[str, Any], definitions: Mapping[str, Any], wrong: Any, depth: int = 0) -> Any:
    """A value of the schema's shape, with the wrong value in every field."""
    if "$ref" in schema:
        return wrongly_filled(definitions[schema["$ref"].rpartition("/")[2]], definitions, wrong, depth)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if choice.get("type") != "null":
            return wrongly_filled(choice, definitions, wrong, depth)
    if depth < 4 and "properties" in schema:
        return {
            name: wrongly_filled(field, definitions, wrong, depth + 1) for name, field in schema["properties"].items()
        }
    if depth < 4 and schema.get("type") == "array" and "items" in schema:
        return [wrongly_filled(schema["items"], definitions, wrong, depth + 1)]
    return wrong


def refusals() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every error of every field of every route and tool: (where, pydantic's error)."""
    for path, field in fields_by_route():
        for value in _values(field._type_adapter.json_schema()):
            for error in field.validate(value, loc=("body", field.alias))[1]:
                yield f"{path} {field.alias}", error
    for tool in mcp.Tools(lambda: "").listed():
        model = tool.fn_metadata.arg_model
        for value in _values(model.model_json_schema()):
            try:
                model.model_validate(value)
            except ValidationError as refused:
                for details in refused.errors(include_url=False):
                    yield tool.name, dict(details)


def _values(schema: Mapping[str, Any]) -> Iterator[Any]:
    for wrong in WRONG:
        yield wrong
        yield wrongly_filled(schema, schema.get("$defs", {}), wrong)


def complaints(field: str, kind: str, message: str) -> Iterator[str]:
    """What is wrong with a message."""
    if not message.endswith("。") or not JAPANESE.search(message):
        yield "no Japanese sentence"
    if message == messages._OTHER:
        yield "does not say what the field takes"
    if kind == "string_pattern_mismatch" and not (EXAMPLE_OR_FORMAT.search(message) or CHOICES.search(message)):
        yield "no example"
    unknown_text = message
    for known in (EXAMPLE, CHOICES, QUOTED, FORMATS):
        unknown_text = known.sub("", unknown_text)
    names = {*re.findall(r"\w+", field), *WORDS}
    if unknown := set(re.findall(r"[A-Za-z]{2,}[A-Za-z0-9]*", unknown_text)) - names:
        yield f"English: {unknown}"
    if re.search(r"\d{10,}|\d[eE]\+", unknown_text):
        yield "a bound that only a column has"
    if not FIELD.fullmatch(field):
        yield "the field's name is none"


def test_every_refusal_says_in_japanese_what_the_field_takes() -> None:
    found: dict[str, str] = {}
    kinds = set()
    for where, error in refusals():
        [(field, message)] = field_errors([error])
        kinds.add(error["type"])
        for complaint in complaints(field, error["type"], message):
            found.setdefault(f"{complaint}: {message}", f"{where} {field} ({error['type']})")

    assert not found, "\n".join(f"{complaint} <- {where}" for complaint, where in found.items())
    # The walk met every kind of field.
    assert kinds >= {
        "string_pattern_mismatch",
        "uuid_parsing",
        "datetime_from_date_parsing",
        "date_from_datetime_parsing",
        "enum",
        "less_than",
    }
    assert kinds <= messages.MESSAGES.keys()


def test_a_complaint_is_noticed() -> None:
    assert [*complaints("age", "less_than", "9223372036854775808より小さい値を指定してください。")]
    assert [*complaints("day", "value_error", "Invalid isoformat string")]
    assert [*complaints("state", "enum", "選べる値は 'a' or 'b' です")]
    assert [*complaints("mail", "string_pattern_mismatch", "形式が正しくありません。")]
    assert not [*complaints("mail", "missing", "必須の項目です。")]
