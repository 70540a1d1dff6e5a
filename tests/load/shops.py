"""Shops for roll-outs, in which every part is the real program in its own process: TC-200s on serial lines with their
agents, simulated fleets, the maker's signing command, and an operator at the API."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from agent.spool import FILE_NAME
from agent.tc200 import Info, Terminal
from stack.home import ROOT
from tests.load.load_clients import session_token
from tests.processes import child_command, stop_process
from tests.waiting import wait_for

OLD_VERSION = "1.0.0"


class FleetOperator:
    """An operator at the API, who waits while the service is unavailable."""

    def __init__(self, url: str, login_id: str, password: str) -> None:
        self._http = httpx2.Client(base_url=url, timeout=15, trust_env=False)
        self._http.headers["Authorization"] = f"Bearer {session_token(self._http, login_id, password)}"

    def __call__(self, method: str, path: str, patience: float = 30, **options: Any) -> Any:
        """The body of the response. Only a GET is repeated when there is no answer."""

        def request() -> httpx2.Response | None:
            response = self._http.request(method, path, **options)
            return None if response.status_code == 503 else response

        response = wait_for(
            request,
            f"no answer to {method} {path}",
            patience if method == "GET" else 0,
            every=0.2,
            passing=httpx2.TransportError,
        )
        assert response is not None
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def close(self) -> None:
        self._http.close()

    def customer(self, name: str) -> int:
        contact = {"contact_person": "青木 誠", "contact_email": "aoki@example.com", "contact_phone": "03-1234-5678"}
        return int(self("POST", "/api/fleet/customers", json={"company_name": name} | contact)["id"])

    def code(self, customer_id: int, uses: int) -> str:
        body = {"customer_id": customer_id, "maximum_uses": uses}
        return str(self("POST", "/api/fleet/enrolment-codes", json=body)["code"])

    def firmware(self, version: str, image: Path, key: Path) -> int:
        """Signs the image with the maker's own command, uploads it and registers it."""
        signing = [sys.executable, "-m", "stack.firmware", "sign", "--key", str(key), "--version", version, str(image)]
        signed = subprocess.run(signing, cwd=ROOT, capture_output=True, text=True, check=True)
        parameters = {"purpose": "fleet.firmware", "name": image.name}
        file = self("PUT", "/api/core/files", params=parameters, content=image.read_bytes())
        body = {"file_id": file["id"], "version": version, "signature": signed.stdout.strip()}
        return int(self("POST", "/api/fleet/firmwares", json=body)["id"])

    def roll_out(self, firmware_id: int, customer_id: int, **limits: Any) -> int:
        """Starts a roll-out in waves of 5, 25 and 100 percent."""
        targets = {"customer_ids": [customer_id]}
        body = {"name": "配信", "firmware_id": firmware_id, "targets": targets, "waves": [5, 25, 100]} | limits
        rollout_id = int(self("POST", "/api/fleet/rollouts", json=body)["id"])
        self("POST", f"/api/fleet/rollouts/{rollout_id}/start")
        return rollout_id

    def rollout(self, rollout_id: int) -> dict[str, Any]:
        payload: dict[str, Any] = self("GET", f"/api/fleet/rollouts/{rollout_id}")
        return payload

    def tasks(self, rollout_id: int) -> list[dict[str, Any]]:
        return list(self("GET", f"/api/fleet/rollouts/{rollout_id}/tasks", params={"limit": 100})["items"])

    def terminals(self, customer_id: int) -> dict[str, dict[str, Any]]:
        """By serial number; a hundred at most."""
        parameters = {"customer_id": customer_id, "limit": 100}
        return {item["serial_number"]: item for item in self("GET", "/api/fleet/terminals", params=parameters)["items"]}

    def alerts(self, customer_id: int) -> list[tuple[str, str]]:
        """Serial number and kind of all alerts of the customer's terminals."""
        items = self("GET", "/api/fleet/alerts", params={"state": "all", "limit": 100})["items"]
        return [(item["serial_number"], item["alert_type"]) for item in items if item["customer_id"] == customer_id]

    def await_online(self, customer_id: int, count: int) -> None:
        def count_online() -> int:
            return sum(terminal["status"] == "online" for terminal in self.terminals(customer_id).values())

        wait_for(
            lambda: count_online() == count, lambda: f"{count_online()} of {count} terminals are online", 60, every=0.2
        )


