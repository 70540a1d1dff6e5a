"""A test client that checks after each of its requests that every change is in the audit log."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

AUDIT_LOG = "audit_entries"
# The viewers and readers of a case; a draft and the steps of an import, which only their owner sees; the state of a
# terminal, which is computed again; a scan of a stocktake, which itself records who counted; what users arrange for
# themselves.
NOT_AUDITED = {"agencies_viewers", "agencies_reads", "agencies_drafts", "imports", "import_mappings"}
NOT_AUDITED |= {"fleet_terminal_states", "loaners_counted", "core_preferences"}
# Technical tables: sessions, idempotency keys, rate limits, files, and the outbox.
_TECHNICAL_TABLES = {"sessions", "answers", "throttles", "outbox_messages", "files", "set"}
# Reports of machines are stored as they came; a customer's cancellation is in the reservation's history.
_RECORDED_ELSEWHERE = re.compile(
    r"/api/(fleet/agent|reservations/webhooks|entries/(cards/open|station/logs)|entry-exit-logs|auth/heartbeat"
    r"|core/(backups|probes))\b|/cancel/"
)
_WRITTEN_TABLE = re.compile(r"(?<!FOR )(?<!KEY )(?<!DO )\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
# Actions with an entry for each of several things, because each has a log of its own: a corporation and its card, a
# shop and the order of its services, a report or chore and the work that it finishes, several turns of chores, new and
# old cards that are mailed, a terminal and its token or code, a firmware and its roll-outs. And a user's entry is in
# each of the user's areas, whose administrators see no other.
SEVERAL_ENTRIES = re.compile(
    r"/api/(agencies/(requests|corporations/\d+)|reservations/(shops\b|services/\d+|reports/\d+/finish|chores\b)|core/users"
    r"|fleet/(enrolments|terminals/\d+/swap|firmwares/\d+/withdraw)|entries/cards/mail)"
)
_changed_tables: set[str] = set()
# What each audit entry of a request is about; those of one bulk statement are one.
_audited: list[str] = []


@event.listens_for(Engine, "after_cursor_execute")
def _collect_changed_tables(_: object, cursor: Any, statement: str, parameters: Any, *__: object) -> None:
    if cursor.rowcount and statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
        _changed_tables.update(_WRITTEN_TABLE.findall(statement))
        if statement.startswith(f"INSERT INTO {AUDIT_LOG}"):
            first = parameters[0] if isinstance(parameters, list) else parameters
            _audited.append(
                f"{first['subject']} {first['subject_id']}"
                if isinstance(first, dict) and "subject" in first
                else str(first)
            )


class AuditedClient(TestClient):
    def request(self, method: str, url: Any, **options: Any) -> httpx2.Response:
        _changed_tables.clear()
        _audited.clear()
        response = super().request(method, url, **options)
        if not response.is_error and method != "GET" and not _RECORDED_ELSEWHERE.match(str(url)):
            changed = _changed_tables - NOT_AUDITED - _TECHNICAL_TABLES
            assert not changed or AUDIT_LOG in changed, (method, url, changed)
            if not SEVERAL_ENTRIES.match(str(url)):
                assert len(_audited) <= 1, ("one action is one entry", method, url, _audited)
        return response
