"""What an earlier run has left: known by its pid files, and by when the process began."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from stack import supervise
from stack.home import Home


@pytest.mark.parametrize(("seconds_off", "is_left"), [(0, True), (0.5, True), (1, False), (3600, False)])
def test_a_pid_that_another_process_has_now_is_nobody_of_ours(
    tmp_path: Path, seconds_off: float, is_left: bool
) -> None:
    home = Home(tmp_path)
    home.pids.mkdir(parents=True)
    began = psutil.Process().create_time()
    (home.pids / "service").write_text(f"{os.getpid()} {began - seconds_off}")
    (home.pids / "torn").write_text("")

    assert [name for name, _ in supervise.leftover_processes(home)] == (["service"] if is_left else [])
