"""The state of the whole system as metrics for Prometheus' rules and the Grafana dashboard, in addition to the counters
of each replica.

Measured every few seconds, not at a scrape, because a scrape must not wait for a database that is down. Every replica
reports the same values, so rules take the highest; a replica that cannot measure reports the part that is down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.core.database.clock import real_now
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring import health, schemas, system
from service.core.monitoring.probes import Probe

# The product needs these processes: their counts are also reported when there is none.
EXPECTED = ("service", "worker")

log = structlog.get_logger()


class StateCollector(Collector):
    """The last measurement, replaced as a whole, so that a scrape never sees half of one."""

    def __init__(self) -> None:
        self._newest: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        return self._newest

    def measure(self) -> None:
        """Never raises, because the caller goes on with other work."""
        metrics = list(_parts(health.readiness()))
        try:
            with transaction(SYSTEM) as db:
                last_probe_at = db.scalar(select(func.max(Probe.at)))
                metrics += _state(system.state(db), last_probe_at, real_now())
        except SQLAlchemyError as error:
            log.warning("state not measured", error=type(error).__name__)
        self._newest = metrics


STATE_COLLECTOR = StateCollector()
REGISTRY.register(STATE_COLLECTOR)


def _parts(parts: dict[str, str]) -> Iterator[Metric]:
    part_ok = _gauge("genba_part_ok", "1 when what every answer needs is there", "part")
    for name, state in parts.items():
        part_ok.add_metric([name], state == "ok")
    yield part_ok


def _state(state: schemas.SystemState, last_probe_at: datetime | None, now: datetime) -> Iterator[Metric]:
    yield from _processes(state.instances)
    late = _gauge("genba_tick_late", "1 when a job was silent for longer than it may be", "tick")
    silent = _gauge("genba_tick_silent_seconds", "Since a job last ran to its end", "tick")
    for job in state.jobs:
        late.add_metric([job.name], job.is_late)
        if job.last_at:
            silent.add_metric([job.name], _seconds(now, job.last_at))
    yield from (late, silent)
    outbox = state.outbox
    messages = _gauge("genba_outbox_messages", "Messages that are not sent: waiting, of these retrying, dead", "state")
    for name in ("waiting", "retrying", "dead"):
        messages.add_metric([name], getattr(outbox, name))
    yield messages
    oldest = outbox.oldest_waiting_at
    yield _single_gauge(
        "genba_outbox_oldest_seconds", "Age of the oldest waiting message", _seconds(now, oldest) if oldest else None
    )
    database, redis, backup = state.database, state.redis, state.backup
    yield _single_gauge("genba_database_bytes", "Size of the database", database.size_bytes)
    yield _single_gauge("genba_database_connections", "Connections to the database", database.connections)
    yield _single_gauge("genba_database_connections_allowed", "Most there may be", database.connections_allowed)
    if redis is not None:
        yield _single_gauge("genba_redis_bytes", "Memory that Redis (Valkey) uses", redis.memory_bytes)
        yield _single_gauge("genba_ticks_waiting", "Ticks that wait for a worker", redis.waiting)
    yield _single_gauge("genba_backup_late", "1 when no daily backup succeeded for too long", backup.is_late)
    yield _single_gauge("genba_backup_failed", "1 when the last try failed", backup.failed)
    rehearsal = backup.rehearsal
    is_unproven = rehearsal is not None and (not rehearsal.ok or rehearsal.is_late)
    yield _single_gauge("genba_backup_unproven", "1 when the last restore failed or is too long ago", is_unproven)
    if last_probe_at is not None:
        yield _single_gauge(
            "genba_watchdog_silent_seconds", "Since the newest probe that was delivered", _seconds(now, last_probe_at)
        )


def _processes(instances: list[schemas.InstanceItem]) -> Iterator[Metric]:
    present = _gauge("genba_processes", "Processes that are there", "name")
    missing = _gauge("genba_processes_missing", "Processes that fell silent and have no successor", "name")
    for name in sorted({*EXPECTED, *(instance.name for instance in instances)}):
        states = [instance.is_there for instance in instances if instance.name == name]
        present.add_metric([name], states.count(True))
        missing.add_metric([name], states.count(False))
    cpu = _gauge("genba_host_cpu_percent", "CPU of a machine in use", "host")
    memory = _gauge("genba_host_memory_percent", "Memory of a machine in use", "host")
    disk = _gauge("genba_host_disk_percent", "Disk of a machine in use", "host")
    hosts = {instance.host: instance for instance in instances if instance.is_there}
    for host, instance in sorted(hosts.items()):
        cpu.add_metric([host], instance.host_cpu_percent)
        memory.add_metric([host], instance.host_memory_percent)
        disk.add_metric([host], instance.host_disk_percent)
    yield from (present, missing, cpu, memory, disk)


def _gauge(name: str, documentation: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=[label])


def _single_gauge(name: str, documentation: str, value: float | None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value or 0)


def _seconds(now: datetime, since: datetime) -> float:
    return (now - since).total_seconds()
