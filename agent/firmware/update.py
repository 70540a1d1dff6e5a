"""update_firmware: leads one update through its steps, from wherever the last run of the agent left it.

Until FWCOMMIT nothing of the TC-200's firmware has changed and a cancelled update just ends. From then on it is led to
one of two ends, whatever happens in between: the new firmware confirmed, or the one before running again.
"""

from collections.abc import Mapping
from typing import Any

from agent.commands import Cancelled, CommandFailed
from agent.commands.report import Progress
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
_TRANSFERS = 2


def run(context: Context, progress: Progress, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the version that runs now. Raises CommandFailed, Cancelled, Stopped.

    The journal stays until the worker has written down the end: killed in between, the same end is found again.
    """
    wanted = order.read(arguments)
    order.verify(wanted, context.settings.firmware_public_keys)
    try:
        journal = Journal(context.settings.state_dir, progress.command_id)
        Update(context, progress, wanted, journal).run()
    except Refused as refusal:
        raise CommandFailed("device_refused", f"{refusal}。", rolled_back=False) from refusal
    except (OSError, StateError) as error:
        raise CommandFailed("no_space", f"更新の状態を保存できません（{error}）。", rolled_back=False) from error
    finally:
        context.line.expect_absence(0)
    return {"version": wanted.version}


class Update:
    """One update under way."""

    def __init__(self, context: Context, progress: Progress, wanted: order.Order, journal: Journal) -> None:
        self._line = context.line
        self._progress = progress
        self._order = wanted
        self._journal = journal
        self._device = Device(context.line, context.serial_number, progress)
        self._trial = Trial(self._device, progress, wanted.version, journal)

    def run(self) -> None:
        """Go on from the journal's step to the end. Raises CommandFailed, Cancelled, Refused, OSError, Stopped."""
        if self._journal.place.step in (DOWNLOADING, INSTALLING):
            if self._runs_already():
                return
            self._install()
        while self._journal.place.step == RESTARTING:
            if not self._trial.await_restart():
                self._once_more()
        if self._journal.place.step == CONFIRMING:
            self._trial.confirm()
        if self._journal.place.step == ROLLING_BACK:
            self._trial.roll_back()

    def _runs_already(self) -> bool:
        try:
            info = self._device.ask(lambda _, info: info)
        except TerminalError:
            return False
        return info.firmware_version == self._order.version and not info.on_trial

    def _install(self) -> None:
        """From the download to FWCOMMIT."""
        path = self._journal.file(self._order.sha256)
        download.fetch(self._order, path, self._progress)
        # The order may be days old by now: the device is not touched before the service has said that it stands.
        self._progress.hear(INSTALLING)
        self._journal.reach(INSTALLING)
        for _ in range(_TRANSFERS):
            try:
                self._device.send(self._order, path)
                if self._commit():
                    return
            except (Cancelled, Refused):
                self._device.abort()
                raise
            # What the terminal put together is not what was sent: once more from the start.
            self._device.abort()
            self._journal.reach(INSTALLING)
        raise CommandFailed("bad_checksum", "TC-200が受信したデータのSHA-256が一致しません。", rolled_back=False)

    def _commit(self) -> bool:
        """Ask for the restart. False when the terminal's own sum of the file is wrong."""
        previous, error_before = self._device.ask_patiently(_before)
        self._progress.tell(RESTARTING)
        commits = self._journal.place.commits + 1
        self._journal.reach(RESTARTING, previous=previous, error_before=error_before, commits=commits)
        self._line.expect_absence(RESTART_SECONDS)
        try:
            self._device.ask_patiently(_commit)
        except Refused as refusal:
            # NOT_BEGUN: an earlier FWCOMMIT went through, only its answer was lost.
            if refusal.code not in ("BAD_SHA256", "NOT_BEGUN"):
                raise
            return refusal.code == "NOT_BEGUN"
        return True

    def _once_more(self) -> None:
        """The terminal goes on with the old firmware as if nothing had been asked of it."""
        if self._journal.place.commits >= MAX_COMMITS:
            words = "TC-200が新しいファームウェアで起動しません。"
            raise CommandFailed("wrong_version_after_restart", words, rolled_back=True)
        self._install()


def _commit(terminal: Terminal, _: Info) -> None:
    try:
        terminal.commit_firmware()
    except Refused:
        raise
    except TerminalError:
        # Asked for, whatever came of the answer; what the terminal made of it shows after the restart.
        return


def _before(terminal: Terminal, info: Info) -> tuple[str, str | None]:
    return info.firmware_version, terminal.status().code
