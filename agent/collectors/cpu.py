"""CPU usage of the store PC."""

import psutil

_FIRST_WINDOW_SECONDS = 0.2
_measured_before = False


def usage() -> float:
    """Percent, averaged since the previous reading; the first reading of a process measures 0.2 s."""
    global _measured_before
    window = None if _measured_before else _FIRST_WINDOW_SECONDS
    _measured_before = True
    return psutil.cpu_percent(interval=window)
