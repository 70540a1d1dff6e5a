"""The threads of a running agent, and their graceful shutdown."""

import ctypes
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from types import FrameType
from typing import Any

# Threads that hang in a request are not waited for longer: their work is on disk.
STOP_SECONDS = 0.5
# Windows kills a program five seconds after it announced the shutdown.
WINDOWS_SECONDS = 4.0
# CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT.
_WINDOWS_END_EVENTS = (2, 5, 6)


@dataclass
class Ended:
    """How the threads ended: the names of those that still run, and the errors."""

    unfinished: set[str] = field(default_factory=set)
    errors: list[Exception] = field(default_factory=list)


def work_until_stopped(stop: Event, wake: Callable[[], None], targets: Mapping[str, Callable[[], None]]) -> Ended:
    """Run each target in its own thread until `stop` is set; one that fails stops all.

    `wake` is called then, for threads that wait for something other than `stop`.
    """
    ended = Ended()

    def run_target(target: Callable[[], None]) -> None:
        try:
            target()
        except Exception as error:
            ended.errors.append(error)
        finally:
            stop.set()

    threads = {
        name: Thread(target=run_target, args=(target,), name=name, daemon=True) for name, target in targets.items()
    }
    for thread in threads.values():
        thread.start()
    while not stop.wait(1.0):
        # Windows delivers Ctrl-C only between waits, so each wait must be short.
        pass
    wake()
    deadline = monotonic() + STOP_SECONDS
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - monotonic()))
        if thread.is_alive():
            ended.unfinished.add(name)
    return ended


def on_stop(stop: Event, ended: Event) -> None:
    """Set `stop` on SIGTERM, on Ctrl-C, and on the shutdown of Windows, which waits for `ended`."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), on_signal)
    if os.name == "nt":
        _on_windows_shutdown(stop, ended, ctypes)


# References that keep the handlers from being garbage collected before Windows calls them.
_handlers: list[Any] = []


def _on_windows_shutdown(stop: Event, ended: Event, windows: Any) -> None:
    """`windows`: the module ctypes. Python has no signal for a shutdown of Windows."""

    def handler(kind: int) -> bool:
        if kind not in _WINDOWS_END_EVENTS:
            return False
        stop.set()
        ended.wait(WINDOWS_SECONDS)
        return True

    _handlers.append(windows.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handler))
    windows.windll.kernel32.SetConsoleCtrlHandler(_handlers[-1], 1)
