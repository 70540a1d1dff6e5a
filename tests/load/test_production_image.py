"""The image's own steps by hand, without Docker: in a clean folder with an environment of its own. Then what
containers run out of that folder, as their account, which may write nothing in it, with their own secrets alone."""

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

from stack.home import ROOT, reachable_by_others
from tests.compose import filled, ours, services
from tests.processes import await_ok, free_port
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
    """COPY as git knows the files, RUN of Python as it stands; the distribution's packages are this machine's."""
    folder = production.folder / "image"
    app, venv = folder / "app", folder / "venv"
    app.mkdir(parents=True)
    subprocess.run([_interpreter(), "-m", "venv", str(venv)], check=True)
    environ = {"PATH": f"{venv}/bin:/usr/bin:/bin:/usr/sbin", "HOME": "/tmp", "OCR": "false"}
    environ |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    for word, rest in re.findall(r"^(COPY|RUN) (.+)$", DOCKERFILE, re.MULTILINE):
        if word == "COPY":
            *sources, to = rest.split()
            for source in sources:
                _copy(source, app if to == "./" else app / to)
        elif not rest.lstrip().startswith("apt-get"):
            subprocess.run(["sh", "-ec", rest], cwd=app, env=environ, check=True, stdout=subprocess.DEVNULL)
    said = dict(part.split("=", 1) for part in re.findall(r"(\w+=\S+)", re.findall(r"^ENV (.+)$", DOCKERFILE, re.M)[0]))
    yield Image(app, {"PATH": environ["PATH"], **said})
    shutil.rmtree(folder)


def _interpreter() -> str:
    """One that the image's account can read; the distribution's where ours is in somebody's home."""
    ours = Path(sys.executable).resolve()
    return str(ours) if reachable_by_others(ours.parent) else "/usr/bin/python3"


def _copy(source: str, to: Path) -> None:
    listed = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        target = to / Path(name).relative_to(source) if (ROOT / source).is_dir() else to / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def environment(production: Production, image: Image, name: str, folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """The container's: what the file says, its secrets alone, and addresses of this machine."""
    one = services()[name]
    said = {key: filled(str(value), GENBA_SITE="localhost") for key, value in one["environment"].items()}
    secrets, written = folder / "secrets", folder / "written"
    for made in (secrets, written / "files", written / "home", written / "backups"):
        made.mkdir(parents=True)
    for secret in one["secrets"]:
        file = production.secrets / secret
        (secrets / secret).write_text(file.read_text() if file.exists() else "")
    for made in (folder, *folder.rglob("*")):
        os.chown(made, ACCOUNT, ACCOUNT)
    here = {
        "SECRETS_FOLDER": str(secrets),
        "PUBLIC_BASE_URL": production.origin,
        "SERVICE_URL": production.stack.environ["SERVICE_URL"],
        "SSL_CERT_FILE": "",
        "FILES_URL": (written / "files").as_uri(),
        "GENBA_HOME": str(written / "home"),
        "BACKUP_FOLDER": str(written / "backups"),
        "WATCHDOG_FILE": str(written / "probes.sqlite"),
        "SERVICE_PORT": str(ports["service"]),
        "DASHBOARDS_PORT": str(ports["dashboards"]),
    }
    return image.environ | said | here


def command(image: Image, name: str, ports: dict[str, int]) -> list[str]:
    """As the container runs it, on a port of this machine."""
    standard = {"8000": str(ports["service"]), "8501": str(ports["dashboards"]), "0.0.0.0": "127.0.0.1"}
    words = [standard.get(word, filled(word)) for word in ours()[name]["command"]]
    account = ["/usr/bin/setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--no-new-privs"]
    return [*account, "env", "-C", str(image.app), *words]


def test_no_container_writes_to_anything_but_its_volumes(production: Production, image: Image) -> None:
    ports = {"service": free_port(), "dashboards": free_port()}
    began, logs = time.time(), dict[str, Path]()
    with ExitStack() as running:
        for name in ("migrate", "service", "worker", "beat", "dashboards", "watchdog", "backup"):
            folder = production.folder / "containers" / name
            environ = environment(production, image, name, folder, ports)
            if name == "migrate":
                done = subprocess.run(command(image, name, ports), env=environ, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                continue
            started = running_process(production, f"container-{name}", command(image, name, ports), environ=environ)
            logs[name] = running.enter_context(started)
        await_ok(f"http://127.0.0.1:{ports['service']}/api/health/ready", seconds=300)
        await_ok(f"http://127.0.0.1:{ports['dashboards']}/_stcore/health", seconds=300)
        for check in ("service", "dashboards"):
            health = [filled(word) for word in services()[check]["healthcheck"]["test"][1:]]
            port = {"service": "8000", "dashboards": "8501"}[check]
            asked = [word.replace(port, str(ports[check])) for word in health]
            assert subprocess.run(asked, cwd=image.app, env=image.environ).returncode == 0, check
        processes = {name: production.servers[f"container-{name}"].process for name in logs}
        died = [name for name, process in processes.items() if process is None or process.poll() is not None]
        folders = [image.app, image.app.parent / "venv"]
        written = [
            str(path)
            for folder in folders
            for path in folder.rglob("*")
            if not path.is_symlink() and path.stat().st_mtime > began
        ]
        said = {name: log.read_text(errors="replace") for name, log in logs.items()}

    assert died == [], said
    assert written == []
    for name, text in said.items():
        assert "Read-only file system" not in text, name
        assert "Permission denied" not in text, (name, text[-2000:])


def test_the_image_holds_its_bytecode_and_fonts(image: Image) -> None:
    assert list((image.app / "service").rglob("*.pyc"))
    assert list((image.app / "dashboards" / "static" / "fonts").glob("*.woff2"))
    assert not (image.app / "tests").exists()
    assert not (image.app / ".env").exists()
