"""Replicas found by name, which docker-compose.yml offers: the same Caddyfile follows the answers of a name server."""

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
from tests.compose import interpolate, services
from tests.load import counting
from tests.load.callers import create_terminals
from tests.load.cut import FirmwareRelay, running_relay
from tests.load.load_clients import ClientGroup, Reader
from tests.processes import free_port, running_command
from tests.production import Production, running_caddy
from tests.waiting import wait_for

pytestmark = pytest.mark.production

# Containers have an address each and the same port: so have these.
FIRST, SECOND, THIRD, FOURTH = (f"127.0.0.{number}" for number in range(2, 6))


@dataclass
class NameServer:
    """A name server with an A record for each current address of a name."""

    addresses: dict[str, list[str]]
    port: int = field(default_factory=free_port)
    queries: Counter[str] = field(default_factory=Counter)

    def change(self, name: str, addresses: list[str], send_request: Callable[[], object] = lambda: None) -> None:
        """Changes a name and waits until it was looked up again. The proxy looks a name up once a second while it has
        requests: `send_request` sends one, when no other client does."""
        self.addresses[name] = addresses
        before = self.queries[name]

        def is_looked_up() -> bool:
            send_request()
            return self.queries[name] > before + 1  # the first query may have been answered before the change

        wait_for(is_looked_up, f"nobody asks for {name}")

    @contextmanager
    def answering(self) -> Iterator[None]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server_socket:
            server_socket.bind(("127.0.0.1", self.port))
            server_socket.settimeout(0.2)
            stopping = threading.Event()
            thread = threading.Thread(target=self._answer, args=(server_socket, stopping))
            thread.start()
            try:
                yield
            finally:
                stopping.set()
                thread.join()

    def _answer(self, server_socket: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set():
            with suppress(TimeoutError):
                query, client = server_socket.recvfrom(512)
                end = query.index(b"\0", 12)
                name = query[13 : 13 + query[12]].decode()
                record_type = struct.unpack(">H", query[end + 1 : end + 3])[0]
                self.queries[name] += record_type == 1
                addresses = self.addresses.get(name, []) if record_type == 1 else []
                head = query[:2] + struct.pack(">HHHHH", 0x8580, 1, len(addresses), 0, 0)
                records = b"".join(
                    b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address) for address in addresses
                )
                server_socket.sendto(head + query[12 : end + 5] + records, client)


@dataclass
class NamedProxy:
    """`inner_url`: the URL without TLS."""

    origin: str
    inner_url: str
    names: NameServer
    ports: dict[str, int]


@contextmanager
def running_named_proxy(production: Production, addresses: dict[str, list[str]]) -> Iterator[NamedProxy]:
    """A second proxy, which follows names."""
    ports = {name: free_port() for name in ("service", "dashboards", "https", "http", "door")}
    names = NameServer(addresses)
    settings = {
        "GENBA_REPLICAS": "named",
        "GENBA_RESOLVER": f"udp/127.0.0.1:{names.port}",
        "GENBA_SERVICE_PORT": str(ports["service"]),
        "GENBA_DASHBOARDS_PORT": str(ports["dashboards"]),
        "GENBA_HTTPS_PORT": str(ports["https"]),
        "GENBA_HTTP_PORT": str(ports["http"]),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{ports['door']}",
    }
    with names.answering(), running_caddy(production, settings):
        yield NamedProxy(f"https://localhost:{ports['https']}", f"http://127.0.0.1:{ports['door']}", names, ports)


@pytest.fixture
def proxy_with_two(production: Production) -> Iterator[tuple[NamedProxy, dict[str, FirmwareRelay]]]:
    """With two containers of each kind: a relay at each address leads to a replica on this machine."""
    with ExitStack() as exit_stack:
        proxy = exit_stack.enter_context(
            running_named_proxy(production, {"service": [FIRST, SECOND], "dashboards": [FIRST, SECOND]})
        )
        containers = {}
        for kind in ("service", "dashboards"):
            for name, address in ((kind, FIRST), (f"{kind}-2", SECOND)):
                url = urlsplit(production.replica(name))
                replica = (str(url.hostname), int(url.port or 0))
                containers[name] = exit_stack.enter_context(running_relay(replica, (address, proxy.ports[kind])))
        yield proxy, containers


@contextmanager
def ready_client(production: Production, origin: str, path: str = "/api/health/live") -> Iterator[httpx2.Client]:
    """A client, once the proxy answers."""
    with production.http(origin) as http:
        wait_for(lambda: http.get(path).status_code == 200, "the proxy found nobody")
        yield http


