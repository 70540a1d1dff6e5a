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
from stack.lock import launcher_pid, single_launcher
from stack.migrations import migrate
from stack.programs import (
    BACKUPS_OFF,
    STORES_FILE,
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
from stack.supervise import Supervisor, end_leftovers, leftover_processes, request_stop

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Programs of the demo that need its data.
STARTED_AFTER_FILLING = ("agent", "fleet")
STARTED_LAST = ("watchdog", "backup")


class Stop(Exception):
    """Raised by Ctrl-C or a signal."""


def main() -> int:
    # Uploads, logs and dumps hold personal data: only the account that runs Genba reads them.
    os.umask(0o077)
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
    commands.add_parser("users", add_help=False)  # The arguments that follow are for service.core.users.
    arguments, other_arguments = parser.parse_known_args()
    if other_arguments and arguments.command != "users":
        parser.error(f"unrecognized arguments: {' '.join(other_arguments)}")
    commands_by_name: dict[str, Callable[[Home], int]] = {
        **{"up": up, "down": down, "reset": reset, "logs": logs, "restart": restart},
        "smoke": lambda _: smoke(arguments.url),
        "backup": lambda genba_home: backup(genba_home, arguments.to),
        "clock": lambda genba_home: clock(genba_home, arguments.ahead),
        "restore": lambda genba_home: restore(genba_home, arguments.folder),
        "drill": lambda genba_home: drill(genba_home, arguments.folder),
        "backup-key": backup_key,
        "users": lambda genba_home: users(genba_home, other_arguments),
    }
    try:
        return commands_by_name[arguments.command](home())
    except (PermissionError, ValueError, RuntimeError) as error:
        print(error)
        return 1


def users(home: Home, arguments: list[str]) -> int:
    """Runs service.core.users with the settings of `.env` and of the embedded servers, which it does not know by
    itself."""
    command = [sys.executable, "-m", "service.core.users", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment(home), check=False).returncode


def up(home: Home) -> int:
    started_at = time.monotonic()
    home.prepare()
    environ = environment(home)
    all_programs = programs(home, environ)
    if environ["BACKUP_AT"] != BACKUPS_OFF:
        daily.settings(environ)
    settings_error = _settings_error(environ)
    if settings_error:
        print(f"{settings_error} Settings come from the environment or from .env; .env.example lists them all.")
        return 1
    exit_stack = contextlib.ExitStack()
    try:
        if not exit_stack.enter_context(single_launcher(home)):
            print("Genba is already running from this folder. Stop it with Ctrl-C there, or with: make down")
            return 1
        ended_count = end_leftovers(home)
        if ended_count:
            _print_line(f"ended {ended_count} processes that an earlier run had left behind")
        taken_ports = [
            (program.name, port) for program in all_programs for port in program.ports if _is_port_taken(port)
        ]
        if taken_ports:
            name, port = taken_ports[0]
            setting = {"sandbox": "SANDBOX_PORT (or SANDBOX_SMTP_PORT)"}.get(name, f"{name.upper()}_PORT")
            print(f"Port {port} is taken by another program. Free it, or choose another: {setting}=… make up")
            return 1
        return _run_until_stopped(home, environ, all_programs, started_at)
    finally:
        exit_stack.close()


def _run_until_stopped(home: Home, environ: dict[str, str], all_programs: list[Program], started_at: float) -> int:
    for number in STOPPING:
        signal.signal(number, _raise_stop)
    supervisor = fonts = None
    try:
        # The fonts take seconds of CPU time at the first start. No step waits for them: pages fall back to system
        # fonts.
        fonts = subprocess.Popen(
            [sys.executable, "-m", "dashboards.fonts"], cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        )
        own_postgres, _ = is_embedded(environ, home)
        if own_postgres and servers.initialise(home):
            _print_line("created a database cluster")
        supervisor = Supervisor(home, all_programs, _process_environment(environ))
        was_filled = _start_pages(home, environ, all_programs, supervisor)
        if fonts.poll() is None:
            _print_line("preparing the Japanese font")
        fonts.wait()
        _print_line(_ready_message(environ, time.monotonic() - started_at))
        _start_rest(home, environ, all_programs, supervisor, was_filled=was_filled)
        _print_line(f"every process is running ({time.monotonic() - started_at:.0f} s)")
        _watch(supervisor, home)
    except Stop:
        return 0
    except RuntimeError as error:
        _print_line(str(error))
        return 1
    finally:
        # Nothing may interrupt the shutdown: neither a second Ctrl-C nor a closed terminal.
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        _print_line("stopping")
        if fonts is not None:
            fonts.kill()
            fonts.wait()
        if supervisor is not None:
            # Even if supervisord does not answer any more: the processes that remain are ended without it.
            with contextlib.suppress(OSError, HTTPException, XmlRpcError, subprocess.TimeoutExpired):
                supervisor.stop(all_programs)
        end_leftovers(home)
        _print_line("stopped; the data is kept")


def _process_environment(environ: dict[str, str]) -> dict[str, str]:
    """The environment of supervisord: without the owner's database URL, which is for migrations only. The backup role's
    URL is passed on to one process; `stack.child` removes it for all others."""
    return {name: value for name, value in environ.items() if name != "DATABASE_OWNER_URL"}


def _start_pages(home: Home, environ: dict[str, str], all_programs: list[Program], supervisor: Supervisor) -> bool:
    """Start all that pages need. Returns whether the demo's data is still to be brought up to date: a demo that was
    filled before can be looked at meanwhile."""
    own_postgres, own_valkey = is_embedded(environ, home)
    if own_valkey:
        supervisor.start("valkey")
    if own_postgres:
        supervisor.start("postgres")
        _wait_until_ready("PostgreSQL", home, "postgres", lambda: _succeeds(lambda: servers.await_postgres(home, 0)))
        servers.create_roles(home)
        servers.create_database(home)
    if own_valkey:
        _wait_until_ready("Valkey", home, "valkey", lambda: _succeeds(lambda: servers.await_valkey(home, 0)))
    # The dashboards call the service, not the database, and become ready after it.
    for name, _ in replicas(environ, "dashboards"):
        supervisor.start(name)
    _print_line("migrating the database")
    if message := migrate(environ):
        _print_line(message)
    is_demo = environ["GENBA_MODE"] == "demo"
    was_filled = is_demo and (_demo_field(home) / STORES_FILE).exists()
    if is_demo and not was_filled:
        _print_line("filling in the demo data")
        _prepare_demo_field(home, environ)
    _print_line("starting the processes")
    for name, _ in replicas(environ, "service"):
        supervisor.start(name)
    if not was_filled:
        _start_background(environ, all_programs, supervisor)
    # Checked at their own ports: SERVICE_URL may lead through a proxy.
    for part, path in (("service", "/api/health/live"), ("dashboards", "/_stcore/health")):
        for name, port in replicas(environ, part):
            _wait_until_ready(f"the {name}", home, name, partial(is_ok, f"http://127.0.0.1:{port}{path}"))
    return was_filled


def _start_background(environ: dict[str, str], all_programs: list[Program], supervisor: Supervisor) -> None:
    pages = [name for part in ("service", "dashboards") for name, _ in replicas(environ, part)]
    started_elsewhere = ("postgres", "valkey", *pages, *STARTED_AFTER_FILLING, *STARTED_LAST)
    for program in all_programs:
        if program.name not in started_elsewhere:
            supervisor.start(program.name)


def _start_rest(
    home: Home, environ: dict[str, str], all_programs: list[Program], supervisor: Supervisor, *, was_filled: bool
) -> None:
    if was_filled:
        _print_line("bringing the demo data up to date")
        _prepare_demo_field(home, environ)
        _start_background(environ, all_programs, supervisor)
    if environ["GENBA_MODE"] == "demo":
        if not (_demo_field(home) / "agent" / "credentials.json").exists():
            agent = [sys.executable, "-m", "agent", "enrol", "--config", str(_demo_field(home) / "agent.toml")]
            _run([*agent, "--code", "GENBA-DEMO"], environ)
        for name in STARTED_AFTER_FILLING:
            supervisor.start(name)
    _, port = replicas(environ, "service")[0]
    _wait_until_ready("the jobs", home, "worker", lambda: is_ok(f"http://127.0.0.1:{port}/api/health/ready"))
    # The watchdog's first report would be an outage otherwise.
    for name in STARTED_LAST:
        if any(program.name == name for program in all_programs):
            supervisor.start(name)
    _wait_until_ready("every process", home, "supervisord", lambda: _all_running(home, all_programs, supervisor))


def _all_running(home: Home, all_programs: list[Program], supervisor: Supervisor) -> bool:
    """RUNNING alone is not enough: supervisord only counts the seconds since the start, while `stack.child` writes the
    pid file."""
    have_pid_files = all((home.pids / program.name).exists() for program in all_programs)
    return have_pid_files and set(supervisor.states().values()) == {"RUNNING"}


def _prepare_demo_field(home: Home, environ: dict[str, str]) -> None:
    folder = _demo_field(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    files = ["--stores-file", str(folder / STORES_FILE), "--accounts-file", environ["DEMO_ACCOUNTS_FILE"]]
    files += ["--firmware-key-file", str(demo_key(home)), "--payments-file", environ["SANDBOX_REMEMBERED"]]
    _run([sys.executable, "-m", "service.demo", *files], environ)
    keys = [key.strip() for key in environ["FLEET_FIRMWARE_PUBLIC_KEYS"].split(",") if key.strip()]
    (folder / "agent.toml").write_text(
        f'service_url = "{environ["SERVICE_URL"]}"\n'
        f'state_dir = "{folder / "agent"}"\n'
        f'serial_port = "{folder / "tc200"}"\n'
        f"firmware_public_keys = {json.dumps(keys)}\n"
        "start_spread_seconds = 0\n"
    )


def _settings_error(environ: dict[str, str]) -> str:
    """What is wrong with the settings, checked in a process with the service's environment; "" when nothing is
    wrong."""
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
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env=environ, capture_output=True, text=True)
    return result.stdout.strip() or result.stderr.strip()


def _demo_field(home: Home) -> Path:
    return home.path / "field"


def _run(command: list[str], environ: dict[str, str]) -> None:
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{result.stdout}{result.stderr}")


# A busy machine is slow, and that is no failure.
_START_TIMEOUT_SECONDS = 180
_PROGRESS_SECONDS = 20


def _wait_until_ready(title: str, home: Home, name: str, ready: Callable[[], bool]) -> None:
    start = reported_at = time.monotonic()
    while not ready():
        now = time.monotonic()
        if now > start + _START_TIMEOUT_SECONDS:
            raise RuntimeError(
                f"{title} did not become ready in {_START_TIMEOUT_SECONDS} s. Its log:\n{_tail(home, name)}"
            )
        if now > reported_at + _PROGRESS_SECONDS:
            reported_at = now
            _print_line(
                f"{title} is not ready yet, after {now - start:.0f} s (log: {_display_path(home.logs / f'{name}.log')})"
            )
        time.sleep(0.1)


def _succeeds(call: Callable[[], None]) -> bool:
    try:
        call()
    except Exception:
        return False
    return True


def _watch(supervisor: Supervisor, home: Home) -> NoReturn:
    """Waits for the end, and prints when a process dies or comes back."""
    previous = supervisor.states()
    while True:
        time.sleep(1)
        if supervisor.process.poll() is not None:
            raise RuntimeError("supervisord was killed; start again with: make up")
        try:
            current = supervisor.states()
        except (OSError, HTTPException):  # Busy or stopping: the next second shows which.
            continue
        for name, state in current.items():
            if state != previous.get(name):
                _print_line(f"{name}: {state.lower()} (log: {_display_path(home.logs / f'{name}.log')})")
        previous = current


def _ready_message(environ: dict[str, str], start_seconds: float) -> str:
    service, dashboards = environ["SERVICE_URL"], environ["PUBLIC_BASE_URL"]
    lines = [
        "",
        f"  Genba is ready ({start_seconds:.0f} s)",
        "",
        f"  画面（ダッシュボード）   {dashboards}",
        f"  API                      {service}/api/docs",
    ]
    if environ["GENBA_MODE"] == "demo":
        lines += [
            f"  届いたメール・SMS・電話  http://127.0.0.1:{environ['SANDBOX_PORT']}",
            f"  アシスタント（MCP）      {service}/mcp  （トークン genba-demo-assistant）",
            "",
            *_account_lines(environ),
        ]
    if reads_statements(environ) and not all(map(importlib.util.find_spec, ("rapidocr", "onnxruntime"))):
        lines += ["", "  AGENCIES_OCR=true needs more packages before statements can be read: make setup-ocr"]
    lines += ["", "  Ctrl-C stops everything; the data is kept.  make logs shows what the processes say.", ""]
    return "\n".join(lines)


def _account_lines(environ: dict[str, str]) -> list[str]:
    """The accounts, from the file that the demo has written."""
    demo = json.loads(Path(environ["DEMO_ACCOUNTS_FILE"]).read_text(encoding="utf-8"))
    lines = [f"    {login_id:<16} {text}" for login_id, text in demo["accounts"].items()]
    return [f"  Demo accounts, password {demo['password']}:", *lines]


def down(home: Home) -> int:
    pid = launcher_pid(home)
    leftover_count = len(leftover_processes(home))
    if pid is not None:
        with contextlib.suppress(psutil.Error):
            launcher = psutil.Process(pid)
            launcher.terminate()
            launcher.wait(60)
    elif request_stop(home):
        deadline = time.monotonic() + 60
        while leftover_processes(home) and time.monotonic() < deadline:
            time.sleep(0.1)
    end_leftovers(home)
    print("Genba is stopped." if pid is not None or leftover_count else "Genba was not running.")
    return 0


def reset(home: Home) -> int:
    """Deletes the data of this clone, after asking; `FORCE=1` answers yes."""
    if not home.path.exists():
        print("There is no data to delete.")
        return 0
    if not home.is_ours():
        print(f"{home.path} was not made by Genba; nothing was deleted. Check GENBA_HOME.")
        return 1
    if os.environ.get("FORCE") != "1":
        print(f"This stops Genba and deletes the database, the logs and the secrets in {home.path}.")
        if _prompt("Type yes to go on: ") != "yes":
            print("Nothing was deleted.")
            return 1
    down(home)
    shutil.rmtree(home.path)
    shutil.rmtree(home.sockets, ignore_errors=True)
    print("Deleted. The next make up starts afresh.")
    return 0


def backup_key(_: Home) -> int:
    """Prints a new key for BACKUP_KEY, like age-keygen."""
    secret, public = sealing.generate_key()
    print(f"# public key: {public}\n{secret}")
    return 0


def _prompt(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""


def logs(home: Home) -> int:
    files = sorted(home.logs.glob("*.log"))
    if not files:
        print("There are no logs yet; start Genba with: make up")
        return 1
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])


def _is_port_taken(port: int) -> bool:
    with socket.socket() as probe:
        # Like the servers: closing connections of an earlier run do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _tail(home: Home, name: str) -> str:
    try:
        return "\n".join((home.logs / f"{name}.log").read_text(errors="replace").splitlines()[-20:])
    except OSError:
        return "(empty)"


def _display_path(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(ROOT) else str(path)


def _raise_stop(*_: object) -> None:
    raise Stop


def _print_line(text: str) -> None:
    with contextlib.suppress(OSError):  # The terminal may be closed; the command goes on.
        print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
