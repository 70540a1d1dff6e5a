"""Which processes a machine runs, depending on its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.home import Home
from stack.programs import Program, environment, programs


@pytest.fixture
def programs_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Program]:
    """Production with two replicas of service and dashboards, behind a proxy."""
    settings = {
        **{"GENBA_MODE": "production", "DATABASE_URL": "postgresql://x@db/genba", "REDIS_URL": "redis://r/0"},
        **{"SERVICE_REPLICAS": "2", "DASHBOARDS_REPLICAS": "2", "FORWARDED_ALLOW_IPS": "10.0.0.5"},
        **{"SERVICE_PORT": "9000", "DASHBOARDS_PORT": "9100"},
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    home = Home(tmp_path)
    return {program.name: program for program in programs(home, environment(home))}


def test_replicas_have_consecutive_ports(programs_by_name: dict[str, Program]) -> None:
    processes = ["service", "service-2", "worker", "beat", "dashboards", "dashboards-2", "watchdog", "backup"]
    assert list(programs_by_name) == processes
    assert [programs_by_name[name].ports for name in ("service", "service-2", "dashboards", "dashboards-2")] == [
        *([9000], [9001], [9100], [9101])
    ]


def test_only_the_configured_proxy_is_trusted(
    programs_by_name: dict[str, Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("service", "dashboards-2"):
        assert " ".join(programs_by_name[name].command).count("--proxy-headers --forwarded-allow-ips 10.0.0.5") == 1
    monkeypatch.delenv("FORWARDED_ALLOW_IPS")
    without_proxy = {program.name: program for program in programs(Home(tmp_path), environment(Home(tmp_path)))}
    for name in ("service", "dashboards-2"):
        assert "--no-proxy-headers" in without_proxy[name].command


@pytest.mark.parametrize("value", ["0", "17", "two"])
def test_an_invalid_number_of_replicas_is_refused_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SERVICE_REPLICAS", value)

    with pytest.raises(ValueError, match="SERVICE_REPLICAS must be a number from 1 to 16"):
        programs(Home(tmp_path), environment(Home(tmp_path)))


def test_replicas_with_a_conflicting_port_are_refused_with_a_message(
    programs_by_name: dict[str, Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARDS_PORT", "9001")

    with pytest.raises(ValueError, match="Port 9001 is set for two programs"):
        programs(Home(tmp_path), environment(Home(tmp_path)))


def test_statements_are_read_by_a_separate_process_if_enabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        return [program.name for program in programs(Home(tmp_path), environment(Home(tmp_path)))]

    assert "reader" not in names()
    monkeypatch.setenv("AGENCIES_OCR", "True")
    assert names().count("reader") == 1


def test_two_services_drain_before_they_end_and_one_does_not(tmp_path: Path) -> None:
    home = Home(tmp_path)

    assert "DRAIN_SECONDS" not in environment(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVICE_REPLICAS", "2")
        assert environment(home)["DRAIN_SECONDS"] == "3"
        patch.setenv("DRAIN_SECONDS", "1")
        assert environment(home)["DRAIN_SECONDS"] == "1"
