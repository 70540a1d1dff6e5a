"""Replicas found by name, which docker-compose.yml offers: the same Caddyfile follows a name server's answers."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import httpx2
import pytest

from stack import programs
from tests.compose import filled, services
from tests.load import counting
from tests.load.callers import terminals
from tests.load.crowd import Crowd, Reader
from tests.load.cut import Line, line
from tests.processes import free_port, running
from tests.production import Production, running_caddy
from tests.waiting import wait_for

pytestmark = pytest.mark.production

# Containers have an address each and the same port: so have these.
FIRST, SECOND, THIRD, FOURTH = (f"127.0.0.{number}" for number in range(2, 6))


@dataclass
class Names:
    """A name server: an A record for each address that a name has just now."""

    addresses: dict[str, list[str]]
    port: int = field(default_factory=free_port)
    questions: Counter[str] = field(default_factory=Counter)

    def change(self, name: str, addresses: list[str], ask: Callable[[], object] = lambda: None) -> None:
        """Until it was asked for since. The proxy looks a name up once a second, when it has somebody to send there:
        whom `ask` makes it send, if nobody else does."""
        self.addresses[name] = addresses
        before = self.questions[name]

        def asked() -> bool:
            ask()
            return self.questions[name] > before + 1  # the first one may have been answered already

        wait_for(asked, f"nobody asks for {name}")

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
                self.questions[name] += kind == 1
                found = self.addresses.get(name, []) if kind == 1 else []
                head = asked[:2] + struct.pack(">HHHHH", 0x8580, 1, len(found), 0, 0)
                records = b"".join(
                    b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(one) for one in found
                )
                line.sendto(head + asked[12 : end + 5] + records, whom)


@dataclass
class Field:
    """`door`: the inner one, without TLS."""

    origin: str
    door: str
    names: Names
    ports: dict[str, int]


@contextmanager
def proxied(production: Production, addresses: dict[str, list[str]]) -> Iterator[Field]:
    """A proxy of its own, which follows names."""
    ports = {name: free_port() for name in ("service", "dashboards", "https", "http", "door")}
    names = Names(addresses)
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
        yield Field(f"https://localhost:{ports['https']}", f"http://127.0.0.1:{ports['door']}", names, ports)


@pytest.fixture
def field_of_two(production: Production) -> Iterator[tuple[Field, dict[str, Line]]]:
    """And two containers of each: what comes to one's address goes to a replica on this machine."""
    with ExitStack() as running:
        made = running.enter_context(proxied(production, {"service": [FIRST, SECOND], "dashboards": [FIRST, SECOND]}))
        containers = {}
        for kind in ("service", "dashboards"):
            for name, address in ((kind, FIRST), (f"{kind}-2", SECOND)):
                to = urlsplit(production.replica(name))
                replica = (str(to.hostname), int(to.port or 0))
                containers[name] = running.enter_context(line(replica, (address, made.ports[kind])))
        yield made, containers


@contextmanager
def asked(production: Production, origin: str, path: str = "/api/health/live") -> Iterator[httpx2.Client]:
    """Once somebody answers there."""
    with production.http(origin) as http:
        wait_for(lambda: http.get(path).status_code == 200, "the proxy found nobody")
        yield http


def test_both_are_asked_and_one_that_has_gone_is_asked_no_more(
    production: Production, field_of_two: tuple[Field, dict[str, Line]]
) -> None:
    field, containers = field_of_two
    first, second = containers["service"], containers["service-2"]
    with asked(production, field.origin) as http:

        def ask() -> int:
            return http.get("/api/health/live").status_code

        assert {ask() for _ in range(40)} == {200}
        wait_for(lambda: (first.passed and second.passed) or not ask(), "one of them never")

        # As Docker does: the name goes when the container has ended.
        field.names.change("service", [SECOND], ask)
        before = first.passed
        assert {ask() for _ in range(40)} == {200}
        assert first.passed == before


def serving(production: Production, address: str, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """One more service, at an address of its own as in a container, with Compose's settings for its end."""
    environ = production.stack.program_environ()
    environ |= {"LISTEN_ADDRESS": address, "SERVICE_PORT": str(port), "SERVICE_REPLICAS": "1"}
    environ["DRAIN_SECONDS"] = filled(services()["service"]["environment"]["DRAIN_SECONDS"])
    [service] = [one for one in programs.programs(production.stack.home, environ) if one.name == "service"]
    log = production.stack.home.logs / "named.log"
    return running(service.command, environ, log, f"http://{address}:{port}/api/health/live")


def test_replacing_one_container_after_the_other_costs_no_get_and_no_heartbeat(production: Production) -> None:
    """The new one is beside the old one first; a name goes when its container has ended, as Docker does it. Until Caddy
    has noticed, it answers 502 to a POST (its issue 7546: it has closed the body when it tries the next one), and the
    terminal sends it again."""
    with proxied(production, {"service": [FIRST, SECOND], "dashboards": []}) as field, ExitStack() as held:
        port, names = field.ports["service"], field.names
        first, second = (held.enter_context(serving(production, one, port)) for one in (FIRST, SECOND))
        wait_for(lambda: httpx2.get(f"{field.door}/api/auth/me", trust_env=False).status_code == 401, "nobody")
        scene = replace(production.scene, service=field.door)
        crowd = Crowd(
            [
                *terminals(scene, "NAMED", 3, pause=0.02),
                *(Reader(scene.http(), "/api/auth/me", expected=401) for _ in range(3)),
            ]
        )
        with crowd.at_work():
            for old, new, stays in ((first, THIRD, SECOND), (second, FOURTH, THIRD)):
                held.enter_context(serving(production, new, port))
                names.change("service", [*names.addresses["service"], new])
                old.terminate()
                assert old.wait(30) in (0, -signal.SIGTERM)  # uvicorn ends, and then by the signal
                names.change("service", [stays, new])
        print(f"{crowd.answers()} answers while both were replaced, and these failures: {crowd.failures()}")
        counting.heartbeats(scene, crowd)
        scene.engine.dispose()
    assert crowd.answers() > 500
    assert crowd.failures()["readers"] == {}
    assert crowd.failures()["terminals"].keys() <= {"502"}


def test_a_browser_stays_with_its_dashboards(
    production: Production, field_of_two: tuple[Field, dict[str, Line]]
) -> None:
    field, containers = field_of_two

    def passed() -> tuple[int, int]:
        return containers["dashboards"].passed, containers["dashboards-2"].passed

    with asked(production, field.origin, "/login") as http:
        assert "genba_place" in http.cookies
        before = passed()
        for _ in range(12):
            # Idle connections are let go after 4 s; a new one each time shows where it leads.
            assert http.get("/login", headers={"Connection": "close"}).status_code == 200
        after = passed()

    assert sum(then == now for then, now in zip(before, after, strict=True)) >= 1


def test_a_replica_that_dies_costs_no_get(production: Production, field_of_two: tuple[Field, dict[str, Line]]) -> None:
    """Its name is still there for a moment: the other one is tried."""
    field, _ = field_of_two
    with asked(production, field.origin) as http:
        # Nobody listens there.
        field.names.change("service", ["127.0.0.9", SECOND], lambda: http.get("/api/health/live"))

        assert {http.get("/api/health/live").status_code for _ in range(30)} == {200}
