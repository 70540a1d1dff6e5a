"""The client side of the TC-200 line protocol over USB serial (described in README.md).

Each request and each answer is a line of ASCII with a request number and a checksum. Whatever happens on the line
(noise, half a line, an unplugged cable), the caller gets an answer or a specific TerminalError within the timeout.
"""

import binascii
import random
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote, unquote

import serial

BAUD_RATE = 115_200
MAX_LINE_BYTES = 512
# The most bytes that fit into a FWDATA line as base64url.
MAX_CHUNK_BYTES = 336
MAX_REQUEST_NUMBER = 9999
MAX_SERIAL_CHARACTERS = 50
MAX_FIRMWARE_CHARACTERS = 20
MAX_TEXT_CHARACTERS = 40
PROTOCOL_VERSION = "1"
ATTEMPTS = 2
_READ_SLICE_SECONDS = 0.1

_T = TypeVar("_T")

_LINE = re.compile(r"([<>])(\d{4}) ([A-Z]{1,16})(?: (OK|NG))?((?: [a-z0-9_]{1,16}=[!-)+-<>-~]*)*)\*([0-9A-F]{4})\r?\n")

# The exceptions of pyserial (SerialException is an OSError; an invalid port name is a ValueError).
# Flushing a port whose cable was unplugged raises termios.error, which is not an OSError; Windows has no termios.
try:
    from termios import error as _termios_error

    _PORT_FAILURES: tuple[type[Exception], ...] = (OSError, _termios_error)
except ImportError:
    _PORT_FAILURES = (OSError,)
_OPEN_FAILURES: tuple[type[Exception], ...] = (*_PORT_FAILURES, ValueError)


class TerminalError(Exception):
    """The TC-200 could not be read; the message is a short Japanese phrase for the heartbeat's `error`."""


class PortUnavailable(TerminalError):
    """The port does not exist, or cannot be opened."""


class NoAnswer(TerminalError):
    """The port is open but no answer arrived in time."""


class Unplugged(TerminalError):
    """The port disappeared while it was in use."""


class PartialLine(TerminalError):
    """Bytes arrived, but no line end before the timeout."""


class LineTooLong(TerminalError):
    """More bytes than a line may have, without a line end."""


class Garbled(TerminalError):
    """A whole line arrived that does not match the protocol."""


class WrongChecksum(TerminalError):
    """A line that matches the protocol, but its checksum does not match its text."""


class WrongAnswer(TerminalError):
    """Only answers to other requests arrived (late ones, for example)."""


class WrongProtocol(TerminalError):
    """The TC-200 speaks another version of the protocol."""


class Refused(TerminalError):
    """The TC-200 answered NG to the request; `code` is its reason."""

    def __init__(self, code: str) -> None:
        super().__init__(f"TC-200が要求を拒否しました（{code}）")
        self.code = code


@dataclass(frozen=True)
class Line:
    """One request (`>`) or answer (`<`) without its checksum."""

    direction: str
    number: int
    command: str
    result: str | None
    values: Mapping[str, str]


@dataclass(frozen=True)
class Info:
    """The answer of the TC-200 to INFO."""

    serial_number: str
    model: str
    firmware_version: str
    # The firmware runs on trial: without FWCONFIRM the terminal reverts to the previous one.
    on_trial: bool = False
    # The version from which the terminal has reverted since the last FWBEGIN.
    reverted_version: str | None = None


@dataclass(frozen=True)
class Offer:
    """The answer to FWBEGIN: the most bytes per FWDATA, and the offset from which to continue."""

    chunk: int
    offset: int


@dataclass(frozen=True)
class Status:
    """The state that the TC-200 reports; `code` and `text` are None without an error."""

    code: str | None
    text: str | None


