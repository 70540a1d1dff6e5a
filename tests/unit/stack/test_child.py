"""The wrapper that starts every process of the stack."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from stack.home import ROOT
from tests.waiting import wait_for

CHILD = [sys.executable, "-m", "stack.child"]


def run(*options: str, code: str) -> str:
    command = [*CHILD, *options, "--", sys.executable, "-c", code]
    environ = os.environ | {"DATABASE_BACKUP_URL": "postgresql://backup"}
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_only_programs_that_may_back_up_see_the_url_of_the_backup_role() -> None:
    code = "import os; print(os.environ.get('DATABASE_BACKUP_URL'))"

    assert run(code=code) == "None"
    assert run("--may-back-up", code=code) == "postgresql://backup"


def test_the_pid_file_names_the_process_and_its_start(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    file = tmp_path / "pids" / "one"

    pid = run("--pid-file", str(file), code="import os; print(os.getpid())")

    written, started = file.read_text().split()
    assert written == pid
    assert abs(float(started) - time.time()) < 60


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's end")
@pytest.mark.parametrize("stop", ["TERM", "INT"])
def test_the_child_gets_its_signal_when_its_parent_is_killed(tmp_path: Path, stop: str) -> None:
    signal_file, ready = tmp_path / "told", tmp_path / "ready"
    child_code = (
        "import pathlib, signal, sys, time\n"
        "def told(number, _):\n"
        f"    pathlib.Path({str(signal_file)!r}).write_text(str(number))\n"
        "    sys.exit(0)\n"
        f"signal.signal(signal.SIG{stop}, told)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    command = [*CHILD, "--ends-with-parent", stop, "--", sys.executable, "-c", child_code]
    code = f"import subprocess; print(subprocess.Popen({command!r}).pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    wait_for(ready.exists)

    parent.kill()
    parent.communicate()

    wait_for(signal_file.exists)
    assert signal_file.read_text() == str(int(signal.Signals[f"SIG{stop}"]))
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
