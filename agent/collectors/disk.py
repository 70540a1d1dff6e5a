"""Disk usage of the store PC."""

import psutil


def usage(path: str) -> float:
    """Percent of the file system that contains `path`. Raises OSError."""
    return float(psutil.disk_usage(path).percent)
