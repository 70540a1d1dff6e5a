"""send_bundle: uploads one zip for support: end of the log, settings, spool, readings, versions, serial ports. It has
no secrets."""

import io
import json
import platform
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from serial.tools import list_ports

from agent import __version__, logs
from agent.backoff import Backoff
from agent.command import CommandFailed
from agent.command_report import Progress, Refused, wait_seconds
from agent.context import Context
from agent.state import load_firmware_version
from agent.transport import Answer

LOG_BYTES = 2_000_000
MAX_BUNDLE_BYTES = 5_000_000
_LIBRARIES = ("cryptography", "httpx2", "psutil", "pyserial")


def run(context: Context, progress: Progress, _: Mapping[str, Any]) -> dict[str, Any]:
    """Upload the bundle. Returns its size. Raises CommandFailed, Cancelled, Stopped."""
    content = make(context)
    backoff = Backoff()
    while True:
        progress.update("sending")
        outcome = progress.desk.put_bundle(progress.command_id, content)
        if isinstance(outcome, Answer):
            return {"bytes": len(content)}
        if isinstance(outcome, Refused):
            raise CommandFailed("refused", f"診断ファイルは受け付けられませんでした: {outcome.reason}")
        progress.pause(wait_seconds(outcome, backoff))


def make(context: Context) -> bytes:
    """The zip, 5 MB at most."""
    log_bytes = LOG_BYTES
    while len(content := _build_zip(context, log_bytes)) > MAX_BUNDLE_BYTES:
        log_bytes //= 2
    return content


def _build_zip(context: Context, log_bytes: int) -> bytes:
    texts = {
        "log.txt": logs.tail(context.settings.state_dir, log_bytes),
        "settings.json": _json(_settings(context)),
        "spool.json": _json(_spool(context)),
        "readings.json": _json(list(context.recent.readings)),
        "commands.json": _json(context.book.figures()),
        "versions.json": _json(_versions(context)),
        "serial_ports.json": _json([port.__dict__ for port in list_ports.comports()]),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            # Log lines contain no token; if one ever did, it would be masked here.
            for token in context.tokens.candidates():
                text = text.replace(token, "***")
            archive.writestr(name, text)
    return buffer.getvalue()


def _settings(context: Context) -> dict[str, Any]:
    """The settings contain no secret: the token is in another file, and the keys are public."""
    keys = [key.hex() for key in context.settings.firmware_public_keys]
    return {**asdict(context.settings), "firmware_public_keys": keys}


def _spool(context: Context) -> dict[str, Any]:
    oldest = context.spool.oldest()
    return {
        "stream_id": context.spool.stream_id,
        "waiting": context.spool.count(),
        "limit": context.settings.spool_limit,
        "oldest": dict(oldest.body) if oldest else None,
        "rejected": context.spool.rejected(),
    }


def _versions(context: Context) -> dict[str, Any]:
    return {
        "agent": __version__,
        "firmware": load_firmware_version(context.settings.state_dir),
        "python": platform.python_version(),
        "system": platform.platform(),
        "started_at": context.recent.started_at,
        "clock_skew_seconds": context.recent.clock_skew,
        **{name: metadata.version(name) for name in _LIBRARIES},
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
