"""The columns of a list and their values: pure functions of a definition and the forms' questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from service.loaners.forms.rules import Meaning, Question, Type, answers_by_meaning, choice_number
from service.loaners.rules import (
    AUDIT_COLUMNS,
    CATEGORIES,
    DEPOSIT_LABELS,
    HELD_LABELS,
    OTHER_COLUMNS,
    STATUS_LABELS,
    Deposit,
    Group,
    Kind,
    Status,
    format_timestamp,
)

BY_DEVICE_TYPE, FROM_FORMS = "dynamic_device_type", "dynamic_from_forms"
# The view of the page サマリー.
SUMMARY = "SUMMARY"
# Section 4.1.2: the same six columns for every kind.
INTEGRATED, INTEGRATED_NAME = "INTEGRATED", "統合表示"
INTEGRATED_TEXT = "端末・プリンタ・その他をまとめて表示"
INTEGRATED_COLUMNS = ("拠点管理番号", "機器種別", "機種名", "製造番号", "利用状況", "更新日時")
HEADER = re.compile(r"[0-9]+(-[0-9]+){1,2}\..+")
UNREGISTERED = "未登録"


@dataclass(frozen=True)
class Nesting:
    """Columns of `nested` (3-{X}-*) depend on the answer to 3-0; other columns of `base` (3-*) are always shown."""

    base: str
    nested: str


@dataclass(frozen=True)
class Definition:
    """A view's definition; `schemas.read_definition` creates it from the document's JSON.

    Args:
        columns: the columns; for a status-driven view, the columns when no status is selected.
        base: the fixed columns of a status-driven view, next to the columns of the status; None: not status-driven.
        mapping: the source of a column's value.
        letters: the source by position in the audit's sheet, None: no positions; `names`: by header, with priority.
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
            name: group.value for group in Group for name, category in CATEGORIES.items() if category.group is group
        }
    )
    archived: bool | None = None
    statuses: tuple[Status, ...] = ()


# Section 4.1.2, not a row of the master: all three masters with the same six columns.
INTEGRATED_VIEW = Definition((*Kind,), INTEGRATED_COLUMNS)
CARDS = {labels.card: deposit for deposit, labels in DEPOSIT_LABELS.items()}


def unknown_columns(definition: Definition, custom: Iterable[str]) -> list[str]:
    """Columns of the definition that have no source; `custom`: titles of custom columns."""
    known_columns = {
        *AUDIT_COLUMNS,
        *OTHER_COLUMNS,
        *custom,
        *definition.mapping,
        *(definition.letters or ()),
        *definition.names,
    }
    sources = [name if source == FROM_FORMS else source for name, source in definition.mapping.items()]
    known_sources = {*AUDIT_COLUMNS, *OTHER_COLUMNS, *custom}
    unknown = [
        name for name in sources if name != BY_DEVICE_TYPE and name not in known_sources and not HEADER.fullmatch(name)
    ]
    shown = (*definition.columns, *(definition.base or ()))
    unknown += [name for name in shown if name not in known_columns and not HEADER.fullmatch(name)]
    return [*dict.fromkeys(unknown)]


@dataclass(frozen=True)
class FormColumn:
    """A column of a form's question: its header, and the question key that decides when it is shown."""

    question_key: str
    header: str


def form_columns(forms: Iterable[Sequence[Question]]) -> list[FormColumn]:
    """The columns of these forms, in order, each header once. A question without a number gets the key of the question
    that it depends on: 預り機のステータス gets 1-4."""
    by_header: dict[str, FormColumn] = {}
    for questions in forms:
        for question in questions:
            question_key = question.key if question.key[0].isdigit() else question.when[0].key if question.when else ""
            by_header.setdefault(question.header, FormColumn(question_key, question.header))
    return [*by_header.values()]


def _matches(pattern: str, question_key: str) -> re.Match[str] | None:
    """Matches `3-*`, or `3-{X}-*` with X as the first group."""
    return re.fullmatch(re.escape(pattern).replace(r"\{X\}", "([0-9]+)").replace(r"\*", ".+"), question_key)


def visible_columns(
    definition: Definition, columns: Sequence[FormColumn], status: Status | None = None, nested: str | None = None
) -> list[str]:
    """The list's columns. `nested`: the selected answer to 3-0; without it, all columns of 3-* are shown."""
    if definition.base is None or status is None:
        return [*definition.columns]
    matching = [column for column in columns if _matches(f"{status.value}-*", column.question_key)]
    rule = definition.nesting.get(status)
    if rule and nested:
        matching = [column for column in matching if _matches_nesting(rule, column, choice_number(nested))]
    return [*dict.fromkeys([*definition.base, *(column.header for column in matching)])]


