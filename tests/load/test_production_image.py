"""The steps of the image's Dockerfile without Docker, in a clean folder with its own environment. Then the containers'
processes out of that folder, under the image's account, which may not write in it, each with its own secrets only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack import servers
from stack.home import ROOT, reachable_by_others
from tests.compose import interpolate, own_services, services
from tests.processes import free_port, wait_until_ok
from tests.production import Production, running_process

pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start processes as the image's own account"),
]

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
ACCOUNT = 10001


@dataclass
class Image:
    app: Path
    environ: dict[str, str]


@pytest.fixture(scope="module")
def image(production: Production) -> Iterator[Image]:
    """COPY takes the files that git knows, RUN runs the Python steps as written; distribution packages are those of
    this machine."""
    folder = production.folder / "image"
    app, venv = folder / "app", folder / "venv"
    app.mkdir(parents=True)
    subprocess.run([_interpreter(), "-m", "venv", str(venv)], check=True)
    environ = {"PATH": f"{venv}/bin:/usr/bin:/bin:/usr/sbin", "HOME": "/tmp", "OCR": "false"}
    environ |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    for instruction, arguments in re.findall(r"^(COPY|RUN) (.+)$", DOCKERFILE, re.MULTILINE):
        if instruction == "COPY":
            *sources, target = arguments.split()
            for source in sources:
                _copy(source, app if target == "./" else app / target)
        elif not arguments.lstrip().startswith("apt-get"):
            subprocess.run(["sh", "-ec", arguments], cwd=app, env=environ, check=True, stdout=subprocess.DEVNULL)
    variables = dict(
        part.split("=", 1) for part in re.findall(r"(\w+=\S+)", re.findall(r"^ENV (.+)$", DOCKERFILE, re.M)[0])
    )
    yield Image(app, {"PATH": environ["PATH"], **variables})
    shutil.rmtree(folder)


def _interpreter() -> str:
    """An interpreter that the image's account can read; the distribution's when ours is in a private home folder."""
    interpreter = Path(sys.executable).resolve()
    return str(interpreter) if reachable_by_others(interpreter.parent) else "/usr/bin/python3"


def _copy(source: str, to: Path) -> None:
    names_text = subprocess.run(
        ["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in names_text.splitlines():
        target = to / Path(name).relative_to(source) if (ROOT / source).is_dir() else to / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def environment(production: Production, image: Image, name: str, folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """The container's environment: what docker-compose.yml says, its own secrets only, and addresses of this
    machine."""
    container = services()[name]
    variables = {
        key: interpolate(str(value), GENBA_SITE="localhost") for key, value in container["environment"].items()
    }
    secrets, written = folder / "secrets", folder / "written"
    for path in (secrets, written / "files", written / "home", written / "backups"):
        path.mkdir(parents=True)
    for secret in container["secrets"]:
        file = production.secrets / secret
        (secrets / secret).write_text(file.read_text() if file.exists() else "")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, ACCOUNT, ACCOUNT)
    local_variables = {
        "SECRETS_FOLDER": str(secrets),
        "PUBLIC_BASE_URL": production.origin,
        "SERVICE_URL": production.stack.environ["SERVICE_URL"],
        "SSL_CERT_FILE": "",
        "FILES_URL": (written / "files").as_uri(),
        "GENBA_HOME": str(written / "home"),
        "BACKUP_FOLDER": str(written / "backups"),
        "WATCHDOG_FILE": str(written / "probes.sqlite"),
        "POSTGRESQL_PROGRAMS": str(servers.bin_dir(production.server_home)),
        "SERVICE_PORT": str(ports["service"]),
        "DASHBOARDS_PORT": str(ports["dashboards"]),
    }
    return image.environ | variables | local_variables


def command(image: Image, name: str, ports: dict[str, int]) -> list[str]:
    """The container's command, on a port of this machine."""
    replacements = {"8000": str(ports["service"]), "8501": str(ports["dashboards"]), "0.0.0.0": "127.0.0.1"}
    arguments = [replacements.get(argument, interpolate(argument)) for argument in own_services()[name]["command"]]
    account = ["/usr/bin/setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--no-new-privs"]
    return [*account, "env", "-C", str(image.app), *arguments]


def test_no_container_writes_to_anything_but_its_volumes(production: Production, image: Image) -> None:
    ports = {"service": free_port(), "dashboards": free_port()}
    started_at, logs = time.time(), dict[str, Path]()
    with ExitStack() as running:
        for name in ("migrate", "service", "worker", "beat", "dashboards", "watchdog", "backup"):
            folder = production.folder / "containers" / name
            environ = environment(production, image, name, folder, ports)
            if name == "migrate":
                migration = subprocess.run(command(image, name, ports), env=environ, capture_output=True, text=True)
                assert migration.returncode == 0, migration.stderr
                continue
            running_container = running_process(
                production, f"container-{name}", command(image, name, ports), environ=environ
            )
            logs[name] = running.enter_context(running_container)
        wait_until_ok(f"http://127.0.0.1:{ports['service']}/api/health/ready", seconds=300)
        wait_until_ok(f"http://127.0.0.1:{ports['dashboards']}/_stcore/health", seconds=300)
        for check in ("service", "dashboards"):
            health = [interpolate(argument) for argument in services()[check]["healthcheck"]["test"][1:]]
            port = {"service": "8000", "dashboards": "8501"}[check]
            health_command = [argument.replace(port, str(ports[check])) for argument in health]
            assert subprocess.run(health_command, cwd=image.app, env=image.environ).returncode == 0, check
        processes = {name: production.servers[f"container-{name}"].process for name in logs}
        ended = [name for name, process in processes.items() if process is None or process.poll() is not None]
        folders = [image.app, image.app.parent / "venv"]
        written = [
            str(path)
            for folder in folders
            for path in folder.rglob("*")
            if not path.is_symlink() and path.stat().st_mtime > started_at
        ]
        log_texts = {name: log.read_text(errors="replace") for name, log in logs.items()}

    assert ended == [], log_texts
    assert written == []
    for name, text in log_texts.items():
        assert "Read-only file system" not in text, name
        assert "Permission denied" not in text, (name, text[-2000:])


def test_the_image_holds_its_bytecode_and_fonts(image: Image) -> None:
    assert list((image.app / "service").rglob("*.pyc"))
    assert list((image.app / "dashboards" / "static" / "fonts").glob("*.woff2"))
    assert not (image.app / "tests").exists()
    assert not (image.app / ".env").exists()
