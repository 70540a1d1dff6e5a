"""`make up` in production mode on servers of others: PostgreSQL and Redis over TCP, none of our own, no demo."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from stack import servers
from stack.home import ROOT, Home, server_account
from tests.processes import free_port
from tests.stack import Stack, make_stack, some_folder

pytestmark = pytest.mark.production


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The administrator's part by hand, as the README tells it, then `make up` with the addresses."""
    with some_folder() as folder:
        theirs, postgres_port, redis_port = Home(folder / "theirs"), free_port(), free_port()
        theirs.prepare()
        servers.initialise(theirs)
        account = server_account()
        lent: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        tcp = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={postgres_port}"]
        postgres = subprocess.Popen([*servers.postgres_command(theirs), *tcp], cwd="/", **lent)
        valkey = subprocess.Popen([*servers.valkey_command(theirs), "--port", str(redis_port)])

        def url(user: str, password: str, database: str = "genba") -> str:
            return f"postgresql://{user}:{theirs.secrets()[password]}@127.0.0.1:{postgres_port}/{database}"

        try:
            servers.await_valkey(theirs)
            _administrate(url("postgres", "superuser", "postgres"), theirs)
            running = make_stack(folder)
            running.environ |= {
                "GENBA_MODE": "production",
                "SECRET_KEY": theirs.secrets()["secret_key"],
                "DATABASE_URL": url("genba_app", "app"),
                "DATABASE_OWNER_URL": url("genba_owner", "owner"),
                "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            }
            running.start()
            try:
                yield running
            finally:
                running.stop()
        finally:
            postgres.send_signal(2)
            valkey.terminate()
            postgres.wait(30)
            valkey.wait(10)


def _administrate(url: str, theirs: Home) -> None:
    for _ in range(300):
        try:
            connection = psycopg.connect(url, autocommit=True)
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    else:
        raise TimeoutError(url.rpartition("@")[2])
    with connection:
        connection.execute((ROOT / "service" / "migrations" / "roles.sql").read_text())
        for role in ("owner", "app", "backup"):
            connection.execute(f"ALTER ROLE genba_{role} PASSWORD '{theirs.secrets()[role]}'")
        connection.execute("CREATE DATABASE genba OWNER genba_owner")
        connection.execute("REVOKE ALL ON DATABASE genba FROM PUBLIC")
        connection.execute("GRANT CONNECT ON DATABASE genba TO genba_owner, genba_app, genba_backup")


def test_everything_is_ready_on_servers_of_others(stack: Stack) -> None:
    assert stack.is_ready()
    assert not (stack.home.path / "postgres").exists()
    assert {file.name for file in stack.home.pids.glob("*")} == {
        *("supervisord", "service", "worker", "beat", "dashboards")
    }


def test_no_demo_account_exists(stack: Stack) -> None:
    for login_id in ("admin", "fleet-admin"):
        body = json.dumps({"login_id": login_id, "password": "genba-demo"}).encode()
        request = urllib.request.Request(f"{stack.service}/api/auth/login", body, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 401
        refused.value.close()


def test_the_sign_in_page_shows_no_demo(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.dashboards}/login", timeout=10) as answer:
        page = answer.read().decode()

    assert "ログインする" in page
    assert "genba-demo" not in page
