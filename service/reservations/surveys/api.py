"""HTTP routes of surveys and of サポート品質."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from service.core import edits
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import RESPONSES
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.reservations.surveys import actions, exports, queries, schemas

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_NOT_FOUND_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:quality:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:survey:update")]
router = APIRouter(
    prefix="/api/reservations/surveys",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

routes.add_export_routes(router, "/answers", exports.ANSWERS)


@router.get("", response_model=Page[schemas.SurveyItem])
async def surveys(
    request: Annotated[ListRequest, list_request(READ, may_lag=True)],
    filters: Annotated[schemas.SurveyFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest quarter first."""
    return await request.page(lambda db, _: queries.surveys(db, limit, cursor, filters))


@router.get("/overview")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    return schemas.Overview.model_validate(queries.overview(db))


@router.get("/quality")
def quality(actor: Reader, db: ReadDb, by: Literal["week", "quarter"] = "week") -> schemas.Quality:
    """The KPIs of support by week or by quarter, with the results of surveys."""
    return schemas.Quality.model_validate(queries.quality(db, by))


@router.get("/answers", response_model=Page[schemas.AnswerItem])
async def answers(
    request: Annotated[ListRequest, list_request(READ, may_lag=True)],
    filters: Annotated[schemas.AnswerFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Anonymous answers, the newest first."""
    return await request.page(lambda db, _: queries.answers(db, limit, cursor, filters))


@router.post("", status_code=201, responses={409: RESPONSES[409]})
def create(actor: Editor, db: Db, new: schemas.NewSurvey) -> schemas.Made:
    return schemas.Made(id=actions.create(db, actor, new).id)


@router.get("/{survey_id}", responses=_NOT_FOUND)
def survey(actor: Reader, db: Db, survey_id: Id) -> schemas.SurveyDetail:
    return _survey_detail(db, survey_id)


@router.post("/{survey_id}/send", responses=_NOT_FOUND_OR_CONFLICT)
def send(actor: Editor, db: Db, survey_id: Id, new: schemas.Sending) -> schemas.SurveyDetail:
    """Sends it to every customer of the quarter."""
    actions.send(db, actor, survey_id, new)
    return _survey_detail(db, survey_id)


@router.post("/{survey_id}/close", responses=_NOT_FOUND_OR_CONFLICT)
def close(actor: Editor, db: Db, survey_id: Id, new: edits.Edit) -> schemas.SurveyDetail:
    actions.close(db, actor, survey_id, new)
    return _survey_detail(db, survey_id)


def _survey_detail(db: Db, survey_id: int) -> schemas.SurveyDetail:
    return schemas.SurveyDetail.model_validate(queries.survey_detail(db, survey_id))
