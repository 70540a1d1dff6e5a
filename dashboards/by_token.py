"""What this process remembers for a session, for all of its tabs: a page that is opened by its address has a new
Streamlit session, and would ask the service again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

MAX_TOKENS = 2048

Value = TypeVar("Value")


class ByToken(Generic[Value]):
    """A value by session token; those that were stored longest ago are dropped. Values are replaced, not changed:
    tabs read them at the same time."""

    def __init__(self, max_tokens: int = MAX_TOKENS) -> None:
        self._max_tokens = max_tokens
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, token: str) -> Value | None:
        with self._lock:
            return self._values.get(token)

    def put(self, token: str, value: Value) -> None:
        with self._lock:
            self._values[token] = value
            self._values.move_to_end(token)
            while len(self._values) > self._max_tokens:
                self._values.popitem(last=False)

    def forget(self, token: str) -> None:
        with self._lock:
            self._values.pop(token, None)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
