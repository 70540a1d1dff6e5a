"""Executes commands for simulated terminals: the same requests as real agents, but without a TC-200."""

import asyncio
import hashlib
import io
import random
import secrets
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.command import Cancelled, Command, CommandFailed
from agent.command_report import final_report
from agent.simulator import ERRORS, KINDS, SILENT
from agent.simulator.client import FleetClient
from agent.simulator.fleet import FleetFile
from agent.simulator.terminal import FleetTerminal

CHUNK_BYTES = 256 * 1024
BAD_FIRMWARE_ERROR = "起動時の自己診断で異常を検出"
_CHECKS = ("service", "clock", "disk", "memory", "serial_port", "terminal", "terminal_state", "spool", "agent")


@dataclass(frozen=True)
class UpdateBehaviour:
    """How updates end: `failing` is the share of terminals that fail, in one of `kinds`; an update takes `seconds`."""

    failing: float = 0.0
    kinds: tuple[str, ...] = KINDS
    seconds: float = 5.0


class CommandRunner:
    """Executes the commands of a simulated fleet."""

    def __init__(self, client: FleetClient, file: FleetFile, behaviour: UpdateBehaviour) -> None:
        self._client = client
        self._file = file
        self._behaviour = behaviour
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcomes: Counter[str] = Counter()

    def resume(self, terminals: Sequence[FleetTerminal]) -> None:
        """Execute the unfinished commands of an earlier run, from the start."""
        pending = self._file.pending_commands()
        for terminal in terminals:
            self.take(terminal, pending.get(terminal.serial_number, []))

    def take(self, terminal: FleetTerminal, commands: Sequence[Command]) -> None:
        """Start the commands that are new."""
        for command in commands:
            if command.id not in terminal.command_ids and not terminal.is_dead:
                terminal.command_ids.add(command.id)
                self._file.add_command(terminal, command)
                task = asyncio.create_task(self._execute(terminal, command))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _execute(self, terminal: FleetTerminal, command: Command) -> None:
        handlers = {
            "diagnose": self._diagnose,
            "send_bundle": self._bundle,
            "rotate_token": self._rotate,
            "update_firmware": self._update,
        }
        try:
            await self._report(terminal, command.id, "accepted", None)
            if command.name not in handlers:
                raise CommandFailed("unknown_command", f"{command.name} には対応していません。")
            report = final_report("done", None, await handlers[command.name](terminal, command))
        except CommandFailed as failure:
            report = final_report("failed", str(failure), {"code": failure.code, **failure.facts})
        except Cancelled:
            report = final_report("failed", "取り消されました。", {"code": "cancelled", "rolled_back": False})
        if not terminal.is_dead:
            self.outcomes[f"{command.name} {report['state']}"] += 1
            await self._client.ask(terminal, "POST", f"/api/fleet/agent/commands/{command.id}", json=report)
            self._file.delete_command(command)

    async def _report(
        self, terminal: FleetTerminal, command_id: int, state: str, step: str | None, percent: int | None = None
    ) -> None:
        body = {"state": state, "step": step, "percent": percent, "message": None, "result": None}
        answer = await self._client.ask(terminal, "POST", f"/api/fleet/agent/commands/{command_id}", json=body)
        if answer.json_object().get("go_on") is not True:
            raise Cancelled

    async def _diagnose(self, terminal: FleetTerminal, command: Command) -> Mapping[str, Any]:
        await self._report(terminal, command.id, "running", "diagnosing")
        checks = [{"name": name, "ok": True, "detail": "正常（模擬端末）"} for name in _CHECKS]
        if terminal.error:
            checks[_CHECKS.index("terminal_state")] |= {"ok": False, "detail": terminal.error}
        if abs(terminal.skew_seconds) > 120:
            text = f"サービスとの差 {terminal.skew_seconds:+.0f} 秒"
            checks[_CHECKS.index("clock")] |= {"ok": False, "detail": text}
        return {"checks": checks}

    async def _bundle(self, terminal: FleetTerminal, command: Command) -> Mapping[str, Any]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("log.txt", f"{terminal.serial_number}: 模擬端末の記録\n")
        path, content_type = f"/api/fleet/agent/commands/{command.id}/bundle", {"Content-Type": "application/zip"}
        answer = await self._client.ask(terminal, "PUT", path, content=buffer.getvalue(), headers=content_type)
        if answer.status != 201:
            raise CommandFailed("refused", f"診断ファイルは受け付けられませんでした（HTTP {answer.status}）。")
        return {"bytes": len(buffer.getvalue())}

    async def _rotate(self, terminal: FleetTerminal, _: Command) -> Mapping[str, Any]:
        token = terminal.next_token = secrets.token_urlsafe(32)
        self._file.save(terminal)
        body = {"token_sha256": hashlib.sha256(token.encode()).hexdigest()}
        answer = await self._client.ask(terminal, "PUT", "/api/fleet/agent/token", json=body)
        # 401 after a lost answer: the first request has succeeded, and the client has switched to the new token.
        if answer.status not in (204, 401) and terminal.token != token:
            raise CommandFailed("refused", f"新しいトークンは受け付けられませんでした（HTTP {answer.status}）。")
        if answer.status == 204:
            terminal.token, terminal.next_token = token, None
        self._file.save(terminal)
        return {}

    async def _update(self, terminal: FleetTerminal, command: Command) -> Mapping[str, Any]:
        version = str(command.arguments.get("version"))
        kind = self._failure_kind(terminal, version)
        if kind == "bad_signature":
            raise _failed(kind)
        await self._download(terminal, command, kind)
        for step in ("verifying", "installing", "restarting", "confirming"):
            await self._report(terminal, command.id, "running", step)
            await asyncio.sleep(self._behaviour.seconds / 4)
            if (step, kind) in (
                ("verifying", "bad_checksum"),
                ("installing", "device_refused"),
                ("installing", "device_lost"),
            ):
                raise _failed(str(kind))
            if step == "restarting" and kind == "wrong_version_after_restart":
                await self._report(terminal, command.id, "running", "rolling_back")
                raise _failed(kind, rolled_back=True)
            if step == "restarting" and kind == SILENT:
                terminal.is_dead = True
                raise _failed("device_lost")
        terminal.firmware_version = version
        terminal.error = BAD_FIRMWARE_ERROR if kind == ERRORS else terminal.error
        self._file.save(terminal)
        return {"version": version}

    async def _download(self, terminal: FleetTerminal, command: Command, kind: str | None) -> None:
        """Downloads the real file in ranges, and only computes its checksum."""
        size, sha256 = int(command.arguments["size"]), str(command.arguments["sha256"])
        path, digest, received = f"/api/fleet/agent/firmware/{command.arguments['task_id']}", hashlib.sha256(), 0
        while received < size:
            await self._report(terminal, command.id, "running", "downloading", 100 * received // size)
            if kind in ("download_failed", "no_space"):
                raise _failed(kind)
            range_headers = {
                "Range": f"bytes={received}-{min(received + CHUNK_BYTES, size) - 1}",
                "If-Range": f'"{sha256}"',
            }
            answer = await self._client.ask(terminal, "GET", path, headers=range_headers)
            if answer.status == 404:
                raise Cancelled
            if answer.status not in (200, 206) or not answer.content:
                raise _failed("download_failed")
            if answer.status == 200:
                digest, received = hashlib.sha256(), 0
            digest.update(answer.content)
            received += len(answer.content)
        if digest.hexdigest() != sha256:
            raise _failed("bad_checksum")

    def _failure_kind(self, terminal: FleetTerminal, version: str) -> str | None:
        """How this terminal's update to this version fails, the same in every run; None: it succeeds."""
        rng = random.Random(f"{terminal.serial_number} {version}")
        return rng.choice(self._behaviour.kinds) if rng.random() < self._behaviour.failing else None


def _failed(code: str, *, rolled_back: bool = False) -> CommandFailed:
    return CommandFailed(code, "模擬の更新失敗です。", rolled_back=rolled_back)
