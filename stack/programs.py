"""The processes of one machine in start order; they stop in reverse order."""

from __future__ import annotations

import base64
import contextlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from stack import firmware, servers
from stack.home import ROOT, Home
from stack.secrets import with_secrets

DEFAULTS = {
    "GENBA_MODE": "demo",
    "LISTEN_ADDRESS": "127.0.0.1",
    "SERVICE_PORT": "8000",
    "SERVICE_REPLICAS": "1",
    "DASHBOARDS_PORT": "8501",
    "DASHBOARDS_REPLICAS": "1",
    "SANDBOX_PORT": "8100",
    "SANDBOX_SMTP_PORT": "8125",
    "WATCHDOG_INTERVAL_SECONDS": "30",
    "BACKUP_AT": "03:00",
    "BACKUP_KEEP": "14",
    "BACKUP_KEEP_WEEKS": "5",
    "BACKUP_KEEP_MONTHS": "0",
    "AGENCIES_OCR": "false",
}
# Value of BACKUP_AT for operators who take backups in another way.
BACKUPS_OFF = "off"
# In the folder of the demo's field: the terminals that the simulator plays, written when the demo's data is filled in.
STORES_FILE = "stores.json"
# The database of the embedded server for restore tests.
REHEARSAL = "genba_rehearsal"
DEMO_DEFAULTS = {
    # Two minutes until a terminal counts as silent instead of eleven, so that a demo can show it.
    "FLEET_HEARTBEAT_INTERVAL_SECONDS": "30",
    "FLEET_ALERT_RECIPIENTS": "support@techcore.example",
    "MAIL_FROM": "Genba <genba@techcore.example>",
    "FLEET_ALERT_SLACK_CHANNEL": "#fleet-alerts",
    "SLACK_BOT_TOKEN": "xoxb-genba-demo",
    # Accepted by the sandbox vendors.
    "TWILIO_ACCOUNT_SID": f"AC{'genbademo':0<32}",
    "TWILIO_AUTH_TOKEN": "twilio-genba-demo",
    "TWILIO_FROM": "+815000000000",
    "BLAND_API_KEY": "bland-genba-demo",
    "BLAND_WEBHOOK_SECRET": "bland-webhook-genba-demo",
    "STRIPE_API_KEY": "sk_test_genba_demo",
    "STRIPE_WEBHOOK_SECRETS": "whsec_genba_demo",
    "REFRESH_SECONDS": "5",
}
MAX_REPLICAS = 16
# The proxy checks the health every second (Caddyfile).
DRAIN_SECONDS = "3"
PYTHON = sys.executable


@dataclass(frozen=True)
class Program:
    """`ports` are checked before anything starts."""

    name: str
    command: list[str]
    ports: list[int] = field(default_factory=list)
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    as_server_account: bool = False
    may_back_up: bool = False


def environment(home: Home) -> dict[str, str]:
    """The environment of the processes: the shell's over `.env` over secret files over the defaults. If `DATABASE_URL`
    or `REDIS_URL` is set there, that server is used and none is started."""
    settings = dotenv_values(ROOT / ".env") | os.environ
    values = with_secrets({name: value for name, value in settings.items() if value})
    merged_settings = DEFAULTS | values
    demo = merged_settings["GENBA_MODE"] == "demo"
    if not merged_settings.get("DATABASE_URL"):
        merged_settings |= {
            "DATABASE_URL": servers.url(home, "app"),
            "DATABASE_DIRECT_URL": servers.url(home, "app"),
            "DATABASE_OWNER_URL": servers.url(home, "owner"),
            "DATABASE_BACKUP_URL": servers.url(home, "backup"),
            "DATABASE_REHEARSAL_URL": servers.url(home, "owner", REHEARSAL),
        }
    if not merged_settings.get("REDIS_URL"):
        merged_settings["REDIS_URL"] = servers.redis_url(home)
    standard_settings = {
        "SERVICE_URL": f"http://127.0.0.1:{merged_settings['SERVICE_PORT']}",
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{merged_settings['DASHBOARDS_PORT']}",
        "WATCHDOG_TOKEN": home.secrets()["watchdog"],
        "WATCHDOG_FILE": str(home.path / "probes.sqlite"),
        "FILES_URL": (home.path / "files").as_uri(),
        "PYTHONUNBUFFERED": "1",
    }
    if merged_settings["SERVICE_REPLICAS"] != "1":
        standard_settings["DRAIN_SECONDS"] = DRAIN_SECONDS
    if demo:
        sandbox = f"http://127.0.0.1:{merged_settings['SANDBOX_PORT']}"
        standard_settings |= DEMO_DEFAULTS | {
            "SECRET_KEY": home.secrets()["secret_key"],
            "FLEET_FIRMWARE_PUBLIC_KEYS": firmware.public_key(demo_key(home)),
            "AGENCIES_CARD_KEYS": _card_key(home.secrets()["card_key"]),
            "AGENCIES_CODE_KEYS": _card_key(home.secrets()["code_key"]),
            "DEMO_ACCOUNTS_FILE": str(home.path / "field" / "accounts.json"),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": merged_settings["SANDBOX_SMTP_PORT"],
            "SLACK_BASE_URL": f"{sandbox}/slack/api/",
            "TWILIO_BASE_URL": sandbox,
            "BLAND_BASE_URL": sandbox,
            "STRIPE_BASE_URL": sandbox,
            # Where its Stripe sends webhooks; the other two vendors get a URL with each request.
            "SANDBOX_STRIPE_URL": f"http://127.0.0.1:{merged_settings['SERVICE_PORT']}/api/reservations/webhooks/stripe",
            # The sandbox stores here what it received, so that it survives a restart.
            "SANDBOX_STORE": str(home.path / "sandbox.sqlite"),
            # Payments from before the sandbox existed.
            "SANDBOX_REMEMBERED": str(home.path / "field" / "payments.json"),
        }
    return standard_settings | merged_settings


