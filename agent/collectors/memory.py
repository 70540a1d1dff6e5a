"""Memory usage of the store PC."""

import psutil


def usage() -> float:
    """Percent of the physical memory that is not available to programs."""
    return float(psutil.virtual_memory().percent)
