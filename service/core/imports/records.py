"""A file between the steps of its import: read once, mapped, looked through, run."""

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

from service.core.auth import Actor
from service.core.db import Base
from service.core.imports import kinds, mapping, text_files
from service.core.imports.kinds import Change, Kind
from service.core.imports.mapping import Columns
from service.core.imports.plan import WORDS, Planned, RowError, plan, shown
from service.core.imports.sheets import MOST_BYTES, Row, Sheet, pack, unpack
from service.core.problems import Conflict, Invalid, NotFound, TooLarge
from service.core.tasks import records as task_records
from service.core.tasks.records import OPEN, Order, Task

# Other people's data, kept only as long as somebody may still be at it.
KEPT = timedelta(days=7)
WORKBOOK = b"PK\x03\x04"
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
ROWS_SHOWN = 20
ERRORS_KEPT = 1_000


class Import(Base):
    """`content` are the rows, packed; `format` says in words what the file was. `outcome` is what was found when the
    rows were looked through last, with the mapping as it is now; null when they have not been."""

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


class ImportMapping(Base):
    """What a person chose last for a kind, where they work now: normalised header → field, or null for a column left
    out. Of another tenant they may not even see that there is one."""

    __tablename__ = "import_mappings"
    __table_args__ = (UniqueConstraint("user_id", "area", "tenant_id", "kind", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(64))
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    fields: Mapped[dict[str, str | None]] = mapped_column(JSONB)


def read(content: bytes, sheet: str | None = None) -> Sheet:
    """By content, whatever the file is called. Slow: outside any transaction.

    Raises:
        Invalid, TooLarge: in words.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge(f"ファイルは{MOST_BYTES // 1024 // 1024}MBまでです。行を分けて取り込んでください。")
    if content.startswith(WORKBOOK):
        # Not at the top: openpyxl takes 13 MB, and most processes never see a workbook.
        from service.core.imports import workbooks

        return workbooks.read(content, sheet)
    if content.startswith(OLD_WORKBOOK):
        raise Invalid("古い形式（.xls）かパスワード付きのExcelファイルです。.xlsx 形式で保存し直してください。")
    return text_files.read(content)


def add(db: Session, by: Actor, kind: Kind, sheet: Sheet, file_name: str) -> Import:
    """The file with its columns mapped as well as can be guessed, and looked through when that is enough."""
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
        draft.outcome = _look_through(db, by, kind, sheet.rows, columns)
    db.add(draft)
    db.flush()  # for the id
    return draft


def _remembered(db: Session, by: Actor, kind: Kind, tenant_id: int | None) -> dict[str, str | None]:
    found = select(ImportMapping.fields).where(
        ImportMapping.user_id == by.user_id,
        ImportMapping.area == kind.area,
        ImportMapping.tenant_id.is_not_distinct_from(tenant_id),
        ImportMapping.kind == kind.key,
    )
    return db.scalar(found) or {}


def get(db: Session, by: Actor, import_id: int, *, lock: bool = False) -> Import:
    """One's own. Raises NotFound."""
    found = select(Import).where(Import.id == import_id, Import.user_id == by.user_id)
    draft = db.scalars(found.with_for_update() if lock else found).one_or_none()
    if draft is None:
        raise NotFound(
            f"取り込みの途中のデータが見つかりません（{KEPT.days}日たつと消えます）。ファイルを選び直してください。"
        )
    return draft


def remap(db: Session, by: Actor, import_id: int, columns: Columns) -> Import:
    """Another choice of columns, remembered for the next file of this kind; the rows are looked through again.

    Raises:
        Invalid: see `mapping.check`.
        Conflict: it is being run.
    """
    draft = get(db, by, import_id, lock=True)
    kind = kinds.kind_for(by, draft.kind).of(db, draft.headers)
    _refuse_while_running(db, draft)
    draft.mapping = mapping.check(kind, draft.headers, columns)
    draft.outcome = _look_through(db, by, kind, unpack(draft.content), draft.mapping)
    whose = {"user_id": by.user_id, "area": draft.area, "tenant_id": draft.tenant_id, "kind": kind.key}
    fields = mapping.to_remember(draft.headers, columns)
    chosen = insert(ImportMapping).values(**whose, fields=fields)
    db.execute(chosen.on_conflict_do_update(index_elements=[*whose], set_={"fields": fields}))
    return draft


def _refuse_while_running(db: Session, draft: Import) -> None:
    task = db.get(Task, draft.task_id) if draft.task_id else None
    if task is not None and task.state in OPEN:
        raise Conflict("この取り込みは実行中です。終わるまでお待ちください。")


def _look_through(db: Session, by: Actor, kind: Kind, rows: list[Row], columns: Columns) -> dict[str, Any]:
    counts = dict.fromkeys(WORDS, 0)
    first: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    error_count = 0
    for made in plan(db, by, kind, rows, columns):
        counts[made.outcome] += 1
        if len(first) < ROWS_SHOWN:
            first.append(_described(kind, made))
        error_count += len(made.errors)
        errors += [vars(error) for error in made.errors[: ERRORS_KEPT - len(errors)]]
    return {"counts": counts, "rows": first, "errors": errors, "error_count": error_count}


def _described(kind: Kind, made: Planned) -> dict[str, Any]:
    labels = {field.name: field.label for field in kind.fields}
    before = shown(kind, made.action.before) if isinstance(made.action, Change) else {}
    return {
        "row": made.row.number,
        "outcome": made.outcome,
        "values": {labels[name]: value for name, value in made.values.items()},
        "before": {labels[name]: before[name] for name in made.changed},
        "errors": [error.in_words() for error in made.errors],
    }


def rows_in_error(db: Session, by: Actor, draft: Import, kind: Kind) -> list[tuple[Row, list[RowError]]]:
    """As of now, all of them."""
    planned = plan(db, by, kind.of(db, draft.headers), unpack(draft.content), draft.mapping)
    return [(made.row, made.errors) for made in planned if made.errors]


def run(db: Session, by: Actor, import_id: int) -> Task:
    """Starts the task that does what was looked through.

    Raises:
        Invalid: not mapped yet, or rows are in error.
        Conflict: it is running already.
    """
    draft = get(db, by, import_id, lock=True)
    kind = kinds.kind_for(by, draft.kind)
    _refuse_while_running(db, draft)
    if draft.outcome is None:
        raise Invalid("列の割り当てがまだ決まっていません。割り当てを確認してから取り込んでください。")
    if draft.outcome["error_count"]:
        wrong = draft.outcome["counts"]["error"]
        raise Invalid(
            f"エラーの行が{wrong:,}行あります。1行でもエラーがあると取り込めません。ファイルを直してください。"
        )
    order = Order(
        kind="core.import",
        area=draft.area,
        title=f"{kind.title}の取り込み（{draft.file_name}）",
        permission=kind.permission,
        params={"import_id": draft.id},
        total=2 * draft.row_count,  # each is looked at, then written
        message=f"{draft.row_count:,}行を取り込みます。",
    )
    task = task_records.start(db, by, order)
    draft.task_id = task.id
    return task
