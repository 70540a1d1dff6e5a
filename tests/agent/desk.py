"""A fake service with the command API of the contract, and with faults that a test can order."""

import base64
import hashlib
import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.firmware.order import signed_bytes
from tests.agent.doubles import TOKEN, WAIT_SECONDS, FakeService, Headers, Reply, problem

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = KEY.public_key().public_bytes_raw()
LOST = Reply(None)


class CommandService(FakeService):
    """Sends each command until it is reported; checks tokens; serves firmware with range requests."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[int, dict[str, Any]] = {}
        self.reports: dict[int, list[dict[str, Any]]] = {}
        self.report_tokens: list[str | None] = []
        self.final_reports: dict[int, dict[str, Any]] = {}
        self.bundles: dict[int, bytes] = {}
        self.stop_at: str | None = None
        self.valid_token_hash = hashlib.sha256(TOKEN.encode()).hexdigest()
        self.token_faults: deque[str] = deque()
        self.report_replies: deque[Reply] = deque()
        self.files: dict[int, bytes] = {}
        self.downloads: list[Mapping[str, str]] = []
        self.download_replies: deque[Reply] = deque()
        self.cut_after: deque[int] = deque()

    def order(self, number: int, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        with self._changed:
            self.orders[number] = {"id": number, "name": name, "arguments": dict(arguments or {})}

    def order_update(
        self, number: int, version: str, content: bytes, changes: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        signature = KEY.sign(signed_bytes(version, len(content), sha256))
        arguments = {"task_id": number + 1000, "version": version, "size": len(content), "sha256": sha256}
        self.files[number + 1000] = content
        arguments |= {"signature": base64.b64encode(signature).decode(), **(changes or {})}
        self.order(number, "update_firmware", arguments)
        return arguments

    def wait_for_final_report(self, number: int, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: number in self.final_reports, seconds), self.reports
            return self.final_reports[number]

    def wait_for_step(self, number: int, step: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: step in self.steps(number), WAIT_SECONDS), self.reports

    def steps(self, number: int) -> list[str]:
        """Each step once, in the order reported."""
        return list(dict.fromkeys(row["step"] for row in self.reports.get(number, []) if row["step"]))

    def _is_valid(self, authorization: str | None) -> bool:
        token = (authorization or "").removeprefix("Bearer ")
        return hashlib.sha256(token.encode()).hexdigest() == self.valid_token_hash

    def reply(self, path: str, body: dict[str, Any], token: str | None) -> Reply:
        match = re.fullmatch(r"/api/fleet/agent/commands/(\d+)", path)
        if not match:
            answer = super().reply(path, body, token)
            if path == "/api/fleet/heartbeats" and answer.status == 200 and isinstance(answer.body, dict):
                if not self._is_valid(token):
                    return problem(401, "トークンが無効です。")
                unreported = [order for number, order in self.orders.items() if number not in self.reports]
                return Reply(200, {**answer.body, "commands": unreported})
            return answer
        with self._changed:
            self.report_tokens.append(token)
            if not self._is_valid(token):
                return problem(401, "トークンが無効です。")
            if self.report_replies and (reply := self.report_replies.popleft()).status != 200:
                return reply
            number = int(match[1])
            if number not in self.orders:
                return problem(404, "コマンドがありません。")
            self.reports.setdefault(number, []).append({**body, "heartbeats": len(self.heartbeats)})
            if body["state"] in ("done", "failed"):
                self.final_reports.setdefault(number, body)
            self._changed.notify_all()
            return Reply(200, {"go_on": self.stop_at is None or self.stop_at not in (body["step"], body["state"])})

    def put(self, path: str, content: bytes, headers: Headers) -> Reply:
        with self._changed:
            if not self._is_valid(headers.get("Authorization")):
                return problem(401, "トークンが無効です。")
            if path == "/api/fleet/agent/token":
                fault = self.token_faults.popleft() if self.token_faults else None
                if fault == "before":
                    return LOST
                if fault == "refused":
                    return problem(409, "いまは変更できません。")
                self.valid_token_hash = json.loads(content)["token_sha256"]
                return LOST if fault == "after" else Reply(204, b"")
            match = re.fullmatch(r"/api/fleet/agent/commands/(\d+)/bundle", path)
            assert match, path
            assert headers["Content-Type"] == "application/zip"
            self.bundles[int(match[1])] = content
            return Reply(201, {})

    def get(self, path: str, headers: Headers) -> Reply:
        with self._changed:
            match = re.fullmatch(r"/api/fleet/agent/firmware/(\d+)", path)
            assert match, path
            self.downloads.append(dict(headers))
            if not self._is_valid(headers.get("Authorization")):
                return problem(401, "トークンが無効です。")
            if self.download_replies:
                return self.download_replies.popleft()
            content = self.files.get(int(match[1]))
            if content is None:
                return problem(404, "配布は取り下げられました。")
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            cut_after = self.cut_after.popleft() if self.cut_after else None
            range_match = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", ""))
            if range_match and headers.get("If-Range") in (None, etag):
                start = int(range_match[1])
                end = min(int(range_match[2] or len(content)), len(content) - 1)
                headers_of_range = {"ETag": etag, "Content-Range": f"bytes {start}-{end}/{len(content)}"}
                return Reply(206, content[start : end + 1], headers_of_range, cut_after=cut_after)
            return Reply(200, content, {"ETag": etag}, cut_after=cut_after)