def checksum(text: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected; `123456789` gives 0x29B1."""
    return binascii.crc_hqx(text, 0xFFFF)


def encode(line: Line) -> bytes:
    """The line's bytes, checksum and CR LF included. Raises ValueError when it would be too long."""
    parts = [f"{line.direction}{line.number:04d}", line.command]
    parts += [line.result] if line.result else []
    parts += [f"{key}={quote(value, safe='')}" for key, value in line.values.items()]
    text = " ".join(parts).encode("ascii")
    encoded = text + b"*%04X\r\n" % checksum(text)
    if len(encoded) > MAX_LINE_BYTES:
        raise ValueError(f"a line may have at most {MAX_LINE_BYTES} bytes")
    return encoded


def decode(raw: bytes) -> Line:
    """Read one line. Raises Garbled or WrongChecksum."""
    match = _LINE.fullmatch(raw.decode("ascii", errors="replace"))
    if not match:
        raise Garbled("TC-200との通信が乱れています（不明な応答）")
    direction, number, command, result, pairs, checksum_text = match.groups()
    if int(checksum_text, 16) != checksum(raw[: raw.rindex(b"*")]):
        raise WrongChecksum("TC-200との通信が乱れています（チェックサム不一致）")
    values = {}
    for pair in pairs.split():
        key, _, value = pair.partition("=")
        values[key] = unquote(value)
    return Line(direction, int(number), command, result, values)


class Terminal:
    """An open serial line to a TC-200; use it with `with`."""

    def __init__(self, port: str, timeout: float) -> None:
        """Open the port; `timeout` is seconds per attempt. Raises PortUnavailable."""
        self._timeout = timeout
        # Random, because a late answer to the previous reading must not match a request of this one.
        self._number = random.randint(1, MAX_REQUEST_NUMBER)
        try:
            # exclusive: a second program on the port would take half of the answers.
            self._port = serial.Serial(
                port, BAUD_RATE, timeout=min(_READ_SLICE_SECONDS, timeout / 2), write_timeout=timeout, exclusive=True
            )
        except _OPEN_FAILURES as error:
            raise PortUnavailable(f"TC-200のポートを開けません（{port}）") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def info(self) -> Info:
        """Request the identity and firmware of the TC-200. Raises TerminalError."""
        return self._request("INFO", _read_info)

    def status(self) -> Status:
        """Request the state of the TC-200. Raises TerminalError."""
        return self._request("STATUS", _read_status)

    def begin_firmware(self, version: str, size: int, sha256: str) -> Offer:
        """Announce a firmware file; the terminal keeps what it already has of the same file. Raises TerminalError."""
        values = {"version": version, "size": str(size), "sha256": sha256}
        return self._request("FWBEGIN", lambda answer: _read_offer(answer, size), values)

    def send_firmware(self, offset: int, data: bytes) -> int:
        """Send one chunk (MAX_CHUNK_BYTES at most). Returns the next expected offset. Raises TerminalError."""
        text = urlsafe_b64encode(data).decode().rstrip("=")
        values = {"offset": str(offset), "data": text}
        return self._request("FWDATA", lambda answer: _whole_number(answer, "offset"), values)

    def commit_firmware(self) -> None:
        """Make the terminal check the file and restart with it on trial. Raises TerminalError."""
        self._request("FWCOMMIT", lambda _: None)

    def confirm_firmware(self) -> None:
        """End the trial and keep the new firmware. Raises TerminalError."""
        self._request("FWCONFIRM", lambda _: None)

    def roll_firmware_back(self) -> None:
        """End the trial: the terminal restarts with the previous firmware. Raises TerminalError."""
        self._request("FWROLLBACK", lambda _: None)

    def abort_firmware(self) -> None:
        """Make the terminal discard what it has of a file. Raises TerminalError."""
        self._request("FWABORT", lambda _: None)

    def _request(
        self, command: str, read: Callable[[Mapping[str, str]], _T], values: Mapping[str, str] | None = None
    ) -> _T:
        last_error: TerminalError = NoAnswer("TC-200が応答しません")
        for _ in range(ATTEMPTS):
            try:
                return read(self._exchange(command, values or {}))
            except (Unplugged, Refused, WrongProtocol):
                raise
            except TerminalError as error:
                last_error = error
        raise last_error

    def _exchange(self, command: str, values: Mapping[str, str]) -> Mapping[str, str]:
        self._number = self._number % MAX_REQUEST_NUMBER + 1
        deadline = monotonic() + self._timeout
        try:
            self._port.reset_input_buffer()
            self._port.write(encode(Line(">", self._number, command, None, values)))
            return self._await_answer(command, deadline)
        except serial.SerialTimeoutException as error:
            raise NoAnswer("TC-200が応答しません（送信が詰まっています）") from error
        except _PORT_FAILURES as error:
            raise Unplugged("TC-200との接続が途中で切れました") from error

    def _await_answer(self, command: str, deadline: float) -> Mapping[str, str]:
        """Skip everything that is not the answer; at the deadline raise the last problem."""
        last_error: TerminalError = NoAnswer("TC-200が応答しません")
        pending = bytearray()
        too_long = False
        while monotonic() < deadline:
            pending += self._port.read(max(1, min(self._port.in_waiting, MAX_LINE_BYTES)))
            while (end := pending.find(b"\n") + 1) > 0:
                raw = bytes(pending[:end])
                del pending[:end]
                if too_long or len(raw) > MAX_LINE_BYTES:
                    too_long, last_error = False, _line_too_long()
                    continue
                try:
                    line = decode(raw)
                except TerminalError as error:
                    last_error = error
                    continue
                if (line.direction, line.number, line.command) == ("<", self._number, command):
                    return _check_result(line)
                last_error = WrongAnswer("TC-200から別の要求への応答が届きました")
            if len(pending) > MAX_LINE_BYTES:
                pending.clear()
                too_long, last_error = True, _line_too_long()
        if pending and isinstance(last_error, NoAnswer):
            raise PartialLine("TC-200の応答が途中で途切れました")
        raise last_error


def _line_too_long() -> LineTooLong:
    return LineTooLong("TC-200との通信が乱れています（行が長すぎます）")


def _check_result(line: Line) -> Mapping[str, str]:
    if line.result == "OK":
        return line.values
    raise Refused(_clean(line.values.get("code", "理由不明")))


def _read_info(values: Mapping[str, str]) -> Info:
    if values.get("protocol") != PROTOCOL_VERSION:
        raise WrongProtocol("TC-200の通信仕様の版に対応していません")
    serial_number = _clean(_required(values, "serial"))
    if len(serial_number) > MAX_SERIAL_CHARACTERS:
        raise Garbled("TC-200のシリアル番号が長すぎます")
    firmware_version = _clean(_required(values, "firmware"))[:MAX_FIRMWARE_CHARACTERS]
    reverted = _clean(values.get("reverted", ""))[:MAX_FIRMWARE_CHARACTERS] or None
    on_trial = values.get("slot") == "trial"
    return Info(serial_number, _clean(_required(values, "model")), firmware_version, on_trial, reverted)


def _read_status(values: Mapping[str, str]) -> Status:
    state = _required(values, "state")
    if state == "ok":
        return Status(None, None)
    return Status(_clean(_required(values, "code")), _clean(values.get("text", ""))[:MAX_TEXT_CHARACTERS] or None)


def _read_offer(values: Mapping[str, str], size: int) -> Offer:
    offer = Offer(min(_whole_number(values, "chunk"), MAX_CHUNK_BYTES), _whole_number(values, "offset"))
    if offer.chunk < 1 or offer.offset > size:
        raise Garbled("TC-200の応答の値が正しくありません（FWBEGIN）")
    return offer


def _whole_number(values: Mapping[str, str], key: str) -> int:
    text = _required(values, key)
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise Garbled(f"TC-200の応答の値が正しくありません（{key}）")
    return int(text)


def _required(values: Mapping[str, str], key: str) -> str:
    value = values.get(key, "").strip()
    if not value:
        raise Garbled(f"TC-200の応答に項目がありません（{key}）")
    return value


def _clean(text: str) -> str:
    """The text without control characters, for logs and screens."""
    return "".join(character if character.isprintable() else " " for character in text).strip()
