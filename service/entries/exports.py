"""Exports of the entries area."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.exports import answers, csv_file
from service.core.exports.declared import Column, ExportList
from service.core.purposes import FileKind
from service.entries import queries, schemas
from service.entries.rules import AREA

PARENTS = ExportList(
    key="entries.parents",
    title="保護者一覧",
    permission="entries:parent:read",
    columns=(
        Column("id", "保護者ID", "number"),
        Column("name", "保護者名"),
        Column("kana", "ふりがな"),
        Column("relatives", "園児"),
        Column("phone_number", "電話番号"),
        Column("mail", "メールアドレス"),
        Column("nursery_name", "保育園"),
        Column("card_issued_at", "カード発行日時", "moment"),
        Column("last_scanned_at", "最終スキャン", "moment"),
        Column("archived_at", "アーカイブ日時", "moment"),
    ),
    filters=schemas.ParentFilters,
    statement=queries.export_parents,
)
CHILDREN = ExportList(
    key="entries.children",
    title="園児一覧",
    permission="entries:child:read",
    columns=(
        Column("name", "園児名"),
        Column("kana", "ふりがな"),
        Column("class_name", "組"),
        Column("relatives", "保護者"),
        Column("nursery_name", "保育園"),
        Column("archived_at", "アーカイブ日時", "moment"),
    ),
    filters=schemas.ChildFilters,
    statement=queries.export_children,
)
EXPORTS = (PARENTS, CHILDREN)


def csv_export(
    db: Session,
    by: Actor,
    subject: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    query: BaseModel | None = None,
) -> answers.SpooledResponse:
    """Rows that one SELECT cannot produce, as CSV. The export is recorded in the audit log. `title`: of the file, where
    it says more than the subject's name."""

    def write(spool: IO[bytes]) -> None:
        count = csv_file.write_rows(header, rows, spool)
        filters = query.model_dump(mode="json", exclude_none=True) if query else {}
        answers.record_export(db, by, AREA.name, subject, filters, FileKind.CSV, count)

    return answers.spooled(answers.file_name(db, title or AREA.subjects[subject], FileKind.CSV), FileKind.CSV, write)
