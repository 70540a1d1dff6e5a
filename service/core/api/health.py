"""Liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from service.core.http.shutdown import is_shutting_down
from service.core.monitoring import health

router = APIRouter()


class Health(BaseModel):
    status: str
    parts: dict[str, str] = {}


@router.get("/api/health/live", responses={503: {"model": Health}}, tags=["health"])
def live(response: Response) -> Health:
    """Checks only that the process answers. 503 during a graceful shutdown: it goes on answering for some seconds."""
    response.status_code = 503 if is_shutting_down() else 200
    return Health(status="leaving" if is_shutting_down() else "ok")


@router.get("/api/health/ready", responses={503: {"model": Health}}, tags=["health"])
def ready(response: Response) -> Health:
    """Checks the database, migrations, Redis and jobs; 503 names what is down."""
    parts = health.readiness()
    all_ok = all(state == "ok" for state in parts.values())
    response.status_code = 200 if all_ok else 503
    return Health(status="ok" if all_ok else "down", parts=parts)


@router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
