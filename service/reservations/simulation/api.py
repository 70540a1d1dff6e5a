"""HTTP route of the simulation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.simulation import queries, schemas

router = APIRouter(
    prefix="/api/reservations/simulation",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 404, 422, 503),
)


@router.get("/{service_id}")
def simulation(
    actor: Annotated[Actor, allow("reservations:simulation:read")],
    db: ReadDb,
    service_id: PathId,
    options: Annotated[schemas.Wanted, Query()],
) -> schemas.Simulation:
    """Simulates the past searches of a service with another order of shops. Changes no data."""
    return queries.simulation(db, service_id, options)
