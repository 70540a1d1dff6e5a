"""How fast this machine is. What a document or a claim says in seconds holds on the quicker machine; on a slower one
the limit grows by as much as the same piece of Python takes longer there."""

from __future__ import annotations

import json
import time
from functools import cache

# CPU seconds of `_work` there, where FastAPI and SELECT 1 took 929 CPU-µs: reckoned from the time that an empty loop
# takes on it and on a machine where `_work` was measured.
QUICK_SECONDS = 0.02
REPEATS = 7


@cache
def slowness() -> float:
    """1 on a machine that is as fast or faster, 2 on one that is half as fast."""
    return max(1.0, min(_work() for _ in range(REPEATS)) / QUICK_SECONDS)


def _work() -> float:
    started_at = time.process_time()
    rows = [{"id": number, "name": f"店{number}", "tags": ["a", "b"]} for number in range(2000)]
    for _ in range(10):
        rows = json.loads(json.dumps(sorted(rows, key=lambda row: row["name"])))
    return time.process_time() - started_at
