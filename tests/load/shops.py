"""Shops for roll-outs, every part the real program in a process of its own: TC-200s on serial lines with an agent
beside each, fleets that are played, the maker who signs, and the person who rolls out over the API."""

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
from tests.load.crowd import token_of
from tests.processes import end, tied
from tests.waiting import wait_for

OLD = "1.0.0"


class Desk:
    """A person at the API, patient while the service is away."""

    def __init__(self, url: str, login_id: str, password: str) -> None:
        self._http = httpx2.Client(base_url=url, timeout=15, trust_env=False)
        self._http.headers["Authorization"] = f"Bearer {token_of(self._http, login_id, password)}"

    def __call__(self, method: str, path: str, patience: float = 30, **how: Any) -> Any:
        """What the answer's body says; only looking is done again when no answer came."""

        def answered() -> httpx2.Response | None:
            answer = self._http.request(method, path, **how)
            return None if answer.status_code == 503 else answer

        answer = wait_for(
            answered,
            f"no answer to {method} {path}",
            patience if method == "GET" else 0,
            every=0.2,
            passing=httpx2.TransportError,
        )
        assert answer is not None
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def close(self) -> None:
        self._http.close()

    def customer(self, name: str) -> int:
        contact = {"contact_person": "青木 誠", "contact_email": "aoki@example.com", "contact_phone": "03-1234-5678"}
        return int(self("POST", "/api/fleet/customers", json={"company_name": name} | contact)["id"])

    def code(self, customer_id: int, uses: int) -> str:
        asked = {"customer_id": customer_id, "maximum_uses": uses}
        return str(self("POST", "/api/fleet/enrolment-codes", json=asked)["code"])

    def firmware(self, version: str, image: Path, key: Path) -> int:
        """Signed by the maker's own command, uploaded and taken into use."""
        signing = [sys.executable, "-m", "stack.firmware", "sign", "--key", str(key), "--version", version, str(image)]
        signed = subprocess.run(signing, cwd=ROOT, capture_output=True, text=True, check=True)
        asked = {"purpose": "fleet.firmware", "name": image.name}
        file = self("PUT", "/api/core/files", params=asked, content=image.read_bytes())
        new = {"file_id": file["id"], "version": version, "signature": signed.stdout.strip()}
        return int(self("POST", "/api/fleet/firmwares", json=new)["id"])

    def roll_out(self, firmware_id: int, customer_id: int, **limits: Any) -> int:
        """Begun, in waves of 5, 25 and 100 percent."""
        targets = {"customer_ids": [customer_id]}
        new = {"name": "配信", "firmware_id": firmware_id, "targets": targets, "waves": [5, 25, 100]} | limits
        rollout_id = int(self("POST", "/api/fleet/rollouts", json=new)["id"])
        self("POST", f"/api/fleet/rollouts/{rollout_id}/start")
        return rollout_id

    def rollout(self, rollout_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self("GET", f"/api/fleet/rollouts/{rollout_id}")
        return found

    def tasks(self, rollout_id: int) -> list[dict[str, Any]]:
        return list(self("GET", f"/api/fleet/rollouts/{rollout_id}/tasks", params={"limit": 100})["items"])

    def terminals(self, customer_id: int) -> dict[str, dict[str, Any]]:
        """By serial number; at most a hundred."""
        asked = {"customer_id": customer_id, "limit": 100}
        return {item["serial_number"]: item for item in self("GET", "/api/fleet/terminals", params=asked)["items"]}

    def alerts(self, customer_id: int) -> list[tuple[str, str]]:
        """Serial number and kind of every alert that the customer's terminals ever had."""
        found = self("GET", "/api/fleet/alerts", params={"state": "all", "limit": 100})["items"]
        return [(item["serial_number"], item["alert_type"]) for item in found if item["customer_id"] == customer_id]

    def heard_of(self, customer_id: int, count: int) -> None:
        def here() -> int:
            return sum(one["status"] == "online" for one in self.terminals(customer_id).values())

        wait_for(lambda: here() == count, lambda: f"{here()} of {count} terminals are online", 60, every=0.2)


@dataclass
class Shop:
    """One store PC and the TC-200 on its cable."""

    folder: Path
    serial_number: str
    service_url: str
    public_key: str
    tc200: subprocess.Popen[bytes] | None = None
    agent: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def plug(self, fault: str | None = None) -> None:
        """The TC-200 comes up; `fault`: how its updates go wrong."""
        self.folder.mkdir(parents=True)
        simulate = ["simulate", "tc200", "--link", str(self._port), "--serial", self.serial_number, "--firmware", OLD]
        self.tc200 = self._start([*simulate, "--restart", "0.5", *(["--firmware-fault", fault] if fault else [])])
        self._settings.write_text(
            f'service_url = "{self.service_url}"\nserial_port = "{self._port}"\nstate_dir = "{self.folder / "state"}"\n'
            'store_name = "渋谷店 レジ1番"\n'
            "start_spread_seconds = 0\nheartbeat_seconds = 5\nplug_poll_seconds = 0.2\n"
            f'firmware_public_keys = ["{self.public_key}"]\n'
        )

    def enrol(self, code: str) -> None:
        """Begun; the agent that runs waits for its end."""
        wait_for(self._port.exists, "the TC-200 did not come up")
        self.agent = self._start(["enrol", "--config", str(self._settings), "--code", code])

    def open(self) -> None:
        """The agent runs, once the enrolment is over."""
        assert self.agent is not None
        assert self.agent.wait(30) == 0, self.said()
        self.run()

    def run(self) -> None:
        self.agent = self._start(["run", "--config", str(self._settings)])

    def kill_agent(self) -> None:
        """-9, and back at once, as systemd brings it back."""
        assert self.agent is not None
        self.agent.kill()
        self.agent.wait(10)
        self.kills += 1
        self.run()

    def is_emptied(self) -> bool:
        """Stops the agent, whose spool is its own while it runs; one that has something left goes on."""
        self.stop()
        with closing(sqlite3.connect(f"file:{self.folder / 'state' / FILE_NAME}?mode=ro", uri=True)) as spool:
            [[count]] = spool.execute("SELECT count(*) FROM heartbeat").fetchall()
        if count:
            self.run()
            # The agent's own time to send it: meanwhile nobody else can look into its spool.
            time.sleep(2)
        return not count

    def stop(self) -> None:
        """The agent; the TC-200 goes on."""
        if self.agent is not None:
            end(self.agent)

    def stands(self) -> Info:
        """What the TC-200 itself says, once its agent has stopped."""
        self.stop()
        with Terminal(str(self._port), 1.0) as terminal:
            return terminal.info()

    def close(self) -> None:
        for process in (self.agent, self.tc200):
            if process is not None:
                end(process)

    def said(self) -> str:
        return (self.folder / "said.log").read_text(errors="replace")[-3000:]

    @property
    def _port(self) -> Path:
        return self.folder / "tc200"

    @property
    def _settings(self) -> Path:
        return self.folder / "agent.toml"

    def _start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "said.log").open("ab") as log:
            return subprocess.Popen(tied([sys.executable, "-m", "agent", *arguments]), cwd=ROOT, stdout=log, stderr=log)


