"""Production as docs/production.md describes it, on one machine and on free ports: PostgreSQL and Valkey over TCP with
passwords, a streaming replica, PgBouncer, two services and two dashboards from `make up`, and Caddy with TLS in front.
Secrets, roles and the servers' options come from the files and commands of docker-compose.yml."""

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
from tests.ensure_servers import PATH, find_program
from tests.load.load_clients import RunningProduct
from tests.processes import child_command, free_port, stop_process
from tests.replica import Replica, replica_of
from tests.sandbox import process
from tests.sandbox.process import Sandbox, running_sandbox
from tests.stack import Stack, make_stack, temporary_folder
from tests.waiting import wait_for

PRODUCTION_FOLDER = ROOT / "stack" / "production"
# `pool_size` of the PgBouncer database `genba_few`: the same database with very few server connections.
FEW_POOL_SIZE = 3


@dataclass
class Server:
    """A server that is not part of the product. It is restarted when it dies, as systemd does."""

    command: list[str]
    log: Path
    environ: dict[str, str] | None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environ, stdout=output, stderr=output)

    def crash(self) -> None:
        """kill -9, then start it until it stays up: processes of a killed PostgreSQL end a moment after it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            while self.process.wait(1) is not None:
                self.start()


@dataclass
class Production:
    """`servers` are those that are not part of the product, and `server_home` is their home; `vendors` is the sandbox,
    if requested."""

    stack: Stack
    server_home: Home
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
            return self.server_home.secrets()[role]
        return (self.secrets / f"{role}_password").read_text().strip()

    @property
    def trusted(self) -> ssl.SSLContext:
        """Trusts Caddy's own CA only."""
        return ssl.create_default_context(cafile=str(self.ca))

    def http(self, origin: str = "", **options: Any) -> httpx2.Client:
        base = origin or self.origin
        return httpx2.Client(base_url=base, verify=self.trusted, timeout=15, trust_env=False, **options)

    def replica(self, name: str) -> str:
        """The URL of one replica without the proxy: service, service-2, dashboards, dashboards-2."""
        kind, _, number = name.partition("-")
        first = int(self.stack.environ[f"{kind.upper()}_PORT"])
        return f"http://127.0.0.1:{first + int(number or 1) - 1}"

    @cached_property
    def scene(self) -> RunningProduct:
        """The scene for clients, which use the one public origin."""
        crashes = {name.partition("-")[0]: server.crash for name, server in self.servers.items()}
        return RunningProduct(self.stack, self.origin, self.origin, self.trusted, crashes)


@contextmanager
def running_production(vendors: bool = False, more: Mapping[str, str] | None = None) -> Iterator[Production]:
    """`vendors`: with the sandbox instead of the vendors. `more`: additional environment variables."""
    with temporary_folder() as folder, ExitStack() as exit_stack:
        server_home = Home(folder / "theirs")
        server_home.prepare()
        ports = {name: free_port() for name in ("postgres", "replica", "valkey", "pgbouncer", "https", "http", "door")}
        production = Production(make_stack(folder), server_home, ports, folder)
        _make_secrets(production)
        exit_stack.enter_context(_postgres(production))
        source = production.url("superuser", "postgres")
        production.following = exit_stack.enter_context(replica_of(server_home, ports["replica"], source))
        for start_server in (_valkey, _pgbouncer):
            exit_stack.enter_context(start_server(production))
        _configure(production)
        if vendors:
            exit_stack.enter_context(_vendors(production))
        exit_stack.enter_context(_caddy(production))
        production.stack.environ |= more or {}
        production.stack.start()
        try:
            yield production
        finally:
            production.scene.engine.dispose()
            production.stack.stop()


@contextmanager
def running_process(
    production: Production,
    name: str,
    command: list[str],
    by: signal.Signals = signal.SIGTERM,
    *,
    as_server: bool = False,
    environ: dict[str, str] | None = None,
) -> Iterator[Path]:
    """Yields the path of its log."""
    server = Server(
        child_command(command, by.name.removeprefix("SIG"), as_server=as_server),
        production.folder / f"{name}.log",
        environ,
    )
    production.servers[name] = server
    server.start()
    try:
        yield server.log
    finally:
        assert server.process is not None
        stop_process(server.process, by)


def _wait_until_ready(ready: Callable[[], object], log: Path) -> None:
    """Wait until `ready` raises no connection error."""
    passing = psycopg.OperationalError, redis.exceptions.ConnectionError, OSError
    wait_for(lambda: (ready(),), lambda: log.read_text(errors="replace")[-2000:], passing=passing)


