"""Sends an update to the TC-200: chunks over the serial line, which is released every two seconds for readings."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar

from agent.command import Cancelled, CommandFailed, Stopped
from agent.command_report import Progress
from agent.firmware.journal import INSTALLING
from agent.firmware.order import Order
from agent.line import SharedLine
from agent.tc200 import Garbled, Info, Offer, Refused, Terminal, TerminalError

SLICE_SECONDS = 2.0
LOOK_SECONDS = 1.0
# The terminal may be unplugged, or busy with a payment, for this time before an update fails.
PATIENCE_SECONDS = 900.0
# How often the file is sent again to a terminal that has lost it (because it restarted).
MAX_TRANSFERS = 5
_MAX_STALLS = 10

_T = TypeVar("_T")


class WrongTerminal(TerminalError):
    """Another TC-200 is on the cable."""


class Device:
    """The TC-200 that this PC is enrolled for."""

    def __init__(self, line: SharedLine, serial_number: str, progress: Progress) -> None:
        self.line = line
        self._serial_number = serial_number
        self._progress = progress

    def ask(self, work: Callable[[Terminal, Info], _T]) -> _T:
        """Run `work` on the open line, if the right terminal is connected. Raises TerminalError."""
        with self.line.open() as terminal:
            info = terminal.info()
            if info.serial_number != self._serial_number:
                raise WrongTerminal(f"登録と異なるTC-200が接続されています（{info.serial_number}）")
            return work(terminal, info)

    def ask_with_retries(self, work: Callable[[Terminal, Info], _T], seconds: float | None = None) -> _T:
        """As `ask`, and retry while the terminal is not reachable or busy.

        Raises CommandFailed (device_lost, or device_refused when it stayed busy), Refused for any other refusal,
        Stopped.
        """
        deadline = monotonic() + (PATIENCE_SECONDS if seconds is None else seconds)
        while True:
            try:
                return self.ask(work)
            except Refused as refusal:
                if refusal.code != "BUSY":
                    raise
                code, problem = "device_refused", str(refusal)
            except TerminalError as error:
                code, problem = "device_lost", str(error)
            if monotonic() > deadline:
                raise CommandFailed(code, f"{problem}。", rolled_back=False)
            self._progress.pause(LOOK_SECONDS)

    def send(self, order: Order, path: Path) -> None:
        """Send the file; parts that the terminal already has are not sent again.

        Raises CommandFailed, Cancelled (the terminal has discarded the file then), Refused, Stopped.
        """
        try:
            self._send(order, path)
        except Cancelled:
            self.abort()
            raise

    def _send(self, order: Order, path: Path) -> None:
        content = path.read_bytes()
        for _ in range(MAX_TRANSFERS):
            offer = self.begin(order)
            try:
                return self._send_from(offer, content)
            except Refused as refusal:
                if refusal.code != "NOT_BEGUN":
                    raise
        raise CommandFailed("device_lost", "TC-200が何度も再起動し、受信を続けられません。", rolled_back=False)

    def begin(self, order: Order) -> Offer:
        """Announce the file. Raises CommandFailed, Refused, Stopped."""
        return self.ask_with_retries(
            lambda terminal, _: terminal.begin_firmware(order.version, order.size, order.sha256)
        )

    def _send_from(self, offer: Offer, content: bytes) -> None:
        offset, stalls = offer.offset, 0
        while offset < len(content):
            self._progress.update(INSTALLING, 100 * offset // len(content))
            next_offset = self.ask_with_retries(partial(_slice, content, offset, offer.chunk))
            stalls = stalls + 1 if next_offset <= offset else 0
            if stalls > _MAX_STALLS:
                raise CommandFailed("device_lost", "TC-200がデータの受信を進めません。", rolled_back=False)
            offset = next_offset

    def abort(self) -> None:
        """Make the terminal discard the file; if it is not reachable, it discards the file at the next FWBEGIN."""
        try:
            self.ask(lambda terminal, _: terminal.abort_firmware())
        except (TerminalError, Stopped):
            return


def _slice(content: bytes, offset: int, chunk: int, terminal: Terminal, _: Info) -> int:
    deadline = monotonic() + SLICE_SECONDS
    while monotonic() < deadline and (data := content[offset : offset + chunk]):
        next_offset = terminal.send_firmware(offset, data)
        if next_offset > len(content):
            raise Garbled("TC-200の応答の値が正しくありません（FWDATA）")
        if next_offset <= offset:
            return next_offset
        offset = next_offset
    return offset
