"""What was typed into ステータス登録 and not sent yet, by person and device: phones load pages anew as they like.

Kept in this process's memory and nowhere else: it is gone with the process, and after half a day.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboards import session
from dashboards.ui import times

KEPT = timedelta(hours=12)
AT_MOST = 2000


@dataclass(frozen=True)
class Begun:
    """`form` and `based_on` say what the answers were typed into: they are of no use for anything that came since."""

    form: int
    based_on: int | None
    answers: dict[str, str]
    effective_at: str | None
    at: datetime


_all: OrderedDict[tuple[str, str], Begun] = OrderedDict()
_guard = threading.Lock()


def _mine(number: str) -> tuple[str, str] | None:
    user = session.current()
    return (user.login_id, number) if user else None


def of(form: dict[str, Any]) -> Begun | None:
    """What the person typed into just this form of the device."""
    key = _mine(form["number"])
    with _guard:
        found = _all.get(key) if key else None
    if found is None or (found.form, found.based_on) != (form["form"], form["based_on"]):
        return None
    return found if times.now() - found.at < KEPT else None


def keep(form: dict[str, Any], answers: dict[str, str], effective_at: str | None) -> None:
    if key := _mine(form["number"]):
        with _guard:
            _all[key] = Begun(form["form"], form["based_on"], answers, effective_at, times.now())
            _all.move_to_end(key)
            while len(_all) > AT_MOST:
                _all.popitem(last=False)


def forget(number: str) -> None:
    if key := _mine(number):
        with _guard:
            _all.pop(key, None)


def forget_all() -> None:
    with _guard:
        _all.clear()
