"""After FWCOMMIT: the restart, the trial, the way to one of two ends. Being cancelled changes nothing any more."""

import logging
from contextlib import suppress
from time import monotonic
from typing import NoReturn

from agent.commands import Cancelled, CommandFailed
from agent.commands.report import Progress
from agent.firmware.device import LOOK_SECONDS, Device
from agent.firmware.journal import CONFIRMING, KEPT, RESTARTING, ROLLING_BACK, Journal
from agent.tc200 import Info, Refused, Terminal, TerminalError

# A restart takes less; who is not back by then is called lost.
RESTART_SECONDS = 180.0
# After FWCOMMIT the old firmware may still answer for a moment.
GRACE_SECONDS = 20.0
# So many looks without a fault, one after the other, within so many seconds.
CHECKS = 3
CONFIRM_SECONDS = 120.0
# Longer than the ten minutes after which the terminal goes back by itself, and a restart.
ROLL_BACK_SECONDS = 900.0

log = logging.getLogger("agent")


class Trial:
    """One update after its FWCOMMIT."""

    def __init__(self, device: Device, progress: Progress, version: str, journal: Journal) -> None:
        self._device = device
        self._progress = progress
        self._version = version
        self._journal = journal
        self._sound = 0

    def await_restart(self) -> bool:
        """Wait until it is known how the terminal came back; the journal says how to go on.

        False when it never took the new firmware and runs the old one as before. Raises OSError, Stopped.
        """
        self._device.line.expect_absence(RESTART_SECONDS)
        grace, deadline = monotonic() + GRACE_SECONDS, monotonic() + RESTART_SECONDS
        while True:
            self._note(RESTARTING)
            try:
                info = self._device.ask(lambda _, info: info)
            except TerminalError as error:
                if monotonic() > deadline:
                    self._turn_back("device_lost", f"再起動後のTC-200と通信できません（{error}）。")
                    return True
            else:
                if self._is_judged(info):
                    return True
                if monotonic() > grace:
                    return False
            self._progress.pause(LOOK_SECONDS)

    def _is_judged(self, info: Info) -> bool:
        if info.firmware_version == self._version:
            self._journal.reach(CONFIRMING if info.on_trial else KEPT)
        elif info.reverted_version == self._version:
            self._turn_back(*_went_back(info))
        elif info.on_trial or info.firmware_version != self._journal.place.previous:
            words = f"再起動後のTC-200のファームウェアは {info.firmware_version} です（更新: {self._version}）。"
            self._turn_back("wrong_version_after_restart", words)
        else:
            return False
        return True

    def confirm(self) -> None:
        """Look at the new firmware, and keep it when nothing is wrong with it. Raises OSError, Stopped."""
        deadline = monotonic() + CONFIRM_SECONDS
        self._device.line.expect_absence(0)
        self._sound = 0
        while True:
            self._note(CONFIRMING)
            try:
                fault = self._device.ask(self._judge)
            except Refused as refusal:
                fault = ("device_refused", f"{refusal}。")
            except TerminalError as error:
                fault = ("device_lost", f"更新後のTC-200と通信できません（{error}）。")
            if self._journal.place.step != CONFIRMING:
                return
            self._sound = 0 if fault else self._sound + 1
            if fault and monotonic() > deadline:
                return self._turn_back(*fault)
            self._progress.pause(LOOK_SECONDS)

    def _judge(self, terminal: Terminal, info: Info) -> tuple[str, str] | None:
        """What is wrong (code and words), or None. Confirms after enough looks."""
        if info.firmware_version != self._version:
            self._turn_back(*_went_back(info))
            return None
        if not info.on_trial:
            self._journal.reach(KEPT)
            return None
        status = terminal.status()
        if status.code and status.code != self._journal.place.error_before:
            return "device_refused", f"更新後のTC-200が異常を報告しています: {status.text or status.code}。"
        if self._sound >= CHECKS:
            terminal.confirm_firmware()
        return None

    def roll_back(self) -> NoReturn:
        """Bring the firmware before back, then raise CommandFailed with the reason. Raises OSError, Stopped."""
        deadline = monotonic() + ROLL_BACK_SECONDS
        back: bool | None = None
        while back is None and monotonic() < deadline:
            self._note(ROLLING_BACK)
            with suppress(TerminalError):
                back = self._device.ask(self._is_back)
            if back is None:
                self._progress.pause(LOOK_SECONDS)
        place = self._journal.place
        words = "元のファームウェアに戻しました。" if back else "元のファームウェアに戻ったことを確認できません。"
        raise CommandFailed(place.code or "device_lost", f"{place.message or ''}{words}", rolled_back=bool(back))

    def _is_back(self, terminal: Terminal, info: Info) -> bool | None:
        """None while it is on its way."""
        if info.on_trial:
            self._device.line.expect_absence(RESTART_SECONDS)
            terminal.roll_firmware_back()
            return None
        return info.firmware_version == self._journal.place.previous

    def _turn_back(self, code: str, message: str) -> None:
        log.error("%s元のファームウェアに戻します。", message)
        self._journal.reach(ROLLING_BACK, code=code, message=message)

    def _note(self, step: str) -> None:
        with suppress(Cancelled):
            self._progress.tell(step)


def _went_back(info: Info) -> tuple[str, str]:
    words = f"TC-200が自ら元のファームウェア（{info.firmware_version}）に戻りました。"
    return "wrong_version_after_restart", words
