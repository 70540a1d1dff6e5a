"""HTTP routes of surveys and of サポート品質."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from service.core import edits
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import Created, PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.surveys import actions, exports, queries, schemas

READ = "reservations:quality:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:survey:update")]
router = APIRouter(
    prefix="/api/reservations/surveys",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "/answers", exports.ANSWERS)


@router.get("")
def surveys(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.SurveyFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.SurveyItem]:
    """The newest quarter first."""
    return queries.surveys(db, limit, cursor, filters)


@router.get("/overview")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    return queries.overview(db)


@router.get("/quality")
def quality(actor: Reader, db: ReadDb, by: Literal["week", "quarter"] = "week") -> schemas.Quality:
    """The KPIs of support by week or by quarter, with the results of surveys."""
    return queries.quality(db, by)


@router.get("/answers")
def answers(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.AnswerFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.AnswerItem]:
    """Anonymous answers, the newest first."""
    return queries.answers(db, limit, cursor, filters)


@router.post("", status_code=201, responses=refusals(409))
def create(actor: Editor, db: Db, new: schemas.NewSurvey) -> Created:
    return Created(id=actions.create(db, actor, new).id)


@router.get("/{survey_id}", responses=refusals(404))
def survey(actor: Reader, db: Db, survey_id: PathId) -> schemas.SurveyDetail:
    return queries.survey_detail(db, survey_id)


@router.post("/{survey_id}/send", responses=refusals(404, 409))
def send(actor: Editor, db: Db, survey_id: PathId, new: schemas.Sending) -> schemas.SurveyDetail:
    """Sends it to every customer of the quarter."""
    actions.send(db, actor, survey_id, new)
    return queries.survey_detail(db, survey_id)


@router.post("/{survey_id}/close", responses=refusals(404, 409))
def close(actor: Editor, db: Db, survey_id: PathId, new: edits.Edit) -> schemas.SurveyDetail:
    actions.close(db, actor, survey_id, new)
    return queries.survey_detail(db, survey_id)
