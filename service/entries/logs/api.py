"""The document's routes of logs (appendix A)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from service.core.db import Db
from service.core.problems import RESPONSES, Problem
from service.entries.logs import actions, schemas
from service.entries.station.api import CallingStation

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 404, 422, 503)}
router = APIRouter(tags=["entries"], responses=_REFUSALS)


@router.post("/api/entry-exit-logs", status_code=201, responses={200: {"description": "It was known before."}})
def record(station: CallingStation, db: Db, scan: schemas.Scan, response: Response) -> schemas.Recorded:
    [outcome] = actions.store(db, station, [scan])
    if isinstance(outcome, Problem):
        raise outcome
    response.status_code = 201 if outcome.fresh else 200
    return outcome.recorded
