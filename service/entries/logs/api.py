"""Logs: the document's routes (appendix A), and the lists of the dashboards."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.problems import Problem
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.entries.logs import actions, exports, queries, schemas
from service.entries.station.auth import CallingStation

router = APIRouter(tags=["entries"], responses=refusals(400, 401, 403, 404, 422, 503))

routes.add_export_routes(router, "/api/entries/logs", exports.LOGS)


@router.post("/api/entry-exit-logs", status_code=201, responses={200: {"description": "It was known before."}})
def record(station: CallingStation, db: Db, scan: schemas.Scan, response: Response) -> schemas.Recorded:
    [outcome] = actions.store(db, station, [scan])
    if isinstance(outcome, Problem):
        raise outcome
    response.status_code = 201 if outcome.is_new else 200
    return outcome.recorded


@router.post("/api/entries/station/logs")
def replay(station: CallingStation, db: Db, batch: schemas.Replay) -> schemas.Replays:
    """A station's queue in one transaction. A refused scan does not stop the others."""
    return schemas.Replays(results=[_replayed(outcome) for outcome in actions.store(db, station, batch.scans)])


def _replayed(outcome: actions.Outcome | Problem) -> schemas.Replayed:
    if isinstance(outcome, Problem):
        return schemas.Replayed(status=outcome.status, detail=outcome.detail)
    return schemas.Replayed(status=201 if outcome.is_new else 200, log=outcome.recorded)


@router.get("/api/entry-exit-logs")
def numbered_logs(
    actor: Annotated[Actor, allow("entries:log:read")], db: Db, query: Annotated[schemas.LogQuery, Query()]
) -> schemas.LogPage:
    return queries.numbered_page(db, actor, query)


@router.delete("/api/entry-exit-logs/{log_id}", status_code=204)
def delete(
    actor: Annotated[Actor, allow("entries:log:delete")],
    db: Db,
    log_id: PathId,
    deletion: Annotated[schemas.Deletion | None, Body()] = None,
) -> None:
    """Marks the log as deleted. The default reason is the document's: a wrong scan (FR-AL-006)."""
    actions.delete(db, actor, log_id, deletion.reason if deletion else "誤スキャン")


@router.post("/api/entries/logs/{log_id}/purge", status_code=204, responses=refusals(409))
def purge(
    actor: Annotated[Actor, allow("entries:log:purge")], db: Db, log_id: PathId, deletion: schemas.Deletion
) -> None:
    """Deletes permanently; only for a log that is already marked as deleted."""
    actions.purge(db, actor, log_id, deletion.reason)


@router.get("/api/entries/logs")
def logs(
    actor: Annotated[Actor, allow("entries:log:read")],
    db: ReadDb,
    filters: Annotated[schemas.LogFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.LogRow]:
    return queries.logs(db, actor, limit, cursor, filters)
