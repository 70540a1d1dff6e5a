"""Drafts' routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.agencies.drafts import actions, queries, schemas
from service.agencies.drafts.rules import Form
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.values.messages import described

UPDATE = "agencies:draft:update"
Writer = Annotated[Actor, allow(UPDATE)]
# An id, or "-" for none.
Subject = Annotated[
    str,
    Path(
        pattern=described(
            "^(-|[1-9][0-9]{0,17})$", "対象の番号を指定してください。対象がまだないときは - を指定します（例: 12）。"
        )
    ),
]
router = APIRouter(prefix="/api/agencies/drafts", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))


@router.get("")
def drafts(
    actor: Writer,
    db: Db,
    filters: Annotated[schemas.DraftFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.DraftItem]:
    """The user's own drafts."""
    return queries.drafts(db, actor, limit, cursor, filters)


@router.get("/{form}/{subject}")
def content(actor: Writer, db: Db, form: Form, subject: Subject) -> schemas.Content:
    return queries.content(db, actor, form, subject)


@router.put("/{form}/{subject}", responses=refusals(409))
def save(actor: Writer, db: Db, form: Form, subject: Subject, new: schemas.Save) -> schemas.Saved:
    return actions.save(db, actor, form, subject, new)


@router.delete("/{form}/{subject}", status_code=204)
def remove(actor: Writer, db: Db, form: Form, subject: Subject) -> None:
    actions.remove(db, actor, form, subject)
