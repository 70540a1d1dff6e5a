"""The TC-200's side of an update: pieces over the serial line, given back every two seconds so that readings go on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar

from agent.commands import Cancelled, CommandFailed, Stopped
from agent.commands.report import Progress
from agent.firmware.journal import INSTALLING
from agent.firmware.order import Order
from agent.line import SharedLine
from agent.tc200 import Garbled, Info, Offer, Refused, Terminal, TerminalError

SLICE_SECONDS = 2.0
LOOK_SECONDS = 1.0
# The terminal may be unplugged, or busy with a payment, for so long before an update is given up.
PATIENCE_SECONDS = 900.0
# A terminal that forgets the file (a restart of its own) is sent it again so often.
MAX_BEGINNINGS = 5
_STANDSTILLS = 10

_T = TypeVar("_T")


class WrongTerminal(TerminalError):
    """Another TC-200 is on the cable."""


class Device:
    """The one TC-200 this PC is enrolled for."""

    def __init__(self, line: SharedLine, serial_number: str, progress: Progress) -> None:
        self.line = line
        self._serial_number = serial_number
        self._progress = progress

    def ask(self, work: Callable[[Terminal, Info], _T]) -> _T:
        """One turn on the line, with the right terminal. Raises TerminalError."""
        with self.line.open() as terminal:
            info = terminal.info()
            if info.serial_number != self._serial_number:
                raise WrongTerminal(f"登録と異なるTC-200が接続されています（{info.serial_number}）")
            return work(terminal, info)

    def ask_patiently(self, work: Callable[[Terminal, Info], _T], seconds: float | None = None) -> _T:
        """Again and again, while the terminal is away or busy.

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
        """Hand the file over; what the terminal has of it is not sent again.

        Raises CommandFailed, Cancelled (the terminal has forgotten the file then), Refused, Stopped.
        """
        try:
            self._send(order, path)
        except Cancelled:
            self.abort()
            raise

    def _send(self, order: Order, path: Path) -> None:
        content = path.read_bytes()
        for _ in range(MAX_BEGINNINGS):
            offer = self.begin(order)
            try:
                return self._send_from(offer, content)
            except Refused as refusal:
                if refusal.code != "NOT_BEGUN":
                    raise
        raise CommandFailed("device_lost", "TC-200が何度も再起動し、受信を続けられません。", rolled_back=False)

    def begin(self, order: Order) -> Offer:
        """Announce the file. Raises CommandFailed, Refused, Stopped."""
        return self.ask_patiently(lambda terminal, _: terminal.begin_firmware(order.version, order.size, order.sha256))

    def _send_from(self, offer: Offer, content: bytes) -> None:
        offset, standstills = offer.offset, 0
        while offset < len(content):
            self._progress.tell(INSTALLING, 100 * offset // len(content))
            reached = self.ask_patiently(partial(_slice, content, offset, offer.chunk))
            standstills = standstills + 1 if reached <= offset else 0
            if standstills > _STANDSTILLS:
                raise CommandFailed("device_lost", "TC-200がデータの受信を進めません。", rolled_back=False)
            offset = reached

    def abort(self) -> None:
        """Let the terminal forget the file; one that cannot be asked forgets it with the next one."""
        try:
            self.ask(lambda terminal, _: terminal.abort_firmware())
        except (TerminalError, Stopped):
            return


def _slice(content: bytes, offset: int, chunk: int, terminal: Terminal, _: Info) -> int:
    end = monotonic() + SLICE_SECONDS
    while monotonic() < end and (piece := content[offset : offset + chunk]):
        wanted = terminal.send_firmware(offset, piece)
        if wanted > len(content):
            raise Garbled("TC-200の応答の値が正しくありません（FWDATA）")
        if wanted <= offset:
            return wanted
        offset = wanted
    return offset
