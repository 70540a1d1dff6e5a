"""Executes accepted commands one after the other, in parallel to the heartbeats."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from agent.backoff import Backoff
from agent.command import Cancelled, CommandFailed, Stopped
from agent.command_book import Entry
from agent.command_report import Acknowledged, CommandClient, Progress, Refused, final_report, wait_seconds
from agent.commands import bundle as bundle_command
from agent.commands import diagnose as diagnose_command
from agent.commands import rotate as rotate_command
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
_POLL_SECONDS = 1.0
# The pause after a refused token, as for heartbeats.
_UNAUTHORISED_SECONDS = 600.0

log = logging.getLogger("agent")


class Worker:
    """Executes commands in one thread. Updates have a separate worker: a slow download must not delay a diagnosis."""

    def __init__(self, context: Context, *, updates: bool) -> None:
        self._context = context
        self._updates = updates
        self._desk = CommandClient(context.settings, context.tokens)

    def run(self) -> None:
        """Work until the agent stops."""
        try:
            while not self._context.stop.is_set():
                entry = self._context.book.wait(lambda entry: (entry.name == UPDATE) is self._updates, _POLL_SECONDS)
                if entry:
                    self._handle(entry)
        except Stopped:
            pass
        finally:
            self._desk.close()

    def _handle(self, entry: Entry) -> None:
        report = entry.report
        if report is None:
            report = self._perform(entry)
            self._save_report(entry.id, report)
        if entry.name == UPDATE:
            # Not before: until the final report is saved, the journal is needed to find the result again.
            journal.forget(self._context.settings.state_dir)
        self._deliver(entry.id, report)
        self._context.book.delivered(entry.id)

    def _perform(self, entry: Entry) -> Mapping[str, Any]:
        """Execute the command. Returns the final report. Raises Stopped."""
        log.info("コマンド %d（%s）を始めます。", entry.id, entry.name)
        handler = HANDLERS.get(entry.name)
        try:
            # An update beyond FWCOMMIT was accepted by an earlier run of the agent, and must be completed.
            if not journal.is_past_commit(self._context.settings.state_dir, entry.id):
                self._accept(entry.id)
            if handler is None:
                raise CommandFailed("unknown_command", f"このエージェントは {entry.name} に対応していません。")
            result = handler(self._context, Progress(self._desk, entry.id, self._context.stop), entry.arguments)
        except Stopped:
            raise
        except CommandFailed as failure:
            log.error("コマンド %d（%s）は失敗しました: %s", entry.id, entry.name, failure)
            return final_report("failed", str(failure), {"code": failure.code, **failure.facts})
        except Cancelled:
            log.warning("コマンド %d（%s）は取り消されました。", entry.id, entry.name)
            return final_report("failed", "取り消されました。", {"code": "cancelled", "rolled_back": False})
        except Exception as error:
            log.exception("コマンド %d（%s）の処理中に予期しない異常が発生しました。", entry.id, entry.name)
            text = f"予期しない異常が発生しました（{type(error).__name__}）。"
            return final_report("failed", text, {"code": "internal_error"})
        log.info("コマンド %d（%s）が終わりました。", entry.id, entry.name)
        return final_report("done", None, result)

    def _accept(self, command_id: int) -> None:
        """Report once that the command was accepted; without an answer the work begins anyway. Raises Cancelled."""
        body = {"state": "accepted", "step": None, "percent": None, "message": None, "result": None}
        outcome = self._desk.report(command_id, body)
        if isinstance(outcome, Acknowledged) and not outcome.go_on:
            raise Cancelled

    def _save_report(self, command_id: int, report: Mapping[str, Any]) -> None:
        """Save the final report before it is sent; otherwise a restart would execute the command again."""
        backoff = Backoff()
        while True:
            try:
                return self._context.book.finish(command_id, report)
            except OSError as error:
                log.error("コマンドの結果を保存できません（%s）。", error.strerror)
                self._pause(backoff.next_delay())

    def _deliver(self, command_id: int, report: Mapping[str, Any]) -> None:
        backoff = Backoff()
        while not isinstance(outcome := self._desk.report(command_id, report), Acknowledged):
            if isinstance(outcome, Refused):
                log.error("コマンド %d の結果は受け付けられませんでした: %s", command_id, outcome.reason)
                return
            log.warning("コマンド %d の結果を報告できません: %s", command_id, outcome.reason)
            minimum = _UNAUTHORISED_SECONDS if isinstance(outcome, Unauthorised) else 0.0
            self._pause(minimum + wait_seconds(outcome, backoff))

    def _pause(self, seconds: float) -> None:
        if self._context.stop.wait(seconds):
            raise Stopped
