"""The commands behind `make`: up, down, reset, logs, restart, smoke, backup, restore, drill, clock; and `users`."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn
from xmlrpc.client import Error as XmlRpcError

import psutil

from stack import daily, sealing, servers
from stack.backup import backup, restore
from stack.clock import clock
from stack.drill import drill
from stack.home import ROOT, Home, home
from stack.lock import holder, only_one
from stack.migrations import migrate
from stack.programs import (
    BACKUPS_OFF,
    Program,
    demo_key,
    environment,
    is_embedded,
    programs,
    reads_statements,
    replicas,
)
from stack.rolling import restart
from stack.smoke import is_ok, smoke
from stack.supervise import Supervisor, ask_to_stop, end_leftovers, leftovers

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(Exception):
    """Asked to stop by Ctrl-C or a signal."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "reset", "logs", "restart"):
        commands.add_parser(name)
    commands.add_parser("backup").add_argument("--to", type=Path, metavar="FOLDER", help="a new folder")
    commands.add_parser("restore").add_argument("folder", type=Path)
    commands.add_parser("drill").add_argument("--from", dest="folder", type=Path, help="a backup (default: the newest)")
    commands.add_parser("backup-key")
    commands.add_parser("smoke").add_argument("url", nargs="?", help="what people type; PUBLIC_BASE_URL if left out")
    commands.add_parser("clock").add_argument("--ahead", default="", metavar="90m|48h|3d")
    commands.add_parser("users", add_help=False)  # What follows is for service.core.users.
    asked, rest = parser.parse_known_args()
    if rest and asked.command != "users":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    run: dict[str, Callable[[Home], int]] = {
        **{"up": up, "down": down, "reset": reset, "logs": logs, "restart": restart},
        "smoke": lambda _: smoke(asked.url),
        "backup": lambda place: backup(place, asked.to),
        "clock": lambda place: clock(place, asked.ahead),
        "restore": lambda place: restore(place, asked.folder),
        "drill": lambda place: drill(place, asked.folder),
        "backup-key": backup_key,
        "users": lambda place: users(place, rest),
    }
    try:
        return run[asked.command](home())
    except (PermissionError, ValueError, RuntimeError) as error:
        print(error)
        return 1


def users(place: Home, given: list[str]) -> int:
    """The accounts' own command, with the settings of `.env` and of the embedded servers, which it does not know."""
    command = [sys.executable, "-m", "service.core.users", *given]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment(place), check=False).returncode


def up(place: Home) -> int:
    started = time.monotonic()
    place.prepare()
    environ = environment(place)
    listed = programs(place, environ)
    if environ["BACKUP_AT"] != BACKUPS_OFF:
        daily.settings(environ)
    wrong = _wrong_settings(environ)
    if wrong:
        print(f"{wrong} Settings come from the environment or from .env; .env.example lists them all.")
        return 1
    held = contextlib.ExitStack()
    try:
        if not held.enter_context(only_one(place)):
            print("Genba is already running from this folder. Stop it with Ctrl-C there, or with: make down")
            return 1
        ended = end_leftovers(place)
        if ended:
            _say(f"ended {ended} processes that an earlier run had left behind")
        taken = [(program.name, port) for program in listed for port in program.ports if _is_taken(port)]
        if taken:
            name, port = taken[0]
            setting = {"sandbox": "SANDBOX_PORT (or SANDBOX_SMTP_PORT)"}.get(name, f"{name.upper()}_PORT")
            print(f"Port {port} is taken by another program. Free it, or choose another: {setting}=… make up")
            return 1
        return _run_until_stopped(place, environ, listed, started)
    finally:
        held.close()


def _run_until_stopped(place: Home, environ: dict[str, str], listed: list[Program], started: float) -> int:
    for number in STOPPING:
        signal.signal(number, _stop)
    supervisor = fonts = None
    try:
        # The fonts take seconds of a core the first time; nothing waits for them, pages fall back to the system's.
        fonts = subprocess.Popen(
            [sys.executable, "-m", "dashboards.fonts"], cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        )
        own_postgres, _ = is_embedded(environ, place)
        if own_postgres and servers.initialise(place):
            _say("created a database cluster")
        supervisor = Supervisor(place, listed, _for_processes(environ))
        _start(place, environ, listed, supervisor)
        if fonts.poll() is None:
            _say("preparing the Japanese font")
        fonts.wait()
        _say(_block(environ, time.monotonic() - started))
        _watch(supervisor, place)
    except Stop:
        return 0
    except RuntimeError as error:
        _say(str(error))
        return 1
    finally:
        # Nothing may interrupt the stop, neither a second Ctrl-C nor a terminal that is gone.
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        _say("stopping")
        if fonts is not None:
            fonts.kill()
            fonts.wait()
        if supervisor is not None:
            # Whatever it answers by now, or does not: what is left then is ended without it.
            with contextlib.suppress(OSError, HTTPException, XmlRpcError, subprocess.TimeoutExpired):
                supervisor.stop(listed)
        end_leftovers(place)
        _say("stopped; the data is kept")


