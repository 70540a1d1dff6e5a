"""A simulated TC-200: the terminal's side of the line protocol, on a pseudo terminal (pty)."""

import os
import selectors
import signal
import tty
from contextlib import suppress
from pathlib import Path
from socket import socketpair
from time import monotonic
from types import FrameType

from agent.simulator import SimulatorError
from agent.simulator.firmware_slots import RESTART_SECONDS, TRIAL_SECONDS, Fault, Refusal, Slots
from agent.tc200 import MAX_LINE_BYTES, PROTOCOL_VERSION, Garbled, Line, TerminalError, decode, encode

DEFAULT_ERROR = "カードリーダー応答なし"
ERROR_CODE = "E01"
MODEL = "TC-200"
# The restart begins after this time, so that the answer to FWCOMMIT is still sent.
ANSWER_SECONDS = 0.1


class SimulatedTerminal:
    """One TC-200. `serve` answers until `stop`; the other methods may be called from signal handlers and threads."""

    def __init__(
        self,
        link: Path,
        serial_number: str,
        firmware_version: str,
        error: str | None = None,
        *,
        fault: Fault | None = None,
        restart_seconds: float = RESTART_SECONDS,
        trial_seconds: float = TRIAL_SECONDS,
    ) -> None:
        """`link`: path of the symbolic link to the serial device. `error`: reported from the start.

        `fault`: how firmware updates fail.
        """
        self._link = link
        self._identity = {"serial": serial_number, "model": MODEL, "protocol": PROTOCOL_VERSION}
        self.firmware = Slots(firmware_version, fault, trial_seconds)
        self._restart_seconds = restart_seconds
        # During a restart: from when and until when the port is away.
        self._away: tuple[float, float] | None = None
        self._error_text = error or DEFAULT_ERROR
        self._error_shown = error is not None
        self._cable_plugged = True
        self._running = True
        self._master: int | None = None
        self._slave: int | None = None
        self._plug()
        self._wake, self._waker = socketpair()
        self._waker.setblocking(False)

    def toggle_error(self) -> None:
        """Start or stop reporting the error."""
        self._error_shown = not self._error_shown

    def toggle_plug(self) -> None:
        """Unplug the cable, or plug it in again."""
        self._cable_plugged = not self._cable_plugged
        self._notice()

    def stop(self) -> None:
        """End `serve`."""
        self._running = False
        self._notice()

    def serve(self) -> None:
        """Answer requests until `stop`, then remove the link."""
        pending = bytearray()
        try:
            while self._running:
                self._restart_if_due()
                if (connected := self._is_connected()) != (self._master is not None):
                    pending.clear()
                    self._plug() if connected else self._unplug()
                self._serve_once(pending)
        finally:
            self._unplug()
            self._wake.close()
            self._waker.close()

    def _restart_if_due(self) -> None:
        self.firmware.look_at_the_clock()
        if self._away is not None and monotonic() >= self._away[1]:
            self._away = None
            self.firmware.restart()
        elif self._away is None and self.firmware.wants_restart:
            starts_at = monotonic() + ANSWER_SECONDS
            self._away = (starts_at, starts_at + self._restart_seconds)

    def _is_connected(self) -> bool:
        away = self._away is not None and monotonic() >= self._away[0]
        return self._cable_plugged and not away and not self.firmware.is_dead

    def _wait_seconds(self) -> float | None:
        """Seconds until the next change without a request."""
        if self._away is None:
            return self.firmware.seconds_until_trial_end()
        return max(0.0, self._away[self._master is None] - monotonic())

    def _serve_once(self, pending: bytearray) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            if self._master is not None:
                selector.register(self._master, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select(self._wait_seconds())}
        if self._wake in ready:
            self._wake.recv(64)
            return
        if self._master is None or self._master not in ready:
            return
        pending += os.read(self._master, MAX_LINE_BYTES)
        while (end := pending.find(b"\n") + 1) > 0:
            answer = self._answer(bytes(pending[:end]))
            del pending[:end]
            if answer:
                # When nobody reads and the line is full, the answer is lost, as on a real line.
                with suppress(BlockingIOError):
                    os.write(self._master, answer)
        if len(pending) > MAX_LINE_BYTES:
            pending.clear()

    def _answer(self, raw: bytes) -> bytes | None:
        try:
            request = decode(raw)
            if request.direction != ">":
                raise Garbled
        except TerminalError:
            # A damaged request gets no answer, because its number may be wrong. The agent repeats it.
            return None
        result = "OK"
        try:
            values = self._values(request)
        except Refusal as refusal:
            result, values = "NG", {"code": str(refusal)}
        return encode(Line("<", request.number, request.command, result, values))

    def _values(self, request: Line) -> dict[str, str]:
        if request.command == "INFO":
            return self._identity | self.firmware.facts()
        if request.command != "STATUS":
            return self.firmware.answer(request.command, request.values)
        if self._error_shown or self.firmware.unwell:
            return {"state": "error", "code": ERROR_CODE, "text": self._error_text}
        return {"state": "ok"}

    def _plug(self) -> None:
        if self._link.exists() and not self._link.is_symlink():
            raise SimulatorError(f"{self._link} は既に存在します。別のパスを指定してください。")
        self._master, self._slave = os.openpty()
        # The slave stays open here too; else the line would hang up when the agent closes it.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        temporary = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        try:
            temporary.symlink_to(os.ttyname(self._slave))
            temporary.replace(self._link)
        except OSError as error:
            self._close_line()
            raise SimulatorError(f"{self._link} を作成できません（{error.strerror}）。") from error

    def _unplug(self) -> None:
        with suppress(FileNotFoundError):
            self._link.unlink()
        self._close_line()

    def _close_line(self) -> None:
        for descriptor in (self._master, self._slave):
            if descriptor is not None:
                os.close(descriptor)
        self._master = self._slave = None

    def _notice(self) -> None:
        with suppress(OSError):
            self._waker.send(b"!")


def run(
    link: Path, serial_number: str, firmware_version: str, error: str | None, fault: Fault | None, restart: float
) -> int:
    """The command `simulate tc200`, until SIGTERM or SIGINT; SIGUSR1 toggles the error, SIGUSR2 the cable."""
    terminal = SimulatedTerminal(link, serial_number, firmware_version, error, fault=fault, restart_seconds=restart)

    def on_signal(number: int, _: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            terminal.toggle_error()
        elif number == signal.SIGUSR2:
            terminal.toggle_plug()
        else:
            terminal.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, on_signal)
    print(
        f"模擬TC-200（{serial_number}）を {link} で動かしています。停止は Ctrl-C、"
        f"異常の切り替えは kill -USR1 {os.getpid()}、抜き差しは kill -USR2 {os.getpid()} です。",
        flush=True,
    )
    terminal.serve()
    return 0
