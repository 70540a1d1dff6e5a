"""HTTP route of the simulation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.core.access.auth import Actor, allow
from service.core.http.problem_responses import RESPONSES
from service.core.routing.replica_reads import ReadDb
from service.reservations.simulation import queries, schemas

Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(
    prefix="/api/reservations/simulation",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)},
)


@router.get("/{service_id}")
def simulation(
    actor: Annotated[Actor, allow("reservations:simulation:read")],
    db: ReadDb,
    service_id: Id,
    options: Annotated[schemas.Wanted, Query()],
) -> schemas.Simulation:
    """Simulates the past searches of a service with another order of shops. Changes no data."""
    return schemas.Simulation.model_validate(queries.simulation(db, service_id, options))