def _matches_nesting(rule: Nesting, column: FormColumn, number: str) -> bool:
    match = _matches(rule.nested, column.question_key)
    return match[1] == number if match else _matches(rule.base, column.question_key) is not None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The values of a device at a point in time; `answers` and `questions` are those of its last form."""

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


def row_values(facts: Facts) -> dict[str, str]:
    """All values that a list can show, by column name, in the order of letters: the audit's sheet, the masters, custom
    columns, questions."""
    meanings = answers_by_meaning(facts.questions, facts.answers)
    person = facts.answers.get("0-1") or meanings.get(Meaning.PERSON) or facts.actor_name
    status = STATUS_LABELS[facts.status] if facts.status else ""
    deposit = DEPOSIT_LABELS[facts.deposit].title if facts.deposit else ""
    is_lent = facts.status is Status.LENT
    audit = (
        person,
        facts.asset_number or meanings.get(Meaning.ASSET_NUMBER, ""),
        facts.number,
        facts.model_name,
        facts.serial,
        facts.software,
        facts.os,
        status,
        meanings.get(Meaning.BORROWER, "") if is_lent else "",
        format_day(meanings.get(Meaning.LENT_ON, "")) if is_lent else "",
        HELD_LABELS[facts.held] if is_lent and facts.held is not None else "",
        meanings.get(Meaning.RECEIPT, "") if is_lent else "",
        meanings.get(Meaning.NOTE, ""),
    )
    others = (
        facts.maker,
        facts.category,
        facts.kind.label,
        facts.site_name,
        facts.jurisdiction,
        "無効" if facts.is_archived else status or UNREGISTERED,
        deposit,
        deposit,
        format_day(meanings.get(Meaning.DUE_ON, "")) if is_lent else "",
        *[format_timestamp(facts.created_at)] * 2,
        *[format_timestamp(facts.updated_at)] * 2,
        format_timestamp(facts.told_at) if facts.told_at else "",
        facts.actor_mail,
        *[facts.url] * 2,
        person,
        status,
    )
    fixed = dict(zip((*AUDIT_COLUMNS, *OTHER_COLUMNS), (*audit, *others), strict=True))
    by_question = {
        question.header: format_day(value) if question.type is Type.DATE else value
        for question in facts.questions
        if (value := facts.answers.get(question.key))
    }
    return _merged(fixed, facts.further, by_question)


def _merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Merges the parts; for a name in several parts, the first value is used."""
    result: dict[str, str] = {}
    for part in parts:
        for name, value in part.items():
            result.setdefault(name, value)
    return result


def format_day(value: str) -> str:
    """2026/11/21 for an answer 2026-11-21; other values do not change."""
    try:
        return date.fromisoformat(value).strftime("%Y/%m/%d")
    except ValueError:
        return value


def cell_value(definition: Definition, column: str, values: Mapping[str, str], category: str) -> str:
    """The value of the column; `values` are those of `row_values`. "" without a value."""
    if definition.letters is not None:
        return _value_by_header_or_letter(definition, column, values)
    source = definition.mapping.get(column, column)
    if source == BY_DEVICE_TYPE:
        return definition.device_types.get(category, "")
    return values.get(column if source == FROM_FORMS else source, "")


def _value_by_header_or_letter(definition: Definition, column: str, values: Mapping[str, str]) -> str:
    """Headers have priority over letters: letters are wrong as soon as a column is inserted."""
    for name in definition.names.get(column, ()):
        if (header := _header_named(name, values)) is not None:
            return values[header]
    if letter := (definition.letters or {}).get(column):
        index = column_number(letter)
        return [*values.values()][index] if index < len(values) else ""
    return values.get(column, "")


def _header_named(name: str, values: Mapping[str, str]) -> str | None:
    """The header with this name, with or without a question key before it."""
    if name in values:
        return name
    return next((header for header in values if HEADER.fullmatch(header) and header.partition(".")[2] == name), None)


def column_number(letter: str) -> int:
    """0 for A列, 26 for AA列."""
    number = 0
    for character in letter.removesuffix("列"):
        number = number * 26 + ord(character) - ord("A") + 1
    return number - 1
