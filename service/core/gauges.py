"""The state of the whole as metrics: what Prometheus' rules and the Grafana dashboard look at, beside the counters of
each replica.

Measured every few seconds, not when asked: taking the pulse must not wait for a database that is away. Every replica
says the same of the whole, so rules take the highest; one that cannot measure says so by the part that is away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.core import health, system
from service.core.clock import real_now
from service.core.db import SYSTEM, transaction
from service.core.probes import Probe

# Without these there is no product: they are counted also where there is none.
EXPECTED = ("service", "worker")

log = structlog.get_logger()


class Measured(Collector):
    """What was measured last, whole: a scrape never sees half of it."""

    def __init__(self) -> None:
        self._newest: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        return self._newest

    def measure(self) -> None:
        """Never raises: who calls it has more to do."""
        found = list(_parts(health.readiness()))
        try:
            with transaction(SYSTEM) as db:
                probed = db.scalar(select(func.max(Probe.at)))
                found += _state(system.state(db), probed, real_now())
        except SQLAlchemyError as error:
            log.warning("state not measured", error=type(error).__name__)
        self._newest = found


MEASURED = Measured()
REGISTRY.register(MEASURED)


def _parts(parts: dict[str, str]) -> Iterator[Metric]:
    fine = _gauge("genba_part_ok", "1 when what every answer needs is there", "part")
    for name, state in parts.items():
        fine.add_metric([name], state == "ok")
    yield fine


def _state(state: dict[str, Any], probed: datetime | None, now: datetime) -> Iterator[Metric]:
    yield from _processes(state["instances"])
    late = _gauge("genba_tick_late", "1 when a job was silent for longer than it may be", "tick")
    silent = _gauge("genba_tick_silent_seconds", "Since a job last ran to its end", "tick")
    for job in state["jobs"]:
        late.add_metric([job["name"]], job["is_late"])
        if job["last_at"]:
            silent.add_metric([job["name"]], _seconds(now, job["last_at"]))
    yield from (late, silent)
    outbox = state["outbox"]
    messages = _gauge("genba_outbox_messages", "Messages that are not sent: waiting, of these retrying, dead", "state")
    for name in ("waiting", "retrying", "dead"):
        messages.add_metric([name], outbox[name])
    yield messages
    oldest = outbox["oldest_waiting_at"]
    yield _one("genba_outbox_oldest_seconds", "Age of the oldest waiting message", oldest and _seconds(now, oldest))
    database, redis, backup = state["database"], state["redis"], state["backup"]
    yield _one("genba_database_bytes", "Size of the database", database["size_bytes"])
    yield _one("genba_database_connections", "Connections to the database", database["connections"])
    yield _one("genba_database_connections_allowed", "Most there may be", database["connections_allowed"])
    if redis is not None:
        yield _one("genba_redis_bytes", "Memory that Redis (Valkey) uses", redis["memory_bytes"])
        yield _one("genba_ticks_waiting", "Ticks that wait for a worker", redis["waiting"])
    yield _one("genba_backup_late", "1 when no daily backup succeeded for too long", backup["is_late"])
    yield _one("genba_backup_failed", "1 when the last try failed", backup["failed"])
    rehearsal = backup["rehearsal"]
    wrong = rehearsal is not None and (not rehearsal["ok"] or rehearsal["is_late"])
    yield _one("genba_backup_unproven", "1 when the last restore failed or is too long ago", wrong)
    if probed is not None:
        yield _one("genba_watchdog_silent_seconds", "Since the newest probe that was delivered", _seconds(now, probed))


def _processes(instances: list[dict[str, Any]]) -> Iterator[Metric]:
    there = _gauge("genba_processes", "Processes that are there", "name")
    missing = _gauge("genba_processes_missing", "Processes that fell silent and have no successor", "name")
    for name in sorted({*EXPECTED, *(one["name"] for one in instances)}):
        states = [one["is_there"] for one in instances if one["name"] == name]
        there.add_metric([name], states.count(True))
        missing.add_metric([name], states.count(False))
    cpu = _gauge("genba_host_cpu_percent", "CPU of a machine in use", "host")
    memory = _gauge("genba_host_memory_percent", "Memory of a machine in use", "host")
    disk = _gauge("genba_host_disk_percent", "Disk of a machine in use", "host")
    hosts = {one["host"]: one for one in instances if one["is_there"]}
    for host, one in sorted(hosts.items()):
        cpu.add_metric([host], one["host_cpu_percent"])
        memory.add_metric([host], one["host_memory_percent"])
        disk.add_metric([host], one["host_disk_percent"])
    yield from (there, missing, cpu, memory, disk)


def _gauge(name: str, says: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, labels=[label])


def _one(name: str, says: str, value: float | None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, value=value or 0)


def _seconds(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds()
