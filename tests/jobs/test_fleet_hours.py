"""Opening hours are learned at night; silence outside them becomes an alert only after the next opening."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import insert, literal, select, update
from sqlalchemy.orm import Session

from jobs import fleet as fleet_jobs
from service.core.database.clock import app_clock, app_now
from service.core.holidays import Holiday
from service.core.monitoring.health import JobHeartbeat
from service.core.values.times import day_bounds, local_date
from service.fleet.history.actions import mark_compacted
from service.fleet.hours import actions, rules
from service.fleet.hours import queries as hours
from service.fleet.hours.models import LearnedHours
from service.fleet.hours.queries import silence_alert_at
from service.fleet.ingest.tokens import OUTAGE_AFTER, RECORD_ALIVE
from service.fleet.maintenance import actions as maintenance
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Alert, Customer, Day, Liveness, Terminal, TerminalState
from service.fleet.rules import silence_allowed
from service.fleet.settings import settings
from service.fleet.watch import actions as watch
from service.fleet.watch import queries as watch_queries
from tests import factories

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
NINE_TO_NINE = (1 << 21) - (1 << 9)
ALWAYS = 2**24 - 1
WEDNESDAY, SUNDAY = 2, 6


def set_clock(db: Session, at: datetime) -> None:
    """Moves the product's clock there; the service was running all the while."""
    db.execute(update(app_clock).values(shift=app_clock.c.shift + (at - app_now(db))))
    db.execute(update(Liveness).values(alive_at=at))


@pytest.fixture
def today(db: Session) -> datetime:
    """The midnight before a Thursday, ten minutes past which it is now. No day around it is a holiday."""
    db.execute(update(Holiday).values(is_removed=True))
    begins, _ = day_bounds(date(2026, 6, 4))
    set_clock(db, begins + 10 * MINUTE)
    return begins


def terminal_with_days(
    db: Session, today: datetime, mask: Callable[[date], int], customer: Customer | None = None
) -> Terminal:
    """A terminal with four weeks of compacted days."""
    terminal = factories.terminal(db, customer)
    db.execute(
        insert(Day),
        [
            {
                "terminal_id": terminal.id,
                "begins_at": today - ago * DAY,
                "heard_hours": mask(local_date(today - ago * DAY)),
                **dict.fromkeys(
                    ("heartbeats", "online_seconds", "offline_seconds", "error_seconds", "maintenance_seconds"), 0
                ),
            }
            for ago in range(1, 30)
        ],
    )
    mark_compacted(db, today)
    db.commit()
    return terminal


def learned_hours(db: Session, terminal: Terminal) -> LearnedHours:
    return db.get_one(LearnedHours, terminal.id, populate_existing=True)


def fall_silent(db: Session, terminal: Terminal, last: datetime, **facts: Any) -> None:
    """Sets the terminal's last heartbeat."""
    values = {"status": "online", "last_heartbeat_at": last, "offline_after": last + 11 * MINUTE, "alert_after": None}
    state = update(TerminalState).where(TerminalState.terminal_id == terminal.id)
    db.execute(state.values(**values | facts))


def alerts_after_watch(db: Session, at: datetime) -> list[str]:
    """Messages of the open alerts after the watch ran at that time."""
    set_clock(db, at)
    watch.watch(db)
    db.expire_all()
    return list(db.scalars(select(Alert.message).where(~Alert.is_resolved).order_by(Alert.id)))


def status(db: Session, terminal: Terminal) -> str:
    return db.get_one(TerminalState, terminal.id, populate_existing=True).status


def test_the_job_learns_once_a_day_what_four_weeks_have_taught(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda day: 0 if day.weekday() == WEDNESDAY else NINE_TO_NINE)
    new = factories.terminal(db)
    switched_off = terminal_with_days(db, today, lambda _: ALWAYS)
    switched_off.learned_hours = False
    db.commit()

    fleet_jobs.learn_hours()

    learned = learned_hours(db, shop)
    assert (learned.learned_until, learned.days) == (today, 27)  # the first day does not count
    open_day, closed_day = "0" * 9 + "1" * 12 + "0" * 3, "0" * 24
    assert learned.week == open_day * 2 + closed_day + open_day * 4
    assert learned.ahead == rules.next_openings(learned.week, local_date(today), ())  # from Thursday on
    assert (learned_hours(db, new).days, learned_hours(db, new).week, learned_hours(db, new).ahead) == (0, None, None)
    assert (learned_hours(db, switched_off).week, learned_hours(db, switched_off).ahead) == ("1" * 168, None)
    assert db.get(JobHeartbeat, "fleet.hours") is not None

    assert actions.learn(db, today) == 0
    assert actions.learn(db, today + DAY) == 2


