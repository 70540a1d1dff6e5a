"""The service's ASGI application: heartbeats and assistants (MCP) have their own ASGI apps, all other paths go to
FastAPI."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import AsyncIterator, Iterator, Mapping
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
from service.core import areas
from service.core.api import account, files, imports, sign_in
from service.core.audit.search import CORE_FIELDS
from service.core.audit.words import CORE_VALUES
from service.core.database import replica
from service.core.database.installation import refuse_demo_in_production
from service.core.database.session import transaction
from service.core.http import (
    concurrency,
    hosts,
    idempotency,
    problem_responses,
    rate_limits,
    request_log,
    request_size,
    shutdown,
)
from service.core.monitoring import gauges, logs
from service.core.monitoring.instances import Presence
from service.core.pages import assets
from service.core.routing import one_thread, path_table, replica_reads
from service.core.settings import settings
from service.core.values import labels
from service.entries import pages as entries_pages
from service.entries.cards.rules import PATH as CARD_PATH
from service.fleet import ingest as fleet_ingest
from service.fleet.settings import settings as fleet_settings
from service.reservations.assistants import mcp as assistants_mcp
from service.reservations.inbox import webhooks


def _fastapi(ingest: fleet_ingest.Ingest, assistants: assistants_mcp.McpApp) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(_refuse_demo_in_production)
        shutdown.delay_sigterm(settings().drain_seconds)
        with Presence("service", gauges.STATE_COLLECTOR.measure), replica.watch_in_background():
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
    problem_responses.install(api)
    replica_reads.install(api)
    modules = [module for kind in ("api", "pages", "webhooks") for module in areas.modules(kind)]
    routes = [*core_api.routes, *(route for module in modules for route in module.router.routes)]
    one_thread.install(routes)
    path_table.install(api, routes)

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = get_openapi(title=api.title, version=api.version, routes=api.routes)
            models = document["components"]["schemas"]

            def schema_of(model: type) -> dict[str, Any]:
                schema = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")
                models.update(schema.pop("$defs", {}))
                models[model.__name__] = schema
                return {"$ref": f"#/components/schemas/{model.__name__}"}

            for path, route, declared in route_permissions(api):
                for method in (route.methods or ()) if declared and route.include_in_schema else ():
                    operation = document["paths"][path][method.lower()]
                    operation["x-permission"] = declared[0]
                    if replica_reads.may_lag(route):
                        operation["x-may-lag"] = True
                if route.include_in_schema and idempotency.is_idempotent(route):
                    operation = document["paths"][path]["post"]
                    idempotency.describe(operation)
                    operation["responses"].setdefault("409", problem_responses.RESPONSES[409])
            for operation in (operation for item in document["paths"].values() for operation in item.values()):
                for status in (408, 413, 429, 503) if "requestBody" in operation else (429,):
                    operation["responses"].setdefault(str(status), problem_responses.RESPONSES[status])
            document["paths"][fleet_ingest.PATH] = fleet_ingest.openapi(schema_of)
            _describe_times_of_day(document)
            document["x-labels"] = _labels()
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return api


def _labels() -> dict[str, dict[str, dict[str, str]]]:
    """Of codes, by area and table. A copy, and the codes as texts: that is what JSON has."""
    return {
        area: {table: {str(code): label for code, label in codes.items()} for table, codes in tables.items()}
        for area, tables in _label_tables().items()
    }


def _label_tables() -> dict[str, dict[str, Mapping[Any, str]]]:
    """`Fields` and `Subjects` are those of the area's audit entries, then come the codes in their fields."""
    core: dict[str, Mapping[Any, str]] = {"Fields": CORE_FIELDS, **CORE_VALUES, **_registered(areas.CORE)}
    return {areas.CORE: core} | {
        area.name: {
            "Fields": area.fields,
            "Subjects": area.subjects,
            **{field: codes for field, codes in area.values.items() if not isinstance(codes, str)},
            **_registered(area.name),
        }
        for area in areas.areas().values()
    }


