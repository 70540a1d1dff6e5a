"""Polls for a condition, instead of sleeping for as long as it usually takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T | None],
    otherwise: object = "it did not happen",
    seconds: float = 60,
    *,
    every: float = 0.05,
    passing: type[Exception] | tuple[type[Exception], ...] = (),
) -> T:
    """Call `condition` until it returns a true value, and return that.

    Raises AssertionError after `seconds`, with the message `otherwise` or what that returns. `every`: seconds between
    two calls. `passing`: exceptions that count as "not yet".
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
            last = ""
        except passing as error:
            last = f": {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"{otherwise() if callable(otherwise) else otherwise}{last}")
        time.sleep(every)
