"""Resources that all workers of a run share: the controller starts them in the background and stops them at the end."""

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

from tests.processes import make_temporary_folder

TIMEOUT_SECONDS = 300


class SharedResource:
    """Runs a context manager, which gets a folder and yields the data for the workers, as JSON.

    Its own thread enters and leaves it, because processes end with the thread that started them.
    """

    def __init__(self, kind: str, run: Callable[[Path], AbstractContextManager[dict[str, Any]]]) -> None:
        self.folder = make_temporary_folder(kind)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run_until_stopped, args=(run,), name=kind)

    def start(self) -> None:
        self._thread.start()

    def _run_until_stopped(self, run: Callable[[Path], AbstractContextManager[dict[str, Any]]]) -> None:
        try:
            with run(self.folder) as data:
                _publish(self.folder / "ready", json.dumps(data))
                self._stopped.wait()
        except BaseException:
            _publish(self.folder / "failed", traceback.format_exc())
            self._stopped.wait()
            raise
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(TIMEOUT_SECONDS)


def _publish(file: Path, text: str) -> None:
    """Write the file atomically: workers poll for it."""
    partial = file.with_suffix(".part")
    partial.write_text(text)
    partial.rename(file)


def wait_for_shared_data(folder: Path) -> dict[str, Any]:
    """Wait for the data that the controller's context manager yielded."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (folder / "ready").exists():
        if (folder / "failed").exists():
            raise RuntimeError(f"the controller could not start it:\n{(folder / 'failed').read_text()}")
        assert time.monotonic() < deadline, f"the controller did not start {folder.name}"
        time.sleep(0.05)
    data: dict[str, Any] = json.loads((folder / "ready").read_text())
    return data
