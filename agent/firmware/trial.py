"""After FWCOMMIT: the restart, the trial, and its end by confirmation or roll-back. It can no longer be cancelled."""

import logging
from contextlib import suppress
from time import monotonic
from typing import NoReturn

from agent.command import Cancelled, CommandFailed
from agent.command_report import Progress
from agent.firmware.device import LOOK_SECONDS, Device
from agent.firmware.journal import CONFIRMED, CONFIRMING, RESTARTING, ROLLING_BACK, Journal
from agent.tc200 import Info, Refused, Terminal, TerminalError

# A restart takes less time; a terminal that is not back by then counts as lost.
RESTART_SECONDS = 180.0
# After FWCOMMIT the old firmware may still answer for this time.
GRACE_SECONDS = 20.0
# The firmware is confirmed after so many consecutive checks without a fault, within CONFIRM_SECONDS.
CHECKS = 3
CONFIRM_SECONDS = 120.0
# Longer than the ten minutes after which the terminal reverts by itself, plus a restart.
ROLL_BACK_SECONDS = 900.0

log = logging.getLogger("agent")


class Trial:
    """One update after its FWCOMMIT."""

    def __init__(self, device: Device, progress: Progress, version: str, journal: Journal) -> None:
        self._device = device
        self._progress = progress
        self._version = version
        self._journal = journal
        self._passed_checks = 0

    def await_restart(self) -> bool:
        """Wait until it is known which firmware the terminal runs after the restart; the journal has the next step.

        Returns False when it never started the new firmware and runs the old one as before. Raises OSError, Stopped.
        """
        self._device.line.expect_absence(RESTART_SECONDS)
        grace, deadline = monotonic() + GRACE_SECONDS, monotonic() + RESTART_SECONDS
        while True:
            self._report(RESTARTING)
            try:
                info = self._device.ask(lambda _, info: info)
            except TerminalError as error:
                if monotonic() > deadline:
                    self._begin_roll_back("device_lost", f"再起動後のTC-200と通信できません（{error}）。")
                    return True
            else:
                if self._decide_next_step(info):
                    return True
                if monotonic() > grace:
                    return False
            self._progress.pause(LOOK_SECONDS)

    def _decide_next_step(self, info: Info) -> bool:
        if info.firmware_version == self._version:
            self._journal.reach(CONFIRMING if info.on_trial else CONFIRMED)
        elif info.reverted_version == self._version:
            self._begin_roll_back(*_reverted(info))
        elif info.on_trial or info.firmware_version != self._journal.state.previous:
            text = f"再起動後のTC-200のファームウェアは {info.firmware_version} です（更新: {self._version}）。"
            self._begin_roll_back("wrong_version_after_restart", text)
        else:
            return False
        return True

    def confirm(self) -> None:
        """Check the new firmware, and confirm it when it has no fault. Raises OSError, Stopped."""
        deadline = monotonic() + CONFIRM_SECONDS
        self._device.line.expect_absence(0)
        self._passed_checks = 0
        while True:
            self._report(CONFIRMING)
            try:
                fault = self._device.ask(self._check)
            except Refused as refusal:
                fault = ("device_refused", f"{refusal}。")
            except TerminalError as error:
                fault = ("device_lost", f"更新後のTC-200と通信できません（{error}）。")
            if self._journal.state.step != CONFIRMING:
                return
            self._passed_checks = 0 if fault else self._passed_checks + 1
            if fault and monotonic() > deadline:
                return self._begin_roll_back(*fault)
            self._progress.pause(LOOK_SECONDS)

    def _check(self, terminal: Terminal, info: Info) -> tuple[str, str] | None:
        """The fault (code and message), or None. Confirms the firmware after enough checks."""
        if info.firmware_version != self._version:
            self._begin_roll_back(*_reverted(info))
            return None
        if not info.on_trial:
            self._journal.reach(CONFIRMED)
            return None
        status = terminal.status()
        if status.code and status.code != self._journal.state.error_before:
            return "device_refused", f"更新後のTC-200が異常を報告しています: {status.text or status.code}。"
        if self._passed_checks >= CHECKS:
            terminal.confirm_firmware()
        return None

    def roll_back(self) -> NoReturn:
        """Restore the previous firmware, then raise CommandFailed with the reason. Raises OSError, Stopped."""
        deadline = monotonic() + ROLL_BACK_SECONDS
        is_back: bool | None = None
        while is_back is None and monotonic() < deadline:
            self._report(ROLLING_BACK)
            with suppress(TerminalError):
                is_back = self._device.ask(self._is_back)
            if is_back is None:
                self._progress.pause(LOOK_SECONDS)
        state = self._journal.state
        text = "元のファームウェアに戻しました。" if is_back else "元のファームウェアに戻ったことを確認できません。"
        raise CommandFailed(state.code or "device_lost", f"{state.message or ''}{text}", rolled_back=bool(is_back))

    def _is_back(self, terminal: Terminal, info: Info) -> bool | None:
        """Whether the previous firmware runs; None while the terminal restarts."""
        if info.on_trial:
            self._device.line.expect_absence(RESTART_SECONDS)
            terminal.roll_firmware_back()
            return None
        return info.firmware_version == self._journal.state.previous

    def _begin_roll_back(self, code: str, message: str) -> None:
        log.error("%s元のファームウェアに戻します。", message)
        self._journal.reach(ROLLING_BACK, code=code, message=message)

    def _report(self, step: str) -> None:
        with suppress(Cancelled):
            self._progress.update(step)


def _reverted(info: Info) -> tuple[str, str]:
    text = f"TC-200が自ら元のファームウェア（{info.firmware_version}）に戻りました。"
    return "wrong_version_after_restart", text
