"""The audit log: who changed what, from what, to what, in the areas that the user administers."""

from __future__ import annotations

from typing import IO, Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.areas import CORE, areas
from service.core.audit import search, table
from service.core.audit.schemas import AuditItem, Choices, Filters
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import answers, csv_file
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.routing.replica_reads import ReadDb

router = APIRouter(prefix="/api/core/audit", tags=["core"], responses=refusals(400, 401, 403, 422, 503))

AuditFilters = Annotated[Filters, Query()]


@router.get("")
def entries(
    actor: Annotated[Actor, allow("core:audit:read")],
    db: ReadDb,
    filters: AuditFilters,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditItem]:
    """Newest first."""
    return search.page(db, actor.areas_where("core:audit:read"), filters, limit, cursor)


@router.get("/export.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV))
def export(actor: Annotated[Actor, allow("core:audit:export")], db: Db, filters: AuditFilters) -> Response:
    """The same entries as CSV, of any length. The export itself is recorded in the audit log, with its row count."""
    visible_areas = actor.areas_where("core:audit:export")

    def write(spool: IO[bytes]) -> None:
        rows = csv_file.write_rows(table.HEADER, table.rows(db, visible_areas, filters), spool)
        answers.record_export(db, actor, CORE, "audit", search.filters_as_dict(filters), FileKind.CSV, rows)

    return answers.spooled(answers.file_name(db, table.TITLE, FileKind.CSV), FileKind.CSV, write)


@router.get("/export.xlsx", response_class=Response, responses=answers.download_responses(FileKind.XLSX))
def export_excel(actor: Annotated[Actor, allow("core:audit:export")], db: Db, filters: AuditFilters) -> Response:
    """The same as an Excel workbook, of at most 10,000 entries."""
    visible_areas = actor.areas_where("core:audit:export")
    answers.refuse_too_many_rows(search.count(db, visible_areas, filters), "条件で絞り込むか、CSVを使ってください。")
    rows_of_entries = table.rows(db, visible_areas, filters)
    answer, rows = answers.rows_as_excel(db, table.TITLE, table.HEADER, rows_of_entries)
    answers.record_export(db, actor, CORE, "audit", search.filters_as_dict(filters), FileKind.XLSX, rows)
    return answer


@router.get("/choices")
def choices(actor: Annotated[Actor, allow("core:audit:read")]) -> Choices:
    """For the filters: the areas that the user sees, and the subjects of their entries."""
    visible_areas = [areas()[name] for name in areas() if name in actor.areas_where("core:audit:read")]
    subjects = {code: title for area in visible_areas for code, title in search.subject_titles(area.name).items()}
    return Choices(
        areas={area.name: area.title for area in visible_areas} | {CORE: search.CORE_TITLE},
        actions={str(code): title for code, title in search.ACTION_TITLES.items()},
        subjects=subjects | search.CORE_SUBJECTS,
    )
