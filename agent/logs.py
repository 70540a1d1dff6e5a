"""The agent's log: on stderr for the service manager, and in the state folder for support, in files that never grow."""

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


class _Private(RotatingFileHandler):
    """Readable by its owner only, from the first moment."""

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        opened = partial(open, opener=opener)
        return opened(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors)


def to_stderr() -> None:
    """Everything the agent says goes to stderr, in Japanese."""
    for level, name in _LEVELS.items():
        logging.addLevelName(level, name)
    logging.basicConfig(level=logging.WARNING, format=_FORM)
    log.setLevel(logging.INFO)


def to_files(state_dir: Path, kilobytes: int) -> None:
    """... and into four files of this size at most. A folder that cannot be written to costs the log, not the agent."""
    try:
        kept = _Private(
            state_dir / FILE_NAME,
            maxBytes=kilobytes * 1000,
            backupCount=OLD_FILES,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as error:
        log.warning("ログファイルに書き込めません（%s）。", error.strerror)
        return
    kept.setFormatter(logging.Formatter(_FORM))
    log.addHandler(kept)


def tail(state_dir: Path, most: int) -> str:
    """The newest `most` bytes of the log, over all of its files."""
    names = [FILE_NAME, *(f"{FILE_NAME}.{number}" for number in range(1, OLD_FILES + 1))]
    collected = b""
    for name in names:
        try:
            collected = (state_dir / name).read_bytes() + collected
        except OSError:
            continue
        if len(collected) >= most:
            break
    return collected[-most:].decode("utf-8", errors="replace")
