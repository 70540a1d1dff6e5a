"""The step that an update has reached, saved on disk before each step: agent, PC and TC-200 may be switched off at any
time."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.state import make_state_dir, write_private

FOLDER = "firmware"
_FILE = "update.json"

DOWNLOADING = "downloading"
INSTALLING = "installing"
RESTARTING = "restarting"
CONFIRMING = "confirming"
ROLLING_BACK = "rolling_back"
# The new firmware is confirmed.
CONFIRMED = "kept"


@dataclass(frozen=True)
class UpdateState:
    """The step that an update has reached, and the facts that later steps need."""

    command_id: int
    step: str = DOWNLOADING
    # The previous version, known when the TC-200 is told to restart.
    previous: str | None = None
    # The error that the TC-200 had before the update: it is not caused by the new firmware.
    error_before: str | None = None
    commits: int = 0
    # Why it is being rolled back.
    code: str | None = None
    message: str | None = None


class Journal:
    """The journal of the running update."""

    def __init__(self, state_dir: Path, command_id: int) -> None:
        """Load this command's update; files of another update are deleted.

        Raises OSError, StateError.
        """
        self.folder = state_dir / FOLDER
        saved = _read(self.folder / _FILE)
        if saved is not None and saved.command_id == command_id:
            self.state = saved
            return
        forget(state_dir)
        make_state_dir(self.folder)
        self.state = UpdateState(command_id)
        self.reach(DOWNLOADING)

    def reach(self, step: str, **facts: Any) -> None:
        """Save that the update is about to begin this step. Raises OSError."""
        self.state = replace(self.state, step=step, **facts)
        write_private(self.folder / _FILE, json.dumps(asdict(self.state), ensure_ascii=False))

    def file(self, sha256: str) -> Path:
        """The path of the downloaded firmware file."""
        return self.folder / f"{sha256}.part"


def is_past_commit(state_dir: Path, command_id: int) -> bool:
    """Whether this command's update has told the TC-200 to restart: from then on it cannot be cancelled."""
    saved = _read(state_dir / FOLDER / _FILE)
    return saved is not None and saved.command_id == command_id and saved.step not in (DOWNLOADING, INSTALLING)


def _read(path: Path) -> UpdateState | None:
    try:
        values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return UpdateState(**values)
    except (OSError, ValueError, TypeError):
        return None


def forget(state_dir: Path) -> None:
    """Delete the files of an update, firmware and journal."""
    shutil.rmtree(state_dir / FOLDER, ignore_errors=True)
