"""Imports step by step: the uploaded file, the mapping of its columns, the preview of its rows, and the import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import IO, Annotated

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import answers, csv_file
from service.core.http import idempotency
from service.core.http.problem_responses import refusals
from service.core.imports import intake, records
from service.core.imports.kinds import kind_for, kinds
from service.core.imports.schemas import ImportAnswer, KindAnswer, NewImport, NewMapping, Preview
from service.core.problems import Invalid, Unavailable
from service.core.purposes import FileKind
from service.core.resources import PathId
from service.core.routing.short_transactions import allow_without_transaction, idempotent_transaction, short_transaction
from service.core.tasks import records as tasks
from service.core.tasks.schemas import TaskAnswer
from service.core.values.messages import described

_CSV = answers.download_responses(FileKind.CSV)
PATH = "/api/core/imports"
router = APIRouter(prefix=PATH, tags=["imports"], responses=refusals(400, 401, 403, 404, 422, 503))
# The kind's own permission is checked in addition (`kind_for`).
Importer = Annotated[Actor, allow("core:import:create")]
KindKey = Annotated[
    str,
    Path(max_length=64, pattern=described(r"^[a-z_.]+$", "取り込みの種類を指定してください（例: fleet.terminals）。")),
]
# Reading a workbook is CPU work: one at a time, so that other requests are not slowed down.
_reading = CapacityLimiter(1)
_WAIT_SECONDS = 10


@router.get("/kinds")
def importable(actor: Importer, db: Db) -> list[KindAnswer]:
    """The kinds that the user may import."""
    return [
        KindAnswer.of(kind.of(db, ())) for kind in kinds().values() if kind.area in actor.areas_where(kind.permission)
    ]


@router.get("/{kind}/template.csv", response_class=Response, responses=_CSV)
def template(actor: Importer, db: Db, kind: KindKey) -> Response:
    """The headers and a row of examples."""
    import_kind = kind_for(actor, kind).of(db, ())
    header, example = [field.label for field in import_kind.fields], [field.example for field in import_kind.fields]
    return _csv(header, [example], f"{import_kind.title}_取り込みひな形.csv")


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> Response:
    """Not recorded in the audit log: the rows are the user's own file, or no secret."""

    def write(spool: IO[bytes]) -> None:
        csv_file.write_rows(header, rows, spool)

    return answers.spooled(name, FileKind.CSV, write)


@router.post("", status_code=201, responses=refusals(413))
@idempotency.claims_by_itself
async def begin(
    request: Request, actor: Annotated[Actor, allow_without_transaction("core:import:create")], new_import: NewImport
) -> ImportAnswer:
    """Reads an uploaded file of the area's imports. The mapping of its columns is guessed."""
    kind = kind_for(actor, new_import.kind)
    file = await short_transaction(
        request, actor.scopes, lambda db: intake.find_upload(db, actor, kind, new_import.file_id)
    )
    async with _reading_turn():
        sheet = await to_thread.run_sync(intake.read, file, new_import.sheet)
        return await idempotent_transaction(
            request,
            actor,
            201,
            lambda db: records.answer(db, records.add(db, actor, kind, sheet, file.name), kind, sheet.sheets),
        )


@asynccontextmanager
async def _reading_turn() -> AsyncIterator[None]:
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
def draft(actor: Importer, db: Db, import_id: PathId) -> ImportAnswer:
    import_draft = records.get(db, actor, import_id)
    return records.answer(db, import_draft, kind_for(actor, import_draft.kind))


@router.put("/{import_id}/mapping", responses=refusals(409))
def remap(actor: Importer, db: Db, import_id: PathId, new_mapping: NewMapping) -> ImportAnswer:
    """Maps fields to columns; the mapping is remembered for the next file of this kind."""
    import_draft = records.remap(db, actor, import_id, new_mapping.columns)
    return records.answer(db, import_draft, kind_for(actor, import_draft.kind))


@router.get("/{import_id}/preview")
def preview(
    actor: Importer,
    db: Db,
    import_id: PathId,
    offset: Annotated[int, Query(ge=0, le=records.MAX_ERRORS_STORED)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Preview:
    """The plan of the rows, as of the last mapping."""
    import_draft = records.get(db, actor, import_id)
    kind_for(actor, import_draft.kind)
    whole = import_draft.preview()
    if whole is None:
        raise Invalid("列の割り当てがまだ決まっていません。割り当てを確認してください。")
    return whole.model_copy(update={"errors": whole.errors[offset : offset + limit]})


@router.get("/{import_id}/errors.csv", response_class=Response, responses=_CSV)
def errors_as_csv(actor: Importer, db: Db, import_id: PathId) -> Response:
    """The rows with errors as in the file, and their errors."""
    import_draft = records.get(db, actor, import_id)
    rows_with_errors = records.rows_with_errors(db, actor, import_draft, kind_for(actor, import_draft.kind))
    rows = (
        [str(row.number), " / ".join(f"{error.field}: {error.message}" for error in errors), *row.cells]
        for row, errors in rows_with_errors
    )
    return _csv(
        ["行", "エラー内容", *import_draft.headers],
        rows,
        f"{import_draft.file_name.rpartition('.')[0] or import_draft.file_name}_エラー.csv",
    )


@router.post("/{import_id}/run", status_code=202, responses=refusals(409))
def run(actor: Importer, db: Db, import_id: PathId) -> TaskAnswer:
    """Starts the task that imports all rows, or none."""
    task = records.start_import(db, actor, import_id)
    return tasks.answer(tasks.get(db, actor, task.id), actor)
