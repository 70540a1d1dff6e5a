"""The previous release before, during and after the newest migration: it serves on, and can be gone back to."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from alembic.script import ScriptDirectory

from service.demo.people import PASSWORD
from stack import contents, servers
from stack.home import ROOT, Home
from stack.programs import environment
from stack.smoke import READS
from tests.load.test_production import asking
from tests.processes import await_ok, end, free_port, tied
from tests.production import wait_for
from tests.stack import some_folder

pytestmark = pytest.mark.production

# What the people of this test write, and the running service of itself.
WRITTEN = tuple(
    f"public.{name}"
    for name in (
        *("audit_entries", "fleet_customers", "sessions", "users"),
        *("fleet_liveness", "instances", "throttles", "traffic_minutes"),
    )
)


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def release_before_the_newest_migration(folder: Path) -> Path:
    newest = ScriptDirectory(str(ROOT / "service" / "migrations")).get_revision("head")
    assert newest is not None
    try:
        added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest.path)).decode().strip()
        with tarfile.open(fileobj=io.BytesIO(git("archive", f"{added}^"))) as tar:
            tar.extractall(folder, filter="data")
    except (OSError, subprocess.CalledProcessError) as why:
        pytest.skip(f"The previous release comes out of the history of git, which is not here: {why}")
    return folder


@dataclass
class Releases:
    """Servers and a database that both releases work with, one after the other or at once."""

    home: Home
    old: Path
    environ: dict[str, str]

    def run(self, where: Path, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=where, env=self.environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def serving(self, where: Path) -> Iterator[str]:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:app", "--port", str(port)]
        # `tied` is this release's: the program it starts is whichever is found where it starts.
        moved = ["bash", "-c", 'cd "$0" && exec "$@"', str(where), *command, "--no-access-log"]
        with (self.home.logs / "service.log").open("ab") as log:
            process = subprocess.Popen(
                tied(["/bin/bash", *moved[1:]]), cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        try:
            await_ok(f"http://127.0.0.1:{port}/api/health/live", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process)

    def figures(self) -> dict[str, dict[str, Any]]:
        with psycopg.connect(servers.url(self.home, "backup")) as reader:
            return contents.tables(reader)


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    """The previous release's schema, full of its own demo data."""
    with some_folder() as folder, ExitStack() as running:
        (folder / "old").mkdir()
        old, home = release_before_the_newest_migration(folder / "old"), Home(folder / "home")
        home.prepare()
        servers.initialise(home)
        log = running.enter_context((home.logs / "servers.log").open("ab"))
        for command in (
            tied(servers.postgres_command(home), "INT", as_server=True),
            tied(servers.valkey_command(home)),
        ):
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            running.callback(process.wait, 30)
            running.callback(process.send_signal, 2)
        servers.await_postgres(home)
        servers.await_valkey(home)
        servers.create_database(home)
        # Those of the tests' own servers.
        for name in os.environ:
            if name.startswith(("DATABASE_", "REDIS_", "FLEET_", "BACKUP_", "FILES_", "SECRET_KEY", "GENBA_MODE")):
                monkeypatch.delenv(name)
        made = Releases(home, old, environment(home) | {"PYTHONDONTWRITEBYTECODE": "1"})
        made.run(old, "alembic", "upgrade", "head")
        made.run(old, "service.demo")
        yield made


def works(url: str, number: int, answers: Counter[tuple[str, int]], stopping: threading.Event) -> None:
    """A person of every area: reads its lists, adds a customer, asks who it is."""
    with httpx2.Client(base_url=url, timeout=20, trust_env=False) as http:
        signed_in = http.post("/api/auth/login", json={"login_id": "admin", "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        http.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"
        while not stopping.is_set():
            for area, path in READS.items():
                answers[area, http.get(path).status_code] += 1
            named = {"company_name": f"更新中 {number} {uuid.uuid4()}", "contact_person": "山田 花子"}
            contact = {"contact_email": "hanako@example.com", "contact_phone": "03-1234-5678"}
            answers["a write", http.post("/api/fleet/customers", json=named | contact).status_code] += 1
            stopping.wait(0.05)


def test_the_previous_release_serves_before_while_and_after_the_schema_is_the_next_ones(releases: Releases) -> None:
    before = releases.figures()
    answers: Counter[tuple[str, int]] = Counter()
    with (
        releases.serving(releases.old) as url,
        asking(3, lambda number, stopping: works(url, number, answers, stopping)),
    ):
        wait_for(lambda: answers.total() > 50, "the previous release does not answer", 60)
        releases.run(ROOT, "alembic", "upgrade", "head")
        during = answers.total()
        with (
            releases.serving(ROOT) as new,
            asking(1, lambda number, stopping: works(new, number, answers, stopping)),
        ):
            wait_for(lambda: answers.total() > during + 100, "the two releases do not answer side by side", 60)
        # The new one is gone; the old one goes on with the new schema: that is the way back.
        after = answers.total()
        wait_for(lambda: answers.total() > after + 50, "the previous release does not answer any more", 60)
    print(f"the previous release, {during} answers until the migration was done: {dict(answers)}")
    assert {status for _, status in answers} <= {200, 201}
    assert {what for what, _ in answers} == {*READS, "a write"}

    # And all the way back, with everything that was there.
    newest = releases.figures()
    releases.run(ROOT, "alembic", "downgrade", "-1")
    old = releases.figures()
    changed = contents.differences(before, old)
    assert [line for line in changed if not line.startswith(WRITTEN)] == []
    customers, added = "public.fleet_customers", answers["a write", 201]
    assert old[customers]["rows"] == before[customers]["rows"] + added
    releases.run(ROOT, "alembic", "upgrade", "head")
    assert contents.differences(newest, releases.figures()) == []
