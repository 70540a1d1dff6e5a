"""Drafts of ステータス登録, by user and device: what was typed and not sent yet. Phones reload pages at any time.

They exist only in the memory of this process, for half a day at most.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboards import session
from dashboards.contract.loaners import FormToFill
from dashboards.ui import times

MAX_AGE = timedelta(hours=12)
MAX_DRAFTS = 2000


@dataclass(frozen=True)
class Draft:
    """`form` and `based_on` say which form the answers belong to: a draft is not used for a newer form."""

    form: int
    based_on: int | None
    answers: dict[str, str]
    effective_at: str | None
    at: datetime


_all: OrderedDict[tuple[str, str], Draft] = OrderedDict()
_guard = threading.Lock()


def _own_key(number: str) -> tuple[str, str] | None:
    user = session.current_user()
    return (user.login_id, number) if user else None


def find_draft(form: FormToFill) -> Draft | None:
    """The user's draft for this form of the device, if it is not outdated."""
    key = _own_key(form["number"])
    with _guard:
        draft = _all.get(key) if key else None
    if draft is None or (draft.form, draft.based_on) != (form["form"], form["based_on"]):
        return None
    return draft if times.now() - draft.at < MAX_AGE else None


def save_draft(form: FormToFill, answers: dict[str, str], effective_at: str | None) -> None:
    if key := _own_key(form["number"]):
        with _guard:
            _all[key] = Draft(form["form"], form["based_on"], answers, effective_at, times.now())
            _all.move_to_end(key)
            while len(_all) > MAX_DRAFTS:
                _all.popitem(last=False)


def delete_draft(number: str) -> None:
    if key := _own_key(number):
        with _guard:
            _all.pop(key, None)
