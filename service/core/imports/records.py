"""An import between its steps: the file is read once, mapped, previewed, and run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.access.auth import Actor
from service.core.database.session import Base
from service.core.imports import kinds, mapping, text_files
from service.core.imports.kinds import ChangedRow, ImportKind
from service.core.imports.mapping import Columns
from service.core.imports.plan import ImportOutcome, PlannedRow, RowError, plan, shown
from service.core.imports.schemas import Counts, FieldAnswer, ImportAnswer, Preview, PreviewRow
from service.core.imports.sheets import MAX_BYTES, Row, Sheet, pack, unpack
from service.core.problems import Conflict, Invalid, NotFound, TooLarge
from service.core.tasks import records as task_records
from service.core.tasks.records import OPEN, Order, Task

# The rows may be personal data, so they are stored only while the user may still be working on the import.
DRAFT_LIFETIME = timedelta(days=7)
WORKBOOK = b"PK\x03\x04"
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
MAX_ROWS_SHOWN = 20
MAX_ERRORS_STORED = 1_000


class Import(Base):
    """`content` are the packed rows; `format` describes the file's format for users. `outcome` is the last preview of
    the rows, with the current mapping; null when there is none."""

    __tablename__ = "imports"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    file_name: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(40))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    headers: Mapped[list[str]] = mapped_column(JSONB)
    row_count: Mapped[int]
    mapping: Mapped[Columns] = mapped_column(JSONB)
    outcome: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now(), index=True)

    def preview(self) -> Preview | None:
        return Preview.model_validate(self.outcome) if self.outcome else None


class ImportMapping(Base):
    """A user's last mapping for a kind and tenant: normalised header → field, or null for a column left out. A user who
    has changed the tenant cannot see the mappings of the old one."""

    __tablename__ = "import_mappings"
    __table_args__ = (UniqueConstraint("user_id", "area", "tenant_id", "kind", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(64))
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    fields: Mapped[dict[str, str | None]] = mapped_column(JSONB)


def read(content: bytes, sheet: str | None = None) -> Sheet:
    """Reads the file by its content, whatever its name. Slow: outside any transaction.

    Raises:
        Invalid, TooLarge: with a message for the user.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"ファイルは{MAX_BYTES // 1024 // 1024}MBまでです。行を分けて取り込んでください。")
    if content.startswith(WORKBOOK):
        # Not at the top: openpyxl takes 13 MB, and most processes never read a workbook.
        from service.core.imports import workbooks

        return workbooks.read(content, sheet)
    if content.startswith(OLD_WORKBOOK):
        raise Invalid("古い形式（.xls）かパスワード付きのExcelファイルです。.xlsx 形式で保存し直してください。")
    return text_files.read(content)


def add(db: Session, by: Actor, kind: ImportKind, sheet: Sheet, file_name: str) -> Import:
    """Stores the file with a guessed mapping of its columns, and a preview when the mapping has the natural key."""
    tenant_id, kind = by.tenant_in(kind.area), kind.of(db, sheet.headers)
    columns = mapping.guess(kind, sheet.headers, _remembered(db, by, kind, tenant_id))
    draft = Import(
        area=kind.area,
        tenant_id=tenant_id,
        kind=kind.key,
        user_id=by.user_id,
        file_name=file_name[-200:],
        format=sheet.format[:40],
        content=pack(sheet),
        headers=sheet.headers,
        row_count=len(sheet.rows),
        mapping=columns,
    )
    if columns[kind.natural_key] is not None:
        draft.outcome = _preview(db, by, kind, sheet.rows, columns)
    db.add(draft)
    db.flush()  # for the id
    return draft


def _remembered(db: Session, by: Actor, kind: ImportKind, tenant_id: int | None) -> dict[str, str | None]:
    statement = select(ImportMapping.fields).where(
        ImportMapping.user_id == by.user_id,
        ImportMapping.area == kind.area,
        ImportMapping.tenant_id.is_not_distinct_from(tenant_id),
        ImportMapping.kind == kind.key,
    )
    return db.scalar(statement) or {}


def get(db: Session, by: Actor, import_id: int, *, lock: bool = False) -> Import:
    """The user's own import. Raises NotFound."""
    statement = select(Import).where(Import.id == import_id, Import.user_id == by.user_id)
    draft = db.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if draft is None:
        raise NotFound(
            f"取り込みの途中のデータが見つかりません（{DRAFT_LIFETIME.days}日たつと消えます）。ファイルを選び直してください。"
        )
    return draft