def test_both_replicas_get_requests_and_a_removed_one_gets_none(
    production: Production, proxy_with_two: tuple[NamedProxy, dict[str, FirmwareRelay]]
) -> None:
    proxy, containers = proxy_with_two
    first, second = containers["service"], containers["service-2"]
    with ready_client(production, proxy.origin) as http:

        def get_status() -> int:
            return http.get("/api/health/live").status_code

        assert {get_status() for _ in range(40)} == {200}
        wait_for(lambda: (first.connections and second.connections) or not get_status(), "one of them never")

        # Like Docker: the name is removed when the container has ended.
        proxy.names.change("service", [SECOND], get_status)
        count_before = first.connections
        assert {get_status() for _ in range(40)} == {200}
        assert first.connections == count_before


def running_service(production: Production, address: str, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """One more service, at its own address as in a container, with Compose's settings for its shutdown."""
    environ = production.stack.program_environ()
    environ |= {"LISTEN_ADDRESS": address, "SERVICE_PORT": str(port), "SERVICE_REPLICAS": "1"}
    environ["DRAIN_SECONDS"] = interpolate(services()["service"]["environment"]["DRAIN_SECONDS"])
    [service] = [program for program in programs.programs(production.stack.home, environ) if program.name == "service"]
    log = production.stack.home.logs / "named.log"
    return running_command(service.command, environ, log, f"http://{address}:{port}/api/health/live")


def test_replacing_one_container_after_the_other_costs_no_get_and_no_heartbeat(production: Production) -> None:
    """The new container starts next to the old one; a name is removed when its container has ended, like in Docker.
    Until Caddy has noticed, it answers 502 to a POST (its issue 7546: it has closed the body when it tries the next
    replica), and the terminal sends it again."""
    with (
        running_named_proxy(production, {"service": [FIRST, SECOND], "dashboards": []}) as proxy,
        ExitStack() as exit_stack,
    ):
        port, names = proxy.ports["service"], proxy.names
        first, second = (
            exit_stack.enter_context(running_service(production, address, port)) for address in (FIRST, SECOND)
        )
        wait_for(lambda: httpx2.get(f"{proxy.inner_url}/api/auth/me", trust_env=False).status_code == 401, "nobody")
        product = replace(production.scene, service=proxy.inner_url)
        clients = ClientGroup(
            [
                *create_terminals(product, "NAMED", 3, pause=0.02),
                *(Reader(product.http(), "/api/auth/me", expected=401) for _ in range(3)),
            ]
        )
        with clients.running():
            for old, new, unchanged in ((first, THIRD, SECOND), (second, FOURTH, THIRD)):
                exit_stack.enter_context(running_service(production, new, port))
                names.change("service", [*names.addresses["service"], new])
                old.terminate()
                assert old.wait(30) in (0, -signal.SIGTERM)  # uvicorn shuts down, and then exits by the signal
                names.change("service", [unchanged, new])
        print(f"{clients.count_answers()} answers while both were replaced, and these failures: {clients.failures()}")
        counting.heartbeats(product, clients)
        product.engine.dispose()
    assert clients.count_answers() > 500
    assert clients.failures()["readers"] == {}
    assert clients.failures()["terminals"].keys() <= {"502"}


def test_a_browser_stays_with_its_dashboards(
    production: Production, proxy_with_two: tuple[NamedProxy, dict[str, FirmwareRelay]]
) -> None:
    proxy, containers = proxy_with_two

    def connections() -> tuple[int, int]:
        return containers["dashboards"].connections, containers["dashboards-2"].connections

    with ready_client(production, proxy.origin, "/login") as http:
        assert "genba_place" in http.cookies
        counts_before = connections()
        for _ in range(12):
            # Idle connections are closed after 4 s; a new one each time shows which replica it reaches.
            assert http.get("/login", headers={"Connection": "close"}).status_code == 200
        counts_after = connections()

    assert (
        sum(count_before == count_after for count_before, count_after in zip(counts_before, counts_after, strict=True))
        >= 1
    )


def test_a_replica_that_dies_costs_no_get(
    production: Production, proxy_with_two: tuple[NamedProxy, dict[str, FirmwareRelay]]
) -> None:
    """Its name still exists for a short time: the proxy tries the other replica."""
    proxy, _ = proxy_with_two
    with ready_client(production, proxy.origin) as http:
        # No process listens there.
        proxy.names.change("service", ["127.0.0.9", SECOND], lambda: http.get("/api/health/live"))

        assert {http.get("/api/health/live").status_code for _ in range(30)} == {200}
