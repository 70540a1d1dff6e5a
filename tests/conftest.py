"""The ground all tests stand on: real PostgreSQL and Valkey, started once, migrated by Alembic, used as the
application's role.

`db` gives a session whose whole test is rolled back. `service` is a real process on a database of its own, for what
needs commits, sockets or several connections.
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
from tests.luhn import left_behind, nothing_of_a_card  # noqa: F401  # watches every test
from tests.maker import PUBLIC_KEY
from tests.processes import Forked, await_ok, end, free_port, own_folder, tied
from tests.rls_bypass import scopes_of, seeing_all
from tests.shared import Shared, known_of
from tests.shares import Budget, Times
from tests.shares import pytest_xdist_auto_num_workers as pytest_xdist_auto_num_workers
from tests.shares import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from tests.whole import whole

if TYPE_CHECKING:
    from service.main import Application
    from tests.restored import Restored

# Processes that tests start would each compile the product anew where none of them may write byte code.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Decided before any module of the product is imported: settings are read once per process.
HOME = Home(own_folder("test"))
TEST_DATABASE = f"genba_test_{os.getpid()}"
cluster.take_secrets(HOME)
atexit.register(shutil.rmtree, HOME.path, ignore_errors=True)
# Taken out of the environment: a run of pytest that a test starts has a cluster of its own.
SHARED = "TESTS_SHARED_CLUSTER"
_shared = os.environ.pop(SHARED, "")
_VENDORS = ("SMTP_", "SLACK_", "TWILIO_", "BLAND_", "STRIPE_", "VENDOR_")
_OURS = ("DATABASE_", "REDIS_", "FILES_", "FLEET_", "AGENCIES_", "GENBA_", *_VENDORS)
for _name in [name for name in os.environ if name.startswith(_OURS)]:
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

# A busy machine is slow, and that is nothing that a test may fail for. `make test-deep` asks much more often.
PATIENT = settings(deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("everyday", PATIENT, max_examples=12)
settings.register_profile("deep", PATIENT, max_examples=1000)
settings.load_profile("everyday")

# A sixth area, which tests/house/test_sixth_area.py lays over a copy of the product.
collect_ignore = ["scratch"]


def own_database(name: str) -> str:
    """A name for what several workers make, each its own, on the cluster that they share."""
    return f"{name}_{os.getpid()}"


# What is imported to collect the tests stays to the end: the collector need not look through it again and again.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def pytest_sessionfinish() -> None:
    """pytest looks for garbage five times at the end: through what the tests have left, once is enough."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """The controller of several workers starts the cluster for all of them, while they import the product."""
    if minutes := config.getoption("budget"):
        config.pluginmanager.register(Budget(minutes))
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    config.pluginmanager.register(Times(config.getoption("write_times")))
    if config.option.dist != "no":
        shared = Shared("cluster", cluster.for_all_workers)
        os.environ[SHARED] = str(shared.folder)
        shared.start()
        config.add_cleanup(shared.stop)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--budget", type=float, help="minutes after which no further test begins")
    parser.addoption("--write-times", type=Path, help="where to write the seconds of each test file")


@pytest.fixture(scope="session", autouse=True)
def what_is_slow_on_purpose_is_quick_here() -> Iterator[None]:
    """Passwords of this process are hashed at bcrypt's lowest cost, and each file of certificate authorities is read
    once: by default every HTTP client reads all of them again."""
    from service.core.access import identity

    read, of_system = httpcore2.default_ssl_context, cache(httpcore2.default_ssl_context)

    def default_ssl_context(*, _trust_env: bool = True) -> ssl.SSLContext:
        named = _trust_env and {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys()
        return (read if named else of_system)(_trust_env=_trust_env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "BCRYPT_COST", 4)
        patch.setattr(identity, "_UNKNOWN_USER_HASH", identity._UNKNOWN_USER_HASH.replace("$12$", "$04$"))
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        patch.setattr(httpcore2, "default_ssl_context", default_ssl_context)
        yield


@pytest.fixture(scope="session")
def running_servers() -> Iterator[Home]:
    with ExitStack() as held:
        if _shared:
            cluster.join(HOME, known_of(Path(_shared))["sockets"])
        else:
            held.enter_context(cluster.running(HOME))
        with (HOME.logs / "valkey.log").open("w") as log:
            valkey = subprocess.Popen(tied(servers.valkey_command(HOME)), cwd=ROOT, stdout=log, stderr=log)
        try:
            servers.await_valkey(HOME)
            yield HOME
            assert left_behind(HOME, cluster.made) == {}, "card numbers in logs or tables"
        finally:
            valkey.terminate()
            valkey.wait(10)


@contextmanager
def committed_database(home: Home, name: str) -> Iterator[str]:
    """SQLAlchemy's URL of a database of its own, for tests that need several connections."""
    from service.core.database.session import sqlalchemy_url

    cluster.create_database(home, name)
    yield sqlalchemy_url(servers.url(home, "app", name))
    servers.drop_database(home, name)


@contextmanager
def filled_database(home: Home, name: str, fill: Callable[[Session], None]) -> Iterator[Engine]:
    """For an `_engine` of tests that all begin with the same: it is committed there once, and what a test does on top
    is rolled back as everywhere."""
    with committed_database(home, own_database(name)) as url:
        filling = create_engine(seeing_all(url))
        with filling.connect() as connection:
            # All of it is one transaction, which looks idle while the demo thinks.
            connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
            connection.commit()
            with Session(connection, expire_on_commit=False) as db, db.begin():
                fill(db)
        filling.dispose()
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def database(running_servers: Home) -> str:
    """The URL of the database of rolled-back tests."""
    cluster.create_database(running_servers, TEST_DATABASE)
    return servers.url(running_servers, "app", TEST_DATABASE)


