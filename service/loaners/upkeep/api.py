"""Findings and what is decided about them, the rotation's dry run, the reports."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.problems import RESPONSES
from service.loaners.history import actions as history
from service.loaners.upkeep import actions, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
router = APIRouter(prefix="/api/loaners/upkeep", tags=["loaners"], responses=_REFUSALS)


@router.get("/findings")
def findings(
    actor: Annotated[Actor, allow("loaners:history:mark")],
    db: Db,
    filters: Annotated[schemas.FindingFilters, Query()],
) -> schemas.Findings:
    return schemas.Findings.model_validate(queries.listed(db, dismissed=filters.dismissed))


@router.post("/findings/remove", status_code=204, responses=_ABSENT_OR_CONFLICT)
def remove(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, told: schemas.Decision) -> None:
    """除去."""
    actions.remove(db, actor, told.finding, told.reason)


@router.post("/findings/dismiss", status_code=204, responses=_ABSENT)
def dismiss(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, told: schemas.Decision) -> None:
    """問題なし."""
    actions.dismiss(db, actor, told.finding, told.reason)


@router.post("/findings/reconsider", status_code=204, responses=_ABSENT)
def reconsider(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, told: schemas.Reconsidered) -> None:
    actions.reconsider(db, actor, told.finding)


@router.post("/rebuild")
def rebuild(
    actor: Annotated[Actor, allow("loaners:history:rotate")], db: Db, told: schemas.Rebuilding
) -> schemas.Rebuilt:
    """履歴から作り直す, some hundreds of devices in each call; what is right already stays untouched."""
    rebuilt, last = history.rebuild(db, actor, told.after)
    return schemas.Rebuilt(rebuilt=rebuilt, next=last)


@router.get("/rotation")
def rotation(actor: Annotated[Actor, allow("loaners:history:rotate")], db: Db) -> schemas.RotationPlan:
    """A dry run: what would be put away now."""
    return schemas.RotationPlan.model_validate(queries.rotation_plan(db))


@router.get("/runs")
def runs(actor: Annotated[Actor, allow("loaners:history:rotate")], db: Db) -> schemas.Runs:
    """The newest reports of rotation and checks."""
    return schemas.Runs.model_validate({"items": queries.runs(db)})
