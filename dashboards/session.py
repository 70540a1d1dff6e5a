"""Who is signed in: the cookie's token, answered by the service and remembered for a few seconds."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from dashboards.client import PATIENCE_SECONDS, Api, ApiProblem, writes

COOKIE = "genba_session"
# A random id of the browser, from its first sign-in on: it stays when somebody signs out.
BROWSER = "genba_browser"
REMEMBER_SECONDS = 15
# Requests that waited behind a question that failed share its failure, instead of waiting for a timeout each.
REMEMBER_FAILURE_SECONDS = 1
REMEMBER_AT_MOST = 2048
# The gate writes the browser's address into it, and lets none in from outside.
ADDRESS = "x-browser-address"
_LAST_KNOWN, _OVER, _SAID = "session.user", "session.over", "session.said"


@dataclass(frozen=True)
class User:
    login_id: str
    name: str
    permissions: frozenset[str]
    must_change_password: bool = False
    # How far the product's clock is ahead of the real time: nothing but in the demo and in tests.
    clock_ahead: timedelta = timedelta()

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> User:
        now = datetime.now(UTC)
        # A service of the release before, while they are replaced one after the other, does not tell it.
        told = datetime.fromisoformat(answer["as_of"]) if "as_of" in answer else now
        return cls(
            answer["login_id"],
            answer["name"],
            frozenset(answer["permissions"]),
            answer["must_change_password"],
            told - now,
        )


class Sessions:
    """Answers of `GET /api/auth/me` by token and the browser's address, the same for the gate and for the pages.

    A token that the service refused is remembered as None, so that a stale tab does not ask on every request.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, str, User | ApiProblem | None]] = OrderedDict()
        self._guard = threading.Lock()
        # One question per token at a time: a page opens with dozens of requests at once.
        self._asking = [threading.Lock() for _ in range(16)]

    def remembered(self, token: str, address: str = "") -> tuple[User | None] | None:
        """The remembered answer in a 1-tuple, or None when the service has to be asked. Raises like `find`."""
        with self._guard:
            until, known_at, answer = self._known.get(token, (0.0, "", None))
        if until <= time.monotonic() or known_at != address:
            return None
        if isinstance(answer, ApiProblem):
            raise replace(answer)
        return (answer,)

    def find(self, token: str, address: str = "") -> User | None:
        """The user of a token, or None when it is not valid any more. Raises ApiProblem when nobody can tell."""
        with self._asking[hash(token) % len(self._asking)]:
            if known := self.remembered(token, address):
                return known[0]
            user: User | None
            try:
                user = User.from_answer(Api(token, PATIENCE_SECONDS, address).get("/api/auth/me"))
            except ApiProblem as problem:
                if problem.status != 401:
                    self._remember(token, address, problem, REMEMBER_FAILURE_SECONDS)
                    raise
                user = None
            self._remember(token, address, user, REMEMBER_SECONDS)
            return user

    def _remember(self, token: str, address: str, answer: User | ApiProblem | None, seconds: float) -> None:
        with self._guard:
            self._known[token] = (time.monotonic() + seconds, address, answer)
            self._known.move_to_end(token)
            while len(self._known) > REMEMBER_AT_MOST:
                self._known.popitem(last=False)

    def forget(self, token: str) -> None:
        with self._guard:
            self._known.pop(token, None)


sessions = Sessions()


def token() -> str | None:
    """The session token of the browser behind the running script."""
    return st.context.cookies.get(COOKIE)


def address() -> str:
    """The address of that browser. `st.context.ip_address` knows none for this machine, where a proxy may be."""
    return str(st.context.headers.get(ADDRESS) or "")


def current() -> User | None:
    """The signed-in user, asked again on every rerun; None when nobody has been signed in in this tab.

    While the service cannot be reached, and when the session has ended, a tab keeps the user it already knew, so that
    the page stays as it was, with what is typed in it. This grants nothing: every piece of data is still decided by
    the service, and the frame covers the page of an ended session.
    """
    mine = token()
    known: User | None = st.session_state.get(_LAST_KNOWN)
    try:
        user = sessions.find(mine, address()) if mine else None
    except ApiProblem as problem:
        if problem.temporary and known:
            return known
        raise
    st.session_state[_OVER] = user is None
    if user is None:
        return known
    if known and known.login_id != user.login_id:
        st.session_state.clear()  # Somebody else has signed in at this browser: what was typed and read is not theirs.
        st.session_state[_LAST_KNOWN] = user
        st.rerun()
    st.session_state[_LAST_KNOWN] = user
    return user


def is_over() -> bool:
    """Whether the session of the user whose page this is has ended, as far as `current` knows."""
    return bool(st.session_state.get(_OVER, False))


def said() -> bool:
    """Whether the session is over, for the frame, which says it at the end of this run."""
    st.session_state[_SAID] = is_over()
    return is_over()


def to_be_said() -> bool:
    """Whether the session has ended, or somebody has signed in again, since the frame was drawn."""
    with suppress(ApiProblem):
        current()
    return is_over() is not bool(st.session_state.get(_SAID, False))


def may(permission: str) -> bool:
    user = current()
    return user is not None and permission in user.permissions


def api(*, patience: float | None = None) -> Api:
    """The service as the signed-in person sees it."""
    return Api(token(), patience, address())


def changed_elsewhere() -> None:
    """Something this person waited for has come about without a write of theirs: what is read next shows it."""
    if mine := token():
        writes.note(mine)


def seconds_since_write() -> float:
    """Since this person last wrote, or waited for something that has come about."""
    mine = token()
    return writes.seconds_since(mine) if mine else math.inf


def ended() -> bool:
    """Whether a 401 from the service means that the session is over, rather than that one call was refused, and a full
    run is to say it. What is drawn below the frame's words goes on as with any answer that does not come."""
    if mine := token():
        sessions.forget(mine)
    return to_be_said() and is_over()
