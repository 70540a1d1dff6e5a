"""Where an update stands, on disk before each step: agent, PC and TC-200 may be switched off at any moment."""

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
# The new firmware runs and stays.
KEPT = "kept"


@dataclass(frozen=True)
class Place:
    """The step an update has reached, and what the later ones must know."""

    command_id: int
    step: str = DOWNLOADING
    # The version before, known from the moment the TC-200 is asked to restart.
    previous: str | None = None
    # The error that the TC-200 had before the update: it is not the new firmware's.
    error_before: str | None = None
    commits: int = 0
    # Why it is being rolled back.
    code: str | None = None
    message: str | None = None


class Journal:
    """The one update under way."""

    def __init__(self, state_dir: Path, command_id: int) -> None:
        """Take up this command's update where it was left; what another one left is removed.

        Raises OSError, StateError.
        """
        self.folder = state_dir / FOLDER
        found = _read(self.folder / _FILE)
        if found is not None and found.command_id == command_id:
            self.place = found
            return
        forget(state_dir)
        make_state_dir(self.folder)
        self.place = Place(command_id)
        self.reach(DOWNLOADING)

    def reach(self, step: str, **facts: Any) -> None:
        """The update is about to begin this step. Raises OSError."""
        self.place = replace(self.place, step=step, **facts)
        write_private(self.folder / _FILE, json.dumps(asdict(self.place), ensure_ascii=False))

    def file(self, sha256: str) -> Path:
        """Where the firmware file is put together."""
        return self.folder / f"{sha256}.part"


def is_beyond_return(state_dir: Path, command_id: int) -> bool:
    """Whether this command's update has asked the TC-200 to restart: it is led to its end, whoever calls it off."""
    found = _read(state_dir / FOLDER / _FILE)
    return found is not None and found.command_id == command_id and found.step not in (DOWNLOADING, INSTALLING)


def _read(path: Path) -> Place | None:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Place(**found)
    except (OSError, ValueError, TypeError):
        return None


def forget(state_dir: Path) -> None:
    """Remove what an update left behind, file and journal."""
    shutil.rmtree(state_dir / FOLDER, ignore_errors=True)
