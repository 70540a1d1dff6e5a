"""The command workers of one agent in this process, with the fake service, with or without a TC-200."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.command import Command
from agent.commands.worker import Worker
from agent.config import Settings
from agent.context import Context
from agent.spool import Spool
from agent.state import Credentials, save_credentials
from tests.agent.desk import PUBLIC_KEY, CommandService
from tests.agent.doubles import TOKEN

SERIAL = "TC200-000123"
CREDENTIALS = Credentials(1, SERIAL, TOKEN)


class Bench:
    """`start` and `end` are an agent's start and end; the state folder stays."""

    def __init__(self, service: CommandService, folder: Path, **changes: Any) -> None:
        self.service = service
        settings = Settings(service.url, str(folder / "tc200"), folder, serial_timeout_seconds=1.0)
        self.settings = replace(settings, **{"firmware_public_keys": (PUBLIC_KEY,), **changes})
        self.credentials = CREDENTIALS
        save_credentials(folder, CREDENTIALS)
        self._threads: list[threading.Thread] = []
        self._open()

    def _open(self) -> None:
        self.spool = Spool(self.settings.state_dir / "spool.db", 10)
        self.context = Context(self.settings, self.credentials, self.spool)

    def start(self) -> "Bench":
        for updates in (False, True):
            worker = Worker(self.context, updates=updates)
            self._threads.append(threading.Thread(target=worker.run))
            self._threads[-1].start()
        return self

    def take(self) -> None:
        """Hands over the commands as a heartbeat's answer does."""
        self.context.book.take(Command(**order) for order in self.service.orders.values())

    def run_command(self, number: int, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Orders one command and returns its final report."""
        self.service.order(number, name, arguments)
        return self.run_to_end(number)

    def run_to_end(self, number: int, seconds: float = 20) -> dict[str, Any]:
        self.take()
        if not self._threads:
            self.start()
        return self.service.wait_for_final_report(number, seconds)

    def end(self) -> None:
        self.context.stop.set()
        self.context.book.close()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self.spool.close()

    def restart(self) -> None:
        self.end()
        self._open()
