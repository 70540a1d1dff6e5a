"""Leftover processes of an earlier run, found by their pid files and start times."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from stack import supervise
from stack.home import Home


@pytest.mark.parametrize(("seconds_off", "is_leftover"), [(0, True), (0.5, True), (1, False), (3600, False)])
def test_a_reused_pid_is_not_a_leftover_process(tmp_path: Path, seconds_off: float, is_leftover: bool) -> None:
    home = Home(tmp_path)
    home.pids.mkdir(parents=True)
    started_at = psutil.Process().create_time()
    (home.pids / "service").write_text(f"{os.getpid()} {started_at - seconds_off}")
    (home.pids / "torn").write_text("")

    assert [name for name, _ in supervise.leftover_processes(home)] == (["service"] if is_leftover else [])
