"""Bland's calls and what may become of them: placed, rung, answered or not, told of once.

Who answers and what is said there says the script of the number (`scripts.py`, "shop"); the words are `talk.py`'s.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.sandbox.house import House
from tests.sandbox.scripts import Answer
from tests.sandbox.things import Things
from tests.sandbox.vendors.talk import Talk, Wish, talk, voicemail

WEBHOOK = "webhook"
DEFAULT_MINUTES = 30
# How much longer a shop takes that makes us wait.
SLOW = 10
UNANSWERED = ("busy", "no_answer", "failed")
STATES = {
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

    def __init__(self, house: House) -> None:
        self._house = house
        self._things = Things(house.store, self.name)

    def get(self, call_id: str) -> dict[str, Any] | None:
        return self._things.get("call", call_id)

    def place(self, given: Mapping[str, Any], hold: bool) -> str:
        call_id, at, metadata = str(uuid.uuid4()), self._house.clock.moment(), given.get("metadata") or {}
        to = given["phone_number"]
        details = {
            "call_id": call_id,
            "c_id": call_id,
            "call_length": None,
            "corrected_duration": None,
            "batch_id": None,
            "to": to,
            "from": given.get("from") or "+815000000000",
            # As at Bland: the whole request, with what it brought for the prompt inside.
            "request_data": {name: value for name, value in given.items() if name not in ("webhook", "metadata")},
            "completed": False,
            "created_at": at.isoformat(),
            "inbound": False,
            "queue_status": "queued",
            "status": "queued",
            "endpoint_url": "api.sandbox.bland.ai",
            "max_duration": given.get("max_duration") or DEFAULT_MINUTES,
            "error_message": None,
            "variables": {"to": to, "call_id": call_id, "now_utc": f"{at:%a, %d %b %Y %H:%M:%S} GMT"}
            | dict(given.get("request_data") or {}),
            "answered_by": None,
            "record": bool(given.get("record")),
            "recording_url": None,
            "metadata": metadata,
            "summary": None,
            "price": None,
            "started_at": None,
            "end_at": None,
            "local_dialing": False,
            "call_ended_by": None,
            "pathway_logs": None,
            "analysis_schema": given.get("analysis_schema"),
            "analysis": None,
            "concatenated_transcript": "",
            "transcripts": [],
        }
        call: dict[str, Any] = {
            "details": details,
            "effect": str(metadata.get("effect") or ""),
            "webhook": given.get("webhook") or self._house.targets.url(self.name),
            "data": given.get("request_data") or {},
            "first_sentence": given.get("first_sentence") or "",
            "answer": None,
            "overlapped": False,
            "history": [{"at": at.timestamp(), "status": "queued"}],
        }
        self._things.add("call", call_id, call, to)
        identity = call["effect"] or call_id
        self._house.store.add(self.name, identity, {"call_id": call_id, "to": to}, f"{to} {call_id}", hold=hold)
        self._house.agenda.add(self.name, self._house.clock.now(), "ring", call_id)
        return call_id

    def step(self, step: str, call_id: str) -> None:
        """queued → ringing → in-progress → completed, or unanswered."""
        call = self._things.get("call", call_id)
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
        to, house = call["details"]["to"], self._house
        call["overlapped"] = bool(self._things.newest("line", to, limit=1))
        # A line that is taken is engaged, whatever the shop would have said.
        answer = Answer(kind="busy") if call["overlapped"] else house.scripts.draw("shop", to)
        call["answer"] = answer.model_dump()
        self._things.add("line", call["details"]["call_id"], {}, to)
        seconds = house.pace.ringing
        if answer.kind == "ask":
            seconds = answer.seconds or house.pace.asking
        self._become(call, "ringing")
        house.agenda.add(self.name, house.clock.now() + seconds, "answer", call["details"]["call_id"])

    def answer(self, call_id: str, answer: Answer) -> bool:
        """Somebody picks up by hand; False when the telephone does not ring."""
        call = self._things.get("call", call_id)
        if call is None or call["details"]["status"] != "ringing":
            return False
        with self._house.store.whole():
            self._house.agenda.drop(self.name, call_id)
            self._pick_up(call, answer)
        return True

    def _pick_up(self, call: dict[str, Any], answer: Answer) -> None:
        house, details = self._house, call["details"]
        call["answer"] = answer.model_dump()
        if answer.kind in UNANSWERED:
            self.end(call, answer.kind.replace("_", "-"))
            return
        details["started_at"] = house.clock.moment().isoformat()
        details["answered_by"] = "voicemail" if answer.kind == "voicemail" else "human"
        self._become(call, "in-progress")
        usual = house.pace.talking * (SLOW if answer.kind == "slow" else 1)
        seconds = min(usual if answer.seconds is None else answer.seconds, details["max_duration"] * 60)
        house.agenda.add(self.name, house.clock.now() + seconds, "end", details["call_id"])

    def end(self, call: dict[str, Any], status: str, ended_by: str = "") -> None:
        house, details, at = self._house, call["details"], self._house.clock.moment()
        house.agenda.drop(self.name, details["call_id"])
        self._things.remove("line", details["call_id"])
        schema = details["analysis_schema"] or {}
        details |= {"completed": True, "end_at": at.isoformat(), "queue_status": "complete", "call_length": 0.0}
        if status == "completed":
            said = self._said(call)
            if ended_by:
                # Cut off in the midst: what had been said so far, and nothing decided.
                said = Talk(lines=said.lines[: len(said.lines) // 2], ended_by=ended_by)
            seconds = at.timestamp() - datetime.fromisoformat(details["started_at"]).timestamp()
            details |= {
                "call_length": round(seconds / 60, 3),
                "corrected_duration": str(round(seconds)),
                "price": round(seconds / 60 * 0.09, 3),
                "call_ended_by": said.ended_by,
                "summary": said.summary or None,
                "transcripts": _transcripts(said, details),
                "concatenated_transcript": "".join(f" {who}: {text} \n" for who, text in said.lines),
            }
            if details["answered_by"] == "human" and schema:
                details["analysis"] = {name: said.analysis.get(name) for name in schema}
        else:
            details["answered_by"] = {"busy": "busy", "no-answer": "no-answer"}.get(status, "unknown")
            details["call_ended_by"] = ended_by or None
            if status == "failed":
                details["error_message"] = "Call could not be connected."
        self._become(call, status)
        if call["webhook"]:
            self._things.put("call", details["call_id"], call | {"post": self._first_post(call)})
            self.tell(call["webhook"], details)

    def _said(self, call: Mapping[str, Any]) -> Talk:
        answer = Answer.model_validate(call["answer"])
        if answer.kind == "voicemail":
            return voicemail(Wish.of(call["data"]))
        return talk(answer, call["data"], call["first_sentence"])

    def _become(self, call: dict[str, Any], status: str) -> None:
        details = call["details"]
        details["status"] = status
        if not details["completed"]:
            details["queue_status"] = "started" if status == "in-progress" else status
        call["history"].append({"at": self._house.clock.now(), "status": status})
        self._things.put("call", details["call_id"], call)
        request = {
            "call_id": details["call_id"],
            "to": details["to"],
            "effect": call["effect"],
            "status": status,
            "answered_by": details["answered_by"],
            "answer": (call["answer"] or {}).get("kind"),
        }
        did = f"電話が「{STATES[status]}」になった"
        if call["overlapped"]:
            did += "（同じ番号に別の通話があった）"
        self._house.store.note(self.name, "call", request, [], [did], "－")

    def tell(self, url: str, details: Mapping[str, Any]) -> None:
        # As JSON.stringify writes it: no spaces, no escapes. What is signed are these bytes.
        body = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode()
        self._house.webhooks.enqueue(self.name, WEBHOOK, url, body)

    def _first_post(self, call: Mapping[str, Any]) -> dict[str, Any]:
        details, at = call["details"], self._house.clock.moment().isoformat()
        return {
            "call_id": details["call_id"],
            "payload": details,
            "url": call["webhook"],
            "user_id": "sandbox",
            "created_at": at,
            "metadata": [{"sent_at": at, "response_code": None, "response_time": None, "send_type": "original"}],
        }

    def post(self, call_id: str) -> dict[str, Any] | None:
        call = self._things.get("call", call_id)
        return call.get("post") if call else None

    def rows(self, asked: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
        """As Bland lists calls: no metadata, no transcript, the number without its plus."""
        number, start = _digits(asked.get("to_number", "")), asked.get("from", "0")
        found = [
            call["details"]
            for call in self._things.newest("call", f"+{number}" if number else None)
            if asked.get("completed", str(call["details"]["completed"]).lower())
            == str(call["details"]["completed"]).lower()
        ]
        if asked.get("ascending") == "true":
            found.reverse()
        limit = int(asked["limit"]) if asked.get("limit", "").isdecimal() else 1000
        first = int(start) if start.isdecimal() and len(start) < 7 else 0
        names = ("call_id", "created_at", "call_length", "from", "completed", "queue_status", "status", "answered_by")
        rows = [
            {name: details[name] for name in (*names, "error_message", "batch_id", "inbound", "end_at")}
            | {"to": _digits(details["to"])}
            for details in found[first : first + limit]
        ]
        return rows, len(found)

    def listed(self, to: str | None = None) -> list[dict[str, Any]]:
        """All there are, oldest first, with what Bland would not tell."""
        return [
            call["details"]
            | {name: call[name] for name in ("effect", "answer", "overlapped", "history", "first_sentence")}
            for call in reversed(self._things.newest("call", to))
        ]


def _transcripts(said: Talk, details: Mapping[str, Any]) -> list[dict[str, Any]]:
    begun = datetime.fromisoformat(details["started_at"]).timestamp()
    span = (datetime.fromisoformat(details["end_at"]).timestamp() - begun) / max(len(said.lines), 1)
    return [
        {
            "id": number + 1,
            "created_at": datetime.fromtimestamp(begun + number * span, UTC).isoformat(),
            "text": text,
            "user": who,
            "c_id": details["call_id"],
        }
        for number, (who, text) in enumerate(said.lines)
    ]


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
