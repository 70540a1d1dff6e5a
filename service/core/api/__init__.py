"""The core's routes, one module per subject."""

from __future__ import annotations

from importlib import import_module

from starlette.routing import BaseRoute

SUBJECTS = (
    "sign_in",
    "account",
    "preferences",
    "users",
    "health",
    "home",
    "audit",
    "backups",
    "exports",
    "files",
    "holidays",
    "imports",
    "messages",
    "probes",
    "public",
    "retention",
    "search",
    "system",
    "tasks",
)

routes: list[BaseRoute] = [
    route for subject in SUBJECTS for route in import_module(f"{__name__}.{subject}").router.routes
]
