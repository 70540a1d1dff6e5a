"""Fixtures of all tests: real PostgreSQL and Valkey, started once, migrated by Alembic, used with the application's
role.

`db` is a session whose changes are rolled back after the test. `service` is a real process on its own database, for
tests that need commits, sockets or several connections.
"""

from __future__ import annotations

import atexit
import base64
import gc
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2
import psycopg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, Engine, Transaction, create_engine, event, text
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from stack import servers
from stack.home import ROOT, Home
from tests import cluster
from tests.audit_words import every_audited_word  # noqa: F401  # watches every test
from tests.firmware_key import PUBLIC_KEY
from tests.luhn import leaked_card_numbers, nothing_of_a_card  # noqa: F401  # watches every test
from tests.processes import ForkedProcess, child_command, free_port, make_temporary_folder, stop_process, wait_until_ok
from tests.rls_bypass import rls_bypass_url, scope_setter
from tests.shared import SharedResource, wait_for_shared_data
from tests.shares import FileTimes, TimeBudget
from tests.shares import pytest_xdist_auto_num_workers as pytest_xdist_auto_num_workers
from tests.shares import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from tests.whole import service_app

if TYPE_CHECKING:
    from service.main import Application
    from tests.restored import RestoredDatabase

# Without byte code files each process that a test starts would compile the product again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Set before any module of the product is imported: settings are read once per process.
HOME = Home(make_temporary_folder("test"))
TEST_DATABASE = f"genba_test_{os.getpid()}"
cluster.copy_secrets(HOME)
atexit.register(shutil.rmtree, HOME.path, ignore_errors=True)
# Removed from the environment: a pytest run that a test starts has its own cluster.
SHARED_CLUSTER_VARIABLE = "TESTS_SHARED_CLUSTER"
_shared_cluster = os.environ.pop(SHARED_CLUSTER_VARIABLE, "")
_VENDORS = ("SMTP_", "SLACK_", "TWILIO_", "BLAND_", "STRIPE_", "VENDOR_")
_PRODUCT_SETTINGS = ("DATABASE_", "REDIS_", "FILES_", "FLEET_", "AGENCIES_", "GENBA_", *_VENDORS)
for _name in [name for name in os.environ if name.startswith(_PRODUCT_SETTINGS)]:
    del os.environ[_name]
os.environ |= {
    "GENBA_MODE": "demo",
    "SECRET_KEY": "only-for-tests-" + "x" * 32,
    "WATCHDOG_TOKEN": "only-for-the-watchdog-of-tests",
    "ALLOWED_HOSTS": "testserver",
    "DATABASE_URL": servers.url(HOME, "app", TEST_DATABASE),
    "DATABASE_OWNER_URL": servers.url(HOME, "owner", TEST_DATABASE),
    "REDIS_URL": servers.redis_url(HOME),
    "FILES_URL": f"file://{HOME.path}/files",
    "FLEET_ALERT_RECIPIENTS": "support@techcore.example",
    "FLEET_FIRMWARE_PUBLIC_KEYS": PUBLIC_KEY,
    "AGENCIES_CARD_KEYS": "t1:" + base64.b64encode(b"only for the card number tests!!").decode(),
    "AGENCIES_CODE_KEYS": "t1:" + base64.b64encode(b"only for the tests of card codes").decode(),
    "MAIL_FROM": "Genba <genba@techcore.example>",
}

