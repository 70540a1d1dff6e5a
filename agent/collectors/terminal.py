"""Whether the TC-200 is there, which firmware it runs and what it complains about."""

from dataclasses import dataclass

from agent.tc200 import NoAnswer, Terminal, TerminalError, Unplugged


@dataclass(frozen=True)
class Facts:
    """What the USB link told; `firmware_version` is None when the terminal could not say."""

    connected: bool
    firmware_version: str | None
    error: str | None


def read(port: str, timeout: float, serial_number: str) -> Facts:
    """Ask the TC-200 on `port`; `timeout` is seconds per attempt. Never raises for what the line does.

    Connected means that the terminal this PC is enrolled for answered. Another TC-200 on the cable counts as not
    connected: its state must not be shown under the enrolled one's name.
    """
    try:
        with Terminal(port, timeout) as line:
            info = line.info()
            if info.serial_number != serial_number:
                found = f"接続中: {info.serial_number}、登録: {serial_number}"
                return Facts(False, None, f"登録と異なるTC-200が接続されています（{found}）")
            try:
                status = line.status()
            except TerminalError as error:
                return Facts(not isinstance(error, NoAnswer | Unplugged), info.firmware_version, str(error))
    except TerminalError as error:
        return Facts(False, None, str(error))
    if status.code is None:
        return Facts(True, info.firmware_version, None)
    return Facts(True, info.firmware_version, f"{status.text or 'TC-200の異常'}（{status.code}）")
