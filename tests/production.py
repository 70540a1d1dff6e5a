"""Production as the README tells it, on one machine and with ports of its own: PostgreSQL and Valkey over TCP with
passwords, a streaming replica, PgBouncer, two services and two dashboards from `make up`, and Caddy with TLS in front.
Secrets, roles and the servers' options are made by the files and commands of docker-compose.yml."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
import redis

from stack import servers
from stack.home import ROOT, Home, server_account
from tests.compose import services
from tests.ensure_servers import PATH, program
from tests.load.crowd import Scene
from tests.processes import end, free_port, tied
from tests.replica import Replica, replica_of
from tests.sandbox import process
from tests.sandbox.process import Sandbox, running_sandbox
from tests.stack import Stack, make_stack, some_folder
from tests.waiting import wait_for

SHIPPED = ROOT / "stack" / "production"
# Of PgBouncer's server connections in the database entry that leads to the same database through very few.
FEW = 3


@dataclass
class Server:
    """A server that is not ours to start, and whoever starts it again when it died, as systemd does."""

    command: list[str]
    log: Path
    environ: dict[str, str] | None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environ, stdout=output, stderr=output)

    def fall(self) -> None:
        """kill -9, and started until it stays: what a dead PostgreSQL left behind ends a moment after it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            while self.process.wait(1) is not None:
                self.start()


