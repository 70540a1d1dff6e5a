"""Is the service alive, is everything there that it needs, and what does it count."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from service.core import health
from service.core.leaving import is_leaving

router = APIRouter()


class Health(BaseModel):
    status: str
    parts: dict[str, str] = {}


@router.get("/api/health/live", responses={503: {"model": Health}}, tags=["health"])
def live(response: Response) -> Health:
    """The process answers; nothing else is asked. 503 when it was asked to end: it still answers, for a moment."""
    response.status_code = 503 if is_leaving() else 200
    return Health(status="leaving" if is_leaving() else "ok")


@router.get("/api/health/ready", responses={503: {"model": Health}}, tags=["health"])
def ready(response: Response) -> Health:
    """Database, migrations, Redis and jobs; 503 names what is down."""
    parts = health.readiness()
    fine = all(state == "ok" for state in parts.values())
    response.status_code = 200 if fine else 503
    return Health(status="ok" if fine else "down", parts=parts)


@router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
