"""The processes of one machine, in the order they start; they stop in the reverse order."""

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
# As BACKUP_AT: whoever runs this takes backups in another way.
BACKUPS_OFF = "off"
# Where the embedded server restores a backup to see that it can be.
REHEARSAL = "genba_rehearsal"
DEMO_DEFAULTS = {
    # Short enough to watch a terminal fall silent: two minutes instead of eleven.
    "FLEET_HEARTBEAT_INTERVAL_SECONDS": "30",
    "FLEET_ALERT_RECIPIENTS": "support@techcore.example",
    "MAIL_FROM": "Genba <genba@techcore.example>",
    "FLEET_ALERT_SLACK_CHANNEL": "#fleet-alerts",
    "SLACK_BOT_TOKEN": "xoxb-genba-demo",
    # What the sandbox's vendors take.
    "TWILIO_ACCOUNT_SID": f"AC{'genbademo':0<32}",
    "TWILIO_AUTH_TOKEN": "twilio-genba-demo",
    "TWILIO_FROM": "+815000000000",
    "BLAND_API_KEY": "bland-genba-demo",
    "BLAND_WEBHOOK_SECRET": "bland-webhook-genba-demo",
    "STRIPE_API_KEY": "sk_test_genba_demo",
    "STRIPE_WEBHOOK_SECRETS": "whsec_genba_demo",
    "REFRESH_SECONDS": "5",
}
MOST_REPLICAS = 16
# The proxy asks every second who is there (Caddyfile).
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
    """What the processes see: the shell's environment over `.env` over files of secrets over the defaults.
    `DATABASE_URL` or `REDIS_URL` given there means: use those servers, start none of our own."""
    said = dotenv_values(ROOT / ".env") | os.environ
    given = with_secrets({name: value for name, value in said.items() if value})
    merged = DEFAULTS | given
    demo = merged["GENBA_MODE"] == "demo"
    if not merged.get("DATABASE_URL"):
        merged |= {
            "DATABASE_URL": servers.url(home, "app"),
            "DATABASE_DIRECT_URL": servers.url(home, "app"),
            "DATABASE_OWNER_URL": servers.url(home, "owner"),
            "DATABASE_BACKUP_URL": servers.url(home, "backup"),
            "DATABASE_REHEARSAL_URL": servers.url(home, "owner", REHEARSAL),
        }
    if not merged.get("REDIS_URL"):
        merged["REDIS_URL"] = servers.redis_url(home)
    standard = {
        "SERVICE_URL": f"http://127.0.0.1:{merged['SERVICE_PORT']}",
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{merged['DASHBOARDS_PORT']}",
        "WATCHDOG_TOKEN": home.secrets()["watchdog"],
        "WATCHDOG_FILE": str(home.path / "probes.sqlite"),
        "FILES_URL": (home.path / "files").as_uri(),
        "PYTHONUNBUFFERED": "1",
    }
    if merged["SERVICE_REPLICAS"] != "1":
        standard["DRAIN_SECONDS"] = DRAIN_SECONDS
    if demo:
        sandbox = f"http://127.0.0.1:{merged['SANDBOX_PORT']}"
        standard |= DEMO_DEFAULTS | {
            "SECRET_KEY": home.secrets()["secret_key"],
            "FLEET_FIRMWARE_PUBLIC_KEYS": firmware.public_key(demo_key(home)),
            "AGENCIES_CARD_KEYS": _card_key(home.secrets()["card_key"]),
            "AGENCIES_CODE_KEYS": _card_key(home.secrets()["code_key"]),
            "DEMO_ACCOUNTS_FILE": str(home.path / "field" / "accounts.json"),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": merged["SANDBOX_SMTP_PORT"],
            "SLACK_BASE_URL": f"{sandbox}/slack/api/",
            "TWILIO_BASE_URL": sandbox,
            "BLAND_BASE_URL": sandbox,
            "STRIPE_BASE_URL": sandbox,
            # Where its Stripe tells of payments; the other two are told with each request.
            "SANDBOX_STRIPE_URL": f"http://127.0.0.1:{merged['SERVICE_PORT']}/api/reservations/webhooks/stripe",
            # What the sandbox received outlives it.
            "SANDBOX_STORE": str(home.path / "sandbox.sqlite"),
            # What was paid before there was one.
            "SANDBOX_REMEMBERED": str(home.path / "field" / "payments.json"),
        }
    return standard | merged


def _card_key(secret: str) -> str:
    """32 random bytes of this machine's, as AGENCIES_CARD_KEYS takes them."""
    return "demo:" + base64.b64encode(base64.urlsafe_b64decode(secret + "=")).decode()


def demo_key(home: Home) -> Path:
    """The key that the demo's firmware is signed with, made on first use."""
    path = home.path / "firmware.key"
    with contextlib.suppress(FileExistsError):
        firmware.make_key(path)
    return path


def is_embedded(environ: dict[str, str], home: Home) -> tuple[bool, bool]:
    """Whether PostgreSQL and Valkey are our own."""
    return environ["DATABASE_URL"] == servers.url(home, "app"), environ["REDIS_URL"] == servers.redis_url(home)


