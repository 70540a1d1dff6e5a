"""The worker says that it is there, as the service's replicas do."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from celery.signals import worker_process_init, worker_ready, worker_shutdown

from service.core.db import forget_connections
from service.core.instances import Presence

_open = ExitStack()


@worker_ready.connect
def _say(sender: Any, **_: Any) -> None:
    """`worker`, unless it was given a name of its own."""
    name = str(sender.hostname).partition("@")[0]
    _open.enter_context(Presence("reader" if name == "reader" else "worker"))


@worker_process_init.connect
def _begin(**_: Any) -> None:
    forget_connections()


@worker_shutdown.connect
def _leave(**_: Any) -> None:
    _open.close()
