"""Reports that the worker is running, as the service's replicas do."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from celery.signals import worker_process_init, worker_ready, worker_shutdown

from service.core.database.session import drop_inherited_connections
from service.core.monitoring.instances import Presence

_open = ExitStack()


@worker_ready.connect
def _report_presence(sender: Any, **_: Any) -> None:
    """Reports as `reader` when Celery's node has that name, else as `worker`."""
    name = str(sender.hostname).partition("@")[0]
    _open.enter_context(Presence("reader" if name == "reader" else "worker"))


@worker_process_init.connect
def _forget_connections(**_: Any) -> None:
    drop_inherited_connections()


@worker_shutdown.connect
def _end_presence(**_: Any) -> None:
    _open.close()