def _for_processes(environ: dict[str, str]) -> dict[str, str]:
    """What supervisord sees: the owner's connection is for migrations alone. The backup role's goes on to one process,
    `stack.child` keeps it from all others."""
    return {name: value for name, value in environ.items() if name != "DATABASE_OWNER_URL"}


def _start(place: Home, environ: dict[str, str], listed: list[Program], supervisor: Supervisor) -> None:
    own_postgres, own_valkey = is_embedded(environ, place)
    if own_valkey:
        supervisor.start("valkey")
    if own_postgres:
        supervisor.start("postgres")
        _await("PostgreSQL", place, "postgres", lambda: _answers(lambda: servers.await_postgres(place, 0)))
        servers.create_roles(place)
        servers.create_database(place)
    if own_valkey:
        _await("Valkey", place, "valkey", lambda: _answers(lambda: servers.await_valkey(place, 0)))
    # They ask the service and no database, and are up when it is.
    early = [name for name, _ in replicas(environ, "dashboards")]
    for name in early:
        supervisor.start(name)
    _say("migrating the database")
    if told := migrate(environ):
        _say(told)
    if environ["GENBA_MODE"] == "demo":
        _say("filling in the demo data")
        _prepare_field(place, environ)
    _say("starting the processes")
    later = ("agent", "fleet", "watchdog", "backup")
    others = [program.name for program in listed if program.name not in ("postgres", "valkey", *early, *later)]
    for name in others:
        supervisor.start(name)
    # Asked at their own ports: SERVICE_URL may lead through a proxy.
    service, dashboards = (
        [(name, f"http://127.0.0.1:{port}") for name, port in replicas(environ, part)]
        for part in ("service", "dashboards")
    )
    for name, url in service:
        _await(f"the {name}", place, name, partial(is_ok, f"{url}/api/health/live"))
    if environ["GENBA_MODE"] == "demo":
        if not (_field(place) / "agent" / "credentials.json").exists():
            agent = [sys.executable, "-m", "agent", "enrol", "--config", str(_field(place) / "agent.toml")]
            _run([*agent, "--code", "GENBA-DEMO"], environ)
        for name in ("agent", "fleet"):
            supervisor.start(name)
    for name, url in dashboards:
        _await(f"the {name}", place, name, partial(is_ok, f"{url}/_stcore/health"))
    _await("the jobs", place, "worker", lambda: is_ok(f"{service[0][1]}/api/health/ready"))
    # Last, or its first word would be that nothing is there.
    for name in ("watchdog", "backup"):
        if any(program.name == name for program in listed):
            supervisor.start(name)
    _await("every process", place, "supervisord", lambda: _all_run(place, listed, supervisor))


def _all_run(place: Home, listed: list[Program], supervisor: Supervisor) -> bool:
    """supervisord counts from the moment of the start; the pid is there once a process is what it is to be."""
    there = all((place.pids / program.name).exists() for program in listed)
    return there and set(supervisor.states().values()) == {"RUNNING"}


def _prepare_field(place: Home, environ: dict[str, str]) -> None:
    folder = _field(place)
    folder.mkdir(mode=0o700, exist_ok=True)
    files = ["--stores-file", str(folder / "stores.json"), "--accounts-file", environ["DEMO_ACCOUNTS_FILE"]]
    files += ["--firmware-key-file", str(demo_key(place)), "--payments-file", environ["SANDBOX_REMEMBERED"]]
    _run([sys.executable, "-m", "service.demo", *files], environ)
    keys = [key.strip() for key in environ["FLEET_FIRMWARE_PUBLIC_KEYS"].split(",") if key.strip()]
    (folder / "agent.toml").write_text(
        f'service_url = "{environ["SERVICE_URL"]}"\n'
        f'state_dir = "{folder / "agent"}"\n'
        f'serial_port = "{folder / "tc200"}"\n'
        f"firmware_public_keys = {json.dumps(keys)}\n"
        "start_spread_seconds = 0\n"
    )


def _wrong_settings(environ: dict[str, str]) -> str:
    """What is wrong with the settings, asked of a process that sees what the service will see; empty: nothing is."""
    check = (
        "from pydantic import ValidationError\n"
        "from dashboards.settings import Settings as Dashboards\n"
        "from service.core.settings import Settings as Service\n"
        "for settings in (Service, Dashboards):\n"
        "    try:\n        settings()\n"
        "    except ValidationError as wrong:\n"
        "        for e in wrong.errors():\n"
        "            text = e['msg'].removeprefix('Value error, ').rstrip('.') + '.'\n"
        "            print('.'.join(map(str, e['loc'])).upper() + ': ' * bool(e['loc']) + text)\n"
    )
    asked = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env=environ, capture_output=True, text=True)
    return asked.stdout.strip() or asked.stderr.strip()