# No deadline, because tests must not fail on a busy machine. `make test-deep` runs many more examples.
WITHOUT_DEADLINE = settings(deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("everyday", WITHOUT_DEADLINE, max_examples=12)
settings.register_profile("deep", WITHOUT_DEADLINE, max_examples=1000)
settings.load_profile("everyday")

# A sixth area, which tests/house/test_sixth_area.py adds to a copy of the product.
collect_ignore = ["scratch"]


def worker_database_name(name: str) -> str:
    """A database name that is unique to this worker: all workers share one cluster."""
    return f"{name}_{os.getpid()}"


# Objects that are imported to collect the tests stay to the end: the garbage collector need not scan them repeatedly.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def pytest_sessionfinish() -> None:
    """pytest collects garbage five times at the end: for the objects of the tests once is enough."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """The controller starts the cluster for all workers, while they import the product."""
    if minutes := config.getoption("budget"):
        config.pluginmanager.register(TimeBudget(minutes))
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    config.pluginmanager.register(FileTimes(config.getoption("write_times")))
    if config.option.dist != "no":
        shared = SharedResource("cluster", cluster.shared_cluster)
        os.environ[SHARED_CLUSTER_VARIABLE] = str(shared.folder)
        shared.start()
        config.add_cleanup(shared.stop)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--budget", type=float, help="minutes after which no further test begins")
    parser.addoption("--write-times", type=Path, help="where to write the seconds of each test file")


@pytest.fixture(scope="session", autouse=True)
def what_is_slow_on_purpose_is_quick_here() -> Iterator[None]:
    """Hash passwords in this process at bcrypt's lowest cost, and read each file of certificate authorities once: by
    default every HTTP client reads all of them again."""
    from service.core.access import identity

    read, read_cached = httpcore2.default_ssl_context, cache(httpcore2.default_ssl_context)

    def default_ssl_context(*, _trust_env: bool = True) -> ssl.SSLContext:
        is_configured = _trust_env and {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys()
        return (read if is_configured else read_cached)(_trust_env=_trust_env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "BCRYPT_COST", 4)
        patch.setattr(identity, "_UNKNOWN_USER_HASH", identity._UNKNOWN_USER_HASH.replace("$12$", "$04$"))
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        patch.setattr(httpcore2, "default_ssl_context", default_ssl_context)
        yield


@pytest.fixture(scope="session")
def running_servers() -> Iterator[Home]:
    with ExitStack() as exit_stack:
        if _shared_cluster:
            cluster.join(HOME, wait_for_shared_data(Path(_shared_cluster))["sockets"])
        else:
            exit_stack.enter_context(cluster.running(HOME))
        with (HOME.logs / "valkey.log").open("w") as log:
            valkey = subprocess.Popen(child_command(servers.valkey_command(HOME)), cwd=ROOT, stdout=log, stderr=log)
        try:
            servers.await_valkey(HOME)
            yield HOME
            assert leaked_card_numbers(HOME, cluster.created_databases) == {}, "card numbers in logs or tables"
        finally:
            valkey.terminate()
            valkey.wait(10)


@contextmanager
def committed_database(home: Home, name: str) -> Iterator[str]:
    """A new database for tests that need several connections. Yields its SQLAlchemy URL."""
    from service.core.database.session import sqlalchemy_url

    cluster.create_database(home, name)
    yield sqlalchemy_url(servers.url(home, "app", name))
    cluster.drop_database(home, name)


@contextmanager
def seeded_database(home: Home, name: str, fill: Callable[[Session], None]) -> Iterator[Engine]:
    """A new database with the committed rows of `fill`, for an `_engine` of tests that share a setup. Changes of a test
    are rolled back as everywhere."""
    with committed_database(home, worker_database_name(name)) as url:
        filling_engine = create_engine(rls_bypass_url(url))
        with filling_engine.connect() as connection:
            # `fill` is one transaction, which looks idle while the demo computes.
            connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
            connection.commit()
            with Session(connection, expire_on_commit=False) as db, db.begin():
                fill(db)
        filling_engine.dispose()
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def database(running_servers: Home) -> str:
    """The URL of the database of tests that are rolled back."""
    cluster.create_database(running_servers, TEST_DATABASE)
    return servers.url(running_servers, "app", TEST_DATABASE)


@pytest.fixture(scope="session")
def empty(database: str) -> Iterator[Engine]:
    """An engine for the database as the migrations leave it."""
    from service.core.database.session import sqlalchemy_url

    engine = create_engine(sqlalchemy_url(database))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _engine(empty: Engine) -> Engine:
    """The engine or connection of `db`. Folders and modules whose tests share a setup override it (`filled_database`,
    `begun`)."""
    return empty


@contextmanager
def shared_session(connection: Connection) -> Iterator[Session]:
    """A session on the connection, which the service uses meanwhile too. A commit there releases a savepoint of the
    connection's own transaction."""
    from service.core.database import session as core_db
    from service.core.routing import replica_reads

    factory = sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
    driver_connection: Any = connection.connection.driver_connection
    set_scopes = scope_setter(driver_connection)

    def clear_scopes(session: Session, transaction: SessionTransaction, _: object) -> None:
        if not transaction.nested and not session.info.get("sees_all"):
            set_scopes(core_db.NO_SCOPES)

    def read_only(session: Session) -> Session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        return session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_db, "session_factory", lambda: factory)
        # A route with replica reads must not write: that would fail on a replica.
        patch.setattr(replica_reads, "read_only", read_only)
        set_scopes(core_db.SYSTEM)
        # A transaction of the product is a savepoint here: it starts without row-level security scopes, and its scopes
        # must not outlive it. The test itself has all scopes.
        event.listen(factory, "after_begin", clear_scopes)
        event.listen(factory, "after_commit", lambda _: set_scopes(core_db.SYSTEM))
        with factory(info={"sees_all": True}) as session:
            # Each request starts with an empty session, as in production; the test's session must not keep stale rows.
            event.listen(session, "after_commit", lambda own_session: own_session.expire_all())
            yield session


