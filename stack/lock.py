"""One launcher per home."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

import psutil

from stack.home import Home


@contextlib.contextmanager
def single_launcher(home: Home) -> Iterator[bool]:
    """Whether this is the only launcher of the home. The lock ends with the process, however it ends; the file contains
    its pid for `make down`."""
    with (home.path / "launcher.pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        file.truncate(0)
        file.write(f"{os.getpid()} {psutil.Process().create_time()}")
        file.flush()
        yield True
        file.truncate(0)


def launcher_pid(home: Home) -> int | None:
    """The pid of the launcher that runs now."""
    try:
        pid, created = (home.path / "launcher.pid").read_text().split()
        alive = abs(psutil.Process(int(pid)).create_time() - float(created)) < 1
    except (OSError, ValueError, psutil.Error):
        return None
    return int(pid) if alive else None