def programs(home: Home, environ: dict[str, str]) -> list[Program]:
    """Raises ValueError, in words, for ports that cannot be."""
    own_postgres, own_valkey = is_embedded(environ, home)
    listed = []
    if own_postgres:
        # INT is PostgreSQL's fast stop: it ends the sessions and writes everything down.
        listed.append(
            Program(
                "postgres", servers.postgres_command(home), stop_signal="INT", stop_seconds=30, as_server_account=True
            )
        )
    if own_valkey:
        listed.append(Program("valkey", servers.valkey_command(home)))
    if environ["GENBA_MODE"] == "demo":
        ports = [_port(environ, "SANDBOX_PORT"), _port(environ, "SANDBOX_SMTP_PORT")]
        listed.append(Program("sandbox", [PYTHON, "-m", "tests.sandbox"], ports))
    celery = [PYTHON, "-m", "celery", "--app"]
    listed += [
        Program(name, _uvicorn("service.main:app", environ, port, factory=True), [port])
        for name, port in replicas(environ, "service")
    ]
    listed += [
        Program("worker", [*celery, "jobs.app", *_WORKER], stop_seconds=30),
        Program("beat", [*celery, "jobs.timetable", "beat", "--pidfile", ""]),
    ]
    if reads_statements(environ):
        listed.append(Program("reader", [*celery, "jobs.app", *READER], stop_seconds=30))
    listed += [
        Program(name, _uvicorn("dashboards.app:app", environ, port), [port])
        for name, port in replicas(environ, "dashboards")
    ]
    listed.append(Program("watchdog", [PYTHON, "-m", "stack.watchdog"]))
    if environ["BACKUP_AT"] != BACKUPS_OFF:
        listed.append(Program("backup", [PYTHON, "-m", "stack.daily"], may_back_up=True))
    if environ["GENBA_MODE"] == "demo":
        listed += _demo(home, environ)
    asked = [port for program in listed for port in program.ports]
    twice = {port for port in asked if asked.count(port) > 1}
    if twice:
        raise ValueError(f"Port {twice.pop()} is set for two programs; give each *_PORT a number of its own.")
    return listed


def reads_statements(environ: dict[str, str]) -> bool:
    """As pydantic understands the word."""
    return environ["AGENCIES_OCR"].lower() in ("true", "1", "yes", "on", "t", "y")


def replicas(environ: dict[str, str], name: str) -> list[tuple[str, int]]:
    """The processes of one program with their ports, one after the other: service 8000, service-2 8001…"""
    variable = f"{name.upper()}_REPLICAS"
    wanted = environ[variable]
    if not wanted.isdecimal() or not 1 <= int(wanted) <= MOST_REPLICAS:
        raise ValueError(f"{variable} must be a number from 1 to {MOST_REPLICAS}, not {wanted!r}.")
    first = _port(environ, f"{name.upper()}_PORT")
    return [(f"{name}-{n + 1}" if n else name, first + n) for n in range(int(wanted))]


def _port(environ: dict[str, str], name: str) -> int:
    value = environ[name]
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise ValueError(f"{name} must be a port number from 1 to 65535, not {value!r}.")
    return int(value)


# Before a new version starts.
MIGRATE = [PYTHON, "-m", "stack.migrations"]

# Threads, because ticks wait for servers rather than compute. One machine has one worker: it listens for no others.
_WORKER = ["worker", "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]

# One picture at a time, in a process that is replaced after some: what the engine took, it gives back only so.
READER = [
    *("worker", "--queues", "ocr", "--hostname", "reader@%h", "--pool", "prefork", "--concurrency", "1"),
    *("--max-tasks-per-child", "50", "--without-gossip", "--without-mingle"),
]


def _uvicorn(target: str, environ: dict[str, str], port: int, *, factory: bool = False) -> list[str]:
    # Whose X-Forwarded-For is believed. Nobody's without one: anybody on this machine could write it.
    proxy = environ.get("FORWARDED_ALLOW_IPS", "")
    return [
        *(PYTHON, "-m", "uvicorn", target, "--host", environ["LISTEN_ADDRESS"], "--port", str(port)),
        *(["--factory"] if factory else []),
        *(["--proxy-headers", "--forwarded-allow-ips", proxy] if proxy else ["--no-proxy-headers"]),
        *("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "5"),
    ]


def _demo(home: Home, environ: dict[str, str]) -> list[Program]:
    """The field: a TC-200 on a serial line, the agent beside it, and a simulator that plays the other terminals."""
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
                *("--stores-file", str(field_home / "stores.json"), "--state-dir", str(field_home / "fleet")),
                *("--interval", environ["FLEET_HEARTBEAT_INTERVAL_SECONDS"]),
            ],
        ),
    ]


def supervisor_config(home: Home, listed: list[Program]) -> str:
    """Everything as foreground children, none started by itself: the launcher starts them in order and waits for each
    that others need."""
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
    for place, program in enumerate(listed):
        flags = ["--as-server-account"] * program.as_server_account + ["--may-back-up"] * program.may_back_up
        child = [PYTHON, "-m", "stack.child", "--pid-file", str(home.pids / program.name), *flags]
        parts.append(
            f"""[program:{program.name}]
command={" ".join(_quoted(word) for word in [*child, "--", *program.command])}
priority={place + 1}
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


def _quoted(word: str) -> str:
    return '"' + word.replace("%", "%%") + '"'
