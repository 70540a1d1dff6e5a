"""Writes a PDF from data and a template, with typst in a process of its own.

Typst keeps its layout in memory (half a gigabyte after one long table), and a thread cannot be stopped. A process costs
a tenth of a second, frees all memory, and can be killed. The same data give the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from service.core.values.texts import visible

COMPILE = Path(__file__).parent / "compile.py"
# Printed for a character without a glyph: the Japanese typesetters' mark for a missing character.
MISSING = "〓"
TIMEOUT_SECONDS = 120.0
LOOK_UP = 0.5
# The child's exit status for a code that does not fit; the same number is in `compile`.
UNFIT = 3

log = structlog.get_logger()
# One at a time in each process of the service: two at once take as long as one after the other, and twice the memory.
_turn = threading.Lock()


class CodeDoesNotFit(ValueError):
    """The code does not fit in its space."""


class TypesetFailed(Exception):
    """No PDF was written: an error of ours (a template, a limit), not of the caller."""


def printable(text: str) -> str:
    """Printable text: control characters and lone surrogates become 〓, hidden characters become marks."""
    if text.isprintable():
        return text
    text = visible(text).replace("\r\n", "\n").replace("\t", " ")
    printed = []
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs") and character != "\n":
            printed.append(MISSING)
        elif category != "Cf":
            printed.append(character)
    return "".join(printed)


def cleaned(data: Any) -> Any:
    """The same JSON with every text printable."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {key: cleaned(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [cleaned(value) for value in data]
    return data


def typeset(
    template: str,
    data: dict[str, Any],
    made_at: datetime,
    tagged: bool = True,
    while_waiting: Callable[[], None] | None = None,
    longest: float = TIMEOUT_SECONDS,
) -> bytes:
    """The PDF. `while_waiting` is called twice a second, to renew a lease or to check for a cancellation: when it
    raises, the process is killed and the exception is raised here. Raises TypesetFailed, and CodeDoesNotFit for a code
    that does not fit."""
    job = {"template": template, "data": cleaned(data), "timestamp": int(made_at.timestamp()), "tagged": tagged}
    payload = json.dumps(job, ensure_ascii=False).encode()
    deadline = time.monotonic() + longest
    while not _turn.acquire(timeout=LOOK_UP):
        _check_while_waiting(while_waiting, deadline)
    try:
        return _run(payload, while_waiting, deadline)
    finally:
        _turn.release()


def _check_while_waiting(while_waiting: Callable[[], None] | None, deadline: float) -> None:
    if while_waiting:
        while_waiting()
    if time.monotonic() > deadline:
        raise TypesetFailed("it took too long")


def _run(payload: bytes, while_waiting: Callable[[], None] | None, deadline: float) -> bytes:
    # Python on Windows needs SYSTEMROOT; the child gets nothing else of our environment.
    environ = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-I", str(COMPILE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
    )
    try:
        send: bytes | None = payload
        while True:
            try:
                pdf, error_output = process.communicate(send, timeout=LOOK_UP)
                break
            except subprocess.TimeoutExpired:
                send = None
                _check_while_waiting(while_waiting, deadline)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    error_text = error_output.decode(errors="replace").strip()
    if process.returncode == UNFIT:
        raise CodeDoesNotFit(error_text)
    if process.returncode != 0:
        raise TypesetFailed(f"typst ended with {process.returncode}: {error_text[-2000:]}")
    if error_text:
        log.warning("typeset with warnings", warnings=error_text[:500])
    return pdf