def test_days_without_heard_hours_teach_nothing(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    db.execute(update(Day).where(Day.begins_at < today - 10 * DAY).values(heard_hours=None))

    actions.learn(db, today)

    assert (learned_hours(db, shop).days, learned_hours(db, shop).week) == (9, None)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-191, 191), min_size=192, max_size=192), st.floats(-1, 200, width=32), st.booleans())
def test_a_silence_alert_waits_for_the_next_opening(db: Session, ahead: list[int], now: float, shut_down: bool) -> None:
    begins, _ = day_bounds(date(2026, 6, 4))
    with db.begin_nested() as scene:
        terminal = factories.terminal(db)
        row = {"terminal_id": terminal.id, "learned_until": begins, "days": 28, "week": "1" * 168, "ahead": ahead}
        db.execute(insert(LearnedHours), [row])
        silent_at = begins + now * HOUR
        fall_silent(db, terminal, silent_at, shutdown_at=silent_at if shut_down else None)
        statement = select(silence_alert_at(literal(silent_at))).join_from(
            TerminalState, LearnedHours, LearnedHours.terminal_id == TerminalState.terminal_id
        )
        alert_at = db.scalar(statement.where(TerminalState.terminal_id == terminal.id))
        # Computed anew: rounding may move a time just before the beginning onto it.
        hour_index = (silent_at - begins) / HOUR
        opens = ahead[int(hour_index)] if 0 <= hour_index < 192 else 0
        is_delayed = opens > 0 or (opens < 0 and shut_down)
        assert alert_at == (begins + (abs(opens) + 0.25) * HOUR if is_delayed else None)
        scene.rollback()


