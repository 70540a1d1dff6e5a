"""The route by which the daily backup reports its result."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from service.core.access.machines import authenticate_machine
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.monitoring import backups
from service.core.monitoring.schemas import BackupReport

router = APIRouter(prefix="/api/core/backups", tags=["system"])


@router.post(
    "",
    status_code=204,
    dependencies=[Depends(authenticate_machine)],
    responses=refusals(400, 401, 422, 503),
)
def report(db: Db, new_report: BackupReport) -> None:
    """For the backup program, which authenticates with WATCHDOG_TOKEN."""
    backups.store(db, new_report)