@dataclass
class Shop:
    """A store PC and the TC-200 on its cable."""

    folder: Path
    serial_number: str
    service_url: str
    public_key: str
    tc200: subprocess.Popen[bytes] | None = None
    agent: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def plug(self, fault: str | None = None) -> None:
        """Starts the TC-200. `fault`: how its updates fail."""
        self.folder.mkdir(parents=True)
        simulate = [
            "simulate",
            "tc200",
            "--link",
            str(self._port),
            "--serial",
            self.serial_number,
            "--firmware",
            OLD_VERSION,
        ]
        self.tc200 = self._start([*simulate, "--restart", "0.5", *(["--firmware-fault", fault] if fault else [])])
        self._settings.write_text(
            f'service_url = "{self.service_url}"\nserial_port = "{self._port}"\nstate_dir = "{self.folder / "state"}"\n'
            'store_name = "渋谷店 レジ1番"\n'
            "start_spread_seconds = 0\nheartbeat_seconds = 5\nplug_poll_seconds = 0.2\n"
            f'firmware_public_keys = ["{self.public_key}"]\n'
        )

    def enrol(self, code: str) -> None:
        """Starts the enrolment."""
        wait_for(self._port.exists, "the TC-200 did not come up")
        self.agent = self._start(["enrol", "--config", str(self._settings), "--code", code])

    def open(self) -> None:
        """Waits for the end of the enrolment and starts the agent."""
        assert self.agent is not None
        assert self.agent.wait(30) == 0, self.log_text()
        self.run()

    def run(self) -> None:
        self.agent = self._start(["run", "--config", str(self._settings)])

    def kill_agent(self) -> None:
        """SIGKILL and an immediate restart, as systemd does it."""
        assert self.agent is not None
        self.agent.kill()
        self.agent.wait(10)
        self.kills += 1
        self.run()

    def is_spool_empty(self) -> bool:
        """Stops the agent, which owns the spool while it runs. Starts it again when the spool is not empty."""
        self.stop()
        with closing(sqlite3.connect(f"file:{self.folder / 'state' / FILE_NAME}?mode=ro", uri=True)) as spool:
            [[count]] = spool.execute("SELECT count(*) FROM heartbeat").fetchall()
        if count:
            self.run()
            # Time for the agent to send it; while it runs no other process can read its spool.
            time.sleep(2)
        return not count

    def stop(self) -> None:
        """Stops the agent; the TC-200 keeps running."""
        if self.agent is not None:
            stop_process(self.agent)

    def tc200_info(self) -> Info:
        """What the TC-200 itself reports, after its agent was stopped."""
        self.stop()
        with Terminal(str(self._port), 1.0) as terminal:
            return terminal.info()

    def close(self) -> None:
        for process in (self.agent, self.tc200):
            if process is not None:
                stop_process(process)

    def log_text(self) -> str:
        return (self.folder / "said.log").read_text(errors="replace")[-3000:]

    @property
    def _port(self) -> Path:
        return self.folder / "tc200"

    @property
    def _settings(self) -> Path:
        return self.folder / "agent.toml"

    def _start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "said.log").open("ab") as log:
            return subprocess.Popen(
                child_command([sys.executable, "-m", "agent", *arguments]), cwd=ROOT, stdout=log, stderr=log
            )


@contextmanager
def open_shops(shops: Sequence[Shop], code: str, fault: str | None = None) -> Iterator[None]:
    """Runs all of them until the block ends."""
    with ExitStack() as exit_stack:
        for shop in shops:
            exit_stack.callback(shop.close)
            shop.plug(fault)
        for shop in shops:
            shop.enrol(code)
        for shop in shops:
            shop.open()
        yield


@dataclass
class SimulatedFleet:
    """A fleet that one process simulates."""

    folder: Path
    scenario: list[str]
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def run(self) -> None:
        command = [sys.executable, "-m", "agent", "simulate", *self.scenario, "--state-dir", str(self.folder)]
        with self.folder.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(child_command(command), cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.kills += 1
        self.run()


@contextmanager
def simulated_fleet(
    folder: Path, service_url: str, code: str, count: int, *options: str, scenario: str = "steady", interval: int = 1
) -> Iterator[SimulatedFleet]:
    """A fleet whose serial numbers begin with the folder's name."""
    healthy = ["--silent", "0", "--erroring", "0"] if scenario == "steady" else []
    arguments = [scenario, "--service-url", service_url, "--code", code, "--terminals", str(count), *healthy]
    fleet = SimulatedFleet(folder, [*arguments, "--prefix", folder.name, "--interval", str(interval), *options])
    fleet.run()
    try:
        yield fleet
    finally:
        assert fleet.process is not None
        stop_process(fleet.process)
