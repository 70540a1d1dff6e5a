"""The simulation's route: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.core.auth import Actor, allow
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
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
    wanted: Annotated[schemas.Wanted, Query()],
) -> schemas.Simulation:
    """What the service's history would have come to with another order of shops. Changes nothing."""
    return schemas.Simulation.model_validate(queries.simulation(db, service_id, wanted))
