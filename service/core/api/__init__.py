"""The floor's routes, one module per subject."""

from __future__ import annotations

from fastapi import APIRouter

from service.core.api import health, sign_in, system

router = APIRouter()
for subject in (sign_in, health, system):
    router.include_router(subject.router)
