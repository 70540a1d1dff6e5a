"""The previous release before, during and after the newest migration: it continues to serve, and can be restored."""

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
from alembic.script import Script, ScriptDirectory

from service.demo.people import PASSWORD
from service.migrations import baseline
from stack import contents, servers
from stack.home import ROOT, Home
from stack.smoke import READS
from tests.load.environment import running_servers
from tests.load.load_clients import ClientGroup, HttpClient, check_response, session_token
from tests.processes import free_port, running_command
from tests.stack import make_stack, temporary_folder

pytestmark = pytest.mark.production

# What the clients of this test write, and what the running service writes by itself.
WRITTEN = tuple(
    f"public.{name}"
    for name in (
        *("audit_entries", "fleet_customers", "sessions", "users"),
        *("fleet_liveness", "instances", "throttles", "traffic_minutes"),
    )
)


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def newest_migration() -> Script:
    newest = ScriptDirectory(str(ROOT / "service" / "migrations")).get_revision("head")
    assert newest is not None
    return newest


def release_before_the_newest_migration(folder: Path) -> Path:
    try:
        path = str(newest_migration().path)
        added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", path).decode().strip()
        with tarfile.open(fileobj=io.BytesIO(git("archive", f"{added}^"))) as tar:
            tar.extractall(folder, filter="data")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"The previous release comes out of the history of git, which is not here: {error}")
    return folder


@dataclass
class Releases:
    """Servers and a database for both releases, one after the other or at the same time."""

    home: Home
    old: Path
    environ: dict[str, str]

    def run(self, folder: Path, *arguments: str) -> None:
        result = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=folder, env=self.environ, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr

    @contextmanager
    def running_service(self, folder: Path) -> Iterator[str]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:app", "--port", str(port)]
        # The command changes into the release's folder, because Python imports the program from there.
        shell_command = ["/bin/bash", "-c", 'cd "$0" && exec "$@"', str(folder), *command, "--no-access-log"]
        with running_command(shell_command, self.environ, self.home.logs / "service.log", f"{url}/api/health/live"):
            yield url

    def figures(self) -> dict[str, dict[str, Any]]:
        with psycopg.connect(servers.url(self.home, "backup")) as reader:
            return contents.table_figures(reader)


@pytest.fixture
def releases() -> Iterator[Releases]:
    """The schema of the previous release, filled with its own demo data."""
    with temporary_folder() as folder:
        (folder / "old").mkdir()
        old, stack = release_before_the_newest_migration(folder / "old"), make_stack(folder)
        stack.environ.pop("FILES_URL", None)  # not the files of other tests
        with running_servers(stack.home):
            servers.create_roles(stack.home)
            servers.create_database(stack.home)
            both_releases = Releases(stack.home, old, stack.program_environ() | {"PYTHONDONTWRITEBYTECODE": "1"})
            both_releases.run(old, "alembic", "upgrade", "head")
            both_releases.run(old, "service.demo")
            yield both_releases


class Administrator(HttpClient):
    """An administrator of every area: reads its lists, adds a customer. A write is what was read, or `a write`."""

    kind = "people"
    pause = 0.05

    def __init__(self, url: str) -> None:
        super().__init__(httpx2.Client(base_url=url, timeout=20, trust_env=False))
        self._http.headers["Authorization"] = f"Bearer {session_token(self._http, 'admin', PASSWORD)}"
        self._turns = itertools.cycle((*READS, "a write"))

    def next(self) -> str:
        return next(self._turns)

    def send(self, write: str) -> None:
        if write in READS:
            check_response(self._http.get(READS[write]))
            return
        name_fields = {"company_name": f"更新中 {uuid.uuid4()}", "contact_person": "山田 花子"}
        contact = {"contact_email": "hanako@example.com", "contact_phone": "03-1234-5678"}
        check_response(self._http.post("/api/fleet/customers", json=name_fields | contact))


def test_the_previous_release_serves_before_during_and_after_the_migration(releases: Releases) -> None:
    figures_before = releases.figures()
    with releases.running_service(releases.old) as url:
        old_clients = ClientGroup([Administrator(url) for _ in range(3)])
        with old_clients.running():
            old_clients.await_more_answers(50)
            releases.run(ROOT, "stack.migrations")
            answers_before = old_clients.count_answers()
            with releases.running_service(ROOT) as new:
                new_clients = ClientGroup([Administrator(new)])
                with new_clients.running():
                    new_clients.await_more_answers(30)
                    old_clients.await_more_answers(70)
            # The new release has stopped; the old one continues with the new schema: this is the rollback.
            old_clients.await_more_answers(50)
    print(f"the previous release, {answers_before} answers until the migration was done: {old_clients.count_answers()}")
    groups = (old_clients, new_clients)
    assert [group.failures() for group in groups] == [{"people": {}}] * 2
    write_counts = Counter(write for group in groups for write in group.completed_writes(Administrator))
    assert write_counts.keys() == {*READS, "a write"}

    # And a full downgrade, with all data. Of the baseline there is none: it has only changed the revision.
    figures_new, written = releases.figures(), WRITTEN
    if newest_migration().revision == baseline.REVISION:
        written += ("public.alembic_version",)
    else:
        releases.run(ROOT, "alembic", "downgrade", "-1")
    figures_old = releases.figures()
    changed = contents.differences(figures_before, figures_old)
    assert [line for line in changed if not line.startswith(written)] == []
    customers, added = "public.fleet_customers", write_counts["a write"]
    assert figures_old[customers]["rows"] == figures_before[customers]["rows"] + added
    releases.run(ROOT, "alembic", "upgrade", "head")
    assert contents.differences(figures_new, releases.figures()) == []
