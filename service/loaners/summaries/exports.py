"""The summary and the differences as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.exports import answers, csv_file
from service.core.exports.declared import List
from service.core.purposes import Kind
from service.loaners.rules import AREA, DEPOSIT_WORDS, HELD_WORDS, KIND_WORDS, STATUS_WORDS, Deposit, Status
from service.loaners.rules import Kind as DeviceKind
from service.loaners.summaries import queries, schemas

# None that a statement alone could write.
EXPORTS: tuple[List, ...] = ()
DIFFERENCE_HEADER = (
    "拠点管理番号",
    "機器種別",
    "機種名",
    "拠点（前）",
    "拠点（後）",
    "0-4.ステータス（前）",
    "0-4.ステータス（後）",
    "1-4.ユーザー機の預り有無（前）",
    "1-4.ユーザー機の預り有無（後）",
    "預り機のステータス（前）",
    "預り機のステータス（後）",
)


def summary(db: Session, by: Actor, filters: schemas.SummaryFilters) -> answers.Spooled:
    """In the form of the document's sheet: the cards below one another, a row for each site, then the total."""
    found = queries.summary(db, filters)
    header = ["サマリーカテゴリ", "拠点", *found["groups"], "合計"]
    rows: list[list[str]] = []
    for card in (*found["cards"], found["unset"]):
        rows += [[card["title"], row["site_name"], *map(str, row["counts"]), str(row["total"])] for row in card["rows"]]
        rows.append([card["title"], "合計", *map(str, card["totals"]), str(card["total"])])
    return _file(db, by, "サマリー", "view", header, rows, filters)


def differences(db: Session, by: Actor, filters: schemas.DifferenceFilters) -> answers.Spooled:
    rows = (
        _difference(schemas.Difference.model_validate(dict(row)))
        for row in db.execute(queries.all_differences(db, filters)).mappings()
    )
    return _file(db, by, "機器の差分", "device", DIFFERENCE_HEADER, rows, filters)


def _difference(row: schemas.Difference) -> list[str]:
    return [
        row.number,
        KIND_WORDS[DeviceKind(row.kind)],
        row.model_name,
        row.before_site or "",
        row.site,
        _status(row.before_status, bool(row.before_archived)),
        _status(row.status, row.archived),
        "" if row.before_held is None else HELD_WORDS[row.before_held],
        "" if row.held is None else HELD_WORDS[row.held],
        _deposit(row.before_deposit),
        _deposit(row.deposit),
    ]


def _status(status: Status | None, archived: bool) -> str:
    return "無効" if archived else STATUS_WORDS[status] if status else ""


def _deposit(deposit: Deposit | None) -> str:
    return DEPOSIT_WORDS[deposit].title if deposit else ""


def _file(
    db: Session,
    by: Actor,
    title: str,
    subject: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    asked: BaseModel,
) -> answers.Spooled:
    def write(spool: IO[bytes]) -> None:
        count = csv_file.write_rows(header, rows, spool)
        shown = asked.model_dump(mode="json", exclude_defaults=True)
        answers.record_export(db, by, AREA.name, subject, shown, Kind.CSV, count)

    return answers.spooled(answers.file_name(db, title, Kind.CSV), Kind.CSV, write)
