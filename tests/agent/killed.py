"""Agents that are killed (-9) at one point of an update, each in a process of its own; started by
update/test_killed.py.

A line on stdin (folder, URL, kill point) is one agent; the signal that ended it goes to stdout.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from agent import command_report
from agent.backoff import Backoff
from agent.commands import worker
from agent.commands.worker import Worker
from agent.config import Settings
from agent.context import Context
from agent.firmware import device, journal, trial
from agent.spool import Spool
from agent.state import load_credentials
from agent.tc200 import Terminal
from tests.agent.desk import PUBLIC_KEY


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def run(folder: Path, url: str, kill_point: str) -> None:
    """`kill_point`: `write:STEP`, `written:STEP` (around the journal), `COMMAND`, `COMMAND:answered`, `forget`."""
    for module in (command_report, worker):
        module.Backoff = lambda *_: Backoff(base=0.01, cap=0.02)  # type: ignore[attr-defined]
    for module in (device, trial):
        module.LOOK_SECONDS = 0.02  # type: ignore[attr-defined]
    trial.GRACE_SECONDS, trial.CONFIRM_SECONDS = 0.6, 0.5
    _install_kill_point(kill_point)
    credentials = load_credentials(folder)
    assert credentials is not None
    settings = Settings(
        url, str(folder / "tc200"), folder, serial_timeout_seconds=1.0, firmware_public_keys=(PUBLIC_KEY,)
    )
    Worker(Context(settings, credentials, Spool(folder / "spool.db", 10)), updates=True).run()


def _install_kill_point(kill_point: str) -> None:
    reach, exchange = journal.Journal.reach, Terminal._exchange

    def killing_reach(self: journal.Journal, step: str, **facts: Any) -> None:
        if kill_point == f"write:{step}":
            die()
        reach(self, step, **facts)
        if kill_point == f"written:{step}":
            die()

    def killing_exchange(self: Terminal, command: str, values: Any) -> Any:
        if kill_point == command:
            die()
        answer = exchange(self, command, values)
        if kill_point == f"{command}:answered":
            die()
        return answer

    journal.Journal.reach = killing_reach  # type: ignore[method-assign]
    Terminal._exchange = killing_exchange  # type: ignore[method-assign]
    if kill_point == "forget":
        worker.journal.forget = lambda _: die()  # type: ignore[attr-defined]


if __name__ == "__main__":
    for line in sys.stdin:
        folder, url, kill_point = line.split()
        # Forked from a process without threads that has imported everything, so that each agent starts at once.
        child = os.fork()
        if child == 0:
            run(Path(folder), url, kill_point)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}\n")
        sys.stdout.flush()
