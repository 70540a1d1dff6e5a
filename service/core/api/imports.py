"""Imports step by step: a file that was sent, its columns, what its rows would do, and then that."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import IO, Annotated, Any, Literal

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from service.core import once
from service.core.api.tasks import TaskAnswer, described
from service.core.auth import Actor, allow
from service.core.brief import allow_briefly, brief, brief_once
from service.core.db import Db
from service.core.exports import answers, csv_file
from service.core.imports import intake, records
from service.core.imports.kinds import Kind, kind_for, kinds
from service.core.imports.records import Import
from service.core.problems import RESPONSES, Invalid, Unavailable
from service.core.purposes import Kind as FileKind
from service.core.tasks import records as tasks

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
_CSV = answers.described(FileKind.CSV)
PATH = "/api/core/imports"
router = APIRouter(prefix=PATH, tags=["imports"], responses=_REFUSALS)
# And what the kind itself asks for (`kind_for`).
Importer = Annotated[Actor, allow("core:import:create")]
ImportId = Annotated[int, Path(ge=1, lt=2**63)]
KindKey = Annotated[str, Path(max_length=64, pattern=r"^[a-z_.]+$")]
# Reading a workbook computes: one at a time leaves room for those who only ask.
_reading = CapacityLimiter(1)
_WAIT_SECONDS = 10


class FieldAnswer(BaseModel):
    name: str
    label: str
    example: str
    is_required: bool
    is_key: bool


class KindAnswer(BaseModel):
    """`purpose` is what the file is sent for (PUT /api/core/files)."""

    kind: str
    area: str
    title: str
    purpose: str
    fields: list[FieldAnswer]


class NewImport(BaseModel):
    """`sheet` is the name of a workbook's sheet; null: the first."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(max_length=64)]
    file_id: uuid.UUID
    sheet: Annotated[str, Field(max_length=100)] | None = None


class NewMapping(BaseModel):
    """Field → place of its column, from 0; null: the file has none."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, Annotated[int, Field(ge=0, le=1000)] | None]


class Counts(BaseModel):
    new: int
    update: int
    same: int
    error: int


class ImportAnswer(BaseModel):
    """`counts` is null until the columns are mapped; `sheets` are those of the workbook, when it was just read.
    `fields` are the kind's, and those that only this file has."""

    id: int
    kind: str
    title: str
    file_name: str
    format: str
    sheets: list[str]
    headers: list[str]
    row_count: int
    fields: list[FieldAnswer]
    columns: dict[str, int | None]
    counts: Counts | None
    task_id: int | None


class PreviewRow(BaseModel):
    """`values` as given, `before` what a change replaces; both by label."""

    row: int
    outcome: Literal["new", "update", "same", "error"]
    values: dict[str, str]
    before: dict[str, str]
    errors: list[str]


class ErrorAnswer(BaseModel):
    row: int
    field: str
    message: str


class Preview(BaseModel):
    """The first rows, and a page of the errors; of very many only the first thousand are listed."""

    counts: Counts
    rows: list[PreviewRow]
    errors: list[ErrorAnswer]
    error_count: int


def answered(db: Session, draft: Import, kind: Kind, sheets: list[str] | None = None) -> ImportAnswer:
    return ImportAnswer(
        id=draft.id,
        kind=draft.kind,
        title=kind.title,
        file_name=draft.file_name,
        format=draft.format,
        sheets=sheets or [],
        headers=draft.headers,
        row_count=draft.row_count,
        fields=_fields(kind.of(db, draft.headers)),
        columns=draft.mapping,
        counts=Counts(**draft.outcome["counts"]) if draft.outcome else None,
        task_id=draft.task_id,
    )


@router.get("/kinds")
def importable(actor: Importer, db: Db) -> list[KindAnswer]:
    """What the person may import."""
    return [_kind(kind.of(db, ())) for kind in kinds().values() if kind.area in actor.areas_where(kind.permission)]


def _fields(kind: Kind) -> list[FieldAnswer]:
    required = {name for name, field in kind.model.model_fields.items() if field.is_required()}
    return [
        FieldAnswer(
            name=field.name,
            label=field.label,
            example=field.example,
            is_required=field.name in required,
            is_key=field.name == kind.natural_key,
        )
        for field in kind.fields
    ]