def _registered(area: str) -> dict[str, Mapping[Any, str]]:
    """By name: the order of the imports is not always the same."""
    return dict(sorted(labels.TABLES.get(area, {}).items()))


# Time of day in Tokyo, without a time zone; the format `time` of JSON Schema has one.
TIME_OF_DAY = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"


def _describe_times_of_day(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "string" and node.get("format") == "time":
            del node["format"]
            node["pattern"] = TIME_OF_DAY
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        _describe_times_of_day(child)


def route_permissions(api: FastAPI) -> Iterator[tuple[str, APIRoute, list[str]]]:
    """Each route with its path and the permissions it declares."""
    for context in iter_route_contexts(api.routes):
        if isinstance(route := context.original_route, APIRoute):
            calls = [dependency.call for dependency in route.dependant.dependencies]
            yield (
                str(context.path),
                route,
                [permission for call in calls if (permission := getattr(call, "permission", None))],
            )


def _refuse_demo_in_production() -> None:
    """The service starts even when the database is not reachable now: the readiness endpoint reports that."""
    with contextlib.suppress(SQLAlchemyError), transaction() as db:
        refuse_demo_in_production(db)


# Endpoints that read their bodies themselves: files, and webhooks, whose signature covers the raw body.
STREAMED_PATHS = re.compile(rf"{files.PATH}|{webhooks.PATH}[a-z]+|/api/fleet/agent/commands/[0-9]+/bundle")


def _with_middleware(app: ASGIApp) -> ASGIApp:
    """The middleware before the concurrency limit: request log, rate limit, and request size limit, which reads the
    body."""
    return request_log.RequestLog(
        rate_limits.RateLimits(request_size.RequestSizeLimit(app, STREAMED_PATHS), webhooks.PATH)
    )


class Application:
    """`asgi_apps` maps a path to its ASGI app; `default_app` takes all other paths and the lifespan."""

    def __init__(self) -> None:
        areas.check_settings()
        ingest = fleet_ingest.Ingest(settings().direct_url, fleet_settings().heartbeat_interval_seconds)
        assistants = assistants_mcp.McpApp()
        self.fastapi = _fastapi(ingest, assistants)
        # Health checks and metrics must work when all other requests wait.
        unlimited = frozenset({"/", "/api/docs", "/api/health/live", "/metrics", "/api/openapi.json"})
        short_prefixes = (
            files.PATH,
            assets.PATH,
            sign_in.PATH,
            account.PASSWORD_PATH,
            entries_pages.PATH_PREFIX,
            CARD_PATH,
            webhooks.PATH,
        )
        short_paths = frozenset({imports.PATH})
        limited = concurrency.ConcurrencyLimit(
            self.fastapi, settings().database_pool_size, unlimited, short_prefixes, short_paths
        )
        self.default_app = _with_middleware(limited)
        self.asgi_apps: dict[str, ASGIApp] = {
            fleet_ingest.PATH: ingest,
            **dict.fromkeys(assistants_mcp.PATHS, _with_middleware(limited.shared_with(assistants))),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.default_app(scope, receive, send)
            return
        if shutdown.is_shutting_down():
            send = shutdown.closing_connection(send)
        path = scope["path"]
        if not hosts.is_allowed_host(hosts.host_header(scope)) and path not in hosts.OPEN_PATHS:
            await hosts.refuse(scope, receive, send)
            return
        await self.asgi_apps.get(path, self.default_app)(scope, receive, send)


def app() -> Application:
    """For uvicorn's `--factory`: settings are read when the process starts, not when the module is imported."""
    logs.configure_logging(settings().log_level)
    # Imported objects are never freed. Garbage collection of them takes a fifth of the start time, and later a tenth of
    # the time of every response: a list of 50 rows creates more objects than the collector's default threshold.
    gc.disable()
    try:
        return Application()
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()
