"""The signed-in user: the service answers for the cookie's token, and the answer is cached for a few seconds."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboards.by_token import ByToken
from dashboards.client import PAGE_TIMEOUT_SECONDS, Api, ApiProblem, last_writes
from dashboards.contract.core import Me

SESSION_COOKIE = "genba_session"
# A random id of the browser, set at its first login; it stays after logout.
BROWSER_COOKIE = "genba_browser"
CACHE_SECONDS = 15
# Requests that waited for a lookup that failed share its failure, instead of waiting for a timeout each.
CACHE_FAILURE_SECONDS = 1
# The gate sets it to the browser's IP address, and removes it from what clients send.
BROWSER_ADDRESS_HEADER = "x-browser-address"
_LAST_USER, _ENDED, _SHOWN_AS_ENDED = "session.user", "session.ended", "session.shown_as_ended"


@dataclass(frozen=True)
class User:
    login_id: str
    name: str
    permissions: frozenset[str]
    must_change_password: bool = False
    # How far the product's clock is ahead of the real time: not zero only in the demo and in tests.
    clock_ahead: timedelta = timedelta()

    @classmethod
    def from_answer(cls, answer: Me) -> User:
        now = datetime.now(UTC)
        # During a rolling update, a service of the release before does not send it.
        as_of = datetime.fromisoformat(answer["as_of"]) if "as_of" in answer else now
        return cls(
            answer["login_id"],
            answer["name"],
            frozenset(answer["permissions"]),
            answer["must_change_password"],
            as_of - now,
        )


class Sessions:
    """Cached answers of `GET /api/auth/me` by token and the browser's address, shared by the gate and the pages.

    A token that the service refused is cached as None, so that an old tab does not ask on every request.
    """

    def __init__(self) -> None:
        self._cache: ByToken[tuple[float, str, User | ApiProblem | None]] = ByToken()
        # One lookup per token at a time: a page opens with dozens of requests at once.
        self._lookup_locks = [threading.Lock() for _ in range(16)]

    def remembered(self, token: str, address: str = "") -> tuple[User | None] | None:
        """The cached answer in a 1-tuple, or None when the service has to be asked. Raises like `find`."""
        expires_at, cached_address, answer = self._cache.get(token) or (0.0, "", None)
        if expires_at <= time.monotonic() or cached_address != address:
            return None
        if isinstance(answer, ApiProblem):
            raise replace(answer)
        return (answer,)

    def find(self, token: str, address: str = "") -> User | None:
        """The user of a token, or None when it is no longer valid. Raises ApiProblem when the service cannot tell."""
        with self._lookup_locks[hash(token) % len(self._lookup_locks)]:
            if cached := self.remembered(token, address):
                return cached[0]
            user: User | None
            try:
                user = User.from_answer(Api(token, PAGE_TIMEOUT_SECONDS, address).get("/api/auth/me"))
            except ApiProblem as problem:
                if problem.status != 401:
                    self._store(token, address, problem, CACHE_FAILURE_SECONDS)
                    raise
                user = None
            self._store(token, address, user, CACHE_SECONDS)
            return user

    def _store(self, token: str, address: str, answer: User | ApiProblem | None, seconds: float) -> None:
        self._cache.put(token, (time.monotonic() + seconds, address, answer))

    def forget(self, token: str) -> None:
        self._cache.forget(token)


sessions = Sessions()


def token() -> str | None:
    """The session token of the browser behind the running script."""
    return st.context.cookies.get(SESSION_COOKIE)


def address() -> str:
    """The IP address of that browser. `st.context.ip_address` is None for this machine itself, where a proxy may
    run."""
    return str(st.context.headers.get(BROWSER_ADDRESS_HEADER) or "")


def current_user() -> User | None:
    """The signed-in user, looked up on every rerun; None when no user has been signed in in this tab.

    While the service cannot be reached, and when the session has ended, a tab keeps its last user, so that the page and
    what is typed in it stay. This grants nothing: the service still checks every call, and the frame covers the page of
    an ended session.
    """
    own_token = token()
    last_user: User | None = st.session_state.get(_LAST_USER)
    try:
        user = sessions.find(own_token, address()) if own_token else None
    except ApiProblem as problem:
        if problem.temporary and last_user:
            return last_user
        raise
    st.session_state[_ENDED] = user is None
    if user is None:
        return last_user
    if last_user and last_user.login_id != user.login_id:
        st.session_state.clear()  # Another user has logged in: what the first one typed and read goes.
        st.session_state[_LAST_USER] = user
        st.rerun()
    st.session_state[_LAST_USER] = user
    return user


def is_over() -> bool:
    """Whether the session of this page's user has ended, as far as `current_user` knows."""
    return bool(st.session_state.get(_ENDED, False))


def remember_end() -> bool:
    """Whether the session has ended; remembers that the frame shows it at the end of this run."""
    st.session_state[_SHOWN_AS_ENDED] = is_over()
    return is_over()


def end_changed() -> bool:
    """Whether the session has ended, or a user has logged in again, since the frame was drawn."""
    with suppress(ApiProblem):
        current_user()
    return is_over() is not bool(st.session_state.get(_SHOWN_AS_ENDED, False))


def has_permission(permission: str) -> bool:
    user = current_user()
    return user is not None and permission in user.permissions


def api(*, patience: float | None = None) -> Api:
    """The service as the signed-in user sees it."""
    return Api(token(), patience, address())


def require_fresh_reads() -> None:
    """Something that the user waited for has changed without a write of theirs: the next read must show it."""
    if own_token := token():
        last_writes.note(own_token)


def seconds_since_write() -> float:
    """Since the user last wrote, or since `require_fresh_reads`."""
    own_token = token()
    return last_writes.seconds_since(own_token) if own_token else math.inf


def has_ended() -> bool:
    """For a 401: whether the session has ended, rather than one call refused, and a full run has to show it. What is
    drawn below the frame's message goes on as after any failed call."""
    if own_token := token():
        sessions.forget(own_token)
    return end_changed() and is_over()
