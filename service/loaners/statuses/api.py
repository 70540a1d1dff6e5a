"""Routes of the status form and of the 預り機のステータス."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.values.texts import NO_NUL
from service.loaners.history.schemas import Number
from service.loaners.statuses import actions, queries, schemas

Text = Annotated[str, Query(min_length=2, max_length=300, pattern=NO_NUL)]
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/scanned")
def scanned(actor: Annotated[Actor, allow("loaners:device:read")], db: Db, q: Text) -> schemas.Candidates:
    """Devices that match the URL of a label, a number, an alias, or a part of them."""
    return queries.candidates(db, q)


@router.get("/devices/{number}/status-form")
def status_form(actor: Annotated[Actor, allow("loaners:device:work")], db: Db, number: Number) -> schemas.FormToFill:
    return queries.form_to_fill(db, actor, number)


@router.post("/devices/{number}/status/check", responses=refusals(409))
def check(
    actor: Annotated[Actor, allow("loaners:device:work")], db: Db, number: Number, submission: schemas.Checked
) -> schemas.Expected:
    """What the form would change, or the stored result of a replay. Stores nothing."""
    return actions.check(db, actor, number, submission)


@router.post("/devices/{number}/status", status_code=201, responses=refusals(409))
def submit(
    actor: Annotated[Actor, allow("loaners:device:work")], db: Db, number: Number, submission: schemas.Submission
) -> schemas.Stored:
    return actions.submit(db, actor, number, submission)


@router.put("/devices/{number}/deposit", responses=refusals(409))
def set_deposit(
    actor: Annotated[Actor, allow("loaners:device:work")], db: Db, number: Number, new: schemas.DepositChange
) -> schemas.DepositSet:
    return actions.set_deposit(db, actor, number, new)
