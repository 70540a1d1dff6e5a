"""update_firmware: runs one update through its steps, continuing at the step that the last run of the agent reached.

Until FWCOMMIT the TC-200's firmware is unchanged, and a cancelled update just ends. After FWCOMMIT the update always
ends in one of two states: the new firmware is confirmed, or the previous one runs again.
"""

from collections.abc import Mapping
from typing import Any

from agent.command import Cancelled, CommandFailed
from agent.command_report import Progress
from agent.context import Context
from agent.firmware import download, order
from agent.firmware.device import Device
from agent.firmware.journal import (
    CONFIRMING,
    DOWNLOADING,
    INSTALLING,
    RESTARTING,
    ROLLING_BACK,
    Journal,
)
from agent.firmware.trial import RESTART_SECONDS, Trial
from agent.state import StateError
from agent.tc200 import Info, Refused, Terminal, TerminalError

MAX_COMMITS = 3
_MAX_TRANSFERS = 2


def run(context: Context, progress: Progress, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the version that runs now. Raises CommandFailed, Cancelled, Stopped.

    The journal stays until the worker has saved the final report, so that an agent that is killed before finds the same
    result again.
    """
    update_order = order.read(arguments)
    order.verify(update_order, context.settings.firmware_public_keys)
    try:
        journal = Journal(context.settings.state_dir, progress.command_id)
        Update(context, progress, update_order, journal).run()
    except Refused as refusal:
        raise CommandFailed("device_refused", f"{refusal}。", rolled_back=False) from refusal
    except (OSError, StateError) as error:
        raise CommandFailed("no_space", f"更新の状態を保存できません（{error}）。", rolled_back=False) from error
    finally:
        context.line.expect_absence(0)
    return {"version": update_order.version}


class Update:
    """One running update."""

    def __init__(self, context: Context, progress: Progress, update_order: order.Order, journal: Journal) -> None:
        self._line = context.line
        self._progress = progress
        self._order = update_order
        self._journal = journal
        self._device = Device(context.line, context.serial_number, progress)
        self._trial = Trial(self._device, progress, update_order.version, journal)

    def run(self) -> None:
        """Continue from the journal's step to the end. Raises CommandFailed, Cancelled, Refused, OSError, Stopped."""
        if self._journal.state.step in (DOWNLOADING, INSTALLING):
            if self._is_installed():
                return
            self._install()
        while self._journal.state.step == RESTARTING:
            if not self._trial.await_restart():
                self._reinstall()
        if self._journal.state.step == CONFIRMING:
            self._trial.confirm()
        if self._journal.state.step == ROLLING_BACK:
            self._trial.roll_back()

    def _is_installed(self) -> bool:
        try:
            info = self._device.ask(lambda _, info: info)
        except TerminalError:
            return False
        return info.firmware_version == self._order.version and not info.on_trial

    def _install(self) -> None:
        """From the download to FWCOMMIT."""
        path = self._journal.file(self._order.sha256)
        download.fetch(self._order, path, self._progress)
        # The order may be days old: the device is not changed before the service has confirmed the order.
        self._progress.report_and_wait(INSTALLING)
        self._journal.reach(INSTALLING)
        for _ in range(_MAX_TRANSFERS):
            try:
                self._device.send(self._order, path)
                if self._commit():
                    return
            except (Cancelled, Refused):
                self._device.abort()
                raise
            # The terminal's file is not what was sent: transfer it again from the start.
            self._device.abort()
            self._journal.reach(INSTALLING)
        raise CommandFailed("bad_checksum", "TC-200が受信したデータのSHA-256が一致しません。", rolled_back=False)

    def _commit(self) -> bool:
        """Request the restart. Returns False when the terminal's checksum of the file does not match."""
        previous, error_before = self._device.ask_with_retries(_read_before)
        self._progress.update(RESTARTING)
        commits = self._journal.state.commits + 1
        self._journal.reach(RESTARTING, previous=previous, error_before=error_before, commits=commits)
        self._line.expect_absence(RESTART_SECONDS)
        try:
            self._device.ask_with_retries(_commit)
        except Refused as refusal:
            # NOT_BEGUN: an earlier FWCOMMIT succeeded, only its answer was lost.
            if refusal.code not in ("BAD_SHA256", "NOT_BEGUN"):
                raise
            return refusal.code == "NOT_BEGUN"
        return True

    def _reinstall(self) -> None:
        """Install again: the terminal still runs the old firmware and has not started the new one."""
        if self._journal.state.commits >= MAX_COMMITS:
            text = "TC-200が新しいファームウェアで起動しません。"
            raise CommandFailed("wrong_version_after_restart", text, rolled_back=True)
        self._install()


def _commit(terminal: Terminal, _: Info) -> None:
    try:
        terminal.commit_firmware()
    except Refused:
        raise
    except TerminalError:
        # The request was sent, even if the answer was lost; the result shows after the restart.
        return


def _read_before(terminal: Terminal, info: Info) -> tuple[str, str | None]:
    return info.firmware_version, terminal.status().code
