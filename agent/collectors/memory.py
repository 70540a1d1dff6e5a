"""How full the store PC's memory is."""

import psutil


def usage() -> float:
    """Percent of the physical memory that programs cannot get any more."""
    return float(psutil.virtual_memory().percent)
