"""How full the store PC's disk is."""

import psutil


def usage(path: str) -> float:
    """Percent of the file system that holds `path`. Raises OSError."""
    return float(psutil.disk_usage(path).percent)
