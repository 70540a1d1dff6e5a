"""The audit log: who changed what, from what, to what, in the areas that the user administers."""

from __future__ import annotations

from datetime import date
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Response

from service.core.access.auth import Actor, allow
from service.core.areas import CORE, areas
from service.core.audit import Action, search, table
from service.core.audit.schemas import AuditItem, Choices
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import answers, csv_file
from service.core.http.problem_responses import refusals
from service.core.problems import Invalid
from service.core.purposes import FileKind
from service.core.routing.lists import ListRequest, list_request
from service.core.values.texts import NO_NUL

router = APIRouter(prefix="/api/core/audit", tags=["core"], responses=refusals(400, 401, 403, 422, 503))

Day = Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(9000, 12, 31))]
Text = Annotated[str | None, Query(max_length=100, pattern=NO_NUL)]


def read_filters(
    day_from: Day = None,
    day_to: Day = None,
    area: Text = None,
    actor: Text = None,
    user_id: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    action: Annotated[Action | None, Query()] = None,
    subject: Text = None,
    q: Text = None,
) -> search.Filters:
    """Days are Tokyo's, both included; `actor` is part of a login id or name, `q` part of the subject's id."""
    if day_from and day_to and day_to < day_from:
        raise Invalid.at_field("day_to", "期間の終わりは、始まりと同じ日か、それより後の日を指定してください。")
    return search.Filters(day_from, day_to, area, actor, user_id, action, subject, q)


AuditFilters = Annotated[search.Filters, Depends(read_filters)]


@router.get("", response_model=Page[AuditItem])
async def entries(
    requested: Annotated[ListRequest, list_request("core:audit:read", may_lag=True)],
    filters: AuditFilters,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    return await requested.page(
        lambda db, actor: search.page(db, actor.areas_where("core:audit:read"), filters, limit, cursor)
    )


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
