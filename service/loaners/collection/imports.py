"""The collection sheets as files: 端末, プリンタ and その他ステータス収集, in either of the document's versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.clock import app_now
from service.core.imports.kinds import Change, Field, Kind, New, Values
from service.loaners import queries as masters
from service.loaners.collection import queries, rules
from service.loaners.collection.actions import Past, tell_many
from service.loaners.collection.schemas import Row
from service.loaners.forms.rules import Meaning, meant
from service.loaners.history.actions import Told
from service.loaners.history.rules import EventKind, Source, holds_deposit, understood
from service.loaners.imports import plain
from service.loaners.rules import written

STATUS = "0-4.ステータス"
# Of each sheet; the others are what its form asked.
_USUAL = (
    Field("status", STATUS, "1.貸出中"),
    Field("1-4.ユーザー機の預り有無", "1-4.ユーザー機の預り有無", "有り"),
    Field(rules.DEPOSIT_HEADERS[0], rules.DEPOSIT_HEADERS[0], "1.返却可能", rules.DEPOSIT_HEADERS[1:], blank=""),
)


def _further(_: Session, headers: Sequence[str]) -> tuple[Field, ...]:
    usual = {rules.question_key(field.label) for field in _USUAL}
    asked = dict.fromkeys(header for header in headers if rules.question_key(header) not in (None, *usual))
    return tuple(Field(header, header, "") for header in asked)


def _cells(values: Values) -> dict[str, str]:
    """Answers under the headers of the sheet."""
    told = {name: text for name, text in values.items() if name not in Row.model_fields}
    return told | {STATUS: values["status"]} if "status" in values else told


def _identity(values: Values) -> str:
    """However the cells are spelled, and whatever the forms ask."""
    at = values.get("effective_at")
    return json.dumps([values["number"], at.isoformat() if at else None, rules.raw(_cells(values))], ensure_ascii=False)


def _key(reader: _Reader, values: Values) -> str:
    return rules.import_key(reader.devices[values["number"]], values["effective_at"], rules.raw(_cells(values)))


class _Reader:
    """Rows of the same sheets against the same forms and devices."""

    def __init__(self, db: Session, numbers: Sequence[str]) -> None:
        self.devices = masters.numbered(db, numbers)
        self.kinds = queries.kinds(db, list(self.devices.values()))
        self.versions = queries.versions(db)
        self.chosen: dict[tuple[str, frozenset[str]], rules.Version] = {}

    def read(self, number: str, cells: Mapping[str, str]) -> tuple[int, rules.Version, dict[str, str], dict[str, str]]:
        """Device, form, answers, and what is wrong by header."""
        device_id = self.devices[number]
        asked = self.kinds[device_id], frozenset(cells)
        if asked not in self.chosen:
            self.chosen[asked] = rules.version_for(self.versions[asked[0]], asked[1])
        version = self.chosen[asked]
        return device_id, version, *rules.read(version, cells)


def _existing(db: Session, _: Actor, identities: Sequence[str]) -> Mapping[str, tuple[int, Values]]:
    told = {identity: json.loads(identity) for identity in identities}
    reader = _Reader(db, [number for number, _, _ in told.values()])
    keys: dict[str, str] = {}
    for identity, (number, at, cells) in told.items():
        if number in reader.devices and at:
            keys[identity] = rules.import_key(reader.devices[number], datetime.fromisoformat(at), cells)
    seen = queries.known_keys(db, list(keys.values()))
    there: dict[str, tuple[int, Values]] = {}
    for identity, key in keys.items():
        # A row of this file, too, that names the device by another of its numbers.
        if key in seen:
            there[identity] = (0, {})
        seen.add(key)
    return there


def _missing(db: Session, _: Actor, rows: Sequence[Values]) -> Mapping[int, tuple[str, str]]:
    reader, now = _Reader(db, [row["number"] for row in rows]), app_now(db)
    wrong: dict[int, tuple[str, str]] = {}
    for place, row in enumerate(rows):
        if row["number"] not in reader.devices:
            message = f"「{row['number']}」の機器が登録されていません。先に機器のマスタを取り込んでください。"
            wrong[place] = ("number", message)
        elif row["effective_at"] > now:
            wrong[place] = ("effective_at", "タイムスタンプが未来の日時です。")
        elif refused := reader.read(row["number"], _cells(row))[3]:
            header, message = next(iter(refused.items()))
            wrong[place] = ("status" if header == STATUS else header, message)
    return wrong


def _past(db: Session, new: Sequence[New]) -> Iterator[Past]:
    reader = _Reader(db, [row.values["number"] for row in new])
    keys = [_key(reader, row.values) for row in new]
    # Rows far apart in a file may be one, with the number written otherwise.
    seen = queries.known_keys(db, keys)
    for row, key in zip(new, keys, strict=True):
        if key in seen:
            continue
        seen.add(key)
        values = row.values
        device_id, version, answers, _ = reader.read(values["number"], _cells(values))
        means = meant(version.questions, answers)
        columns = understood(means)
        if not holds_deposit(columns["status"], columns["held"]):
            columns["deposit"] = None
        yield Past(
            device_id=device_id,
            told=Told(kind=EventKind.FORM, source=Source.IMPORT, form_id=version.form_id, answers=answers, **columns),
            effective_at=values["effective_at"],
            actor_name=means.get(Meaning.PERSON, "")[:100],
            actor_mail=values["mail"],
            import_key=key,
        )


def _create(db: Session, by: Actor, new: Sequence[New]) -> None:
    tell_many(db, by, list(_past(db, new)))


def _change(db: Session, by: Actor, changes: Sequence[Change]) -> None:
    """What happened is never changed."""
    if changes:
        raise AssertionError("rows of a collection sheet are only added")


HISTORY = Kind(
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
            plain,
        ),
        Field("effective_at", "タイムスタンプ", "2024/07/02 14:30:00", ("回答日時", "日時"), rules.moment, written),
        Field("mail", "メールアドレス", "user@example.com", ("メール", "回答者"), plain),
        *_USUAL,
    ),
    model=Row,
    existing=_existing,
    missing=_missing,
    create=_create,
    change=_change,
    further=_further,
    identity=_identity,
)
IMPORTS = (HISTORY,)