def _card_key(secret: str) -> str:
    """32 random bytes of this machine, in the format of AGENCIES_CARD_KEYS."""
    return "demo:" + base64.b64encode(base64.urlsafe_b64decode(secret + "=")).decode()


def demo_key(home: Home) -> Path:
    """The signing key of the demo's firmware, created on first use."""
    path = home.path / "firmware.key"
    with contextlib.suppress(FileExistsError):
        firmware.make_key(path)
    return path


def is_embedded(environ: dict[str, str], home: Home) -> tuple[bool, bool]:
    """Whether PostgreSQL and Valkey are the embedded servers."""
    return environ["DATABASE_URL"] == servers.url(home, "app"), environ["REDIS_URL"] == servers.redis_url(home)


def programs(home: Home, environ: dict[str, str]) -> list[Program]:
    """Raises ValueError, with a message for the user, for invalid ports."""
    own_postgres, own_valkey = is_embedded(environ, home)
    all_programs = []
    if own_postgres:
        # INT is PostgreSQL's fast shutdown: it ends the sessions and writes everything to disk.
        all_programs.append(
            Program(
                "postgres", servers.postgres_command(home), stop_signal="INT", stop_seconds=30, as_server_account=True
            )
        )
    if own_valkey:
        all_programs.append(Program("valkey", servers.valkey_command(home)))
    if environ["GENBA_MODE"] == "demo":
        ports = [_port(environ, "SANDBOX_PORT"), _port(environ, "SANDBOX_SMTP_PORT")]
        all_programs.append(Program("sandbox", [PYTHON, "-m", "sandbox"], ports))
    celery = [PYTHON, "-m", "celery", "--app"]
    all_programs += [
        Program(name, _uvicorn("service.main:app", environ, port, factory=True), [port])
        for name, port in replicas(environ, "service")
    ]
    all_programs += [
        Program("worker", [*celery, "jobs.app", *_WORKER], stop_seconds=30),
        Program("beat", [*celery, "jobs.timetable", "beat", "--pidfile", ""]),
    ]
    if reads_statements(environ):
        all_programs.append(Program("reader", [*celery, "jobs.app", *READER], stop_seconds=30))
    all_programs += [
        Program(name, _uvicorn("dashboards.app:app", environ, port), [port])
        for name, port in replicas(environ, "dashboards")
    ]
    all_programs.append(Program("watchdog", [PYTHON, "-m", "stack.watchdog"]))
    if environ["BACKUP_AT"] != BACKUPS_OFF:
        all_programs.append(Program("backup", [PYTHON, "-m", "stack.daily"], may_back_up=True))
    if environ["GENBA_MODE"] == "demo":
        all_programs += _demo_programs(home, environ)
    ports_in_use = [port for program in all_programs for port in program.ports]
    duplicates = {port for port in ports_in_use if ports_in_use.count(port) > 1}
    if duplicates:
        raise ValueError(f"Port {duplicates.pop()} is set for two programs; give each *_PORT a number of its own.")
    return all_programs


