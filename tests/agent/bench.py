"""One agent's commands at work in this process: two lanes against the service's side, with a TC-200 or without."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.commands import Command
from agent.commands.worker import Worker
from agent.config import Settings
from agent.context import Context
from agent.spool import Spool
from agent.state import Credentials, save_credentials
from tests.agent.desk import PUBLIC_KEY, CommandService
from tests.agent.doubles import TOKEN

SERIAL = "TC200-000123"
MINE = Credentials(1, SERIAL, TOKEN)


class Bench:
    """`start` and `end` are an agent's start and end; the state folder stays."""

    def __init__(self, service: CommandService, folder: Path, **changes: Any) -> None:
        self.service = service
        settings = Settings(service.url, str(folder / "tc200"), folder, serial_timeout_seconds=1.0)
        self.settings = replace(settings, **{"firmware_public_keys": (PUBLIC_KEY,), **changes})
        self.credentials = MINE
        save_credentials(folder, MINE)
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
        """What a heartbeat's answer would do."""
        self.context.book.take(Command(**order) for order in self.service.orders.values())

    def do(self, number: int, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """The end of one command."""
        self.service.order(number, name, arguments)
        return self.done(number)

    def done(self, number: int, seconds: float = 20) -> dict[str, Any]:
        self.take()
        if not self._threads:
            self.start()
        return self.service.wait_for_end(number, seconds)

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
