"""How played terminals do what the service asks of them: as real agents on the wire, without a TC-200 behind it."""

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

from agent.commands import Cancelled, Command, CommandFailed
from agent.commands.report import final
from agent.simulator import ERRORS, KINDS, SILENT
from agent.simulator.client import FleetClient
from agent.simulator.fleet import FleetFile, Played

PIECE_BYTES = 256 * 1024
BAD_FIRMWARE_ERROR = "起動時の自己診断で異常を検出"
_CHECKS = ("service", "clock", "disk", "memory", "serial_port", "terminal", "terminal_state", "spool", "agent")


@dataclass(frozen=True)
class Manners:
    """How updates end: this share of the terminals in one of these ways, the others well, after so many seconds."""

    failing: float = 0.0
    kinds: tuple[str, ...] = KINDS
    seconds: float = 5.0


class Obedience:
    """The commands of a whole played fleet."""

    def __init__(self, client: FleetClient, file: FleetFile, manners: Manners) -> None:
        self._client = client
        self._file = file
        self._manners = manners
        self._tasks: set[asyncio.Task[None]] = set()
        self.ends: Counter[str] = Counter()

    def resume(self, terminals: Sequence[Played]) -> None:
        """Do what an earlier run had begun, from the start."""
        undone = self._file.undone()
        for terminal in terminals:
            self.take(terminal, undone.get(terminal.serial_number, []))

    def take(self, terminal: Played, commands: Sequence[Command]) -> None:
        """Begin what is new."""
        for command in commands:
            if command.id not in terminal.taken and not terminal.is_dead:
                terminal.taken.add(command.id)
                self._file.take(terminal, command)
                task = asyncio.create_task(self._do(terminal, command))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _do(self, terminal: Played, command: Command) -> None:
        works = {
            "diagnose": self._diagnose,
            "send_bundle": self._bundle,
            "rotate_token": self._rotate,
            "update_firmware": self._update,
        }
        try:
            await self._tell(terminal, command.id, "accepted", None)
            if command.name not in works:
                raise CommandFailed("unknown_command", f"{command.name} には対応していません。")
            report = final("done", None, await works[command.name](terminal, command))
        except CommandFailed as failure:
            report = final("failed", str(failure), {"code": failure.code, **failure.facts})
        except Cancelled:
            report = final("failed", "取り消されました。", {"code": "cancelled", "rolled_back": False})
        if not terminal.is_dead:
            self.ends[f"{command.name} {report['state']}"] += 1
            await self._client.ask(terminal, "POST", f"/api/fleet/agent/commands/{command.id}", json=report)
            self._file.done(command)

    async def _tell(
        self, terminal: Played, number: int, state: str, step: str | None, percent: int | None = None
    ) -> None:
        body = {"state": state, "step": step, "percent": percent, "message": None, "result": None}
        answer = await self._client.ask(terminal, "POST", f"/api/fleet/agent/commands/{number}", json=body)
        if answer.json_object().get("go_on") is not True:
            raise Cancelled

    async def _diagnose(self, terminal: Played, command: Command) -> Mapping[str, Any]:
        await self._tell(terminal, command.id, "running", "diagnosing")
        checks = [{"name": name, "ok": True, "detail": "正常（模擬端末）"} for name in _CHECKS]
        if terminal.error:
            checks[_CHECKS.index("terminal_state")] |= {"ok": False, "detail": terminal.error}
        if abs(terminal.skew_seconds) > 120:
            words = f"サービスとの差 {terminal.skew_seconds:+.0f} 秒"
            checks[_CHECKS.index("clock")] |= {"ok": False, "detail": words}
        return {"checks": checks}

    async def _bundle(self, terminal: Played, command: Command) -> Mapping[str, Any]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("log.txt", f"{terminal.serial_number}: 模擬端末の記録\n")
        path, zipped = f"/api/fleet/agent/commands/{command.id}/bundle", {"Content-Type": "application/zip"}
        answer = await self._client.ask(terminal, "PUT", path, content=buffer.getvalue(), headers=zipped)
        if answer.status != 201:
            raise CommandFailed("refused", f"診断ファイルは受け付けられませんでした（HTTP {answer.status}）。")
        return {"bytes": len(buffer.getvalue())}

    async def _rotate(self, terminal: Played, _: Command) -> Mapping[str, Any]:
        token = terminal.next_token = secrets.token_urlsafe(32)
        self._file.keep(terminal)
        body = {"token_sha256": hashlib.sha256(token.encode()).hexdigest()}
        answer = await self._client.ask(terminal, "PUT", "/api/fleet/agent/token", json=body)
        # A lost answer and its repeat: the first naming went through, and the client has changed over.
        if answer.status not in (204, 401) and terminal.token != token:
            raise CommandFailed("refused", f"新しいトークンは受け付けられませんでした（HTTP {answer.status}）。")
        if answer.status == 204:
            terminal.token, terminal.next_token = token, None
        self._file.keep(terminal)
        return {}

    async def _update(self, terminal: Played, command: Command) -> Mapping[str, Any]:
        version = str(command.arguments.get("version"))
        kind = self._fate(terminal, version)
        if kind == "bad_signature":
            raise _failed(kind)
        await self._download(terminal, command, kind)
        for step in ("verifying", "installing", "restarting", "confirming"):
            await self._tell(terminal, command.id, "running", step)
            await asyncio.sleep(self._manners.seconds / 4)
            if (step, kind) in (
                ("verifying", "bad_checksum"),
                ("installing", "device_refused"),
                ("installing", "device_lost"),
            ):
                raise _failed(str(kind))
            if step == "restarting" and kind == "wrong_version_after_restart":
                await self._tell(terminal, command.id, "running", "rolling_back")
                raise _failed(kind, rolled_back=True)
            if step == "restarting" and kind == SILENT:
                terminal.is_dead = True
                raise _failed("device_lost")
        terminal.firmware_version = version
        terminal.error = BAD_FIRMWARE_ERROR if kind == ERRORS else terminal.error
        self._file.keep(terminal)
        return {"version": version}

    async def _download(self, terminal: Played, command: Command, kind: str | None) -> None:
        """The real file, in ranges, into nothing but its sum."""
        size, sha256 = int(command.arguments["size"]), str(command.arguments["sha256"])
        path, summed, have = f"/api/fleet/agent/firmware/{command.arguments['task_id']}", hashlib.sha256(), 0
        while have < size:
            await self._tell(terminal, command.id, "running", "downloading", 100 * have // size)
            if kind in ("download_failed", "no_space"):
                raise _failed(kind)
            wanted = {"Range": f"bytes={have}-{min(have + PIECE_BYTES, size) - 1}", "If-Range": f'"{sha256}"'}
            answer = await self._client.ask(terminal, "GET", path, headers=wanted)
            if answer.status == 404:
                raise Cancelled
            if answer.status not in (200, 206) or not answer.content:
                raise _failed("download_failed")
            if answer.status == 200:
                summed, have = hashlib.sha256(), 0
            summed.update(answer.content)
            have += len(answer.content)
        if summed.hexdigest() != sha256:
            raise _failed("bad_checksum")

    def _fate(self, terminal: Played, version: str) -> str | None:
        """How this terminal's update to this version ends: the same in every run."""
        rng = random.Random(f"{terminal.serial_number} {version}")
        return rng.choice(self._manners.kinds) if rng.random() < self._manners.failing else None


def _failed(code: str, *, rolled_back: bool = False) -> CommandFailed:
    return CommandFailed(code, "模擬の更新失敗です。", rolled_back=rolled_back)
