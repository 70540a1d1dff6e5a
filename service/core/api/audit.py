"""The audit trail: who changed what, from what, to what, in the areas one administers."""

from __future__ import annotations

from datetime import date, datetime
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict

from service.core import trail, trail_csv
from service.core.areas import CORE, areas
from service.core.audit import Action
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import answers, csv_file
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES, Invalid
from service.core.purposes import Kind
from service.core.texts import NO_NUL

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
router = APIRouter(prefix="/api/core/audit", tags=["core"], responses=_REFUSALS)

Day = Annotated[date | None, Query(ge=date(2000, 1, 1), le=date(9000, 12, 31))]
Text = Annotated[str | None, Query(max_length=100, pattern=NO_NUL)]


class Change(BaseModel):
    """A field that differs: `title` in words, values as text, null where there is none. Secrets are masked."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    title: str
    before: str | None
    after: str | None


class AuditItem(BaseModel):
    """`actor` is a login id or a machine's name, `actor_name` the person's, `actor_title` either in words; the other
    …`_title` are the codes in words."""

    id: int
    at: datetime
    user_id: int | None
    actor: str
    actor_name: str | None
    actor_title: str
    address: str
    area: str
    area_title: str
    action: str
    action_title: str
    subject: str
    subject_title: str
    subject_id: str
    changes: list[Change]


class Choices(BaseModel):
    """What one can look for: code → word."""

    areas: dict[str, str]
    actions: dict[str, str]
    subjects: dict[str, str]


def wanted(
    day_from: Day = None,
    day_to: Day = None,
    area: Text = None,
    actor: Text = None,
    user_id: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    action: Annotated[Action | None, Query()] = None,
    subject: Text = None,
    q: Text = None,
) -> trail.Wanted:
    """Days are Tokyo's, both included; `actor` is part of a login id or name, `q` part of the thing's id."""
    if day_from and day_to and day_to < day_from:
        message = "期間の終わりは、始まりと同じ日か、それより後の日を指定してください。"
        raise Invalid(message, [("day_to", message)])
    return trail.Wanted(day_from, day_to, area, actor, user_id, action, subject, q)


Asked = Annotated[trail.Wanted, Depends(wanted)]


@router.get("", response_model=Page[AuditItem])
async def entries(
    asking: Annotated[Asking, lists("core:audit:read", may_lag=True)],
    asked: Asked,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    return await asking.page(
        lambda db, actor: trail.page(db, actor.areas_where("core:audit:read"), asked, limit, cursor)
    )


@router.get("/export.csv", response_class=Response, responses=answers.described(Kind.CSV))
def export(actor: Annotated[Actor, allow("core:audit:export")], db: Db, asked: Asked) -> Response:
    """The same entries as CSV, of any length. Who took the trail along, and how much of it, is in the trail."""
    seen = actor.areas_where("core:audit:export")

    def write(spool: IO[bytes]) -> None:
        rows = csv_file.write_rows(trail_csv.HEADER, trail_csv.rows(db, seen, asked), spool)
        answers.record_export(db, actor, CORE, "audit", trail.as_asked(asked), Kind.CSV, rows)

    return answers.spooled(answers.file_name(db, trail_csv.TITLE, Kind.CSV), Kind.CSV, write)


@router.get("/export.xlsx", response_class=Response, responses=answers.described(Kind.XLSX))
def export_excel(actor: Annotated[Actor, allow("core:audit:export")], db: Db, asked: Asked) -> Response:
    """The same as an Excel workbook, of at most 10,000 entries."""
    seen = actor.areas_where("core:audit:export")
    answers.refuse_long(trail.count(db, seen, asked), "条件で絞り込むか、CSVを使ってください。")
    told = trail_csv.rows(db, seen, asked)
    answer, rows = answers.rows_as_excel(db, trail_csv.TITLE, trail_csv.HEADER, told)
    answers.record_export(db, actor, CORE, "audit", trail.as_asked(asked), Kind.XLSX, rows)
    return answer


@router.get("/choices")
def choices(actor: Annotated[Actor, allow("core:audit:read")]) -> Choices:
    """For the filters: the areas one sees, and what entries are about there."""
    seen = [areas()[name] for name in areas() if name in actor.areas_where("core:audit:read")]
    subjects = {code: word for area in seen for code, word in trail.subject_words(area.name).items()}
    return Choices(
        areas={area.name: area.title for area in seen} | {CORE: trail.CORE_TITLE},
        actions={str(code): word for code, word in trail.ACTION_WORDS.items()},
        subjects=subjects | trail.CORE_SUBJECTS,
    )
