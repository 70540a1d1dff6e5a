"""The floor's routes, one module per subject."""

from __future__ import annotations

from fastapi import APIRouter

from service.core.api import audit, health, holidays, probes, retention, sign_in, system

router = APIRouter()
for subject in (sign_in, health, audit, holidays, retention, system, probes):
    router.include_router(subject.router)