def reads_statements(environ: dict[str, str]) -> bool:
    """The values that pydantic reads as true."""
    return environ["AGENCIES_OCR"].lower() in ("true", "1", "yes", "on", "t", "y")


def replicas(environ: dict[str, str], name: str) -> list[tuple[str, int]]:
    """The processes of one program with their ports: service 8000, service-2 8001…"""
    variable = f"{name.upper()}_REPLICAS"
    count = environ[variable]
    if not count.isdecimal() or not 1 <= int(count) <= MAX_REPLICAS:
        raise ValueError(f"{variable} must be a number from 1 to {MAX_REPLICAS}, not {count!r}.")
    first_port = _port(environ, f"{name.upper()}_PORT")
    return [(f"{name}-{n + 1}" if n else name, first_port + n) for n in range(int(count))]


def _port(environ: dict[str, str], name: str) -> int:
    value = environ[name]
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise ValueError(f"{name} must be a port number from 1 to 65535, not {value!r}.")
    return int(value)


# Threads, because the jobs wait for servers rather than compute. One machine has one worker, so there are no others to
# talk to.
_WORKER = ["worker", "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]

# One image at a time, in a process that is replaced after 50: only the end of a process frees the OCR engine's memory.
READER = [
    *("worker", "--queues", "ocr", "--hostname", "reader@%h", "--pool", "prefork", "--concurrency", "1"),
    *("--max-tasks-per-child", "50", "--without-gossip", "--without-mingle"),
]


def _uvicorn(target: str, environ: dict[str, str], port: int, *, factory: bool = False) -> list[str]:
    # The proxies whose X-Forwarded-For is trusted; none by default, because any program on this machine could send it.
    proxy = environ.get("FORWARDED_ALLOW_IPS", "")
    return [
        *(PYTHON, "-m", "uvicorn", target, "--host", environ["LISTEN_ADDRESS"], "--port", str(port)),
        *(["--factory"] if factory else []),
        *(["--proxy-headers", "--forwarded-allow-ips", proxy] if proxy else ["--no-proxy-headers"]),
        *("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "5"),
    ]


def _demo_programs(home: Home, environ: dict[str, str]) -> list[Program]:
    """The demo field: a TC-200 on a serial line, its agent, and a simulator for the other terminals."""
    agent = [PYTHON, "-m", "agent"]
    simulate = [*agent, "simulate"]
    field_home = home.path / "field"
    return [
        Program("terminal", [*simulate, "tc200", "--link", str(field_home / "tc200"), "--serial", "TC200-000001"]),
        Program("agent", [*agent, "run", "--config", str(field_home / "agent.toml")]),
        Program(
            "fleet",
            [
                *(*simulate, "steady", "--service-url", environ["SERVICE_URL"], "--code", "GENBA-DEMO"),
                *("--stores-file", str(field_home / STORES_FILE), "--state-dir", str(field_home / "fleet")),
                *("--interval", environ["FLEET_HEARTBEAT_INTERVAL_SECONDS"]),
            ],
        ),
    ]


def supervisor_config(home: Home, all_programs: list[Program]) -> str:
    """All programs as foreground children without autostart: the launcher starts them in order and waits for each that
    others need."""
    parts = [
        f"""[unix_http_server]
file={supervisor_socket(home)}
chmod=0600
[supervisord]
logfile={home.logs / "supervisord.log"}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={home.pids / "supervisord"}
nodaemon=true
silent=true
directory={ROOT}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    ]
    for index, program in enumerate(all_programs):
        flags = ["--as-server-account"] * program.as_server_account + ["--may-back-up"] * program.may_back_up
        child = [PYTHON, "-m", "stack.child", "--pid-file", str(home.pids / program.name), *flags]
        parts.append(
            f"""[program:{program.name}]
command={" ".join(_quoted(argument) for argument in [*child, "--", *program.command])}
priority={index + 1}
autostart=false
autorestart=true
startsecs=1
startretries=1000000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_seconds}
redirect_stderr=true
stdout_logfile={home.logs / f"{program.name}.log"}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""
        )
    return "\n".join(parts)


def supervisor_socket(home: Home) -> Path:
    return home.sockets / "supervisor.sock"


def _quoted(argument: str) -> str:
    return '"' + argument.replace("%", "%%") + '"'
