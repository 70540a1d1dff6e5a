"""The sandbox as one app: vendors' doors, an inbox for people, fault switches and the log, each as page and as JSON.

On loopback only and without a sign-in: whatever is sent here stays here.
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

from tests.sandbox.faults import EVERY_DOOR, Switch
from tests.sandbox.house import House
from tests.sandbox.vendors import SandboxVendor
from tests.sandbox.vendors.mail import listen
from tests.sandbox.view import View

KINDS = {
    "error": "エラーを返す",
    "delay": "遅らせる",
    "late": "処理してから応答を遅らせる",
    "drop": "処理してから応答せずに切断する",
    "duplicate": "2回処理する",
    "reorder": "止めておき、逆順に届ける",
}
PAGE_SIZE = 50


class Pages:
    """What people see, and the same as JSON for tests and scripts."""

    def __init__(self, house: House, listed: Sequence[SandboxVendor], view: View) -> None:
        self._store, self._faults, self._page = house.store, house.faults, view.page
        self._vendors = {vendor.name: vendor for vendor in listed}

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


def make_app(
    house: House,
    listed: Sequence[SandboxVendor],
    view: View,
    routes: Sequence[BaseRoute],
    smtp_host: str,
    smtp_port: int,
) -> Starlette:
    """`routes`: those that are neither a vendor's nor the pages of all vendors."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with await listen(house.store, house.faults, smtp_host, smtp_port):
            tasks = [asyncio.create_task(house.webhooks.run()), asyncio.create_task(house.agenda.run())]
            yield
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        house.store.close()

    doors = [route for vendor in listed for route in vendor.routes()]
    return Starlette(routes=[*doors, *routes, *Pages(house, listed, view).routes()], lifespan=lifespan)
