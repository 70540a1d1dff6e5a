"""The small files in the state folder: the terminal's token, and the last known firmware version."""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.tc200 import MAX_FIRMWARE_CHARACTERS

UNKNOWN_FIRMWARE = "unknown"
_CREDENTIALS = "credentials.json"
_FIRMWARE = "firmware_version"


class StateError(Exception):
    """A state file cannot be used; the message is Japanese and says what to do."""


@dataclass(frozen=True)
class Credentials:
    """The identity of this store PC at the service."""

    terminal_id: int
    serial_number: str
    token: str
    # During a rotation: saved here before it is sent to the service.
    next_token: str | None = None

    def __repr__(self) -> str:
        """Without the token, so that no log or traceback can carry it."""
        return f"Credentials(terminal_id={self.terminal_id}, serial_number={self.serial_number!r})"


def make_state_dir(path: Path) -> None:
    """Create the state folder for its owner only; an existing one stays unchanged.

    Raises StateError.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"状態フォルダー {path} を作成できません（{error.strerror}）。権限を確認してください。"
        ) from error


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically, durable and readable by its owner only (0600).

    mkstemp creates with O_CREAT|O_EXCL and 0600, so the text is never readable by other users. Windows has no such
    bits: there the folder's access control list applies (see README).
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_credentials(state_dir: Path, credentials: Credentials) -> None:
    """Save the terminal's token. Raises StateError."""
    path = state_dir / _CREDENTIALS
    try:
        write_private(path, json.dumps(asdict(credentials), ensure_ascii=False))
    except OSError as error:
        raise StateError(
            f"トークンを {path} に保存できません（{error.strerror}）。空き容量と権限を確認してください。"
        ) from error


def load_credentials(state_dir: Path) -> Credentials | None:
    """The token saved by `enrol`, or None before it. Raises StateError for a file that cannot be used."""
    path = state_dir / _CREDENTIALS
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        next_token = data.get("next_token")
        credentials = Credentials(
            int(data["terminal_id"]),
            str(data["serial_number"]),
            str(data["token"]),
            None if next_token is None else str(next_token),
        )
        for token in (credentials.token, credentials.next_token):
            if token is not None and not (token and token.isascii() and token.isprintable()):
                raise ValueError
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(
            f"{path} を読めません（{error.strerror}）。エージェントを登録時と同じ利用者で実行してください。"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path} が壊れています。enrol で登録し直してください。") from error
    return credentials


def load_firmware_version(state_dir: Path) -> str:
    """The firmware version that the TC-200 reported last, or "unknown"."""
    try:
        text = (state_dir / _FIRMWARE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return UNKNOWN_FIRMWARE
    return text[:MAX_FIRMWARE_CHARACTERS] or UNKNOWN_FIRMWARE


def forget_firmware_version(state_dir: Path) -> None:
    """Delete the version of the previous terminal, when this PC is enrolled for another one. Raises OSError."""
    (state_dir / _FIRMWARE).unlink(missing_ok=True)


def save_firmware_version(state_dir: Path, version: str) -> None:
    """Save the firmware version for times when the TC-200 cannot be read. Raises OSError."""
    write_private(state_dir / _FIRMWARE, version)
