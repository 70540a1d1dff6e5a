"""The agent's log: on stderr for the service manager, and for support in rotating files in the state folder."""

import logging
import os
from functools import partial
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE_NAME = "agent.log"
OLD_FILES = 3
_FORM = "%(asctime)s %(levelname)s %(message)s"
_LEVELS = {logging.INFO: "情報", logging.WARNING: "警告", logging.ERROR: "エラー"}

log = logging.getLogger("agent")


class _PrivateFileHandler(RotatingFileHandler):
    """Log files that are created readable by their owner only."""

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        open_private = partial(open, opener=opener)
        return open_private(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors)


def to_stderr() -> None:
    """Log to stderr, with Japanese level names."""
    for level, name in _LEVELS.items():
        logging.addLevelName(level, name)
    logging.basicConfig(level=logging.WARNING, format=_FORM)
    log.setLevel(logging.INFO)


def to_files(state_dir: Path, kilobytes: int) -> None:
    """Log also to at most four files of this size. When the folder is not writable, the agent runs without them."""
    try:
        handler = _PrivateFileHandler(
            state_dir / FILE_NAME,
            maxBytes=kilobytes * 1000,
            backupCount=OLD_FILES,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as error:
        log.warning("ログファイルに書き込めません（%s）。", error.strerror)
        return
    handler.setFormatter(logging.Formatter(_FORM))
    log.addHandler(handler)


def tail(state_dir: Path, limit: int) -> str:
    """The newest `limit` bytes of the log, over all of its files."""
    names = [FILE_NAME, *(f"{FILE_NAME}.{number}" for number in range(1, OLD_FILES + 1))]
    collected = b""
    for name in names:
        try:
            collected = (state_dir / name).read_bytes() + collected
        except OSError:
            continue
        if len(collected) >= limit:
            break
    return collected[-limit:].decode("utf-8", errors="replace")