@contextmanager
def opened(shops: Sequence[Shop], code: str, fault: str | None = None) -> Iterator[None]:
    """All of them at once, until the block ends."""
    with ExitStack() as held:
        for shop in shops:
            held.callback(shop.close)
            shop.plug(fault)
        for shop in shops:
            shop.enrol(code)
        for shop in shops:
            shop.open()
        yield


@dataclass
class Played:
    """A fleet that one process plays."""

    folder: Path
    scenario: list[str]
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def run(self) -> None:
        command = [sys.executable, "-m", "agent", "simulate", *self.scenario, "--state-dir", str(self.folder)]
        with self.folder.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(tied(command), cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.kills += 1
        self.run()


@contextmanager
def played(
    folder: Path, service_url: str, code: str, count: int, *options: str, scenario: str = "steady", interval: int = 1
) -> Iterator[Played]:
    """Serial numbers begin with the folder's name."""
    quiet = ["--silent", "0", "--erroring", "0"] if scenario == "steady" else []
    whole = [scenario, "--service-url", service_url, "--code", code, "--terminals", str(count), *quiet]
    fleet = Played(folder, [*whole, "--prefix", folder.name, "--interval", str(interval), *options])
    fleet.run()
    try:
        yield fleet
    finally:
        assert fleet.process is not None
        end(fleet.process)
