"""A client that asks after each change it made whether that stands in the audit log, whatever the test is about."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

AUDIT_LOG = "audit_entries"
# Who looks at a case now, and who has read it; a draft and the steps of an import, which are their owner's alone; how a
# terminal stands, which is reckoned anew; a scan of a stocktake, itself the record of who counted.
NOT_AUDITED = {"agencies_viewers", "agencies_reads", "agencies_drafts", "imports", "import_mappings"}
NOT_AUDITED |= {"fleet_terminal_states", "loaners_counted"}
# How a request is served, and messages on their way out (outbox).
_NO_RECORDS = {"sessions", "answers", "throttles", "outbox_messages", "files", "set"}
# What machines tell is kept as they told it; a customer's cancellation stands in the reservation's history.
_TOLD_ELSEWHERE = re.compile(
    r"/api/(fleet/agent|reservations/webhooks|entries/(cards/open|station/logs)|entry-exit-logs|auth/heartbeat"
    r"|core/(backups|probes))\b|/cancel/"
)
_WRITES = re.compile(r"(?<!FOR )(?<!KEY )(?<!DO )\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
_changed: set[str] = set()


@event.listens_for(Engine, "after_cursor_execute")
def _note(_: object, cursor: Any, statement: str, *__: object) -> None:
    if cursor.rowcount and statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
        _changed.update(_WRITES.findall(statement))


class AuditedClient(TestClient):
    def request(self, method: str, url: Any, **given: Any) -> httpx2.Response:
        _changed.clear()
        answer = super().request(method, url, **given)
        if not answer.is_error and method != "GET" and not _TOLD_ELSEWHERE.match(str(url)):
            changed = _changed - NOT_AUDITED - _NO_RECORDS
            assert not changed or AUDIT_LOG in changed, (method, url, changed)
        return answer
