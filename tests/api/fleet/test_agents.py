"""The agent and the simulated TC-200 as processes of their own, against a real service."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.home import ROOT
from tests import factories
from tests.conftest import Service


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def serial_number() -> str:
    return f"TC200-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def terminal(tmp_path: Path, serial_number: str) -> Iterator[subprocess.Popen[bytes]]:
    """A TC-200 on a pty, linked at tmp_path/tc200."""
    link = tmp_path / "tc200"
    simulated = subprocess.Popen(
        [sys.executable, "-m", "agent", "simulate", "tc200", "--link", str(link), "--serial", serial_number],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not link.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield simulated
    simulated.terminate()
    simulated.wait(10)


def config(tmp_path: Path, service: Service) -> str:
    path = tmp_path / "agent.toml"
    path.write_text(
        f'service_url = "{service.url}"\nserial_port = "{tmp_path / "tc200"}"\n'
        f'state_dir = "{tmp_path / "state"}"\nstore_name = "渋谷店 レジ1番"\nstart_spread_seconds = 0\n'
    )
    return str(path)


def state(service: Service, serial_number: str) -> tuple[object, ...]:
    [row] = service.rows(
        "SELECT s.status, s.firmware_version, s.error, t.store_name FROM fleet_terminal_states s "
        "JOIN fleet_terminals t ON t.id = s.terminal_id WHERE t.serial_number = %s",
        serial_number,
    )
    return row


def test_from_the_serial_line_to_the_database(
    tmp_path: Path, service: Service, terminal: subprocess.Popen[bytes], serial_number: str
) -> None:
    with service.committed() as db:
        code = factories.enrolment_code(db, factories.customer(db, f"顧客 {uuid.uuid4()}"))
    settings = config(tmp_path, service)

    enrolled = agent("enrol", "--config", settings, "--code", code)
    assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
    assert agent("once", "--config", settings).returncode == 0
    assert state(service, serial_number) == ("online", "1.0.0", None, "渋谷店 レジ1番")

    terminal.send_signal(signal.SIGUSR2)  # the cable is pulled
    deadline = time.monotonic() + 20
    while state(service, serial_number)[0] != "error":
        assert time.monotonic() < deadline, state(service, serial_number)
        agent("once", "--config", settings)


def test_a_wrong_code_is_refused_in_the_services_words(
    tmp_path: Path, service: Service, terminal: subprocess.Popen[bytes]
) -> None:
    refused = agent("enrol", "--config", config(tmp_path, service), "--code", "NO-SUCH-CODE")

    assert refused.returncode == 1
    assert "登録コードが無効か、期限切れ、または使用済みです" in refused.stdout + refused.stderr
    assert not (tmp_path / "state" / "credentials.json").exists()


def test_a_storm_of_simulated_terminals_ends_with_every_one_online(tmp_path: Path, service: Service) -> None:
    with service.committed() as db:
        customer = factories.customer(db, f"顧客 {uuid.uuid4()}")
        code = factories.enrolment_code(db, customer, maximum_uses=100)

    storm = agent(
        *("simulate", "storm", "--service-url", service.url, "--code", code, "--terminals", "100"),
        *("--within", "2", "--seconds", "30", "--state-dir", str(tmp_path), "--prefix", f"S{uuid.uuid4().hex[:6]}"),
    )

    assert storm.returncode == 0, storm.stdout + storm.stderr
    [(online,)] = service.rows(
        "SELECT count(*) FROM fleet_terminal_states s JOIN fleet_terminals t ON t.id = s.terminal_id "
        "WHERE t.customer_id = %s AND s.status = 'online'",
        customer.id,
    )
    assert online == 100
