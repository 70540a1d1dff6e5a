"""Which columns a list has, and what stands in them: pure functions of a definition and the forms' questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from service.loaners.forms.rules import Meaning, Question, Type, meant, prefix
from service.loaners.rules import (
    AUDIT_SHEET,
    CATEGORIES,
    DEPOSIT_WORDS,
    HELD_WORDS,
    KIND_WORDS,
    OTHERS,
    STATUS_WORDS,
    Deposit,
    Group,
    Kind,
    Status,
    written,
)

BY_DEVICE_TYPE, FROM_FORMS = "dynamic_device_type", "dynamic_from_forms"
# What the page サマリー is made of.
SUMMARY = "SUMMARY"
# Section 4.1.2: the same six of every kind.
INTEGRATED, INTEGRATED_NAME = "INTEGRATED", "統合表示"
INTEGRATED_TEXT = "端末・プリンタ・その他をまとめて表示"
INTEGRATED_COLUMNS = ("拠点管理番号", "機器種別", "機種名", "製造番号", "利用状況", "更新日時")
HEADER = re.compile(r"[0-9]+(-[0-9]+){1,2}\..+")
UNREGISTERED = "未登録"


@dataclass(frozen=True)
class Nesting:
    """Columns `nested` (3-{X}-*) are shown by the answer to 3-0, others of `base` (3-*) always."""

    base: str
    nested: str


@dataclass(frozen=True)
class Definition:
    """A view as the engine reads it; `schemas.read` makes it of the document's JSON.

    Args:
        columns: what is shown; of a view whose columns follow the status, what is shown of any status.
        base: what such a view shows besides the status's own columns; None: it is no such view.
        mapping: of a column, where its value comes from.
        letters: the same by position in the audit's sheet; `names`: by header, which wins. None: it has no positions.
        groups: デバイスタイプ by category.
    """

    kinds: tuple[Kind, ...]
    columns: tuple[str, ...]
    base: tuple[str, ...] | None = None
    nesting: Mapping[Status, Nesting] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    device_types: Mapping[str, str] = field(default_factory=dict)
    letters: Mapping[str, str] | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(
        default_factory=lambda: {
            name: group.value for group in Group for name, one in CATEGORIES.items() if one.group is group
        }
    )
    archived: bool | None = None
    statuses: tuple[Status, ...] = ()


# Section 4.1.2, which is no row of the master: all three masters, the same six columns.
INTEGRATED_VIEW = Definition((*Kind,), INTEGRATED_COLUMNS)
CARDS = {words.card: deposit for deposit, words in DEPOSIT_WORDS.items()}


def strange_columns(definition: Definition, further: Iterable[str]) -> list[str]:
    """Columns that it shows and nothing could stand in; `further` are those that administrators added."""
    known = {*AUDIT_SHEET, *OTHERS, *further, *definition.mapping, *(definition.letters or ()), *definition.names}
    sources = [name if where == FROM_FORMS else where for name, where in definition.mapping.items()]
    given = {*AUDIT_SHEET, *OTHERS, *further}
    wrong = [name for name in sources if name != BY_DEVICE_TYPE and name not in given and not HEADER.fullmatch(name)]
    shown = (*definition.columns, *(definition.base or ()))
    wrong += [name for name in shown if name not in known and not HEADER.fullmatch(name)]
    return [*dict.fromkeys(wrong)]


@dataclass(frozen=True)
class Available:
    """A column that forms bring along: its header, and the question's number that says when it is shown."""

    place: str
    header: str


def available(forms: Iterable[Sequence[Question]]) -> list[Available]:
    """Of these forms, in their order, each header once. A question without a number stands with the one it depends
    on: 預り機のステータス with 1-4."""
    found: dict[str, Available] = {}
    for questions in forms:
        for question in questions:
            place = question.key if question.key[0].isdigit() else question.when[0].key if question.when else ""
            found.setdefault(question.header, Available(place, question.header))
    return [*found.values()]


def _matches(pattern: str, place: str) -> re.Match[str] | None:
    """`3-*`, and `3-{X}-*` with X as the first group."""
    return re.fullmatch(re.escape(pattern).replace(r"\{X\}", "([0-9]+)").replace(r"\*", ".+"), place)


def shown(
    definition: Definition, columns: Sequence[Available], status: Status | None = None, nested: str | None = None
) -> list[str]:
    """The list's columns. `nested` is what 3-0 was narrowed to; without it, all of 3-* are shown."""
    if definition.base is None or status is None:
        return [*definition.columns]
    fitting = [column for column in columns if _matches(f"{status.value}-*", column.place)]
    rule = definition.nesting.get(status)
    if rule and nested:
        fitting = [column for column in fitting if _is_of(rule, column, prefix(nested))]
    return [*dict.fromkeys([*definition.base, *(column.header for column in fitting)])]


