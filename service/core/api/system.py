"""The page システム状態 for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.monitoring import system
from service.core.monitoring.schemas import SystemState

router = APIRouter(prefix="/api/core", tags=["core"], responses=refusals(400, 401, 403, 503))


@router.get("/system")
def state(actor: Annotated[Actor, allow("core:system:read")], db: Db) -> SystemState:
    return system.state(db)
