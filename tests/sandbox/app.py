"""The sandbox as one app: vendors' doors, an inbox for people, fault switches and the log, each as page and as JSON.

On loopback only and without a sign-in: whatever is sent here stays here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.sandbox.faults import EVERY_DOOR, Faults, Switch
from tests.sandbox.store import Store
from tests.sandbox.vendors import SandboxVendor
from tests.sandbox.vendors.mail import listen
from tests.sandbox.webhooks import Webhooks

KINDS = {
    "error": "エラーを返す",
    "delay": "遅らせる",
    "drop": "処理してから応答せずに切断する",
    "duplicate": "2回処理する",
    "reorder": "止めておき、逆順に届ける",
}
PAGE_SIZE = 50


class Pages:
    """What people see, and the same as JSON for tests and scripts."""

    def __init__(self, store: Store, faults: Faults, listed: Sequence[SandboxVendor]) -> None:
        self._store, self._faults = store, faults
        self._vendors = {vendor.name: vendor for vendor in listed}
        folder = Path(__file__).parent / "templates"
        self._templates = Environment(loader=FileSystemLoader(folder), autoescape=True)

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
            Route("/_control/messages", self.forget, methods=["DELETE"]),
            Route("/health", self.health),
        ]

    async def inbox(self, request: Request) -> Response:
        vendor, q = self._asked(request)
        page = request.query_params.get("page", "1")
        number = max(int(page), 1) if page.isdecimal() and len(page) < 6 else 1
        found = self._store.newest(vendor, q, PAGE_SIZE + 1, (number - 1) * PAGE_SIZE)
        shown = [(message, self._vendors[message.vendor].card(message)) for message in found[:PAGE_SIZE]]
        return self._page(
            "inbox.html",
            shown=shown,
            vendor=vendor,
            q=q,
            page=number,
            more=len(found) > PAGE_SIZE,
            counts={name: self._store.count(name) for name in self._vendors},
            held=self._store.count(held=True),
        )

    async def message(self, request: Request) -> Response:
        message = self._store.message(request.path_params["message_id"])
        if message is None:
            return self._page("gone.html", status=404)
        return self._page("message.html", message=message, card=self._vendors[message.vendor].card(message))

    async def switches(self, request: Request, problem: str = "", status: int = 200) -> Response:
        return self._page(
            "faults.html", status=status, switched_on=self._faults.switched_on(), kinds=KINDS, problem=problem
        )

    async def switch_on_by_form(self, request: Request) -> Response:
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str) and value.strip()}
        vendor, _, door = given.pop("place", "").partition(":")
        try:
            self._switch_on(given | {"vendor": vendor, "door": door})
        except (ValidationError, ValueError):
            problem = "設定できませんでした。数値の範囲（状態コードは400〜599、遅延は120秒まで）を確認してください。"
            return await self.switches(request, problem, 422)
        return RedirectResponse("/faults", 303)

    async def switch_off_by_form(self, request: Request) -> Response:
        self._faults.switch_off(request.path_params["fault_id"])
        return RedirectResponse("/faults", 303)

    async def log(self, request: Request) -> Response:
        vendor, q = self._asked(request)
        return self._page("log.html", entries=self._store.truth(vendor, q, 200), vendor=vendor, q=q)

    async def faults_json(self, _: Request) -> Response:
        return JSONResponse([fault.model_dump() for fault in self._faults.switched_on()])

    async def switch_on(self, request: Request) -> Response:
        try:
            return JSONResponse({"id": self._switch_on(await request.json())}, 201)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)

    async def switch_off(self, request: Request) -> Response:
        return Response(status_code=204 if self._faults.switch_off(request.path_params["fault_id"]) else 404)

    async def log_json(self, request: Request) -> Response:
        vendor, q = self._asked(request)
        return JSONResponse([asdict(entry) for entry in self._store.truth(vendor, q, 10_000)])

    async def forget(self, _: Request) -> Response:
        self._store.empty()
        return Response(status_code=204)

    async def health(self, _: Request) -> Response:
        return Response("ok", media_type="text/plain")

    def _switch_on(self, given: Any) -> int:
        switch = Switch.model_validate(given)
        vendor = self._vendors.get(switch.vendor)
        if vendor is None or switch.door not in (EVERY_DOOR, *vendor.doors):
            raise ValueError(f"no such door: {switch.vendor} {switch.door}")
        return self._faults.switch_on(switch)

    def _asked(self, request: Request) -> tuple[str | None, str]:
        vendor = request.query_params.get("vendor")
        return vendor if vendor in self._vendors else None, request.query_params.get("q", "").strip()[:100]

    def _page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        on = len(self._faults.switched_on())
        text = self._templates.get_template(name).render(vendors=self._vendors, faults_on=on, **values)
        return HTMLResponse(text, status, {"Content-Security-Policy": "default-src 'self' 'unsafe-inline'"})


def make_app(store: Store, listed: Sequence[SandboxVendor], smtp_host: str, smtp_port: int) -> Starlette:
    faults = Faults(store)
    webhooks = Webhooks(store, faults)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with await listen(store, faults, smtp_host, smtp_port):
            deliveries = asyncio.create_task(webhooks.run())
            yield
            deliveries.cancel()
            with suppress(asyncio.CancelledError):
                await deliveries
        store.close()

    doors = [route for vendor in listed for route in vendor.routes(store, faults, webhooks)]
    return Starlette(routes=[*doors, *Pages(store, faults, listed).routes()], lifespan=lifespan)
