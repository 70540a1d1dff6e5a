"""What the user has arranged for herself: stored in the service, cached for all tabs of the session.

A failure of the service never breaks a page: the default holds, and a change holds until the service answers again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from dashboards import session
from dashboards.by_token import ByToken
from dashboards.client import PAGE_TIMEOUT_SECONDS, PREFERENCES, ApiProblem
from dashboards.ui import live

# The user may change them at another device, too.
CACHE_SECONDS = 60
RETRY_SECONDS = 30

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Stored:
    values: Mapping[str, Any]
    expires_at: float


_cache: ByToken[_Stored] = ByToken()


def get(name: str, default: Value) -> Value:
    """The value, if it is of the default's type: an earlier release may have stored another one."""
    value = _values().get(name, default)
    return value if isinstance(value, type(default)) else default


def keep_in_process() -> None:
    """For the gallery, which has no service: nothing is read."""
    _keep({}, math.inf)


def put(name: str, value: object) -> None:
    _keep({**_values(), name: value}, CACHE_SECONDS)
    with suppress(ApiProblem):
        session.api(patience=PAGE_TIMEOUT_SECONDS).put(f"{PREFERENCES}/{name}", {"value": value})


def change(name: str, default: Value, changed: Callable[[Value], Value]) -> None:
    """Like `put`, for a value that other tabs change too: `changed` gets what is stored now."""
    try:
        _read()
    except ApiProblem:  # Nothing is written over values that are not known.
        _keep({**_values(), name: changed(get(name, default))}, RETRY_SECONDS)
    else:
        put(name, changed(get(name, default)))


def _values() -> Mapping[str, Any]:
    cached = _cache.get(session.token() or "")
    if cached and time.monotonic() < cached.expires_at:
        return cached.values
    try:
        return _read()
    except ApiProblem:
        return _keep(cached.values if cached else {}, RETRY_SECONDS)


def _read() -> Mapping[str, Any]:
    return _keep(live.fetch_answer(PREFERENCES)["items"], CACHE_SECONDS)


def _keep(values: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
    _cache.put(session.token() or "", _Stored(values, time.monotonic() + seconds))
    return values