def _field(place: Home) -> Path:
    return place.path / "field"


def _run(command: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}")


# A machine with much else to do is slow, and that is no failure.
_PATIENCE_SECONDS = 180
_TELL_EVERY_SECONDS = 20


def _await(what: str, place: Home, name: str, ready: Callable[[], bool]) -> None:
    begun = told = time.monotonic()
    while not ready():
        now = time.monotonic()
        if now > begun + _PATIENCE_SECONDS:
            raise RuntimeError(f"{what} did not become ready in {_PATIENCE_SECONDS} s. Its log:\n{_tail(place, name)}")
        if now > told + _TELL_EVERY_SECONDS:
            told = now
            _say(f"{what} is not ready yet, after {now - begun:.0f} s (log: {_shown(place.logs / f'{name}.log')})")
        time.sleep(0.1)


def _answers(check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:
        return False
    return True


def _watch(supervisor: Supervisor, place: Home) -> NoReturn:
    """Waits for the end, and says so when a process dies or comes back."""
    before = supervisor.states()
    while True:
        time.sleep(1)
        if supervisor.process.poll() is not None:
            raise RuntimeError("supervisord was killed; start again with: make up")
        try:
            now = supervisor.states()
        except (OSError, HTTPException):  # busy, or ending: the next second tells
            continue
        for name, state in now.items():
            if state != before.get(name):
                _say(f"{name}: {state.lower()} (log: {_shown(place.logs / f'{name}.log')})")
        before = now


def _block(environ: dict[str, str], seconds: float) -> str:
    service, dashboards = environ["SERVICE_URL"], environ["PUBLIC_BASE_URL"]
    lines = [
        "",
        f"  Genba is ready ({seconds:.0f} s)",
        "",
        f"  画面（ダッシュボード）   {dashboards}",
        f"  API                      {service}/api/docs",
    ]
    if environ["GENBA_MODE"] == "demo":
        lines += [
            f"  届いたメール・SMS・電話  http://127.0.0.1:{environ['SANDBOX_PORT']}",
            f"  アシスタント（MCP）      {service}/mcp  （トークン genba-demo-assistant）",
            "",
            *_accounts(environ),
        ]
    if reads_statements(environ) and not all(map(importlib.util.find_spec, ("rapidocr", "onnxruntime"))):
        lines += ["", "  AGENCIES_OCR=true needs more packages before statements can be read: make setup-ocr"]
    lines += ["", "  Ctrl-C stops everything; the data is kept.  make logs shows what the processes say.", ""]
    return "\n".join(lines)


def _accounts(environ: dict[str, str]) -> list[str]:
    """As the demo wrote them down."""
    shown = json.loads(Path(environ["DEMO_ACCOUNTS_FILE"]).read_text(encoding="utf-8"))
    listed = [f"    {login_id:<16} {words}" for login_id, words in shown["accounts"].items()]
    return [f"  Demo accounts, password {shown['password']}:", *listed]


def down(place: Home) -> int:
    pid = holder(place)
    running = len(leftovers(place))
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            launcher = psutil.Process(pid)
            launcher.terminate()
            launcher.wait(60)
    elif ask_to_stop(place):
        deadline = time.monotonic() + 60
        while leftovers(place) and time.monotonic() < deadline:
            time.sleep(0.1)
    end_leftovers(place)
    print("Genba is stopped." if pid is not None or running else "Genba was not running.")
    return 0


def reset(place: Home) -> int:
    """Deletes the data of this clone, after asking; `FORCE=1` answers yes."""
    if not place.path.exists():
        print("There is no data to delete.")
        return 0
    if not place.is_ours():
        print(f"{place.path} was not made by Genba; nothing was deleted. Check GENBA_HOME.")
        return 1
    if os.environ.get("FORCE") != "1":
        print(f"This stops Genba and deletes the database, the logs and the secrets in {place.path}.")
        if _typed("Type yes to go on: ") != "yes":
            print("Nothing was deleted.")
            return 1
    down(place)
    shutil.rmtree(place.path)
    shutil.rmtree(place.sockets, ignore_errors=True)
    print("Deleted. The next make up starts afresh.")
    return 0


def backup_key(_: Home) -> int:
    """A new key for BACKUP_KEY, as age-keygen makes one."""
    secret, public = sealing.generate()
    print(f"# public key: {public}\n{secret}")
    return 0


def _typed(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""


def logs(place: Home) -> int:
    files = sorted(place.logs.glob("*.log"))
    if not files:
        print("There are no logs yet; start Genba with: make up")
        return 1
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it: connections of an earlier run that are still closing do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _tail(place: Home, name: str) -> str:
    try:
        return "\n".join((place.logs / f"{name}.log").read_text(errors="replace").splitlines()[-20:])
    except OSError:
        return "(empty)"


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(ROOT) else str(path)


def _stop(*_: object) -> None:
    raise Stop


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone; what is under way goes on
        print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