@pytest.fixture(scope="session")
def empty(database: str) -> Iterator[Engine]:
    """As the migrations leave it."""
    from service.core.database.session import sqlalchemy_url

    engine = create_engine(sqlalchemy_url(database))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _engine(empty: Engine) -> Engine:
    """Where `db` is; folders and modules whose tests all begin with the same have one of their own (`filled_database`,
    `begun`)."""
    return empty


@contextmanager
def shared_session(connection: Connection) -> Iterator[Session]:
    """A session on the connection that the service uses too meanwhile. What is committed there is a savepoint of the
    connection's own transaction."""
    from service.core.database import session as core_db
    from service.core.routing import replica_reads

    factory = sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
    raw: Any = connection.connection.driver_connection
    see = scopes_of(raw)

    def sees_nothing_yet(session: Session, transaction: SessionTransaction, _: object) -> None:
        if not transaction.nested and not session.info.get("sees_all"):
            see(core_db.NO_SCOPES)

    def only_reads(session: Session) -> Session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        return session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_db, "session_factory", lambda: factory)
        # A door whose answer may lag would fail on a replica if it wrote.
        patch.setattr(replica_reads, "read_only", only_reads)
        see(core_db.SYSTEM)
        # A transaction of the product is a savepoint here: it must see what it would see by itself, and what it may see
        # must not outlive it. The test itself sees everything.
        event.listen(factory, "after_begin", sees_nothing_yet)
        event.listen(factory, "after_commit", lambda _: see(core_db.SYSTEM))
        with factory(info={"sees_all": True}) as session:
            # Each request starts with an empty session, as in production; the test's own must not hold stale rows.
            event.listen(session, "after_commit", lambda ended: ended.expire_all())
            yield session


@contextmanager
def begun(engine: Engine, fill: Callable[[Session], None]) -> Iterator[Connection]:
    """For an `_engine` of a module whose tests all begin with the same: a transaction in which it is done once. What a
    test does on top is rolled back to there. Its `now()` is that of the first test."""
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        with shared_session(connection) as db:
            fill(db)
            db.commit()
        yield connection
        outer.rollback()


@pytest.fixture
def db(_engine: Engine | Connection) -> Iterator[Session]:
    """A session on the connection that the service uses too during this test; everything is rolled back after it."""
    with ExitStack() as held:
        if isinstance(_engine, Connection):
            connection: Connection = _engine
            outer: Transaction = _engine.begin_nested()
        else:
            connection = held.enter_context(_engine.connect())
            outer = connection.begin()
        with shared_session(connection) as session:
            yield session
        outer.rollback()


@pytest.fixture(scope="session")
def restored(running_servers: Home) -> Iterator[Restored]:
    from tests.restored import Restored

    name = own_database("genba_restored")
    with committed_database(running_servers, name):
        made = Restored(running_servers, name)
        yield made
        made.close()


@pytest.fixture
def committed(restored: Restored, monkeypatch: pytest.MonkeyPatch) -> Restored:
    """What the product does in this process it does there, and it stays for the whole test."""
    from service.core.database import session as core_db

    restored.restore()
    monkeypatch.setattr(core_db, "session_factory", lambda: restored.sessions)
    return restored


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """The event loop that answers all tests: one of each request's own takes longer than most answers."""
    with start_blocking_portal() as started:
        yield started
        # What a failed test has left unfinished there is waited for by nobody.
        started.call(started.stop, True)


@pytest.fixture(scope="session")
def served() -> Application:
    return whole()


def at(door: Application, portal: BlockingPortal) -> TestClient:
    """Somebody new in front of it."""
    from tests.audited import AuditedClient

    client = AuditedClient(door, raise_server_exceptions=False)
    client.portal = portal
    return client


@dataclass
class Service:
    """A running service on a database of its own."""

    url: str
    database_url: str
    owner_url: str
    process: subprocess.Popen[bytes] | Forked
    environ: dict[str, str]

    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60)

    @contextmanager
    def committed(self) -> Iterator[Session]:
        """A session whose rows the service sees when the block ends."""
        from service.core.database.session import sqlalchemy_url

        engine = create_engine(sqlalchemy_url(seeing_all(self.database_url)))
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
        engine.dispose()

    def rows(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(seeing_all(self.database_url), autocommit=True) as connection:
            cursor = connection.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []


def start_service(home: Home, database: str, more: Mapping[str, str] = MappingProxyType({})) -> Service:
    """`more`: settings of its own."""
    cluster.create_database(home, database)
    port = free_port()
    environ = os.environ | {
        "DATABASE_URL": servers.url(home, "app", database),
        "DATABASE_OWNER_URL": servers.url(home, "owner", database),
        **more,
    }
    process = Forked(
        *("uvicorn", "--factory", "service.main:app", "--port", str(port), "--no-access-log", "--log-level", "warning"),
        environ=environ,
        log=home.logs / f"{database}.log",
    )
    url = f"http://127.0.0.1:{port}"
    started = Service(url, environ["DATABASE_URL"], environ["DATABASE_OWNER_URL"], process, dict(environ))
    await_ok(f"{url}/api/health/live", process)
    return started


@pytest.fixture(scope="session")
def service(running_servers: Home) -> Iterator[Service]:
    started = start_service(running_servers, own_database("genba_service"))
    yield started
    end(started.process)
