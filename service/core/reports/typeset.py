"""Data and a template in, PDF out, by typst in a process of its own.

Typst keeps what it has laid out in memory (half a gigabyte after one long table), and a thread cannot be ended. A
process costs a tenth of a second, gives everything back, and can be killed. The same data give the same bytes.
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

COMPILE = Path(__file__).parent / "compile.py"
# What is printed for a character that has no shape: the mark of Japanese typesetters for a missing sort.
MISSING = "〓"
LONGEST = 120.0
LOOK_UP = 0.5
# The child's way to say Unfit; the same number stands there.
UNFIT = 3

log = structlog.get_logger()
# One at a time in each process of ours: two at once take as long as one after the other, and twice the memory.
_turn = threading.Lock()


class Unfit(ValueError):
    """What was to be coded has no room."""


class TypesetFailed(Exception):
    """No PDF came of it: a fault of ours (a template, a limit), not of whoever asked."""


def printable(text: str) -> str:
    """Text as it can be printed: control characters and broken surrogates as 〓, invisible format characters (which
    could turn the direction of what follows) left out."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", " ")
    shaped = []
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cs") and character != "\n":
            shaped.append(MISSING)
        elif kind != "Cf":
            shaped.append(character)
    return "".join(shaped)


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
    longest: float = LONGEST,
) -> bytes:
    """The PDF. `while_waiting` is called twice a second, to prolong a lease or to look whether the work is still
    wanted: when it raises, the process is killed and the exception passed on.
    Raises TypesetFailed, and Unfit for a code without room."""
    job = {"template": template, "data": cleaned(data), "timestamp": int(made_at.timestamp()), "tagged": tagged}
    payload = json.dumps(job, ensure_ascii=False).encode()
    deadline = time.monotonic() + longest
    while not _turn.acquire(timeout=LOOK_UP):
        _look_up(while_waiting, deadline)
    try:
        return _run(payload, while_waiting, deadline)
    finally:
        _turn.release()


def _look_up(while_waiting: Callable[[], None] | None, deadline: float) -> None:
    if while_waiting:
        while_waiting()
    if time.monotonic() > deadline:
        raise TypesetFailed("it took too long")


def _run(payload: bytes, while_waiting: Callable[[], None] | None, deadline: float) -> bytes:
    # Windows starts no Python without SYSTEMROOT; nothing else of our environment is the child's business.
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
                pdf, said = process.communicate(send, timeout=LOOK_UP)
                break
            except subprocess.TimeoutExpired:
                send = None
                _look_up(while_waiting, deadline)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    told = said.decode(errors="replace").strip()
    if process.returncode == UNFIT:
        raise Unfit(told)
    if process.returncode != 0:
        raise TypesetFailed(f"typst ended with {process.returncode}: {told[-2000:]}")
    if told:
        log.warning("typeset with warnings", told=told[:500])
    return pdf
