"""Replicas found by name, which docker-compose.yml offers: the same Caddyfile follows a name server's answers."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from stack import programs
from stack.home import ROOT
from tests import factories
from tests.compose import filled, services
from tests.load.test_production import _give_token, asking, heartbeat
from tests.processes import await_ok, free_port, tied
from tests.production import Production, running_caddy, wait_for

pytestmark = pytest.mark.production

# Containers have an address each and the same port: so have these.
FIRST, SECOND, THIRD, FOURTH = (f"127.0.0.{number}" for number in range(2, 6))


@dataclass
class Names:
    """A name server: an A record for each address that a name has just now."""

    addresses: dict[str, list[str]]
    port: int = field(default_factory=free_port)

    @contextmanager
    def answering(self) -> Iterator[None]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind(("127.0.0.1", self.port))
            line.settimeout(0.2)
            stopping = threading.Event()
            thread = threading.Thread(target=self._answer, args=(line, stopping))
            thread.start()
            try:
                yield
            finally:
                stopping.set()
                thread.join()

    def _answer(self, line: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set():
            with suppress(TimeoutError):
                asked, whom = line.recvfrom(512)
                end = asked.index(b"\0", 12)
                name = asked[13 : 13 + asked[12]].decode()
                kind = struct.unpack(">H", asked[end + 1 : end + 3])[0]
                found = self.addresses.get(name, []) if kind == 1 else []
                head = asked[:2] + struct.pack(">HHHHH", 0x8580, 1, len(found), 0, 0)
                records = b"".join(
                    b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(one) for one in found
                )
                line.sendto(head + asked[12 : end + 5] + records, whom)


@dataclass
class Container:
    """Stands for one: what comes to its address goes to a replica on this machine."""

    address: str
    port: int
    replica: str
    passed: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        server = socket.create_server((self.address, self.port))
        thread = threading.Thread(target=self._serve, args=(server,))
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()

    def _serve(self, server: socket.socket) -> None:
        to = urlsplit(self.replica)
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                self.passed += 1
                onward = socket.create_connection((to.hostname, to.port))
                threading.Thread(target=_join, args=(line, onward), daemon=True).start()


def _join(line: socket.socket, onward: socket.socket) -> None:
    with line, onward:
        back = threading.Thread(target=_pass_on, args=(onward, line), daemon=True)
        back.start()
        _pass_on(line, onward)
        back.join()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while part := one.recv(65_536):
            other.sendall(part)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@dataclass
class Field:
    origin: str
    names: Names
    containers: dict[str, Container]


@pytest.fixture
def field_of_two(production: Production) -> Iterator[Field]:
    ports = {name: free_port() for name in ("service", "dashboards", "https", "http", "door")}
    names = Names({"service": [FIRST, SECOND], "dashboards": [FIRST, SECOND]})
    containers = {
        f"{name}-{number}": Container(address, ports[name], production.replica(name if number == 1 else f"{name}-2"))
        for name in ("service", "dashboards")
        for number, address in ((1, FIRST), (2, SECOND))
    }
    other = {
        "GENBA_REPLICAS": "named",
        "GENBA_RESOLVER": f"udp/127.0.0.1:{names.port}",
        "GENBA_SERVICE_PORT": str(ports["service"]),
        "GENBA_DASHBOARDS_PORT": str(ports["dashboards"]),
        "GENBA_HTTPS_PORT": str(ports["https"]),
        "GENBA_HTTP_PORT": str(ports["http"]),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{ports['door']}",
    }
    with names.answering(), running_caddy(production, other):
        running = {name: one.running() for name, one in containers.items()}
        for one in running.values():
            one.__enter__()
        try:
            yield Field(f"https://localhost:{ports['https']}", names, containers)
        finally:
            for one in running.values():
                one.__exit__(None, None, None)


def asked(production: Production, origin: str) -> httpx2.Client:
    client = production.http()
    client.base_url = httpx2.URL(origin)
    return client


def test_both_are_asked_and_one_that_has_gone_is_asked_no_more(production: Production, field_of_two: Field) -> None:
    first, second = (field_of_two.containers[f"service-{number}"] for number in (1, 2))
    with closing(asked(production, field_of_two.origin)) as http:
        wait_for(lambda: http.get("/api/health/live").status_code == 200, "the proxy found nobody")
        answers = Counter(http.get("/api/health/live").status_code for _ in range(40))
        assert answers == {200: 40}
        wait_for(lambda: (first.passed and second.passed) or not http.get("/api/health/live"), "one of them never")

        # As Docker does: the name goes when the container has ended.
        field_of_two.names.addresses["service"] = [SECOND]
        threading.Event().wait(1.5)
        before = first.passed
        assert {http.get("/api/health/live").status_code for _ in range(40)} == {200}
        assert first.passed == before


@contextmanager
def serving(production: Production, address: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """One more service, at an address of its own as in a container, with Compose's settings for its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", production.stack.environ)
        environ = programs.environment(production.stack.home)
    environ |= {"LISTEN_ADDRESS": address, "SERVICE_PORT": str(port), "SERVICE_REPLICAS": "1"}
    environ["DRAIN_SECONDS"] = filled(services()["service"]["environment"]["DRAIN_SECONDS"])
    [service] = [one for one in programs.programs(production.stack.home, environ) if one.name == "service"]
    with (production.stack.home.logs / "named.log").open("ab") as log:
        started = subprocess.Popen(tied(service.command), cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        await_ok(f"http://{address}:{port}/api/health/live", started)
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(10)


def test_replacing_one_container_after_the_other_costs_no_get_and_no_heartbeat(production: Production) -> None:
    """The new one is beside the old one first; a name goes when its container has ended, as Docker does it. Until Caddy
    has noticed, it answers 502 to a POST (its issue 7546: it has closed the body when it tries the next one), and the
    terminal sends it again."""
    port, door = free_port(), free_port()
    names = Names({"service": [FIRST, SECOND], "dashboards": []})
    other = {
        "GENBA_REPLICAS": "named",
        "GENBA_RESOLVER": f"udp/127.0.0.1:{names.port}",
        "GENBA_SERVICE_PORT": str(port),
    }
    other |= {"GENBA_HTTPS_PORT": str(free_port()), "GENBA_HTTP_PORT": str(free_port())}
    other["GENBA_SERVICE_DOOR"] = f"127.0.0.1:{door}"
    answers: Counter[tuple[str, int]] = Counter()
    stream, tokens, sent = str(uuid.uuid4()), [f"named-{uuid.uuid4()}" for _ in range(3)], Counter[str]()
    with production.committed() as db:
        for token in tokens:
            _give_token(db, factories.terminal(db).id, token)

    def ask(number: int, stopping: threading.Event) -> None:
        url, sequence = f"http://127.0.0.1:{door}", 1
        token = tokens[number % len(tokens)]
        with httpx2.Client(base_url=url, timeout=15, trust_env=False) as http:
            while not stopping.wait(0.02):
                if number >= len(tokens):
                    answers["GET", http.get("/api/auth/me").status_code] += 1
                    continue
                body, headers = heartbeat(sequence, stream), {"Authorization": f"Bearer {token}"}
                status = http.post("/api/fleet/heartbeats", json=body, headers=headers).status_code
                answers["POST", status] += 1
                sequence += status == 200
                sent[token] = sequence - 1

    with names.answering(), ExitStack() as running:
        first, second = (running.enter_context(serving(production, one, port)) for one in (FIRST, SECOND))
        running.enter_context(running_caddy(production, other))
        wait_for(
            lambda: httpx2.get(f"http://127.0.0.1:{door}/api/auth/me", trust_env=False).status_code == 401, "nobody"
        )
        with asking(2 * len(tokens), ask):
            for old, new, stays in ((first, THIRD, SECOND), (second, FOURTH, THIRD)):
                running.enter_context(serving(production, new, port))
                names.addresses["service"] = [*names.addresses["service"], new]
                threading.Event().wait(2)
                old.terminate()
                assert old.wait(30) in (0, -signal.SIGTERM)  # uvicorn ends, and then by the signal
                names.addresses["service"] = [stays, new]
                threading.Event().wait(2)
    print(f"while both were replaced: {dict(answers)}")
    with psycopg.connect(production.url("backup")) as reader:
        stored = reader.execute("SELECT count(*) FROM fleet_heartbeats WHERE stream_id = %s", [stream]).fetchone()
    assert stored == (sent.total(),)
    assert answers.total() > 500
    assert answers.keys() <= {("GET", 401), ("POST", 200), ("POST", 502)}


def test_a_browser_stays_with_its_dashboards(production: Production, field_of_two: Field) -> None:
    def passed() -> tuple[int, int]:
        return (field_of_two.containers["dashboards-1"].passed, field_of_two.containers["dashboards-2"].passed)

    with closing(asked(production, field_of_two.origin)) as http:
        wait_for(lambda: http.get("/login").status_code == 200, "the proxy found nobody")
        assert "genba_place" in http.cookies
        before = passed()
        for _ in range(12):
            # Idle connections are let go after 4 s; a new one each time shows where it leads.
            assert http.get("/login", headers={"Connection": "close"}).status_code == 200
        after = passed()

    assert sum(then == now for then, now in zip(before, after, strict=True)) >= 1


def test_a_replica_that_dies_costs_no_get(production: Production, field_of_two: Field) -> None:
    """Its name is still there for a moment: the other one is tried."""
    with closing(asked(production, field_of_two.origin)) as http:
        wait_for(lambda: http.get("/api/health/live").status_code == 200, "the proxy found nobody")
        # Nobody listens there.
        field_of_two.names.addresses["service"] = ["127.0.0.9", SECOND]
        threading.Event().wait(1.5)

        assert {http.get("/api/health/live").status_code for _ in range(30)} == {200}
