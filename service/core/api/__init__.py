"""The floor's routes, one module per subject."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

SUBJECTS = (
    "sign_in",
    "health",
    "audit",
    "holidays",
    "messages",
    "probes",
    "retention",
    "system",
)

router = APIRouter()
for subject in SUBJECTS:
    router.include_router(import_module(f"{__name__}.{subject}").router)
from service.core.api import audit, files, health, holidays, probes, public, retention, sign_in, system

router = APIRouter()
for subject in (sign_in, health, audit, files, public, holidays, retention, system, probes):
    router.include_router(subject.router)
