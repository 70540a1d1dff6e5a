"""Routes of findings and decisions about them, of the dry run of the rotation, and of the reports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.loaners.history import actions as history
from service.loaners.upkeep import actions, queries, schemas

router = APIRouter(prefix="/api/loaners/upkeep", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/findings")
def findings(
    actor: Annotated[Actor, allow("loaners:history:mark")],
    db: Db,
    filters: Annotated[schemas.FindingFilters, Query()],
) -> schemas.Findings:
    return queries.findings_page(db, dismissed=filters.dismissed)


@router.post("/findings/remove", status_code=204, responses=refusals(404, 409))
def remove(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, decision: schemas.Decision) -> None:
    """除去."""
    actions.remove(db, actor, decision.finding, decision.reason)


@router.post("/findings/dismiss", status_code=204, responses=refusals(404))
def dismiss(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, decision: schemas.Decision) -> None:
    """問題なし."""
    actions.dismiss(db, actor, decision.finding, decision.reason)


@router.post("/findings/reconsider", status_code=204, responses=refusals(404))
def reconsider(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, decision: schemas.Reconsidered) -> None:
    actions.reconsider(db, actor, decision.finding)


@router.post("/rebuild")
def rebuild(
    actor: Annotated[Actor, allow("loaners:history:rotate")], db: Db, body: schemas.Rebuilding
) -> schemas.Rebuilt:
    """履歴から作り直す: rebuilds the projection of some hundreds of devices. Correct devices do not change."""
    rebuilt, next_id = history.rebuild(db, actor, body.after)
    return schemas.Rebuilt(rebuilt=rebuilt, next=next_id)


@router.get("/rotation")
def rotation(actor: Annotated[Actor, allow("loaners:history:rotate")], db: Db) -> schemas.RotationPlan:
    """A dry run: what would be archived now."""
    return queries.rotation_plan(db)


@router.get("/runs")
def runs(actor: Annotated[Actor, allow("loaners:history:rotate")], db: Db) -> schemas.Runs:
    """The newest reports of rotation and checks."""
    return queries.runs(db)
