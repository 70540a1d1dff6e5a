"""Agents that are killed (-9) at one moment of an update, each in a process of its own; started by test_update.

A line on stdin (folder, URL, moment) is one agent; the signal that ended it goes to stdout.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from agent.backoff import Backoff
from agent.commands import report, worker
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


def run(folder: Path, url: str, moment: str) -> None:
    """`moment`: `write:STEP`, `written:STEP` (around the journal), `COMMAND`, `COMMAND:answered`, `forget`."""
    for module in (report, worker):
        module.Backoff = lambda *_: Backoff(base=0.01, cap=0.02)  # type: ignore[attr-defined]
    for module in (device, trial):
        module.LOOK_SECONDS = 0.02  # type: ignore[attr-defined]
    trial.GRACE_SECONDS, trial.CONFIRM_SECONDS = 0.6, 0.5
    _arm(moment)
    credentials = load_credentials(folder)
    assert credentials is not None
    settings = Settings(
        url, str(folder / "tc200"), folder, serial_timeout_seconds=1.0, firmware_public_keys=(PUBLIC_KEY,)
    )
    Worker(Context(settings, credentials, Spool(folder / "spool.db", 10)), updates=True).run()


def _arm(moment: str) -> None:
    reach, exchange = journal.Journal.reach, Terminal._exchange

    def deadly_reach(self: journal.Journal, step: str, **facts: Any) -> None:
        if moment == f"write:{step}":
            die()
        reach(self, step, **facts)
        if moment == f"written:{step}":
            die()

    def deadly_exchange(self: Terminal, command: str, values: Any) -> Any:
        if moment == command:
            die()
        answer = exchange(self, command, values)
        if moment == f"{command}:answered":
            die()
        return answer

    journal.Journal.reach = deadly_reach  # type: ignore[method-assign]
    Terminal._exchange = deadly_exchange  # type: ignore[method-assign]
    if moment == "forget":
        worker.journal.forget = lambda _: die()  # type: ignore[attr-defined]


if __name__ == "__main__":
    for line in sys.stdin:
        where, service, when = line.split()
        # Forked from a process without threads that has loaded everything: an agent costs no start.
        child = os.fork()
        if child == 0:
            run(Path(where), service, when)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}\n")
        sys.stdout.flush()