def _make_secrets(production: Production) -> None:
    addresses = {
        f"{name.upper()}_AT": f"127.0.0.1:{production.ports[name]}" for name in ("postgres", "pgbouncer", "valkey")
    }
    script = ["sh", str(PRODUCTION_FOLDER / "make-secrets.sh"), str(production.secrets)]
    subprocess.run(script, env=os.environ | addresses, check=True)
    # The restore rehearsal has its own tests.
    (production.secrets / "database_rehearsal_url").unlink()


@contextmanager
def _postgres(production: Production) -> Iterator[None]:
    """PostgreSQL with the options of docker-compose.yml. Its script creates the roles and databases."""
    servers.initialise(production.server_home)
    tcp = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={production.ports['postgres']}"]
    command = [*servers.postgres_command(production.server_home), *services()["postgres"]["command"][1:], *tcp]
    with running_process(production, "postgres", command, by=signal.SIGINT, as_server=True) as log:
        url = production.url("superuser", "postgres")
        _wait_until_ready(lambda: psycopg.connect(url).close(), log)
        environ = {
            "PATH": f"{servers.bin_dir(production.server_home)}{os.pathsep}{PATH}",
            **{
                "PGHOST": "127.0.0.1",
                "PGPORT": str(production.ports["postgres"]),
                "PGPASSWORD": production.password("superuser"),
            },
            "ROLES": str(ROOT / "service" / "migrations" / "roles.sql"),
            "SECRETS_FOLDER": str(production.secrets),
        }
        subprocess.run(
            ["sh", str(PRODUCTION_FOLDER / "init-database.sh")], env=environ, check=True, stdout=subprocess.DEVNULL
        )
        yield


@contextmanager
def _valkey(production: Production) -> Iterator[None]:
    password = production.password("valkey")
    [_, _, *options] = services()["valkey"]["command"]
    server_options = [
        "--port",
        str(production.ports["valkey"]),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(production.server_home.valkey),
    ]
    valkey_program = servers.valkey_command(production.server_home)[0]
    with running_process(
        production, "valkey", [valkey_program, str(production.secrets / "valkey.conf"), *options, *server_options]
    ) as log:
        _wait_until_ready(lambda: redis.Redis(port=production.ports["valkey"], password=password).ping(), log)
        yield


@contextmanager
def _pgbouncer(production: Production) -> Iterator[None]:
    """PgBouncer with the shipped configuration and other addresses. (%include does not help: a second [pgbouncer]
    section resets all settings to PgBouncer's defaults.)"""
    folder = production.folder / "pgbouncer"
    folder.mkdir()
    (folder / "userlist.txt").write_text((production.secrets / "userlist.txt").read_text())
    primary = f"host=127.0.0.1 port={production.ports['postgres']} dbname=genba"
    replica = f"host=127.0.0.1 port={production.ports['replica']} dbname=genba"
    config = (PRODUCTION_FOLDER / "pgbouncer.ini").read_text()
    for shipped, replacement in {
        "genba = host=127.0.0.1 port=5432 dbname=genba": f"genba = {primary}\n"
        f"genba_few = {primary} pool_size={FEW_POOL_SIZE}",
        "; genba_read = host=10.0.0.2 port=5432 dbname=genba": f"genba_read = {replica}",
        "listen_port = 6432": f"listen_port = {production.ports['pgbouncer']}",
        "auth_file = /etc/pgbouncer/userlist.txt": f"auth_file = {folder / 'userlist.txt'}",
        "logfile = /var/log/postgresql/pgbouncer.log": "",
        "pidfile = /var/run/postgresql/pgbouncer.pid": "",
    }.items():
        assert f"\n{shipped}\n" in config, shipped
        config = config.replace(f"\n{shipped}\n", f"\n{replacement}\n")
    (folder / "pgbouncer.ini").write_text(config)
    for file in (folder, *folder.iterdir()):
        if account := server_account():
            os.chown(file, account.pw_uid, account.pw_gid)
        file.chmod(0o700 if file.is_dir() else 0o600)
    command = [str(find_program("pgbouncer")), str(folder / "pgbouncer.ini")]
    with running_process(production, "pgbouncer", command, by=signal.SIGINT, as_server=True) as log:
        _wait_until_ready(lambda: psycopg.connect(production.url("app", pooled=True)).close(), log)
        yield


