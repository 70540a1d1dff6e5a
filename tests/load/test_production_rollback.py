"""The previous release before, during and after the newest migration: it serves on, and can be gone back to."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import tarfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
from stack.smoke import READS
from tests.load.crowd import Caller, Crowd, checked, token_of
from tests.load.ground import running_servers
from tests.processes import free_port, running
from tests.stack import make_stack, some_folder

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
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:app", "--port", str(port)]
        # Started from this release's root: the program is whichever is found where it goes first.
        moved = ["/bin/bash", "-c", 'cd "$0" && exec "$@"', str(where), *command, "--no-access-log"]
        with running(moved, self.environ, self.home.logs / "service.log", f"{url}/api/health/live"):
            yield url

    def figures(self) -> dict[str, dict[str, Any]]:
        with psycopg.connect(servers.url(self.home, "backup")) as reader:
            return contents.table_figures(reader)


@pytest.fixture
def releases() -> Iterator[Releases]:
    """The previous release's schema, full of its own demo data."""
    with some_folder() as folder:
        (folder / "old").mkdir()
        old, stack = release_before_the_newest_migration(folder / "old"), make_stack(folder)
        stack.environ.pop("FILES_URL", None)  # not those of other tests
        with running_servers(stack.home):
            servers.create_roles(stack.home)
            servers.create_database(stack.home)
            made = Releases(stack.home, old, stack.program_environ() | {"PYTHONDONTWRITEBYTECODE": "1"})
            made.run(old, "alembic", "upgrade", "head")
            made.run(old, "service.demo")
            yield made


class Person(Caller):
    """Of every area: reads its lists, adds a customer. A write is what was read, or `a write`."""

    kind = "people"
    pause = 0.05

    def __init__(self, url: str) -> None:
        super().__init__(httpx2.Client(base_url=url, timeout=20, trust_env=False))
        self._http.headers["Authorization"] = f"Bearer {token_of(self._http, 'admin', PASSWORD)}"
        self._turns = itertools.cycle((*READS, "a write"))

    def next(self) -> str:
        return next(self._turns)

    def send(self, write: str) -> None:
        if write in READS:
            checked(self._http.get(READS[write]))
            return
        named = {"company_name": f"更新中 {uuid.uuid4()}", "contact_person": "山田 花子"}
        contact = {"contact_email": "hanako@example.com", "contact_phone": "03-1234-5678"}
        checked(self._http.post("/api/fleet/customers", json=named | contact))


def test_the_previous_release_serves_before_while_and_after_the_schema_is_the_next_ones(releases: Releases) -> None:
    before = releases.figures()
    with releases.serving(releases.old) as url:
        of_old = Crowd([Person(url) for _ in range(3)])
        with of_old.at_work():
            of_old.flow(50)
            releases.run(ROOT, "alembic", "upgrade", "head")
            during = of_old.answers()
            with releases.serving(ROOT) as new:
                of_new = Crowd([Person(new)])
                with of_new.at_work():
                    of_new.flow(30)
                    of_old.flow(70)
            # The new one is gone; the old one goes on with the new schema: that is the way back.
            of_old.flow(50)
    print(f"the previous release, {during} answers until the migration was done: {of_old.answers()}")
    crowds = (of_old, of_new)
    assert [crowd.failures() for crowd in crowds] == [{"people": {}}] * 2
    done = Counter(write for crowd in crowds for write in crowd.of(Person))
    assert done.keys() == {*READS, "a write"}

    # And all the way back, with everything that was there.
    newest = releases.figures()
    releases.run(ROOT, "alembic", "downgrade", "-1")
    old = releases.figures()
    changed = contents.differences(before, old)
    assert [line for line in changed if not line.startswith(WRITTEN)] == []
    customers, added = "public.fleet_customers", done["a write"]
    assert old[customers]["rows"] == before[customers]["rows"] + added
    releases.run(ROOT, "alembic", "upgrade", "head")
    assert contents.differences(newest, releases.figures()) == []
