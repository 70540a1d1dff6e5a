"""Bland.ai's API: calls are placed, read, listed and stopped; a signed webhook, which is not retried, reports the
end."""

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

from sandbox.connections import AbortedResponse
from sandbox.faults import ActiveSwitch
from sandbox.services import SandboxServices
from sandbox.store import Message
from sandbox.vendors import Card
from sandbox.vendors.calls import CALL_STATUS_TITLES, WEBHOOK, Calls


class Bland:
    name, title = "bland", "電話"
    operations: tuple[str, ...] = (
        "calls.create",
        "calls.get",
        "calls.list",
        "calls.stop",
        "postcall.get",
        "postcall.resend",
        WEBHOOK,
    )

    def __init__(self, services: SandboxServices, api_key: str, webhook_secret: str) -> None:
        self._services, self._key, self._secret = services, api_key, webhook_secret
        self.calls = Calls(services)

    def routes(self) -> list[BaseRoute]:
        self._services.webhooks.register_signer(self.name, self._sign, retry_delays=())
        self._services.scheduler.register_handler(self.name, self.calls.run_step)
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
            parameters = json.loads(await request.body())
        except ValueError:
            parameters = None

        def work(hold: bool) -> tuple[str, Response]:
            problem = _parameter_error(parameters)
            refusal = self._authentication_error(request) or (
                problem and _error_response(400, "Invalid parameters", [problem])
            )
            if refusal:
                return "断った", refusal
            call_id = self.calls.place(parameters, hold)
            body = {"status": "success", "message": "Call successfully queued.", "call_id": call_id, "batch_id": None}
            return f"電話 {call_id} を受け付けた", JSONResponse(body)

        return await self._handle(
            "calls.create", parameters if isinstance(parameters, dict) else {"body": str(parameters)}, work
        )

    async def _get(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]

        def work(_: bool) -> tuple[str, Response]:
            call = self.calls.get(call_id)
            refusal = self._authentication_error(request)
            if refusal or call is None:
                return "断った", refusal or _error_response(404, "Call not found")
            return f"電話 {call_id} を見せた", JSONResponse(call["details"])

        return await self._handle("calls.get", {"call_id": call_id}, work)

    async def _list(self, request: Request) -> Response:
        query = dict(request.query_params)

        def work(_: bool) -> tuple[str, Response]:
            refusal = self._authentication_error(request)
            if refusal:
                return "断った", refusal
            rows, total = self.calls.list_calls(query)
            body = {"status": "success", "count": len(rows), "total_count": total, "calls": rows}
            return f"電話 {len(rows)}件を見せた", JSONResponse(body)

        return await self._handle("calls.list", query, work)

    async def _stop(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]

        def work(_: bool) -> tuple[str, Response]:
            refusal = self._authentication_error(request)
            call = self.calls.get(call_id)
            if refusal or call is None or call["details"]["completed"]:
                return "断った", refusal or _error_response(400, "SID not found for the given c_id.")
            self.calls.end(
                call, "canceled" if call["details"]["status"] != "in-progress" else "completed", "API_REQUEST"
            )
            return f"電話 {call_id} を止めた", JSONResponse(
                {"status": "success", "message": "Call ended successfully."}
            )

        return await self._handle("calls.stop", {"call_id": call_id}, work)

    async def _postcall(self, request: Request) -> Response:
        call_id = request.path_params["call_id"]

        def work(_: bool) -> tuple[str, Response]:
            refusal, webhook = self._authentication_error(request), self.calls.stored_webhook(call_id)
            if refusal or webhook is None:
                missing = {"error": "WEBHOOK_NOT_FOUND", "message": "No webhook was found for this call."}
                return "断った", refusal or JSONResponse({"data": None, "errors": [missing]}, 404)
            return f"電話 {call_id} のWebhookを見せた", JSONResponse({"data": webhook, "errors": None})

        return await self._handle("postcall.get", {"call_id": call_id}, work)

    async def _resend(self, request: Request) -> Response:
        try:
            ids = list(json.loads(await request.body())["call_ids"])
        except (ValueError, KeyError, TypeError):
            ids = []

        def work(_: bool) -> tuple[str, Response]:
            refusal = self._authentication_error(request)
            webhooks = [(call_id, self.calls.stored_webhook(str(call_id))) for call_id in ids]
            errors = [
                {"error": "WEBHOOK_NOT_FOUND", "message": f"No webhook was found for call {call_id}."}
                for call_id, webhook in webhooks
                if webhook is None
            ]
            webhooks_to_send = [webhook for _, webhook in webhooks if webhook]
            if refusal or not webhooks_to_send:
                return "断った", refusal or JSONResponse({"data": None, "errors": errors}, 400)
            for webhook in webhooks_to_send:
                self.calls.send_webhook(webhook["url"], webhook["payload"])
            body = {"data": webhooks_to_send, "errors": errors or None}
            return f"Webhook {len(webhooks_to_send)}件を再送した", JSONResponse(body)

        return await self._handle("postcall.resend", {"call_ids": ids}, work)

    async def _handle(self, operation: str, parameters: Mapping[str, Any], work: Any) -> Response:
        answer = await self._services.faults.handle_request(
            self.name, operation, parameters, work, _fault_response, _response_text
        )
        return AbortedResponse() if answer is None else answer

    def _authentication_error(self, request: Request) -> Response | None:
        api_key = request.headers.get("authorization", "").removeprefix("Bearer ")
        return None if api_key == self._key else _error_response(401, "Invalid API key")

    def _sign(self, _: str, body: bytes, at: int) -> dict[str, str]:
        secret = next(iter(self._services.targets.secrets(self.name)), self._secret)
        return {"X-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}

    def card(self, message: Message) -> Card:
        content = message.content
        call = self.calls.get(content["call_id"])
        details = call["details"] if call else {"status": "", "transcripts": [], "summary": None, "metadata": {}}
        lines = [
            f"{'AI' if line['user'] == 'assistant' else '店舗'}：{line['text']}" for line in details["transcripts"]
        ]
        return Card(
            title=f"{content['to']} への電話",
            where=content["to"],
            preview=details["summary"] or (lines[0] if lines else ""),
            text="\n".join(lines) or "まだ会話はありません。",
            facts=[
                ("発信先", content["to"]),
                ("call_id", content["call_id"]),
                ("識別キー", str(details["metadata"].get("effect", ""))),
            ],
            state=CALL_STATUS_TITLES.get(details["status"], ""),
            bad=details["status"] in ("failed", "busy", "no-answer"),
            counter="回目",
            link=(f"/calls/{content['call_id']}", "通話の記録を見る"),
        )

    def as_json(self, message: Message) -> dict[str, Any]:
        return {"id": message.id, "received_at": message.at, "repeat": message.repeat} | message.content


def _parameter_error(parameters: Any) -> str | None:
    if not isinstance(parameters, dict):
        return "The request body must be a JSON object."
    if not re.fullmatch(r"\+[1-9]\d{7,14}", str(parameters.get("phone_number") or "")):
        return "phone_number must be a valid phone number in E.164 format."
    if not parameters.get("task") and not parameters.get("pathway_id"):
        return "One of task or pathway_id is required."
    for name in ("metadata", "request_data", "analysis_schema"):
        if parameters.get(name) is not None and not isinstance(parameters[name], dict):
            return f"{name} must be an object."
    minutes = parameters.get("max_duration")
    if minutes is not None and (not isinstance(minutes, int | float) or minutes <= 0):
        return "max_duration must be a positive number of minutes."
    return None


def _error_response(status: int, message: str, errors: list[str] | None = None, headers: Any = None) -> Response:
    return JSONResponse({"status": "error", "message": message, "errors": errors or [message]}, status, headers)


def _fault_response(fault: ActiveSwitch) -> Response:
    if fault.status == 429:
        return _error_response(429, "Rate limit exceeded", None, {"Retry-After": str(fault.retry_after or 1)})
    return _error_response(fault.status, fault.code or "Internal server error")


def _response_text(response: Response) -> str:
    return f"{response.status_code} {bytes(response.body).decode()[:300]}"
