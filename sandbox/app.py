"""The sandbox as one ASGI app: the vendors' endpoints, an inbox, the fault switches and the log, each as page and as
JSON.

It listens on loopback only and has no sign-in: nothing that is sent to it goes any further.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import EVERY_OPERATION, Switch
from sandbox.services import SandboxServices
from sandbox.vendors import SandboxVendor
from sandbox.vendors.mail import start_smtp_server
from sandbox.view import PageRenderer

FAULT_KIND_TITLES = {
    "error": "エラーを返す",
    "delay": "遅らせる",
    "late": "処理してから応答を遅らせる",
    "drop": "処理してから応答せずに切断する",
    "duplicate": "2回処理する",
    "reorder": "止めておき、逆順に届ける",
}
PAGE_SIZE = 50


class Pages:
    """The pages that visitors see, and the same data as JSON for tests and scripts."""

    def __init__(self, services: SandboxServices, vendors: Sequence[SandboxVendor], view: PageRenderer) -> None:
        self._store, self._faults, self._render = services.store, services.faults, view.render
        self._vendors = {vendor.name: vendor for vendor in vendors}

    def routes(self) -> list[Route]:
        return [
            Route("/", self.inbox),
            Route("/messages/{message_id:int}", self.message),
            Route("/faults", self.switches),
            Route("/faults", self.switch_on_by_form, methods=["POST"]),
            Route("/faults/{fault_id:int}/off", self.switch_off_by_form, methods=["POST"]),
            Route("/log", self.log),
            Route("/_control/faults", self.faults_json),
            Route("/_control/faults", self.switch_on, methods=["POST"]),
            Route("/_control/faults/{fault_id:int}", self.switch_off, methods=["DELETE"]),
            Route("/_control/log", self.log_json),
            Route("/_control/messages", self.clear, methods=["DELETE"]),
            Route("/health", self.health),
        ]

    async def inbox(self, request: Request) -> Response:
        vendor, q = self._filters(request)
        page_text = request.query_params.get("page", "1")
        number = max(int(page_text), 1) if page_text.isdecimal() and len(page_text) < 6 else 1
        messages = self._store.newest_messages(vendor, q, PAGE_SIZE + 1, (number - 1) * PAGE_SIZE)
        shown = [(message, self._vendors[message.vendor].card(message)) for message in messages[:PAGE_SIZE]]
        return self._render(
            "inbox.html",
            shown=shown,
            vendor=vendor,
            q=q,
            page=number,
            more=len(messages) > PAGE_SIZE,
            counts={name: self._store.count_messages(name) for name in self._vendors},
            held=self._store.count_messages(held=True),
        )

    async def message(self, request: Request) -> Response:
        message = self._store.get_message(request.path_params["message_id"])
        if message is None:
            return self._render("gone.html", status=404)
        return self._render("message.html", message=message, card=self._vendors[message.vendor].card(message))

    async def switches(self, request: Request, problem: str = "", status: int = 200) -> Response:
        return self._render(
            "faults.html",
            status=status,
            switched_on=self._faults.active_switches(),
            kinds=FAULT_KIND_TITLES,
            problem=problem,
        )

    async def switch_on_by_form(self, request: Request) -> Response:
        async with request.form() as form:
            settings = {name: value for name, value in form.items() if isinstance(value, str) and value.strip()}
        vendor, _, operation = settings.pop("place", "").partition(":")
        try:
            self._create_switch(settings | {"vendor": vendor, "operation": operation})
        except (ValidationError, ValueError):
            problem = "設定できませんでした。数値の範囲（状態コードは400〜599、遅延は120秒まで）を確認してください。"
            return await self.switches(request, problem, 422)
        return RedirectResponse("/faults", 303)

    async def switch_off_by_form(self, request: Request) -> Response:
        self._faults.switch_off(request.path_params["fault_id"])
        return RedirectResponse("/faults", 303)

    async def log(self, request: Request) -> Response:
        vendor, q = self._filters(request)
        return self._render("log.html", entries=self._store.log_entries(vendor, q, 200), vendor=vendor, q=q)

    async def faults_json(self, _: Request) -> Response:
        return JSONResponse([fault.model_dump() for fault in self._faults.active_switches()])

    async def switch_on(self, request: Request) -> Response:
        try:
            return JSONResponse({"id": self._create_switch(await request.json())}, 201)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)

    async def switch_off(self, request: Request) -> Response:
        return Response(status_code=204 if self._faults.switch_off(request.path_params["fault_id"]) else 404)

    async def log_json(self, request: Request) -> Response:
        vendor, q = self._filters(request)
        return JSONResponse([asdict(entry) for entry in self._store.log_entries(vendor, q, 10_000)])

    async def clear(self, _: Request) -> Response:
        self._store.clear()
        return Response(status_code=204)

    async def health(self, _: Request) -> Response:
        return Response("ok", media_type="text/plain")

    def _create_switch(self, settings: Any) -> int:
        switch = Switch.model_validate(settings)
        vendor = self._vendors.get(switch.vendor)
        if vendor is None or switch.operation not in (EVERY_OPERATION, *vendor.operations):
            raise ValueError(f"no such operation: {switch.vendor} {switch.operation}")
        return self._faults.switch_on(switch)

    def _filters(self, request: Request) -> tuple[str | None, str]:
        vendor = request.query_params.get("vendor")
        return vendor if vendor in self._vendors else None, request.query_params.get("q", "").strip()[:100]


def create_app(
    services: SandboxServices,
    vendors: Sequence[SandboxVendor],
    view: PageRenderer,
    routes: Sequence[BaseRoute],
    smtp_host: str,
    smtp_port: int,
) -> Starlette:
    """`routes`: the routes that belong neither to a vendor nor to `Pages`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with await start_smtp_server(services.store, services.faults, smtp_host, smtp_port):
            tasks = [asyncio.create_task(services.webhooks.run()), asyncio.create_task(services.scheduler.run())]
            yield
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        services.store.close()

    vendor_routes = [route for vendor in vendors for route in vendor.routes()]
    return Starlette(routes=[*vendor_routes, *routes, *Pages(services, vendors, view).routes()], lifespan=lifespan)
