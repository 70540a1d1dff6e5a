"""The floor's routes, one module per subject."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

SUBJECTS = (
    "sign_in",
    "account",
    "users",
    "health",
    "audit",
    "exports",
    "files",
    "holidays",
    "imports",
    "messages",
    "probes",
    "public",
    "retention",
    "system",
    "tasks",
)

router = APIRouter()
for subject in SUBJECTS:
    router.include_router(import_module(f"{__name__}.{subject}").router)
