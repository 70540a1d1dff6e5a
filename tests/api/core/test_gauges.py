"""The metrics of the whole installation are what システム状態 shows."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
import yaml
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.core.monitoring import gauges, system
from service.core.monitoring.health import record_job
from service.core.monitoring.instances import GONE_AFTER, Instance, Presence
from service.core.monitoring.probes import Probe
from service.core.outbox.records import OutboxMessage
from stack.home import ROOT
from tests.jobs.outbox_scene import publish


def measured(client: TestClient) -> dict[str, float]:
    gauges.STATE_COLLECTOR.measure()
    return {
        name: float(value)
        for name, value in re.findall(r"^(genba_\S+) (\S+)$", client.get("/metrics").text, re.MULTILINE)
    }


def test_processes_that_are_there_and_those_that_fell_silent_are_counted(client: TestClient, db: Session) -> None:
    for name in ("service", "service", "worker"):
        Presence(name).report(db)
    expire = update(Instance).values(seen_at=real_now() - GONE_AFTER - timedelta(seconds=1))
    db.execute(expire.where(Instance.name == "worker"))
    db.commit()

    metrics = measured(client)

    assert metrics['genba_processes{name="service"}'] == 2
    assert metrics['genba_processes{name="worker"}'] == 0
    assert metrics['genba_processes_missing{name="worker"}'] == 1
    assert metrics['genba_processes_missing{name="service"}'] == 0


def test_a_worker_after_a_graceful_shutdown_is_counted_as_0(client: TestClient, db: Session) -> None:
    assert measured(client)['genba_processes{name="worker"}'] == 0


def test_messages_are_counted_and_the_oldest_has_an_age(client: TestClient, db: Session) -> None:
    for _ in range(2):
        publish(db, "mail")
    dead = publish(db, "slack")
    db.flush()
    dead.dead_at = real_now()
    db.execute(update(OutboxMessage).values(created_at=real_now() - timedelta(hours=1)))
    db.commit()

    metrics = measured(client)

    assert metrics['genba_outbox_messages{state="waiting"}'] == 2
    assert metrics['genba_outbox_messages{state="dead"}'] == 1
    assert 3590 < metrics["genba_outbox_oldest_seconds"] < 3700


def test_a_silent_job_is_late(client: TestClient, db: Session) -> None:
    record_job(db, "outbox.send")
    db.commit()

    metrics = measured(client)

    assert metrics['genba_tick_late{tick="outbox.send"}'] == 0
    assert metrics['genba_tick_late{tick="fleet.watch"}'] == 1


def test_without_the_database_no_old_value_is_exported(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: Session) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    assert "genba_database_bytes" in measured(client)
    monkeypatch.setattr(system, "_database", unavailable)

    assert "genba_database_bytes" not in measured(client)


def expressions() -> list[str]:
    """The expressions of Prometheus' rules and of the panels of the Grafana dashboard."""
    shipped = ROOT / "stack" / "production"
    rules = yaml.safe_load((shipped / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((shipped / "grafana.json").read_text())["panels"]
    return [rule["expr"] for rule in rules] + [
        target["expr"] for panel in panels for target in panel.get("targets", ())
    ]


def test_every_metric_of_rules_and_panels_is_exported(client: TestClient, db: Session) -> None:
    db.add(Probe(at=real_now(), source="x", target="service", every_seconds=30, ok=True, latency_ms=3))
    Presence("worker").report(db)
    db.commit()
    client.get("/api/health/live")
    measured(client)
    exposed = client.get("/metrics").text

    types = re.findall(r"^# TYPE (\S+) (\w+)$", exposed, re.MULTILINE)
    families = {name for name, _ in types} | {f"{name}_{part}" for name, _ in types for part in ("bucket", "count")}
    used_names = {name for expr in expressions() for name in re.findall(r"\b(?:genba|process)_\w+", expr)}
    assert used_names - families == set()
    # And with the labels that they select by.
    for name, label, value in {
        match for expr in expressions() for match in re.findall(r'(genba_\w+)\{(\w+)="(\w+)"\}', expr)
    }:
        assert re.search(rf'^{name}{{{label}="{value}"}} ', exposed, re.MULTILINE), (name, label, value)


def test_every_metric_is_used_by_a_rule_or_a_panel(client: TestClient, db: Session) -> None:
    measured(client)
    all_expressions = " ".join(expressions())

    assert [family.name for family in gauges.STATE_COLLECTOR.collect() if family.name not in all_expressions] == []
