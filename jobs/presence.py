"""The worker says that it is there, as the service's replicas do."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from celery.signals import worker_ready, worker_shutdown

from service.core.instances import Presence

_open = ExitStack()


@worker_ready.connect
def _say(**_: Any) -> None:
    _open.enter_context(Presence("worker"))


@worker_shutdown.connect
def _leave(**_: Any) -> None:
    _open.close()
