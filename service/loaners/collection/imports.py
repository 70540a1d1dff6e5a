"""Imports of the collection sheets 端末, プリンタ and その他ステータス収集, in either of the document's versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.imports.kinds import ChangedRow, Field, ImportKind, NewRow, Values
from service.loaners import queries as masters
from service.loaners.collection import queries, rules
from service.loaners.collection.actions import PastEvent, record_events
from service.loaners.collection.schemas import Row
from service.loaners.forms.rules import Meaning, answers_by_meaning
from service.loaners.history.actions import NewEvent
from service.loaners.history.rules import EventKind, Source, allows_deposit, event_columns
from service.loaners.imports import normalize_width
from service.loaners.rules import format_timestamp

STATUS = "0-4.ステータス"
# Columns of every sheet; the other columns are the questions of its form.
_COMMON_FIELDS = (
    Field("status", STATUS, "1.貸出中"),
    Field("1-4.ユーザー機の預り有無", "1-4.ユーザー機の預り有無", "有り"),
    Field(rules.DEPOSIT_HEADERS[0], rules.DEPOSIT_HEADERS[0], "1.返却可能", rules.DEPOSIT_HEADERS[1:], blank=""),
)


def _question_fields(_: Session, headers: Sequence[str]) -> tuple[Field, ...]:
    common = {rules.question_key(field.label) for field in _COMMON_FIELDS}
    question_headers = dict.fromkeys(header for header in headers if rules.question_key(header) not in (None, *common))
    return tuple(Field(header, header, "") for header in question_headers)


def _cells(values: Values) -> dict[str, str]:
    """Answers by header of the sheet."""
    cells = {name: text for name, text in values.items() if name not in Row.model_fields}
    return cells | {STATUS: values["status"]} if "status" in values else cells


def _identity(values: Values) -> str:
    """The same for the same row, whatever the spelling of the cells and the questions of the forms."""
    at = values.get("effective_at")
    return json.dumps(
        [values["number"], at.isoformat() if at else None, rules.raw_answers(_cells(values))], ensure_ascii=False
    )


def _key(reader: _Reader, values: Values) -> str:
    return rules.import_key(reader.devices[values["number"]], values["effective_at"], rules.raw_answers(_cells(values)))


class _Reader:
    """Reads rows of the sheets; loads forms and devices once."""

    def __init__(self, db: Session, numbers: Sequence[str]) -> None:
        self.devices = masters.device_ids_by_number(db, numbers)
        self.kinds = queries.device_kinds(db, list(self.devices.values()))
        self.versions = queries.form_versions(db)
        self.chosen: dict[tuple[str, frozenset[str]], rules.Version] = {}

    def read(self, number: str, cells: Mapping[str, str]) -> tuple[int, rules.Version, dict[str, str], dict[str, str]]:
        """Device id, form version, answers, and error messages by header."""
        device_id = self.devices[number]
        form_key = self.kinds[device_id], frozenset(cells)
        if form_key not in self.chosen:
            self.chosen[form_key] = rules.version_for(self.versions[form_key[0]], form_key[1])
        version = self.chosen[form_key]
        return device_id, version, *rules.read_answers(version, cells)


def _existing(db: Session, _: Actor, identities: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    rows = {identity: json.loads(identity) for identity in identities}
    reader = _Reader(db, [number for number, _, _ in rows.values()])
    keys: dict[str, str] = {}
    for identity, (number, at, cells) in rows.items():
        if number in reader.devices and at:
            keys[identity] = rules.import_key(reader.devices[number], datetime.fromisoformat(at), cells)
    stored = queries.stored_keys(db, list(keys.values()))
    existing: dict[str, tuple[int, Values]] = {}
    for identity, key in keys.items():
        # Also finds a row of this file that is repeated with another number of the device.
        if key in stored:
            existing[identity] = (0, {})
        stored.add(key)
    return existing


def _missing(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    reader, now = _Reader(db, [row["number"] for row in rows]), app_now(db)
    errors: dict[int, tuple[str, str]] = {}
    for index, row in enumerate(rows):
        if row["number"] not in reader.devices:
            message = f"「{row['number']}」の機器が登録されていません。先に機器のマスタを取り込んでください。"
            errors[index] = ("number", message)
        elif row["effective_at"] > now:
            errors[index] = ("effective_at", "タイムスタンプが未来の日時です。")
        elif row_errors := reader.read(row["number"], _cells(row))[3]:
            header, message = next(iter(row_errors.items()))
            errors[index] = ("status" if header == STATUS else header, message)
    return errors


def _past_events(db: Session, new: Sequence[NewRow]) -> Iterator[PastEvent]:
    reader = _Reader(db, [row.values["number"] for row in new])
    keys = [_key(reader, row.values) for row in new]
    # Two rows of a file may be the same row, with the number written in another way.
    stored = queries.stored_keys(db, keys)
    for row, key in zip(new, keys, strict=True):
        if key in stored:
            continue
        stored.add(key)
        values = row.values
        device_id, version, answers, _ = reader.read(values["number"], _cells(values))
        meanings = answers_by_meaning(version.questions, answers)
        columns = event_columns(meanings)
        if not allows_deposit(columns["status"], columns["held"]):
            columns["deposit"] = None
        yield PastEvent(
            device_id=device_id,
            content=NewEvent(
                kind=EventKind.FORM, source=Source.IMPORT, form_id=version.form_id, answers=answers, **columns
            ),
            effective_at=values["effective_at"],
            actor_name=meanings.get(Meaning.PERSON, "")[:100],
            actor_mail=values["mail"],
            import_key=key,
        )


def _create(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    record_events(db, by, list(_past_events(db, new)))


def _change(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    """Events are never changed."""
    if changes:
        raise AssertionError("rows of a collection sheet are only added")


HISTORY = ImportKind(
    key="loaners.history",
    title="ステータス収集シート",
    counter="件",
    permission="loaners:master:update",
    fields=(
        Field(
            "number",
            "拠点管理番号",
            "OSAKA_Printer_MFP_XYZ123_001",
            ("0-2.拠点管理番号", "管理番号", "識別番号"),
            normalize_width,
        ),
        Field(
            "effective_at",
            "タイムスタンプ",
            "2024/07/02 14:30:00",
            ("回答日時", "日時"),
            rules.parse_timestamp,
            format_timestamp,
        ),
        Field("mail", "メールアドレス", "user@example.com", ("メール", "回答者"), normalize_width),
        *_COMMON_FIELDS,
    ),
    model=Row,
    existing=_existing,
    missing=_missing,
    create=_create,
    change=_change,
    further=_question_fields,
    identity=_identity,
)
IMPORTS = (HISTORY,)
