"""The route by which the daily backup reports its result."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.core.access.machines import authenticate_machine
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.monitoring import backups
from service.core.values.texts import Instant

router = APIRouter(prefix="/api/core/backups", tags=["system"])


class Told(BaseModel):
    """(source, at) is stored once, however often it is sent. `bytes`: of the whole backup; null when it failed. `kind`:
    a backup, or a rehearsal (a test restore)."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    at: Instant
    seconds: Annotated[float, Field(ge=0, lt=1e9)]
    ok: bool
    bytes: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    kept: Annotated[int, Field(ge=0, lt=2**31)]
    kind: Literal["backup", "rehearsal"] = "backup"

    @model_validator(mode="after")
    def _size_when_ok(self) -> Told:
        if self.ok == (self.bytes is None):
            raise ValueError("bytes には、ok が true のときだけ大きさを指定してください。")
        return self


@router.post(
    "",
    status_code=204,
    dependencies=[Depends(authenticate_machine)],
    responses=refusals(400, 401, 422, 503),
)
def tell(db: Db, report: Told) -> None:
    """For the backup program, which authenticates with WATCHDOG_TOKEN."""
    backups.store(db, report.model_dump())
