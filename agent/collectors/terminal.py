"""Whether the TC-200 is connected, which firmware it runs and which error it reports."""

from dataclasses import dataclass

from agent.line import SharedLine
from agent.tc200 import NoAnswer, TerminalError, Unplugged


@dataclass(frozen=True)
class Facts:
    """The state read over USB; `firmware_version` and `serial_number` are None when they could not be read."""

    connected: bool
    firmware_version: str | None
    error: str | None
    serial_number: str | None = None


def read(line: SharedLine, serial_number: str) -> Facts:
    """Read the TC-200 on the line. Never raises for errors of the line.

    Connected means that the terminal that this PC is enrolled for answered. Another TC-200 on the cable counts as not
    connected: its state must not be shown as the enrolled one's. While an update restarts the terminal, its silence is
    not an error.
    """
    # Checked before and after: a restart may begin or end during the reading.
    expected = line.absence_expected()
    facts = _read(line, serial_number)
    expected = expected or line.absence_expected()
    if facts.error and facts.serial_number in (None, serial_number) and expected:
        return Facts(True, facts.firmware_version, None, serial_number)
    return facts


def _read(line: SharedLine, serial_number: str) -> Facts:
    try:
        with line.open() as terminal:
            info = terminal.info()
            if info.serial_number != serial_number:
                serials = f"接続中: {info.serial_number}、登録: {serial_number}"
                return Facts(False, None, f"登録と異なるTC-200が接続されています（{serials}）", info.serial_number)
            try:
                status = terminal.status()
            except TerminalError as error:
                connected = not isinstance(error, NoAnswer | Unplugged)
                return Facts(connected, info.firmware_version, str(error), info.serial_number)
    except TerminalError as error:
        return Facts(False, None, str(error))
    if status.code is None:
        return Facts(True, info.firmware_version, None, info.serial_number)
    error_text = f"{status.text or 'TC-200の異常'}（{status.code}）"
    return Facts(True, info.firmware_version, error_text, info.serial_number)