def remap(db: Session, by: Actor, import_id: int, columns: Columns) -> Import:
    """Changes the mapping, remembers it for the next file of this kind, and makes a new preview.

    Raises:
        Invalid: see `mapping.check`.
        Conflict: the import is running.
    """
    draft = get(db, by, import_id, lock=True)
    kind = kinds.kind_for(by, draft.kind).of(db, draft.headers)
    _refuse_while_running(db, draft)
    draft.mapping = mapping.check(kind, draft.headers, columns)
    draft.outcome = _preview(db, by, kind, unpack(draft.content), draft.mapping)
    owner = {"user_id": by.user_id, "area": draft.area, "tenant_id": draft.tenant_id, "kind": kind.key}
    fields = mapping.columns_to_remember(draft.headers, columns)
    statement = insert(ImportMapping).values(**owner, fields=fields)
    db.execute(statement.on_conflict_do_update(index_elements=[*owner], set_={"fields": fields}))
    return draft


def _refuse_while_running(db: Session, draft: Import) -> None:
    task = db.get(Task, draft.task_id) if draft.task_id else None
    if task is not None and task.state in OPEN:
        raise Conflict("この取り込みは実行中です。終わるまでお待ちください。")


def _preview(db: Session, by: Actor, kind: ImportKind, rows: list[Row], columns: Columns) -> dict[str, Any]:
    """As it is stored."""
    counts = dict.fromkeys(ImportOutcome.labels(), 0)
    first_rows: list[PreviewRow] = []
    errors: list[RowError] = []
    error_count = 0
    for planned_row in plan(db, by, kind, rows, columns):
        counts[planned_row.outcome] += 1
        if len(first_rows) < MAX_ROWS_SHOWN:
            first_rows.append(_row_preview(kind, planned_row))
        error_count += len(planned_row.errors)
        errors += planned_row.errors[: MAX_ERRORS_STORED - len(errors)]
    preview = Preview(counts=Counts(**counts), rows=first_rows, errors=errors, error_count=error_count)
    return preview.model_dump(mode="json")


def _row_preview(kind: ImportKind, planned_row: PlannedRow) -> PreviewRow:
    labels = {field.name: field.label for field in kind.fields}
    before = shown(kind, planned_row.action.before) if isinstance(planned_row.action, ChangedRow) else {}
    return PreviewRow(
        row=planned_row.row.number,
        outcome=planned_row.outcome,
        values={labels[name]: value for name, value in planned_row.values.items()},
        before={labels[name]: before[name] for name in planned_row.changed},
        errors=[error.message_text() for error in planned_row.errors],
    )


def answer(db: Session, draft: Import, kind: ImportKind, sheets: list[str] | None = None) -> ImportAnswer:
    preview = draft.preview()
    return ImportAnswer(
        id=draft.id,
        kind=draft.kind,
        title=kind.title,
        file_name=draft.file_name,
        format=draft.format,
        sheets=sheets or [],
        headers=draft.headers,
        row_count=draft.row_count,
        fields=FieldAnswer.all_of(kind.of(db, draft.headers)),
        columns=draft.mapping,
        counts=preview.counts if preview else None,
        task_id=draft.task_id,
    )


def rows_with_errors(db: Session, by: Actor, draft: Import, kind: ImportKind) -> list[tuple[Row, list[RowError]]]:
    """All rows with errors, planned anew."""
    planned = plan(db, by, kind.of(db, draft.headers), unpack(draft.content), draft.mapping)
    return [(planned_row.row, planned_row.errors) for planned_row in planned if planned_row.errors]


def start_import(db: Session, by: Actor, import_id: int) -> Task:
    """Starts the task that applies the previewed import.

    Raises:
        Invalid: the import has no mapping yet, or rows with errors.
        Conflict: it is running already.
    """
    draft = get(db, by, import_id, lock=True)
    kind = kinds.kind_for(by, draft.kind)
    _refuse_while_running(db, draft)
    preview = draft.preview()
    if preview is None:
        raise Invalid("列の割り当てがまだ決まっていません。割り当てを確認してから取り込んでください。")
    if preview.error_count:
        raise Invalid(
            f"エラーの行が{preview.counts.error:,}行あります。1行でもエラーがあると取り込めません。ファイルを直してください。"
        )
    order = Order(
        kind="core.import",
        area=draft.area,
        title=f"{kind.title}の取り込み（{draft.file_name}）",
        permission=kind.permission,
        params={"import_id": draft.id},
        total=2 * draft.row_count,  # each is planned, then written
        message=f"{draft.row_count:,}行を取り込みます。",
    )
    task = task_records.start(db, by, order)
    draft.task_id = task.id
    return task
