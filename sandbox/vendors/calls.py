"""Bland's calls: placed, ringing, answered or not, reported by one webhook.

The script of the number decides who answers and what is said (`scripts.py`, "shop"); `conversations.py` has the texts.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.scripts import Answer
from sandbox.services import SandboxServices
from sandbox.vendor_objects import VendorObjects
from sandbox.vendors.conversations import Conversation, RequestedReservation, build_conversation, build_voicemail

WEBHOOK = "webhook"
DEFAULT_MAX_MINUTES = 30
# How many times longer a call takes when the shop makes the caller wait.
SLOW_FACTOR = 10
UNANSWERED = ("busy", "no_answer", "failed")
CALL_STATUS_TITLES = {
    "queued": "発信待ち",
    "ringing": "呼び出し中",
    "in-progress": "通話中",
    "completed": "通話終了",
    "busy": "話し中",
    "no-answer": "応答なし",
    "failed": "発信失敗",
    "canceled": "取り消し",
}


class Calls:
    name = "bland"

    def __init__(self, services: SandboxServices) -> None:
        self._services = services
        self._objects = VendorObjects(services.store, self.name)

    def get(self, call_id: str) -> dict[str, Any] | None:
        return self._objects.get("call", call_id)

    def place(self, parameters: Mapping[str, Any], hold: bool) -> str:
        call_id, at, metadata = str(uuid.uuid4()), self._services.clock.utc_now(), parameters.get("metadata") or {}
        to = parameters["phone_number"]
        details = {
            "call_id": call_id,
            "c_id": call_id,
            "call_length": None,
            "corrected_duration": None,
            "batch_id": None,
            "to": to,
            "from": parameters.get("from") or "+815000000000",
            # Like Bland: the whole request, with the data for the prompt inside.
            "request_data": {name: value for name, value in parameters.items() if name not in ("webhook", "metadata")},
            "completed": False,
            "created_at": at.isoformat(),
            "inbound": False,
            "queue_status": "queued",
            "status": "queued",
            "endpoint_url": "api.sandbox.bland.ai",
            "max_duration": parameters.get("max_duration") or DEFAULT_MAX_MINUTES,
            "error_message": None,
            "variables": {"to": to, "call_id": call_id, "now_utc": f"{at:%a, %d %b %Y %H:%M:%S} GMT"}
            | dict(parameters.get("request_data") or {}),
            "answered_by": None,
            "record": bool(parameters.get("record")),
            "recording_url": None,
            "metadata": metadata,
            "summary": None,
            "price": None,
            "started_at": None,
            "end_at": None,
            "local_dialing": False,
            "call_ended_by": None,
            "pathway_logs": None,
            "analysis_schema": parameters.get("analysis_schema"),
            "analysis": None,
            "concatenated_transcript": "",
            "transcripts": [],
        }
        call: dict[str, Any] = {
            "details": details,
            "effect": str(metadata.get("effect") or ""),
            "webhook": parameters.get("webhook") or self._services.targets.url(self.name),
            "data": parameters.get("request_data") or {},
            "first_sentence": parameters.get("first_sentence") or "",
            "answer": None,
            "overlapped": False,
            "history": [{"at": at.timestamp(), "status": "queued"}],
        }
        self._objects.add("call", call_id, call, to)
        identity = call["effect"] or call_id
        self._services.store.add_message(
            self.name, identity, {"call_id": call_id, "to": to}, f"{to} {call_id}", hold=hold
        )
        self._services.scheduler.add(self.name, self._services.clock.now(), "ring", call_id)
        return call_id

    def run_step(self, step: str, call_id: str) -> None:
        """The steps of a call: queued → ringing → in-progress → completed, or unanswered."""
        call = self._objects.get("call", call_id)
        if call is None or call["details"]["completed"]:
            return
        if step == "ring":
            self._ring(call)
        elif step == "answer":
            answer = Answer.model_validate(call["answer"])
            self._pick_up(call, Answer(kind="no_answer") if answer.kind == "ask" else answer)
        else:
            self.end(call, "completed")

    def _ring(self, call: dict[str, Any]) -> None:
        to, services = call["details"]["to"], self._services
        call["overlapped"] = bool(self._objects.newest("line", to, limit=1))
        # A number in another call is busy, whatever its script says.
        answer = Answer(kind="busy") if call["overlapped"] else services.scripts.take_next("shop", to)
        call["answer"] = answer.model_dump()
        self._objects.add("line", call["details"]["call_id"], {}, to)
        seconds = services.pace.ringing
        if answer.kind == "ask":
            seconds = answer.seconds or services.pace.manual_answer
        self._set_status(call, "ringing")
        services.scheduler.add(self.name, services.clock.now() + seconds, "answer", call["details"]["call_id"])

    def answer(self, call_id: str, answer: Answer) -> bool:
        """A visitor picks up. Returns False when the call does not ring."""
        call = self._objects.get("call", call_id)
        if call is None or call["details"]["status"] != "ringing":
            return False
        with self._services.store.transaction():
            self._services.scheduler.cancel(self.name, call_id)
            self._pick_up(call, answer)
        return True

    def _pick_up(self, call: dict[str, Any], answer: Answer) -> None:
        services, details = self._services, call["details"]
        call["answer"] = answer.model_dump()
        if answer.kind in UNANSWERED:
            self.end(call, answer.kind.replace("_", "-"))
            return
        details["started_at"] = services.clock.utc_now().isoformat()
        details["answered_by"] = "voicemail" if answer.kind == "voicemail" else "human"
        self._set_status(call, "in-progress")
        default_seconds = services.pace.conversation * (SLOW_FACTOR if answer.kind == "slow" else 1)
        seconds = min(default_seconds if answer.seconds is None else answer.seconds, details["max_duration"] * 60)
        services.scheduler.add(self.name, services.clock.now() + seconds, "end", details["call_id"])

    def end(self, call: dict[str, Any], status: str, ended_by: str = "") -> None:
        services, details, at = self._services, call["details"], self._services.clock.utc_now()
        services.scheduler.cancel(self.name, details["call_id"])
        self._objects.remove("line", details["call_id"])
        schema = details["analysis_schema"] or {}
        details |= {"completed": True, "end_at": at.isoformat(), "queue_status": "complete", "call_length": 0.0}
        if status == "completed":
            conversation = self._conversation(call)
            if ended_by:
                # Ended in the middle of the conversation: half of the lines, and no analysis.
                conversation = Conversation(lines=conversation.lines[: len(conversation.lines) // 2], ended_by=ended_by)
            seconds = at.timestamp() - datetime.fromisoformat(details["started_at"]).timestamp()
            details |= {
                "call_length": round(seconds / 60, 3),
                "corrected_duration": str(round(seconds)),
                "price": round(seconds / 60 * 0.09, 3),
                "call_ended_by": conversation.ended_by,
                "summary": conversation.summary or None,
                "transcripts": _transcripts(conversation, details),
                "concatenated_transcript": "".join(f" {speaker}: {text} \n" for speaker, text in conversation.lines),
            }
            if details["answered_by"] == "human" and schema:
                details["analysis"] = {name: conversation.analysis.get(name) for name in schema}
        else:
            details["answered_by"] = {"busy": "busy", "no-answer": "no-answer"}.get(status, "unknown")
            details["call_ended_by"] = ended_by or None
            if status == "failed":
                details["error_message"] = "Call could not be connected."
        self._set_status(call, status)
        if call["webhook"]:
            self._objects.update("call", details["call_id"], call | {"post": self._original_webhook(call)})
            self.send_webhook(call["webhook"], details)

    def _conversation(self, call: Mapping[str, Any]) -> Conversation:
        answer = Answer.model_validate(call["answer"])
        if answer.kind == "voicemail":
            return build_voicemail(RequestedReservation.of(call["data"]))
        return build_conversation(answer, call["data"], call["first_sentence"])

    def _set_status(self, call: dict[str, Any], status: str) -> None:
        details = call["details"]
        details["status"] = status
        if not details["completed"]:
            details["queue_status"] = "started" if status == "in-progress" else status
        call["history"].append({"at": self._services.clock.now(), "status": status})
        self._objects.update("call", details["call_id"], call)
        request = {
            "call_id": details["call_id"],
            "to": details["to"],
            "effect": call["effect"],
            "status": status,
            "answered_by": details["answered_by"],
            "answer": (call["answer"] or {}).get("kind"),
        }
        action = f"電話が「{CALL_STATUS_TITLES[status]}」になった"
        if call["overlapped"]:
            action += "（同じ番号に別の通話があった）"
        self._services.store.add_log_entry(self.name, "call", request, [], [action], "－")

    def send_webhook(self, url: str, details: Mapping[str, Any]) -> None:
        # Like JSON.stringify: no spaces, no escapes. The signature covers exactly these bytes.
        body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
        self._services.webhooks.enqueue(self.name, WEBHOOK, url, body)

    def _original_webhook(self, call: Mapping[str, Any]) -> dict[str, Any]:
        details, at = call["details"], self._services.clock.utc_now().isoformat()
        return {
            "call_id": details["call_id"],
            "payload": details,
            "url": call["webhook"],
            "user_id": "sandbox",
            "created_at": at,
            "metadata": [{"sent_at": at, "response_code": None, "response_time": None, "send_type": "original"}],
        }

    def stored_webhook(self, call_id: str) -> dict[str, Any] | None:
        call = self._objects.get("call", call_id)
        return call.get("post") if call else None

    def list_calls(self, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
        """A page of Bland's list: no metadata, no transcript, the number without its plus. Also returns the total."""
        digits, start = _digits(query.get("to_number", "")), query.get("from", "0")
        matches = [
            call["details"]
            for call in self._objects.newest("call", f"+{digits}" if digits else None)
            if query.get("completed", str(call["details"]["completed"]).lower())
            == str(call["details"]["completed"]).lower()
        ]
        if query.get("ascending") == "true":
            matches.reverse()
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 1000
        first = int(start) if start.isdecimal() and len(start) < 7 else 0
        names = ("call_id", "created_at", "call_length", "from", "completed", "queue_status", "status", "answered_by")
        rows = [
            {name: details[name] for name in (*names, "error_message", "batch_id", "inbound", "end_at")}
            | {"to": _digits(details["to"])}
            for details in matches[first : first + limit]
        ]
        return rows, len(matches)

    def list_all(self, to: str | None = None) -> list[dict[str, Any]]:
        """All calls, oldest first, with fields that Bland does not report."""
        return [
            call["details"]
            | {name: call[name] for name in ("effect", "answer", "overlapped", "history", "first_sentence")}
            for call in reversed(self._objects.newest("call", to))
        ]


def _transcripts(conversation: Conversation, details: Mapping[str, Any]) -> list[dict[str, Any]]:
    started_at = datetime.fromisoformat(details["started_at"]).timestamp()
    seconds_per_line = (datetime.fromisoformat(details["end_at"]).timestamp() - started_at) / max(
        len(conversation.lines), 1
    )
    return [
        {
            "id": number + 1,
            "created_at": datetime.fromtimestamp(started_at + number * seconds_per_line, UTC).isoformat(),
            "text": text,
            "user": speaker,
            "c_id": details["call_id"],
        }
        for number, (speaker, text) in enumerate(conversation.lines)
    ]


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
