"""Does the commands taken, one after the other, beside the heartbeats."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from agent.backoff import Backoff
from agent.commands import Cancelled, CommandFailed, Stopped
from agent.commands import bundle as bundle_command
from agent.commands import diagnose as diagnose_command
from agent.commands import rotate as rotate_command
from agent.commands.book import Entry
from agent.commands.report import Desk, Progress, Refused, Told, final, wait_seconds
from agent.context import Context
from agent.firmware import journal
from agent.firmware import update as update_command
from agent.send import Unauthorised

UPDATE = "update_firmware"
Handler = Callable[[Context, Progress, Mapping[str, Any]], Mapping[str, Any]]
HANDLERS: Mapping[str, Handler] = {
    "diagnose": diagnose_command.run,
    "send_bundle": bundle_command.run,
    "rotate_token": rotate_command.run,
    UPDATE: update_command.run,
}
_LOOK_SECONDS = 1.0
# A refused token is tried again as rarely as by the heartbeats.
_UNAUTHORISED_SECONDS = 600.0

log = logging.getLogger("agent")


class Worker:
    """One lane of commands. Updates have a lane of their own: a slow download must not hold up a diagnosis."""

    def __init__(self, context: Context, *, updates: bool) -> None:
        self._context = context
        self._updates = updates
        self._desk = Desk(context.settings, context.tokens)

    def run(self) -> None:
        """Work until the agent stops."""
        try:
            while not self._context.stop.is_set():
                entry = self._context.book.wait(lambda entry: (entry.name == UPDATE) is self._updates, _LOOK_SECONDS)
                if entry:
                    self._work(entry)
        except Stopped:
            pass
        finally:
            self._desk.close()

    def _work(self, entry: Entry) -> None:
        report = entry.report
        if report is None:
            report = self._perform(entry)
            self._keep(entry.id, report)
        if entry.name == UPDATE:
            # Only now: until the end is written down, the journal is what finds it again.
            journal.forget(self._context.settings.state_dir)
        self._deliver(entry.id, report)
        self._context.book.delivered(entry.id)

    def _perform(self, entry: Entry) -> Mapping[str, Any]:
        """Do it. Returns the last report. Raises Stopped."""
        log.info("コマンド %d（%s）を始めます。", entry.id, entry.name)
        handler = HANDLERS.get(entry.name)
        try:
            # Else it was taken by the run of the agent before this one, and is its own to end.
            if not journal.is_beyond_return(self._context.settings.state_dir, entry.id):
                self._accept(entry.id)
            if handler is None:
                raise CommandFailed("unknown_command", f"このエージェントは {entry.name} に対応していません。")
            result = handler(self._context, Progress(self._desk, entry.id, self._context.stop), entry.arguments)
        except Stopped:
            raise
        except CommandFailed as failure:
            log.error("コマンド %d（%s）は失敗しました: %s", entry.id, entry.name, failure)
            return final("failed", str(failure), {"code": failure.code, **failure.facts})
        except Cancelled:
            log.warning("コマンド %d（%s）は取り消されました。", entry.id, entry.name)
            return final("failed", "取り消されました。", {"code": "cancelled", "rolled_back": False})
        except Exception as error:
            log.exception("コマンド %d（%s）の処理中に予期しない異常が発生しました。", entry.id, entry.name)
            words = f"予期しない異常が発生しました（{type(error).__name__}）。"
            return final("failed", words, {"code": "internal_error"})
        log.info("コマンド %d（%s）が終わりました。", entry.id, entry.name)
        return final("done", None, result)

    def _accept(self, command_id: int) -> None:
        """Say once that it was taken; without an answer the work begins all the same. Raises Cancelled."""
        body = {"state": "accepted", "step": None, "percent": None, "message": None, "result": None}
        outcome = self._desk.report(command_id, body)
        if isinstance(outcome, Told) and not outcome.go_on:
            raise Cancelled

    def _keep(self, command_id: int, report: Mapping[str, Any]) -> None:
        """Until the end is on disk nothing is told, or a restart would do the command again."""
        backoff = Backoff()
        while True:
            try:
                return self._context.book.finish(command_id, report)
            except OSError as error:
                log.error("コマンドの結果を保存できません（%s）。", error.strerror)
                self._pause(backoff.next_delay())

    def _deliver(self, command_id: int, report: Mapping[str, Any]) -> None:
        backoff = Backoff()
        while not isinstance(outcome := self._desk.report(command_id, report), Told):
            if isinstance(outcome, Refused):
                log.error("コマンド %d の結果は受け付けられませんでした: %s", command_id, outcome.reason)
                return
            log.warning("コマンド %d の結果を報告できません: %s", command_id, outcome.reason)
            rest = _UNAUTHORISED_SECONDS if isinstance(outcome, Unauthorised) else 0.0
            self._pause(rest + wait_seconds(outcome, backoff))

    def _pause(self, seconds: float) -> None:
        if self._context.stop.wait(seconds):
            raise Stopped