def _configure(production: Production) -> None:
    """The settings that docs/production.md puts into .env."""
    inner_address = f"127.0.0.1:{production.ports['door']}"
    # Consecutive ports, because the launcher numbers replicas.
    service, dashboards = _two_free_ports(), _two_free_ports()
    production.stack.theirs |= {role: production.url(role) for role in ("app", "owner")}
    production.stack.theirs["redis"] = (
        f"redis://:{quote(production.password('valkey'))}@127.0.0.1:{production.ports['valkey']}/0"
    )
    production.stack.environ |= {
        "GENBA_MODE": "production",
        # SECRET_KEY, DATABASE_URL and the others.
        "SECRETS_FOLDER": str(production.secrets),
        "DATABASE_READ_URL": production.url("app", "genba_read", pooled=True),
        "PUBLIC_BASE_URL": production.origin,
        "SERVICE_URL": f"http://{inner_address}",
        "SERVICE_PORT": str(service),
        "SERVICE_REPLICAS": "2",
        "DASHBOARDS_PORT": str(dashboards),
        "DASHBOARDS_REPLICAS": "2",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "WATCHDOG_INTERVAL_SECONDS": "1",
        "SSL_CERT_FILE": str(production.ca),
    }


@contextmanager
def _vendors(production: Production) -> Iterator[None]:
    """The sandbox of the vendors. It sends webhooks to Caddy's plain HTTP address, because it does not trust Caddy's
    CA."""
    webhooks = f"http://127.0.0.1:{production.ports['door']}/api/reservations/webhooks"
    store = production.folder / "sandbox.sqlite"
    with running_sandbox(store, pace=0.3, stripe_url=f"{webhooks}/stripe") as production.vendors:
        for vendor in ("twilio", "bland"):
            production.vendors.target(vendor, f"{webhooks}/{vendor}")
        production.stack.environ |= {
            "SANDBOX_PORT": str(production.vendors.port),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(production.vendors.smtp_port),
            "MAIL_FROM": "Genba <genba@techcore.example>",
            "SLACK_BASE_URL": production.vendors.slack_url,
            "SLACK_BOT_TOKEN": process.TOKEN,
            "TWILIO_BASE_URL": production.vendors.url,
            "TWILIO_ACCOUNT_SID": process.TWILIO_SID,
            "TWILIO_AUTH_TOKEN": process.TWILIO_TOKEN,
            "TWILIO_FROM": "+815000000000",
            "BLAND_BASE_URL": production.vendors.url,
            "BLAND_API_KEY": process.BLAND_KEY,
            "BLAND_WEBHOOK_SECRET": process.BLAND_SECRET,
            "STRIPE_BASE_URL": production.vendors.url,
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
def _caddy(production: Production) -> Iterator[None]:
    with running_caddy(production, {}):
        yield


@contextmanager
def running_caddy(production: Production, other: dict[str, str]) -> Iterator[None]:
    """`other`: environment variables that differ from those of the Caddy that all tests share."""

    def replica_addresses(name: str) -> str:
        first = int(production.stack.environ[f"{name}_PORT"])
        return f"127.0.0.1:{first} 127.0.0.1:{first + 1}"

    environ = {
        "PATH": PATH,
        "HOME": str(production.folder),
        "GENBA_SITE": "localhost",
        "GENBA_HTTPS_PORT": str(production.ports["https"]),
        "GENBA_HTTP_PORT": str(production.ports["http"]),
        "GENBA_SERVICES": replica_addresses("SERVICE"),
        "GENBA_DASHBOARDS": replica_addresses("DASHBOARDS"),
        "GENBA_SERVICE_DOOR": f"127.0.0.1:{production.ports['door']}",
        "GENBA_CADDY_ADMIN": "off",
        "GENBA_CADDY_DATA": str(production.folder / "caddy"),
        **other,
    }
    command = [
        str(find_program("caddy")),
        "run",
        "--config",
        str(PRODUCTION_FOLDER / "Caddyfile"),
        "--adapter",
        "caddyfile",
    ]
    with running_process(production, f"caddy-{environ['GENBA_HTTPS_PORT']}", command, environ=environ) as log:
        _wait_until_ready(lambda: production.ca.stat(), log)
        # Not enough: the CA may be there from another Caddy.
        address = ("127.0.0.1", int(environ["GENBA_HTTPS_PORT"]))
        _wait_until_ready(lambda: socket.create_connection(address, 5).close(), log)
        yield


def is_live(production: Production, name: str) -> bool:
    path = "/api/health/live" if name.startswith("service") else "/_stcore/health"
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(production.replica(name) + path, timeout=2, trust_env=False).status_code == 200
    return False


@contextmanager
def killed(production: Production, name: str) -> Iterator[None]:
    """kill -9 now; at the end of the block wait until the process is live again for two seconds, so that the proxy has
    checked its health twice."""
    os.kill(production.stack.pid(name), signal.SIGKILL)
    yield
    live_since: list[float] = []

    def is_back() -> bool:
        live_since.append(time.monotonic()) if is_live(production, name) else live_since.clear()
        return bool(live_since) and live_since[-1] - live_since[0] > 2

    # As long as `await_ok` waits: a busy machine takes half a minute to start a service.
    wait_for(is_back, f"{name} did not come back", 120)
