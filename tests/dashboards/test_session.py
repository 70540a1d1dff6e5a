"""The session cache: one call for many requests, and never longer than allowed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from dashboards import session
from dashboards.by_token import MAX_TOKENS, ByToken
from dashboards.client import ApiProblem
from dashboards.session import CACHE_FAILURE_SECONDS, CACHE_SECONDS, Sessions
from service.core.access.identity import UserSession
from service.core.database.clock import real_now
from tests.dashboards.conftest import Network


@pytest.fixture
def advance_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """advance_clock(15): so many seconds pass, for the session cache only."""
    clock = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return clock[0]

    monkeypatch.setattr(session, "time", Clock)

    def advance(seconds: float) -> None:
        clock[0] += seconds

    return advance


def revoke_all(db: Session) -> None:
    db.execute(update(UserSession).values(revoked_at=real_now()))
    db.commit()


def test_an_answer_is_cached_for_some_seconds_and_no_longer(
    db: Session, network: Network, token_of: Callable[..., str], advance_clock: Callable[[float], None]
) -> None:
    token, sessions = token_of("olivia", fleet="operator"), Sessions()
    first = sessions.find(token)
    revoke_all(db)

    assert first is not None
    assert first.login_id == "olivia"
    assert "fleet:terminal:read" in first.permissions
    advance_clock(CACHE_SECONDS - 0.1)
    assert sessions.find(token) is first
    assert network.calls == ["GET /api/auth/me"]
    advance_clock(0.1)
    assert sessions.find(token) is None


def test_a_forgotten_session_is_asked_about_at_once(
    db: Session, network: Network, token_of: Callable[..., str]
) -> None:
    token, sessions = token_of("olivia"), Sessions()
    assert sessions.find(token)
    revoke_all(db)

    sessions.forget(token)

    assert sessions.remembered(token) is None
    assert sessions.find(token) is None
    assert sessions.remembered(token) == (None,)


def test_many_concurrent_requests_are_one_call(network: Network, token_of: Callable[..., str]) -> None:
    token, sessions = token_of("olivia"), Sessions()

    with ThreadPoolExecutor(8) as pool:
        users = list(pool.map(sessions.find, [token] * 24))

    assert {user.login_id for user in users if user} == {"olivia"}
    assert network.calls == ["GET /api/auth/me"]


def test_requests_that_waited_behind_a_failure_share_it_instead_of_waiting_for_their_own(
    network: Network, token_of: Callable[..., str], advance_clock: Callable[[float], None]
) -> None:
    token, sessions = token_of("olivia"), Sessions()
    network.cut()
    with pytest.raises(ApiProblem) as first:
        sessions.find(token)
    network.restore()

    with pytest.raises(ApiProblem) as second:
        sessions.find(token)

    assert second.value.reference == first.value.reference
    assert network.calls == []
    advance_clock(CACHE_FAILURE_SECONDS)
    assert sessions.find(token)


def test_another_user_never_gets_the_answer_of_the_first(network: Network, token_of: Callable[..., str]) -> None:
    sessions = Sessions()
    olivia, vera = token_of("olivia", fleet="operator"), token_of("vera", fleet="viewer")

    users = [sessions.find(token) for token in (olivia, vera, olivia)]

    assert [user.login_id for user in users if user] == ["olivia", "vera", "olivia"]


def test_what_is_remembered_of_sessions_does_not_grow_without_end() -> None:
    remembered: ByToken[int] = ByToken(max_tokens=3)
    remembered.put("a", 0)
    for number, token in enumerate("bcda"):
        remembered.put(token, number)

    assert [remembered.get(token) for token in "abcd"] == [3, None, 1, 2]
    assert MAX_TOKENS >= 1000
