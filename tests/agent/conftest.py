"""Fixtures of the agent's tests: the fake service, simulated and fake TC-200s, the command line."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config import Settings
from agent.simulator.tc200 import SimulatedTerminal
from tests.agent.bench import Bench
from tests.agent.desk import CommandService
from tests.agent.doubles import FakeSerialLine, FakeService
from tests.processes import child_command

ROOT = Path(__file__).resolve().parents[2]
SERIAL = "TC200-000123"


@pytest.fixture
def service() -> Iterator[FakeService]:
    fake = FakeService()
    yield fake
    fake.close()


@pytest.fixture
def tc200(tmp_path: Path) -> Iterator[SimulatedTerminal]:
    """A simulated TC-200 at tmp_path/tc200."""
    terminal = SimulatedTerminal(tmp_path / "tc200", SERIAL, "2.3.4")
    thread = threading.Thread(target=terminal.serve)
    thread.start()
    yield terminal
    terminal.stop()
    thread.join()


@pytest.fixture
def fake_line(tmp_path: Path) -> Iterator[Callable[[Callable[[bytes], bytes | None]], FakeSerialLine]]:
    lines: list[FakeSerialLine] = []

    def make(answer: Callable[[bytes], bytes | None]) -> FakeSerialLine:
        lines.append(FakeSerialLine(tmp_path, answer))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


@pytest.fixture
def settings(tmp_path: Path, service: FakeService) -> Settings:
    """An agent of the fake service, with no TC-200 on its (absent) port."""
    return Settings(
        service_url=service.url, serial_port=str(tmp_path / "tc200"), state_dir=tmp_path, start_spread_seconds=0
    )


@pytest.fixture
def config_file(tmp_path: Path, service: FakeService) -> Path:
    path = tmp_path / "genba-agent.toml"
    path.write_text(
        f'service_url = "{service.url}"\nserial_port = "{tmp_path}/tc200"\nstate_dir = "state"\n'
        'store_name = "新宿店"\nstart_spread_seconds = 0\nserial_timeout_seconds = 0.5\n',
        encoding="utf-8",
    )
    return path


Command = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Command]:
    """Starts `python -m agent …`; a process that still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: object, code: str | None = None) -> subprocess.Popen[str]:
        python_arguments = ["-c", code] if code else ["-m", "agent"]
        processes.append(
            subprocess.Popen(
                child_command([sys.executable, *python_arguments, *map(str, arguments)]),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def agent(start: Command) -> Callable[..., tuple[int, str, str]]:
    """Runs `python -m agent …` to its end: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        process = start(*arguments)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    return run


@pytest.fixture
def command_service() -> Iterator[CommandService]:
    """The fake service with the command API."""
    fake = CommandService()
    yield fake
    fake.close()


@pytest.fixture
def bench(command_service: CommandService, tmp_path: Path) -> Iterator[Bench]:
    agent_bench = Bench(command_service, tmp_path)
    yield agent_bench
    agent_bench.end()
