"""Bland.ai's API: calls placed, looked at and stopped; told of by a signed webhook that is not repeated."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.sandbox.faults import Set
from tests.sandbox.house import House
from tests.sandbox.store import Message
from tests.sandbox.vendors import Card
from tests.sandbox.vendors.calls import STATES, WEBHOOK, Calls
from tests.sandbox.wire import Cut


class Bland:
    name, title = "bland", "電話"
    doors: tuple[str, ...] = (
        "calls.create",
        "calls.get",
        "calls.list",
        "calls.stop",
        "postcall.get",
        "postcall.resend",
        WEBHOOK,
    )

    def __init__(self, house: House, api_key: str, webhook_secret: str) -> None:
        self._house, self._key, self._secret = house, api_key, webhook_secret
        self.calls = Calls(house)

    def routes(self) -> list[BaseRoute]:
        self._house.webhooks.signed_by(self.name, self._sign, retries=())
        self._house.agenda.done_by(self.name, self.calls.step)
        return [
            Route("/v1/calls", self._create, methods=["POST"]),
            Route("/v1/calls", self._list),
            Route("/v1/calls/{call_id}", self._get),
            Route("/v1/calls/{call_id}/stop", self._stop, methods=["POST"]),
            Route("/v1/postcall/webhooks/resend", self._resend, methods=["POST"]),
            Route("/v1/postcall/webhooks/{call_id}", self._postcall),
        ]

    async def _create(self, request: Request) -> Response:
        try:
            given = json.loads(await request.body())
        except ValueError:
            given = None

        def work(hold: bool) -> tuple[str, Response]:
            wrong = _wrong(given)
            refused = self._unknown(request) or (wrong and _error(400, "Invalid parameters", [wrong]))
            if refused:
                return "断った", refused
            call_id = self.calls.place(given, hold)
            said = {"status": "success", "message": "Call successfully queued.", "call_id": call_id, "batch_id": None}
            return f"電話 {call_id} を受け付けた", JSONResponse(said)

        return await self._pass("calls.create", given if isinstance(given, dict) else {"body": str(given)}, work)

    async def _get(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]

        def work(_: bool) -> tuple[str, Response]:
            call = self.calls.get(call_id)
            refused = self._unknown(request)
            if refused or call is None:
                return "断った", refused or _error(404, "Call not found")
            return f"電話 {call_id} を見せた", JSONResponse(call["details"])

        return await self._pass("calls.get", {"call_id": call_id}, work)

    async def _list(self, request: Request) -> Response:
        asked = dict(request.query_params)

        def work(_: bool) -> tuple[str, Response]:
            refused = self._unknown(request)
            if refused:
                return "断った", refused
            rows, total = self.calls.rows(asked)
            said = {"status": "success", "count": len(rows), "total_count": total, "calls": rows}
            return f"電話 {len(rows)}件を見せた", JSONResponse(said)

        return await self._pass("calls.list", asked, work)

    async def _stop(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]

        def work(_: bool) -> tuple[str, Response]:
            refused = self._unknown(request)
            call = self.calls.get(call_id)
            if refused or call is None or call["details"]["completed"]:
                return "断った", refused or _error(400, "SID not found for the given c_id.")
            self.calls.end(
                call, "canceled" if call["details"]["status"] != "in-progress" else "completed", "API_REQUEST"
            )
            return f"電話 {call_id} を止めた", JSONResponse(
                {"status": "success", "message": "Call ended successfully."}
            )

        return await self._pass("calls.stop", {"call_id": call_id}, work)

    async def _postcall(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]

        def work(_: bool) -> tuple[str, Response]:
            refused, post = self._unknown(request), self.calls.post(call_id)
            if refused or post is None:
                missing = {"error": "WEBHOOK_NOT_FOUND", "message": "No webhook was found for this call."}
                return "断った", refused or JSONResponse({"data": None, "errors": [missing]}, 404)
            return f"電話 {call_id} のWebhookを見せた", JSONResponse({"data": post, "errors": None})

        return await self._pass("postcall.get", {"call_id": call_id}, work)

    async def _resend(self, request: Request) -> Response:
        try:
            ids = list(json.loads(await request.body())["call_ids"])
        except (ValueError, KeyError, TypeError):
            ids = []

        def work(_: bool) -> tuple[str, Response]:
            refused = self._unknown(request)
            posts = [(call_id, self.calls.post(str(call_id))) for call_id in ids]
            lost = [
                {"error": "WEBHOOK_NOT_FOUND", "message": f"No webhook was found for call {call_id}."}
                for call_id, post in posts
                if post is None
            ]
            found = [post for _, post in posts if post]
            if refused or not found:
                return "断った", refused or JSONResponse({"data": None, "errors": lost}, 400)
            for post in found:
                self.calls.tell(post["url"], post["payload"])
            said = {"data": found, "errors": lost or None}
            return f"Webhook {len(found)}件を再送した", JSONResponse(said)

        return await self._pass("postcall.resend", {"call_ids": ids}, work)

    async def _pass(self, door: str, given: Mapping[str, Any], work: Any) -> Response:
        answer = await self._house.faults.passing(self.name, door, given, work, _fault, _in_words)
        return Cut() if answer is None else answer

    def _unknown(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return None if given == self._key else _error(401, "Invalid API key")

    def _sign(self, _: str, body: bytes, at: int) -> dict[str, str]:
        secret = next(iter(self._house.targets.secrets(self.name)), self._secret)
        return {"X-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}

    def card(self, message: Message) -> Card:
        kept = message.content
        call = self.calls.get(kept["call_id"])
        details = call["details"] if call else {"status": "", "transcripts": [], "summary": None, "metadata": {}}
        lines = [
            f"{'AI' if line['user'] == 'assistant' else '店舗'}：{line['text']}" for line in details["transcripts"]
        ]
        return Card(
            title=f"{kept['to']} への電話",
            where=kept["to"],
            preview=details["summary"] or (lines[0] if lines else ""),
            text="\n".join(lines) or "まだ会話はありません。",
            facts=[
                ("発信先", kept["to"]),
                ("call_id", kept["call_id"]),
                ("識別キー", str(details["metadata"].get("effect", ""))),
            ],
            state=STATES.get(details["status"], ""),
            bad=details["status"] in ("failed", "busy", "no-answer"),
            counter="回目",
            link=(f"/calls/{kept['call_id']}", "通話の記録を見る"),
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


def _wrong(given: Any) -> str | None:
    if not isinstance(given, dict):
        return "The request body must be a JSON object."
    if not re.fullmatch(r"\+[1-9]\d{7,14}", str(given.get("phone_number") or "")):
        return "phone_number must be a valid phone number in E.164 format."
    if not given.get("task") and not given.get("pathway_id"):
        return "One of task or pathway_id is required."
    for name in ("metadata", "request_data", "analysis_schema"):
        if given.get(name) is not None and not isinstance(given[name], dict):
            return f"{name} must be an object."
    minutes = given.get("max_duration")
    if minutes is not None and (not isinstance(minutes, int | float) or minutes <= 0):
        return "max_duration must be a positive number of minutes."
    return None


def _error(status: int, message: str, errors: list[str] | None = None, headers: Any = None) -> Response:
    return JSONResponse({"status": "error", "message": message, "errors": errors or [message]}, status, headers)


def _fault(fault: Set) -> Response:
    if fault.status == 429:
        return _error(429, "Rate limit exceeded", None, {"Retry-After": str(fault.retry_after or 1)})
    return _error(fault.status, fault.code or "Internal server error")


def _in_words(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:300]}"
