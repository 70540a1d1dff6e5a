"""The front door: one ASGI path table. Heartbeats and assistants go to doors of their own,
everything else to FastAPI."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__
from service.core import api as core_api
from service.core import (
    areas,
    bodies,
    by_path,
    crowds,
    gauges,
    hosts,
    leaving,
    logs,
    observe,
    once,
    problems,
    reading,
    replica,
    seats,
)
from service.core.api import account, files, imports, sign_in
from service.core.db import transaction
from service.core.installation import refuse_demo_in_production
from service.core.instances import Presence
from service.core.pages import assets
from service.core.settings import settings
from service.entries import pages as entries_pages
from service.entries.cards.rules import PATH as CARD_PATH
from service.fleet import ingest as fleet_ingest
from service.fleet.settings import settings as fleet_settings
from service.reservations.assistants import mcp as assistants_mcp
from service.reservations.inbox import webhooks


def _fastapi(ingest: fleet_ingest.Ingest, assistants: assistants_mcp.Door) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(_refuse_demo_in_production)
        leaving.linger(settings().drain_seconds)
        with Presence("service", gauges.MEASURED.measure), replica.watching():
            async with ingest.run(), assistants.run():
                yield

    api = FastAPI(
        title="Genba",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    problems.install(api)
    reading.install(api)
    doors = [door for kind in ("api", "pages", "webhooks") for door in areas.modules(kind)]
    routes = [*core_api.routes, *(route for door in doors for route in door.router.routes)]
    once.install(routes)
    by_path.install(api, routes)

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = get_openapi(title=api.title, version=api.version, routes=api.routes)
            models = document["components"]["schemas"]

            def schema_of(model: type) -> dict[str, Any]:
                schema = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")
                models.update(schema.pop("$defs", {}))
                models[model.__name__] = schema
                return {"$ref": f"#/components/schemas/{model.__name__}"}

            for path, route, declared in locks(api):
                for method in (route.methods or ()) if declared and route.include_in_schema else ():
                    said = document["paths"][path][method.lower()]
                    said["x-permission"] = declared[0]
                    if reading.may_lag(route):
                        said["x-may-lag"] = True
                if route.include_in_schema and once.remembers(route):
                    once.describe(document["paths"][path]["post"])
            for operation in (one for item in document["paths"].values() for one in item.values()):
                for status in (408, 413, 429, 503) if "requestBody" in operation else (429,):
                    operation["responses"].setdefault(str(status), problems.RESPONSES[status])
            document["paths"][fleet_ingest.PATH] = fleet_ingest.openapi(schema_of)
            _say_times_of_day(document)
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return api


# Tokyo's, without a zone: what JSON Schema calls `time` has one.
TIME_OF_DAY = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"


def _say_times_of_day(said: Any) -> None:
    if isinstance(said, dict):
        if said.get("type") == "string" and said.get("format") == "time":
            del said["format"]
            said["pattern"] = TIME_OF_DAY
        said = list(said.values())
    for one in said if isinstance(said, list) else ():
        _say_times_of_day(one)


def locks(api: FastAPI) -> Iterator[tuple[str, APIRoute, list[str]]]:
    """Each route with its path and the permissions it declares."""
    for context in iter_route_contexts(api.routes):
        if isinstance(route := context.original_route, APIRoute):
            calls = [dependency.call for dependency in route.dependant.dependencies]
            yield str(context.path), route, [lock for call in calls if (lock := getattr(call, "permission", None))]


def _refuse_demo_in_production() -> None:
    """A database that is away just now is no reason not to start: the readiness door says so."""
    with contextlib.suppress(SQLAlchemyError), transaction() as db:
        refuse_demo_in_production(db)


# Doors that read their bodies themselves: files, and what vendors sign.
STREAMED = re.compile(rf"{files.PATH}|{webhooks.PATH}[a-z]+|/api/fleet/agent/commands/[0-9]+/bundle")


def _guarded(app: ASGIApp) -> ASGIApp:
    """What every request passes on its way to a seat: counted and logged, not too many of one source, read to the
    end."""
    return observe.Observed(crowds.Crowds(bodies.Bodies(app, STREAMED), webhooks.PATH))


class FrontDoor:
    """`doors` maps a path to the ASGI callable that answers it; `rest` takes all other paths and the lifespan."""

    def __init__(self) -> None:
        areas.check_settings()
        ingest = fleet_ingest.Ingest(settings().direct_url, fleet_settings().heartbeat_interval_seconds)
        assistants = assistants_mcp.Door()
        self.fastapi = _fastapi(ingest, assistants)
        # Taking the pulse must work when everything else waits.
        free = frozenset({"/", "/api/docs", "/api/health/live", "/metrics", "/api/openapi.json"})
        brief = (
            files.PATH,
            assets.PATH,
            sign_in.PATH,
            account.PASSWORD_PATH,
            entries_pages.START,
            CARD_PATH,
            webhooks.PATH,
        )
        doors = frozenset({imports.PATH})
        waiting = seats.Seats(self.fastapi, settings().database_pool_size, free, brief, doors)
        self.rest = _guarded(waiting)
        self.doors: dict[str, ASGIApp] = {
            fleet_ingest.PATH: ingest,
            **dict.fromkeys(assistants_mcp.PATHS, _guarded(waiting.beside(assistants))),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return
        if leaving.is_leaving():
            send = leaving.last_of_its_connection(send)
        path = scope["path"]
        if not hosts.is_ours(hosts.host_of(scope)) and path not in hosts.OPEN_PATHS:
            await hosts.refuse(scope, receive, send)
            return
        await self.doors.get(path, self.rest)(scope, receive, send)


def app() -> FrontDoor:
    """For uvicorn's `--factory`: settings are read when the process starts, not when the module is imported."""
    logs.configure_logging(settings().log_level)
    # What is imported stays for good. To look through it for garbage takes a fifth of the start, and later a tenth of
    # every answer: a list of 50 makes more objects than the collector waits for by default.
    gc.disable()
    try:
        return FrontDoor()
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()
