"""The service's side of the commands, by the letter of the contract, with faults to order."""

import base64
import hashlib
import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.firmware.order import signed_bytes
from tests.agent.doubles import PATIENCE_SECONDS, TOKEN, Headers, Reply, SmallService, problem

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = KEY.public_key().public_bytes_raw()
LOST = Reply(None)


class CommandService(SmallService):
    """Repeats each command until something of it was reported; checks tokens; hands out firmware in ranges."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[int, dict[str, Any]] = {}
        self.reports: dict[int, list[dict[str, Any]]] = {}
        self.report_tokens: list[str | None] = []
        self.ends: dict[int, dict[str, Any]] = {}
        self.bundles: dict[int, bytes] = {}
        self.stop_at: str | None = None
        self.valid = hashlib.sha256(TOKEN.encode()).hexdigest()
        self.token_faults: deque[str] = deque()
        self.report_replies: deque[Reply] = deque()
        self.files: dict[int, bytes] = {}
        self.downloads: list[Mapping[str, str]] = []
        self.download_replies: deque[Reply] = deque()
        self.cuts: deque[int] = deque()

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

    def wait_for_end(self, number: int, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: number in self.ends, seconds), self.reports
            return self.ends[number]

    def wait_for_step(self, number: int, step: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: step in self.steps(number), PATIENCE_SECONDS), self.reports

    def steps(self, number: int) -> list[str]:
        """Each step once, in the order told."""
        return list(dict.fromkeys(row["step"] for row in self.reports.get(number, []) if row["step"]))

    def _known(self, authorization: str | None) -> bool:
        token = (authorization or "").removeprefix("Bearer ")
        return hashlib.sha256(token.encode()).hexdigest() == self.valid

    def reply(self, path: str, body: dict[str, Any], token: str | None) -> Reply:
        found = re.fullmatch(r"/api/fleet/agent/commands/(\d+)", path)
        if not found:
            answer = super().reply(path, body, token)
            if path == "/api/fleet/heartbeats" and answer.status == 200 and isinstance(answer.body, dict):
                if not self._known(token):
                    return problem(401, "トークンが無効です。")
                waiting = [order for number, order in self.orders.items() if number not in self.reports]
                return Reply(200, {**answer.body, "commands": waiting})
            return answer
        with self._changed:
            self.report_tokens.append(token)
            if not self._known(token):
                return problem(401, "トークンが無効です。")
            if self.report_replies and (reply := self.report_replies.popleft()).status != 200:
                return reply
            number = int(found[1])
            if number not in self.orders:
                return problem(404, "コマンドがありません。")
            self.reports.setdefault(number, []).append({**body, "heartbeats": len(self.heartbeats)})
            if body["state"] in ("done", "failed"):
                self.ends.setdefault(number, body)
            self._changed.notify_all()
            return Reply(200, {"go_on": self.stop_at is None or self.stop_at not in (body["step"], body["state"])})

    def put(self, path: str, content: bytes, headers: Headers) -> Reply:
        with self._changed:
            if not self._known(headers.get("Authorization")):
                return problem(401, "トークンが無効です。")
            if path == "/api/fleet/agent/token":
                fault = self.token_faults.popleft() if self.token_faults else None
                if fault == "before":
                    return LOST
                if fault == "refused":
                    return problem(409, "いまは変更できません。")
                self.valid = json.loads(content)["token_sha256"]
                return LOST if fault == "after" else Reply(204, b"")
            found = re.fullmatch(r"/api/fleet/agent/commands/(\d+)/bundle", path)
            assert found, path
            assert headers["Content-Type"] == "application/zip"
            self.bundles[int(found[1])] = content
            return Reply(201, {})

    def get(self, path: str, headers: Headers) -> Reply:
        with self._changed:
            found = re.fullmatch(r"/api/fleet/agent/firmware/(\d+)", path)
            assert found, path
            self.downloads.append(dict(headers))
            if not self._known(headers.get("Authorization")):
                return problem(401, "トークンが無効です。")
            if self.download_replies:
                return self.download_replies.popleft()
            content = self.files.get(int(found[1]))
            if content is None:
                return problem(404, "配布は取り下げられました。")
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            cut = self.cuts.popleft() if self.cuts else None
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", ""))
            if wanted and headers.get("If-Range") in (None, etag):
                start = int(wanted[1])
                end = min(int(wanted[2] or len(content)), len(content) - 1)
                place = {"ETag": etag, "Content-Range": f"bytes {start}-{end}/{len(content)}"}
                return Reply(206, content[start : end + 1], place, cut=cut)
            return Reply(200, content, {"ETag": etag}, cut=cut)