def test_a_shop_that_is_switched_off_at_night_is_missed_when_it_does_not_open(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    fall_silent(db, shop, today + 20 * HOUR + 58 * MINUTE)

    assert alerts_after_watch(db, today + 21 * HOUR + 10 * MINUTE) == []
    assert status(db, shop) == "offline"
    assert alerts_after_watch(db, today + DAY + 9 * HOUR + 14 * MINUTE) == []
    [message] = alerts_after_watch(db, today + DAY + 9 * HOUR + 16 * MINUTE)
    assert message == "開店時刻を15分過ぎても通信がありません。最終通信は 2026/6/4（木）20:58 です。"


def test_a_shop_that_opens_is_never_missed(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    fall_silent(db, shop, today + 20 * HOUR + 58 * MINUTE)
    assert alerts_after_watch(db, today + 22 * HOUR) == []

    fall_silent(db, shop, today + DAY + 9 * HOUR + 12 * MINUTE)

    assert alerts_after_watch(db, today + DAY + 9 * HOUR + 16 * MINUTE) == []
    assert status(db, shop) == "online"


def test_while_the_shop_is_open_silence_is_an_alert_as_ever(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    fall_silent(db, shop, today + 14 * HOUR)

    [message] = alerts_after_watch(db, today + 14 * HOUR + 12 * MINUTE)

    assert message == "店舗PCからの通信が途絶えています。最終通信は 2026/6/4（木）14:00 です。"


@pytest.mark.parametrize("mask", [ALWAYS, 0])
def test_a_shop_always_open_or_without_learned_hours_is_missed_at_night_too(
    db: Session, today: datetime, mask: int
) -> None:
    shop = terminal_with_days(db, today, lambda _: mask)
    actions.learn(db, today)
    fall_silent(db, shop, today + 3 * HOUR)

    assert len(alerts_after_watch(db, today + 3 * HOUR + 12 * MINUTE)) == 1


def test_learned_hours_decide_how_long_a_clean_shutdown_is_no_alert(db: Session, today: datetime) -> None:
    """Shut down at half past eight: twelve hours later the shop is not open yet. The other shop never closes."""
    shop, always = (
        terminal_with_days(db, today, lambda _: NINE_TO_NINE),
        terminal_with_days(db, today, lambda _: ALWAYS),
    )
    actions.learn(db, today)
    evening = today + 20.5 * HOUR
    for terminal in (shop, always):
        fall_silent(db, terminal, evening, shutdown_at=evening)

    assert alerts_after_watch(db, evening + 12 * MINUTE) == []
    [message] = alerts_after_watch(db, evening + 12 * HOUR)
    assert message.startswith("店舗PCが正常に終了したまま、起動していません。")
    assert len(alerts_after_watch(db, today + DAY + 9.25 * HOUR)) == 2


def test_a_day_the_shop_is_closed_is_waited_through_and_a_holiday_like_a_sunday(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda day: 0 if day.weekday() == SUNDAY else NINE_TO_NINE)
    db.add(Holiday(day=date(2026, 6, 5), name="創立記念日", source="edited"))
    db.flush()
    actions.learn(db, today)
    fall_silent(db, shop, today + 20.9 * HOUR)

    alerts_after_watch(db, today + 22 * HOUR)

    state = db.get_one(TerminalState, shop.id, populate_existing=True)
    assert state.alert_after == today + 2 * DAY + 9.25 * HOUR


def test_an_opening_during_our_own_outage_is_no_alert(db: Session, today: datetime) -> None:
    """The service is down from seven to ten. The watch keeps running, then the service's first sign of life comes."""
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    fall_silent(db, shop, today + 20.9 * HOUR)
    assert alerts_after_watch(db, today + DAY + 7 * HOUR) == []
    set_clock(db, today + DAY + 10 * HOUR)
    db.execute(update(Liveness).values(alive_at=today + DAY + 7 * HOUR))
    watch.watch(db)
    assert db.scalars(select(Alert)).all() == []

    silence = silence_allowed(settings().heartbeat_interval_seconds)
    db.connection().exec_driver_sql(RECORD_ALIVE, (OUTAGE_AFTER, silence, silence))

    state = db.get_one(TerminalState, shop.id, populate_existing=True)
    assert state.alert_after == today + DAY + 10 * HOUR + silence
    assert state.offline_after == today + 20.9 * HOUR + silence
    assert alerts_after_watch(db, today + DAY + 10 * HOUR + 10 * MINUTE) == []
    assert len(alerts_after_watch(db, today + DAY + 10 * HOUR + 12 * MINUTE)) == 1


def test_outdated_learned_hours_delay_no_alert(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    night = today + 8 * DAY + 3 * HOUR
    fall_silent(db, shop, night)

    assert len(alerts_after_watch(db, night + 12 * MINUTE)) == 1


def test_switched_off_learned_hours_delay_no_alert(
    db: Session, today: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    fall_silent(db, shop, today + 20.9 * HOUR)
    assert alerts_after_watch(db, today + 22 * HOUR) == []

    off = settings().model_copy(update={"learned_hours": False})
    for module in (hours, watch_queries):
        monkeypatch.setattr(module, "settings", lambda: off)

    assert alerts_after_watch(db, today + 22.1 * HOUR) == [
        "店舗PCからの通信が途絶えています。最終通信は 2026/6/4（木）20:54 です。"
    ]


def test_a_maintenance_that_ends_at_night_fires_nothing_before_the_opening(db: Session, today: datetime) -> None:
    shop = terminal_with_days(db, today, lambda _: NINE_TO_NINE)
    actions.learn(db, today)
    fall_silent(db, shop, today + 20.9 * HOUR, status="maintenance")
    ends_at = today + DAY + 3 * HOUR
    work = {"starts_at": today + 20 * HOUR, "begun_at": today + 20 * HOUR, "ends_at": ends_at, "reason": "回線工事"}
    db.execute(insert(Maintenance), [{"terminal_id": shop.id} | work])
    set_clock(db, ends_at + MINUTE)

    maintenance.begin_and_end_due(db)

    assert status(db, shop) == "offline"
    assert alerts_after_watch(db, ends_at + HOUR) == []
    assert len(alerts_after_watch(db, today + DAY + 9.3 * HOUR)) == 1
