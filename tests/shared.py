"""What all workers of a run use together: the controller starts it beside their work, and ends it with the run."""

from __future__ import annotations

import json
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.processes import own_folder

PATIENCE_SECONDS = 300


class Shared:
    """Runs a context manager, which is given a folder and yields what the workers have to know of it, as JSON.

    A thread of its own enters and leaves it: processes end with the thread that started them.
    """

    def __init__(self, kind: str, run: Callable[[Path], AbstractContextManager[dict[str, Any]]]) -> None:
        self.folder = own_folder(kind)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._stay, args=(run,), name=kind)

    def start(self) -> None:
        self._thread.start()

    def _stay(self, run: Callable[[Path], AbstractContextManager[dict[str, Any]]]) -> None:
        try:
            with run(self.folder) as known:
                _publish(self.folder / "ready", json.dumps(known))
                self._over.wait()
        except BaseException:
            _publish(self.folder / "failed", traceback.format_exc())
            self._over.wait()
            raise
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_SECONDS)


def _publish(file: Path, text: str) -> None:
    """Whole or not at all: others look for it at any moment."""
    building = file.with_suffix(".part")
    building.write_text(text)
    building.rename(file)


def known_of(folder: Path) -> dict[str, Any]:
    """What the controller's context manager yielded, once it is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "ready").exists():
        if (folder / "failed").exists():
            raise RuntimeError(f"the controller could not start it:\n{(folder / 'failed').read_text()}")
        assert time.monotonic() < deadline, f"the controller did not start {folder.name}"
        time.sleep(0.05)
    known: dict[str, Any] = json.loads((folder / "ready").read_text())
    return known