def _kind(kind: Kind) -> KindAnswer:
    return KindAnswer(
        kind=kind.key, area=kind.area, title=kind.title, purpose=f"{kind.area}.import", fields=_fields(kind)
    )


@router.get("/{kind}/template.csv", response_class=Response, responses=_CSV)
def template(actor: Importer, db: Db, kind: KindKey) -> Response:
    """The headers and a row of examples, to fill in."""
    wanted = kind_for(actor, kind).of(db, ())
    header, example = [field.label for field in wanted.fields], [field.example for field in wanted.fields]
    return _csv(header, [example], f"{wanted.title}_取り込みひな形.csv")


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> Response:
    """Without a trail: it is what the person sent, or no secret."""

    def write(spool: IO[bytes]) -> None:
        csv_file.write_rows(header, rows, spool)

    return answers.spooled(name, FileKind.CSV, write)


@router.post("", status_code=201, responses={413: RESPONSES[413]})
@once.by_itself
async def begin(
    request: Request, actor: Annotated[Actor, allow_briefly("core:import:create")], new: NewImport
) -> ImportAnswer:
    """Reads a file that was sent for the area's imports. Its columns are mapped as well as can be guessed."""
    kind = kind_for(actor, new.kind)
    file = await brief(request, actor.scopes, lambda db: intake.sent(db, actor, kind, new.file_id))
    async with _turn():
        sheet = await to_thread.run_sync(intake.read, file, new.sheet)
        return await brief_once(
            request,
            actor,
            201,
            lambda db: answered(db, records.add(db, actor, kind, sheet, file.name), kind, sheet.sheets),
        )


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    try:
        with fail_after(_WAIT_SECONDS):
            await _reading.acquire()
    except TimeoutError:
        raise Unavailable(
            "ただいまほかの取り込みを確認しています。しばらく待ってから、もう一度お試しください。"
        ) from None
    try:
        yield
    finally:
        _reading.release()


@router.get("/{import_id}")
def draft(actor: Importer, db: Db, import_id: ImportId) -> ImportAnswer:
    found = records.get(db, actor, import_id)
    return answered(db, found, kind_for(actor, found.kind))


@router.put("/{import_id}/mapping", responses=_CONFLICT)
def remap(actor: Importer, db: Db, import_id: ImportId, new: NewMapping) -> ImportAnswer:
    """Which column is which field; remembered for the next file of this kind."""
    found = records.remap(db, actor, import_id, new.columns)
    return answered(db, found, kind_for(actor, found.kind))


@router.get("/{import_id}/preview")
def preview(
    actor: Importer,
    db: Db,
    import_id: ImportId,
    offset: Annotated[int, Query(ge=0, le=records.ERRORS_KEPT)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Preview:
    """What the rows would do, as found when the columns were mapped."""
    found = records.get(db, actor, import_id)
    kind_for(actor, found.kind)
    if found.outcome is None:
        raise Invalid("列の割り当てがまだ決まっていません。割り当てを確認してください。")
    errors = found.outcome["errors"][offset : offset + limit]
    return Preview.model_validate(found.outcome | {"errors": errors})


@router.get("/{import_id}/errors.csv", response_class=Response, responses=_CSV)
def errors_as_csv(actor: Importer, db: Db, import_id: ImportId) -> Response:
    """The rows in error as they were sent, with what is wrong with each."""
    found = records.get(db, actor, import_id)
    wrong = records.rows_in_error(db, actor, found, kind_for(actor, found.kind))
    rows = (
        [str(row.number), " / ".join(f"{error.field}: {error.message}" for error in errors), *row.cells]
        for row, errors in wrong
    )
    return _csv(
        ["行", "エラー内容", *found.headers],
        rows,
        f"{found.file_name.rpartition('.')[0] or found.file_name}_エラー.csv",
    )


@router.post("/{import_id}/run", status_code=202, responses=_CONFLICT)
def run(actor: Importer, db: Db, import_id: ImportId) -> TaskAnswer:
    """Starts the task that does it: every row, or none."""
    task = records.run(db, actor, import_id)
    return described(tasks.get(db, actor, task.id), actor)
