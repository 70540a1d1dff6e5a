"""The delay before the next attempt: exponential back-off with full jitter, at most ten minutes."""

import random

BASE_SECONDS = 1.0
CAP_SECONDS = 600.0


class Backoff:
    """Delays that grow with every consecutive failure.

    Full jitter (a random delay between 0 and the ceiling) keeps thousands of store PCs that lost the service at the
    same time from reconnecting at the same time. The cap is ten minutes, so that an agent reconnects at the latest ten
    minutes after the service is back.
    """

    def __init__(
        self, rng: random.Random | None = None, *, base: float = BASE_SECONDS, cap: float = CAP_SECONDS
    ) -> None:
        self._rng = rng or random.Random()
        self._base = base
        self._cap = cap
        self._ceiling = base

    def next_delay(self) -> float:
        """Seconds to wait after one more failure."""
        delay = self._rng.uniform(0, min(self._ceiling, self._cap))
        self._ceiling = min(self._ceiling * 2, self._cap)
        return delay

    def reset(self) -> None:
        """Start again with short delays: the service answered."""
        self._ceiling = self._base
