"""Waiting for what a test needs to see, instead of sleeping for as long as that usually takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    found: Callable[[], T | None],
    otherwise: object = "it did not happen",
    seconds: float = 60,
    *,
    every: float = 0.05,
    passing: type[Exception] | tuple[type[Exception], ...] = (),
) -> T:
    """The first true answer. Raises AssertionError when there is none in time; `otherwise` are the words for it, or a
    function that finds them. `every`: seconds between two looks. `passing`: exceptions that only mean: not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if answer := found():
                return answer
            last = ""
        except passing as error:
            last = f": {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"{otherwise() if callable(otherwise) else otherwise}{last}")
        time.sleep(every)