@contextmanager
def seeded_connection(engine: Engine, fill: Callable[[Session], None]) -> Iterator[Connection]:
    """A transaction with the rows of `fill`, for an `_engine` of a module whose tests share a setup. Changes of a test
    are rolled back to a savepoint after the setup. `now()` is the same in all these tests: that of the first."""
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        with shared_session(connection) as db:
            fill(db)
            db.commit()
        yield connection
        outer.rollback()


@pytest.fixture
def db(_engine: Engine | Connection) -> Iterator[Session]:
    """A session on the connection that the service uses too during this test; all changes are rolled back after it."""
    with ExitStack() as exit_stack:
        if isinstance(_engine, Connection):
            connection: Connection = _engine
            outer: Transaction = _engine.begin_nested()
        else:
            connection = exit_stack.enter_context(_engine.connect())
            outer = connection.begin()
        with shared_session(connection) as session:
            yield session
        outer.rollback()


@pytest.fixture(scope="session")
def restored(running_servers: Home) -> Iterator[RestoredDatabase]:
    from tests.restored import RestoredDatabase

    name = worker_database_name("genba_restored")
    with committed_database(running_servers, name):
        restored_database = RestoredDatabase(running_servers, name)
        yield restored_database
        restored_database.close()


@pytest.fixture
def committed(restored: RestoredDatabase, monkeypatch: pytest.MonkeyPatch) -> RestoredDatabase:
    """The database that the product in this process commits to during this test."""
    from service.core.database import session as core_db

    restored.restore()
    monkeypatch.setattr(core_db, "session_factory", lambda: restored.sessions)
    return restored


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop for the requests of all tests: to start one for each request takes longer than most answers."""
    with start_blocking_portal() as started:
        yield started
        # Cancels the unfinished tasks of a failed test.
        started.call(started.stop, True)


@pytest.fixture(scope="session")
def served() -> Application:
    return service_app()


def new_client(app: Application, portal: BlockingPortal) -> TestClient:
    """A new client of the application, without a session."""
    from tests.audited import AuditedClient

    client = AuditedClient(app, raise_server_exceptions=False)
    client.portal = portal
    return client


@dataclass
class Service:
    """A running service on its own database."""

    url: str
    database_url: str
    owner_url: str
    process: subprocess.Popen[bytes] | ForkedProcess
    environ: dict[str, str]

    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60)

    @contextmanager
    def committed(self) -> Iterator[Session]:
        """A session whose rows the service sees when the block ends."""
        from service.core.database.session import sqlalchemy_url

        engine = create_engine(sqlalchemy_url(rls_bypass_url(self.database_url)))
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
        engine.dispose()

    def rows(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(rls_bypass_url(self.database_url), autocommit=True) as connection:
            cursor = connection.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []


def start_service(home: Home, database: str, extra_environ: Mapping[str, str] = MappingProxyType({})) -> Service:
    """Start a service on a new database, with additional environment variables."""
    cluster.create_database(home, database)
    port = free_port()
    environ = os.environ | {
        "DATABASE_URL": servers.url(home, "app", database),
        "DATABASE_OWNER_URL": servers.url(home, "owner", database),
        **extra_environ,
    }
    process = ForkedProcess(
        *("uvicorn", "--factory", "service.main:app", "--port", str(port), "--no-access-log", "--log-level", "warning"),
        environ=environ,
        log=home.logs / f"{database}.log",
    )
    url = f"http://127.0.0.1:{port}"
    started = Service(url, environ["DATABASE_URL"], environ["DATABASE_OWNER_URL"], process, dict(environ))
    wait_until_ok(f"{url}/api/health/live", process)
    return started


@pytest.fixture(scope="session")
def service(running_servers: Home) -> Iterator[Service]:
    started = start_service(running_servers, worker_database_name("genba_service"))
    yield started
    stop_process(started.process)