def _is_of(rule: Nesting, column: Available, wanted: str) -> bool:
    inner = _matches(rule.nested, column.place)
    return inner[1] == wanted if inner else _matches(rule.base, column.place) is not None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a device at a moment; `answers` are those of its last form, whose `questions` they are read
    by."""

    number: str
    kind: Kind
    category: str
    model_name: str
    maker: str
    serial: str
    asset_number: str
    software: str
    os: str
    site_name: str
    jurisdiction: str
    status: Status | None
    held: bool | None
    deposit: Deposit | None
    is_archived: bool
    created_at: datetime
    updated_at: datetime
    told_at: datetime | None
    actor_name: str
    actor_mail: str
    answers: Mapping[str, str]
    questions: Sequence[Question]
    further: Mapping[str, str]
    url: str


def sheet(facts: Facts) -> dict[str, str]:
    """Everything that a list can show of it, by the column's name and in the order of letters: the audit's sheet, the
    masters, further columns, the questions."""
    said = meant(facts.questions, facts.answers)
    person = facts.answers.get("0-1") or said.get(Meaning.PERSON) or facts.actor_name
    status = STATUS_WORDS[facts.status] if facts.status else ""
    deposit = DEPOSIT_WORDS[facts.deposit].title if facts.deposit else ""
    lent = facts.status is Status.LENT
    audit = (
        person,
        facts.asset_number or said.get(Meaning.ASSET_NUMBER, ""),
        facts.number,
        facts.model_name,
        facts.serial,
        facts.software,
        facts.os,
        status,
        said.get(Meaning.BORROWER, "") if lent else "",
        day_written(said.get(Meaning.LENT_ON, "")) if lent else "",
        HELD_WORDS[facts.held] if lent and facts.held is not None else "",
        said.get(Meaning.RECEIPT, "") if lent else "",
        said.get(Meaning.NOTE, ""),
    )
    others = (
        facts.maker,
        facts.category,
        KIND_WORDS[facts.kind],
        facts.site_name,
        facts.jurisdiction,
        "無効" if facts.is_archived else status or UNREGISTERED,
        deposit,
        deposit,
        day_written(said.get(Meaning.DUE_ON, "")) if lent else "",
        *[written(facts.created_at)] * 2,
        *[written(facts.updated_at)] * 2,
        written(facts.told_at) if facts.told_at else "",
        facts.actor_mail,
        *[facts.url] * 2,
        person,
        status,
    )
    fixed = dict(zip((*AUDIT_SHEET, *OTHERS), (*audit, *others), strict=True))
    answered = {
        question.header: day_written(value) if question.type is Type.DATE else value
        for question in facts.questions
        if (value := facts.answers.get(question.key))
    }
    return _ordered(fixed, facts.further, answered)


def _ordered(*parts: Mapping[str, str]) -> dict[str, str]:
    """What was said first stays."""
    found: dict[str, str] = {}
    for part in parts:
        for name, value in part.items():
            found.setdefault(name, value)
    return found


def day_written(value: str) -> str:
    """2026/11/21 of an answer's 2026-11-21; anything else as it is."""
    try:
        return date.fromisoformat(value).strftime("%Y/%m/%d")
    except ValueError:
        return value


def cell(definition: Definition, column: str, values: Mapping[str, str], category: str) -> str:
    """What stands in the column, of a device whose `sheet` these are; "" for what is not known of it."""
    if definition.letters is not None:
        return _by_header_or_letter(definition, column, values)
    where = definition.mapping.get(column, column)
    if where == BY_DEVICE_TYPE:
        return definition.device_types.get(category, "")
    return values.get(column if where == FROM_FORMS else where, "")


def _by_header_or_letter(definition: Definition, column: str, values: Mapping[str, str]) -> str:
    """Names win over letters, which would lead astray as soon as somebody puts a column in between."""
    for name in definition.names.get(column, ()):
        if (header := _header_named(name, values)) is not None:
            return values[header]
    if letter := (definition.letters or {}).get(column):
        place = column_number(letter)
        return [*values.values()][place] if place < len(values) else ""
    return values.get(column, "")


def _header_named(name: str, values: Mapping[str, str]) -> str | None:
    """The header of that name, with a question's number before it or without."""
    if name in values:
        return name
    return next((header for header in values if HEADER.fullmatch(header) and header.partition(".")[2] == name), None)


def column_number(letter: str) -> int:
    """0 of A列, 26 of AA列."""
    number = 0
    for sign in letter.removesuffix("列"):
        number = number * 26 + ord(sign) - ord("A") + 1
    return number - 1
