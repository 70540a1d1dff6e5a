"""The surveys' routes, and those of サポート品質: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.reservations.surveys import actions, exports, queries, schemas

_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_EITHER: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:quality:read"
Reader = Annotated[Actor, allow(READ)]
Support = Annotated[Actor, allow("reservations:survey:update")]
router = APIRouter(
    prefix="/api/reservations/surveys",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

doors.add(router, "/answers", exports.ANSWERS)


@router.get("", response_model=Page[schemas.SurveyItem])
async def surveys(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.SurveyFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest quarter first."""
    return await asking.page(lambda db, _: queries.surveys(db, limit, cursor, filters))


@router.get("/overview")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    return schemas.Overview.model_validate(queries.overview(db))


@router.get("/quality")
def quality(actor: Reader, db: ReadDb, by: Literal["week", "quarter"] = "week") -> schemas.Quality:
    """The KPI of support by week or by quarter, with what surveys found."""
    return schemas.Quality.model_validate(queries.quality(db, by))


@router.get("/answers", response_model=Page[schemas.AnswerItem])
async def answers(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.AnswerFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first; nobody is told whose they are."""
    return await asking.page(lambda db, _: queries.answers(db, limit, cursor, filters))


@router.post("", status_code=201, responses={409: RESPONSES[409]})
def create(actor: Support, db: Db, new: schemas.NewSurvey) -> schemas.Made:
    return schemas.Made(id=actions.create(db, actor, new).id)


@router.get("/{survey_id}", responses=_ABSENT)
def survey(actor: Reader, db: Db, survey_id: Id) -> schemas.SurveyDetail:
    return _now(db, survey_id)


@router.post("/{survey_id}/send", responses=_EITHER)
def send(actor: Support, db: Db, survey_id: Id, new: schemas.Sending) -> schemas.SurveyDetail:
    """To every customer of the quarter."""
    actions.send(db, actor, survey_id, new)
    return _now(db, survey_id)


@router.post("/{survey_id}/close", responses=_EITHER)
def close(actor: Support, db: Db, survey_id: Id, new: schemas.Edit) -> schemas.SurveyDetail:
    actions.close(db, actor, survey_id, new)
    return _now(db, survey_id)


def _now(db: Db, survey_id: int) -> schemas.SurveyDetail:
    return schemas.SurveyDetail.model_validate(queries.survey_in_full(db, survey_id))