@dataclass
class Production:
    """`servers` are those beside our own; `vendors` is the sandbox, where one was asked for."""

    stack: Stack
    theirs: Home
    ports: dict[str, int]
    folder: Path
    following: Replica | None = None
    servers: dict[str, Server] = field(default_factory=dict)
    vendors: Sandbox | None = None

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.ports['https']}"

    @property
    def ca(self) -> Path:
        return self.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def url(self, role: str, database: str = "genba", *, pooled: bool = False) -> str:
        user, port = servers.ROLES.get(role, "postgres"), self.ports["pgbouncer" if pooled else "postgres"]
        return f"postgresql://{user}:{quote(self.password(role))}@127.0.0.1:{port}/{database}"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def password(self, role: str) -> str:
        if role == "superuser":
            return self.theirs.secrets()[role]
        return (self.secrets / f"{role}_password").read_text().strip()

    @property
    def trusted(self) -> ssl.SSLContext:
        """Caddy's own CA and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca))

    def http(self, origin: str = "", **options: Any) -> httpx2.Client:
        base = origin or self.origin
        return httpx2.Client(base_url=base, verify=self.trusted, timeout=15, trust_env=False, **options)

    def replica(self, name: str) -> str:
        """A replica's own address, behind the proxy's back: service, service-2, dashboards, dashboards-2."""
        kind, _, number = name.partition("-")
        first = int(self.stack.environ[f"{kind.upper()}_PORT"])
        return f"http://127.0.0.1:{first + int(number or 1) - 1}"

    @cached_property
    def scene(self) -> Scene:
        """As its clients find it: by the one origin."""
        falls = {name.partition("-")[0]: server.fall for name, server in self.servers.items()}
        return Scene(self.stack, self.origin, self.origin, self.trusted, falls)


@contextmanager
def running_production(vendors: bool = False, more: Mapping[str, str] | None = None) -> Iterator[Production]:
    """`vendors`: with the sandbox in the place of theirs. `more`: settings of its own."""
    with some_folder() as folder, ExitStack() as running:
        theirs = Home(folder / "theirs")
        theirs.prepare()
        ports = {name: free_port() for name in ("postgres", "replica", "valkey", "pgbouncer", "https", "http", "door")}
        made = Production(make_stack(folder), theirs, ports, folder)
        _make_secrets(made)
        running.enter_context(_postgres(made))
        source = made.url("superuser", "postgres")
        made.following = running.enter_context(replica_of(theirs, ports["replica"], source))
        for server in (_valkey, _pgbouncer):
            running.enter_context(server(made))
        _configure(made)
        if vendors:
            running.enter_context(_vendors(made))
        running.enter_context(_caddy(made))
        made.stack.environ |= more or {}
        made.stack.start()
        try:
            yield made
        finally:
            made.scene.engine.dispose()
            made.stack.stop()


@contextmanager
def running_process(
    made: Production,
    name: str,
    command: list[str],
    by: signal.Signals = signal.SIGTERM,
    *,
    as_server: bool = False,
    environ: dict[str, str] | None = None,
) -> Iterator[Path]:
    """Gives the path of its log."""
    server = Server(
        tied(command, by.name.removeprefix("SIG"), as_server=as_server), made.folder / f"{name}.log", environ
    )
    made.servers[name] = server
    server.start()
    try:
        yield server.log
    finally:
        assert server.process is not None
        end(server.process, by)


def _await(ready: Callable[[], object], log: Path) -> None:
    """Until it raises no exception of those that mean: not yet."""
    passing = psycopg.OperationalError, redis.exceptions.ConnectionError, OSError
    wait_for(lambda: (ready(),), lambda: log.read_text(errors="replace")[-2000:], passing=passing)


def _make_secrets(made: Production) -> None:
    places = {f"{name.upper()}_AT": f"127.0.0.1:{made.ports[name]}" for name in ("postgres", "pgbouncer", "valkey")}
    script = ["sh", str(SHIPPED / "make-secrets.sh"), str(made.secrets)]
    subprocess.run(script, env=os.environ | places, check=True)
    # Tried out in tests of its own.
    (made.secrets / "database_rehearsal_url").unlink()


@contextmanager
def _postgres(made: Production) -> Iterator[None]:
    """With the options of docker-compose.yml, roles and databases made by its script."""
    servers.initialise(made.theirs)
    tcp = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={made.ports['postgres']}"]
    command = [*servers.postgres_command(made.theirs), *services()["postgres"]["command"][1:], *tcp]
    with running_process(made, "postgres", command, by=signal.SIGINT, as_server=True) as log:
        url = made.url("superuser", "postgres")
        _await(lambda: psycopg.connect(url).close(), log)
        environ = {
            "PATH": f"{servers.bin_dir(made.theirs)}{os.pathsep}{PATH}",
            **{"PGHOST": "127.0.0.1", "PGPORT": str(made.ports["postgres"]), "PGPASSWORD": made.password("superuser")},
            "ROLES": str(ROOT / "service" / "migrations" / "roles.sql"),
            "SECRETS_FOLDER": str(made.secrets),
        }
        subprocess.run(["sh", str(SHIPPED / "init-database.sh")], env=environ, check=True, stdout=subprocess.DEVNULL)
        yield


@contextmanager
def _valkey(made: Production) -> Iterator[None]:
    password = made.password("valkey")
    [_, _, *options] = services()["valkey"]["command"]
    here = ["--port", str(made.ports["valkey"]), "--bind", "127.0.0.1", "--dir", str(made.theirs.valkey)]
    program = servers.valkey_command(made.theirs)[0]
    with running_process(made, "valkey", [program, str(made.secrets / "valkey.conf"), *options, *here]) as log:
        _await(lambda: redis.Redis(port=made.ports["valkey"], password=password).ping(), log)
        yield


@contextmanager
def _pgbouncer(made: Production) -> Iterator[None]:
    """The shipped configuration with other addresses. (%include does not help: a second [pgbouncer] section puts all
    its settings back to PgBouncer's own defaults.)"""
    folder = made.folder / "pgbouncer"
    folder.mkdir()
    (folder / "userlist.txt").write_text((made.secrets / "userlist.txt").read_text())
    here = f"host=127.0.0.1 port={made.ports['postgres']} dbname=genba"
    there = f"host=127.0.0.1 port={made.ports['replica']} dbname=genba"
    config = (SHIPPED / "pgbouncer.ini").read_text()
    for shipped, ours in {
        "genba = host=127.0.0.1 port=5432 dbname=genba": f"genba = {here}\ngenba_few = {here} pool_size={FEW}",
        "; genba_read = host=10.0.0.2 port=5432 dbname=genba": f"genba_read = {there}",
        "listen_port = 6432": f"listen_port = {made.ports['pgbouncer']}",
        "auth_file = /etc/pgbouncer/userlist.txt": f"auth_file = {folder / 'userlist.txt'}",
        "logfile = /var/log/postgresql/pgbouncer.log": "",
        "pidfile = /var/run/postgresql/pgbouncer.pid": "",
    }.items():
        assert f"\n{shipped}\n" in config, shipped
        config = config.replace(f"\n{shipped}\n", f"\n{ours}\n")
    (folder / "pgbouncer.ini").write_text(config)
    for file in (folder, *folder.iterdir()):
        if account := server_account():
            os.chown(file, account.pw_uid, account.pw_gid)
        file.chmod(0o700 if file.is_dir() else 0o600)
    command = [str(program("pgbouncer")), str(folder / "pgbouncer.ini")]
    with running_process(made, "pgbouncer", command, by=signal.SIGINT, as_server=True) as log:
        _await(lambda: psycopg.connect(made.url("app", pooled=True)).close(), log)
        yield


def _configure(made: Production) -> None:
    """What the README puts into .env."""
    door = f"127.0.0.1:{made.ports['door']}"
    # Ports next to one another, as the launcher numbers replicas.
    service, dashboards = _two_free_ports(), _two_free_ports()
    made.stack.theirs |= {role: made.url(role) for role in ("app", "owner")}
    made.stack.theirs["redis"] = f"redis://:{quote(made.password('valkey'))}@127.0.0.1:{made.ports['valkey']}/0"
    made.stack.environ |= {
        "GENBA_MODE": "production",
        # SECRET_KEY, DATABASE_URL and the others.
        "SECRETS_FOLDER": str(made.secrets),
        "DATABASE_READ_URL": made.url("app", "genba_read", pooled=True),
        "PUBLIC_BASE_URL": made.origin,
        "SERVICE_URL": f"http://{door}",
        "SERVICE_PORT": str(service),
        "SERVICE_REPLICAS": "2",
        "DASHBOARDS_PORT": str(dashboards),
        "DASHBOARDS_REPLICAS": "2",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "WATCHDOG_INTERVAL_SECONDS": "1",
        "SSL_CERT_FILE": str(made.ca),
    }


@contextmanager
def _vendors(made: Production) -> Iterator[None]:
    """They reach us by the inner door: no vendor of this machine trusts the proxy's own CA."""
    door = f"http://127.0.0.1:{made.ports['door']}/api/reservations/webhooks"
    store = made.folder / "sandbox.sqlite"
    with running_sandbox(store, pace=0.3, stripe_url=f"{door}/stripe") as made.vendors:
        for vendor in ("twilio", "bland"):
            made.vendors.target(vendor, f"{door}/{vendor}")
        made.stack.environ |= {
            "SANDBOX_PORT": str(made.vendors.port),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(made.vendors.smtp_port),
            "MAIL_FROM": "Genba <genba@techcore.example>",
            "SLACK_BASE_URL": made.vendors.slack_url,
            "SLACK_BOT_TOKEN": process.TOKEN,
            "TWILIO_BASE_URL": made.vendors.url,
            "TWILIO_ACCOUNT_SID": process.TWILIO_SID,
            "TWILIO_AUTH_TOKEN": process.TWILIO_TOKEN,
            "TWILIO_FROM": "+815000000000",
            "BLAND_BASE_URL": made.vendors.url,
            "BLAND_API_KEY": process.BLAND_KEY,
            "BLAND_WEBHOOK_SECRET": process.BLAND_SECRET,
            "STRIPE_BASE_URL": made.vendors.url,
            "STRIPE_API_KEY": process.STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRETS": process.STRIPE_SECRET,
        }
        yield


def _two_free_ports() -> int:
    while True:
        first = free_port()
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", first + 1)):
            return first


@contextmanager
def _caddy(made: Production) -> Iterator[None]:
    with running_caddy(made, {}):
        yield


@contextmanager
def running_caddy(made: Production, other: dict[str, str]) -> Iterator[None]:
    """`other`: what differs from the one that all tests share."""

    def both(name: str) -> str:
        first = int(made.stack.environ[f"{name}_PORT"])
        return f"127.0.0.1:{first} 127.0.0.1:{first + 1}"

    environ = {
        "PATH": PATH,
        "HOME": str(made.folder),
        "GENBA_SITE": "localhost",
        "GENBA_HTTPS_PORT": str(made.ports["https"]),
        "GENBA_HTTP_PORT": str(made.ports["http"]),
        "GENBA_SERVICES": both("SERVICE"),
        "GENBA_DASHBOARDS": both("DASHBOARDS"),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{made.ports['door']}",
        "GENBA_CADDY_ADMIN": "off",
        "GENBA_CADDY_DATA": str(made.folder / "caddy"),
        **other,
    }
    command = [str(program("caddy")), "run", "--config", str(SHIPPED / "Caddyfile"), "--adapter", "caddyfile"]
    with running_process(made, f"caddy-{environ['GENBA_HTTPS_PORT']}", command, environ=environ) as log:
        _await(lambda: made.ca.stat(), log)
        # The CA may be there from another one.
        door = ("127.0.0.1", int(environ["GENBA_HTTPS_PORT"]))
        _await(lambda: socket.create_connection(door, 5).close(), log)
        yield


def is_live(production: Production, name: str) -> bool:
    path = "/api/health/live" if name.startswith("service") else "/_stcore/health"
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(production.replica(name) + path, timeout=2, trust_env=False).status_code == 200
    return False


@contextmanager
def killed(production: Production, name: str) -> Iterator[None]:
    """kill -9 now; when the block ends, it is back, and so long that the proxy has asked it twice."""
    os.kill(production.stack.pid(name), signal.SIGKILL)
    yield
    since: list[float] = []

    def back() -> bool:
        since.append(time.monotonic()) if is_live(production, name) else since.clear()
        return bool(since) and since[-1] - since[0] > 2

    # As long as `await_ok` waits: a busy machine takes half a minute to start a service.
    wait_for(back, f"{name} did not come back", 120)
