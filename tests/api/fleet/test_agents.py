"""The agent and the simulated TC-200 as processes of their own, against a real service."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.home import ROOT
from tests import factories
from tests.conftest import Service
from tests.processes import child_command
from tests.waiting import wait_for


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
        child_command(
            [sys.executable, "-m", "agent", "simulate", "tc200", "--link", str(link), "--serial", serial_number]
        ),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    wait_for(link.exists, "there is no serial line")
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

    def is_reported() -> bool:
        agent("once", "--config", settings)
        return state(service, serial_number)[0] == "error"

    wait_for(is_reported, lambda: state(service, serial_number))


def test_a_wrong_code_is_refused_in_the_services_words(
    tmp_path: Path, service: Service, terminal: subprocess.Popen[bytes]
) -> None:
    refused = agent("enrol", "--config", config(tmp_path, service), "--code", "NO-SUCH-CODE")

    assert refused.returncode == 1
    assert "登録コードが無効か、期限切れ、または使用済みです" in refused.stdout + refused.stderr
    assert not (tmp_path / "state" / "credentials.json").exists()


@pytest.mark.deep
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


def test_commands_are_done_and_reported(
    tmp_path: Path, service: Service, terminal: subprocess.Popen[bytes], serial_number: str
) -> None:
    """Diagnosis, bundle and a new token, all sent in one answer; then the agent shuts down gracefully."""
    with service.committed() as db:
        code = factories.enrolment_code(db, factories.customer(db, f"顧客 {uuid.uuid4()}"))
    settings = config(tmp_path, service)
    enrolled = agent("enrol", "--config", settings, "--code", code)
    assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
    [(terminal_id,)] = service.rows("SELECT id FROM fleet_terminals WHERE serial_number = %s", serial_number)
    for name in ("diagnose", "send_bundle", "rotate_token"):
        service.rows(
            "INSERT INTO fleet_commands (terminal_id, name, expires_at) VALUES (%s, %s, app_now() + interval '1 day')",
            terminal_id,
            name,
        )

    def states() -> dict[str, str]:
        rows = service.rows("SELECT name, state FROM fleet_commands WHERE terminal_id = %s", terminal_id)
        return {str(name): str(state) for name, state in rows}

    log = tmp_path / "agent.log"
    with log.open("w") as output:
        running = subprocess.Popen(
            child_command([sys.executable, "-m", "agent", "run", "--config", settings]),
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(
            lambda: set(states().values()) == {"done"} or running.poll() is not None,
            lambda: (states(), log.read_text()[-3000:]),
            90,
        )
        assert running.poll() is None, log.read_text()[-3000:]
    finally:
        running.terminate()
        running.wait(30)

    rows = service.rows(
        "SELECT name, result, file_id IS NOT NULL FROM fleet_commands WHERE terminal_id = %s", terminal_id
    )
    results = {name: (result, has_file) for name, result, has_file in rows}
    checks = results["diagnose"][0]["checks"]  # type: ignore[index]
    assert {"service", "clock", "terminal"} <= {check["name"] for check in checks}
    assert results["send_bundle"][1]
    kinds = [
        kind for (kind,) in service.rows("SELECT kind FROM fleet_terminal_logs WHERE terminal_id = %s", terminal_id)
    ]
    assert {"enrolled", "started", "token_rotated", "shutdown"} <= set(kinds), (kinds, log.read_text()[-3000:])
    [(shutdown_at, serial)] = service.rows(
        "SELECT shutdown_at, terminal_serial FROM fleet_terminal_states WHERE terminal_id = %s", terminal_id
    )
    assert shutdown_at is not None
    assert serial == serial_number
