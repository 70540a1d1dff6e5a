"""The state machine's transitions during the shop search: calls, their answers, and what operators find out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time, timedelta

from pydantic import BaseModel, ConfigDict

from service.core.values.times import DAY, TOKYO, at, format_local_datetime, local_date
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import (
    PAYMENT_TASKS,
    SHOP_SEARCH_TASKS,
    Case,
    Transition,
    accept_by_shop,
    advance_to_next_shop,
    resume_calling,
    with_changes,
)
from service.reservations.state_machine.events import Effect
from service.reservations.state_machine.states import FINAL_STATES, SHOP_SEARCH_STATES, Answer, Purpose, State, Task

# Answers that operators have to clarify: the next state and the task.
_UNCLEAR_ANSWERS: Mapping[Answer, tuple[State, Task]] = {
    Answer.VAGUE: (State.PENDING_SHOP_RESPONSE, Task.VAGUE_ANSWER),
    Answer.CHANGE_REQUESTED: (State.CHANGE_REQUESTED, Task.CHANGE_REQUESTED),
}


def _is_its_turn(case: Case, event: e.CallPlaced | e.ShopSkipped) -> bool:
    calling = case.state in (State.REQUESTED, State.CALLING) and case.call is None
    return calling and event.number == case.calls + 1 and event.shop in case.order and event.shop not in case.turn


def _call_placed(case: Case, event: e.CallPlaced, now: datetime) -> Transition:
    if not _is_its_turn(case, event):
        return "今は電話をかけられません。"
    placed = with_changes(
        case,
        state=State.CALLING,
        call=event.number,
        calls=event.number,
        turn=(*case.turn, event.shop),
        resume_at=None,
    )
    return placed, [e.Call(number=event.number, shop=event.shop)]


def _shop_skipped(case: Case, event: e.ShopSkipped, now: datetime) -> Transition:
    if not _is_its_turn(case, event):
        return "今は電話をかけられません。"
    turn = (*case.turn, event.shop)
    return advance_to_next_shop(with_changes(case, state=State.CALLING, calls=event.number, turn=turn), now), []


def _shops_closed(case: Case, event: e.ShopsClosed, now: datetime) -> Transition:
    if case.state not in (State.REQUESTED, State.CALLING) or case.call is not None:
        return "電話をかける店舗を待っていません。"
    return with_changes(case, state=State.CALLING, resume_at=event.until), []


def _call_ended(case: Case, event: e.CallEnded, now: datetime) -> Transition:
    if event.answer is Answer.OK:
        return _accepted(case, event, now)
    if event.overruled:
        return _overruled(case, event, now)
    if case.call != event.number:
        return "すでに終わった電話の結果です。"
    ended = with_changes(case, call=None)
    if event.answer in _UNCLEAR_ANSWERS:
        state, task = _UNCLEAR_ANSWERS[event.answer]
        return with_changes(ended, state=state, asked=event.shop), [e.ForPeople(task=task)]
    unclear: list[Effect] = [e.ForPeople(task=Task.CALL_UNCLEAR)] if event.answer is Answer.UNKNOWN else []
    return advance_to_next_shop(ended, now), unclear


def _accepted(case: Case, event: e.CallEnded, now: datetime) -> Transition:
    """The first shop that accepts gets the reservation, whichever call it was. A second shop is notified that it does
    not get it; so is a shop that accepted a time that no longer applies."""
    if event.number > case.calls:
        return "この番号の電話はありません。"
    if case.state in SHOP_SEARCH_STATES and event.number > case.void:
        stop: list[Effect] = [e.StopCall(number=case.call)] if case.call not in (None, event.number) else []
        held_case, hold_effects = accept_by_shop(case, event.shop)
        return held_case, stop + hold_effects
    if case.shop == event.shop and case.state not in SHOP_SEARCH_STATES:
        return "この店舗で手配済みです。"
    if event.number in case.turned_down:
        return "この店舗には見送りを伝えました。"
    effects: list[Effect] = [e.ToShop(purpose=Purpose.RELEASED, shop=event.shop)]
    if case.state not in FINAL_STATES and case.state is not State.REFUND_PENDING:
        effects.append(e.ForPeople(task=Task.SECOND_OK))
    return with_changes(case, turned_down=(*case.turned_down, event.number)), effects


def _overruled(case: Case, event: e.CallEnded, now: datetime) -> Transition:
    """An operator corrects the answer that was read; `_accepted` handles a correction to OK."""
    is_held = case.state is State.CALLING_SUCCESS and case.shop == event.shop
    is_waiting = case.state in (State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED) and case.asked == event.shop
    if not (is_held or is_waiting):
        return "予約はすでに先へ進んでいます。"
    reopened = with_changes(case, shop=None, session=None, call=None, asked=event.shop)
    # Payment tasks no longer matter.
    closing_effects: list[Effect] = [e.Solved(tasks=PAYMENT_TASKS)] if is_held else []
    if case.session:
        closing_effects.append(e.Expire(session=case.session))
    if event.answer in _UNCLEAR_ANSWERS:
        state, task = _UNCLEAR_ANSWERS[event.answer]
        return with_changes(reopened, state=state), [
            *closing_effects,
            e.Solved(tasks=SHOP_SEARCH_TASKS),
            e.ForPeople(task=task),
        ]
    resumed_case, effects = resume_calling(reopened, now)
    released: list[Effect] = [e.ToShop(purpose=Purpose.RELEASED, shop=event.shop)] if is_held else []
    return resumed_case, [*released, *closing_effects, *effects]


def _shops_exhausted(case: Case, event: e.ShopsExhausted, now: datetime) -> Transition:
    if case.state not in SHOP_SEARCH_STATES or case.state is State.ALL_SHOPS_REFUSED:
        return "店舗を探していません。"
    stop: list[Effect] = [e.StopCall(number=case.call)] if case.call is not None else []
    notifications: list[Effect] = [
        e.ToCustomer(purpose=Purpose.ALL_SHOPS_REFUSED),
        e.ForPeople(task=Task.ALL_SHOPS_REFUSED),
    ]
    refused = with_changes(case, state=State.ALL_SHOPS_REFUSED, call=None, asked=None)
    return refused, [*stop, e.Solved(tasks=(Task.VAGUE_ANSWER, Task.CHANGE_REQUESTED)), *notifications]


def _shop_ok(case: Case, event: e.ShopOk, now: datetime) -> Transition:
    if case.state not in SHOP_SEARCH_STATES:
        return "店舗の手配は終わっています。"
    stop: list[Effect] = [e.StopCall(number=case.call)] if case.call is not None else []
    held_case, effects = accept_by_shop(case, event.shop)
    return held_case, stop + effects


def _shop_refused(case: Case, event: e.ShopRefused, now: datetime) -> Transition:
    if case.state is not State.PENDING_SHOP_RESPONSE:
        return "店舗の回答を待っていません。"
    return resume_calling(case, now)


def _change_accepted(case: Case, event: e.ChangeAccepted, now: datetime) -> Transition:
    if case.state is not State.CHANGE_REQUESTED:
        return "変更の確認を待っていません。"
    return accept_by_shop(with_changes(case, starts_at=event.starts_at, price=event.price, void=case.calls), case.asked)


def _change_refused(case: Case, event: e.ChangeRefused, now: datetime) -> Transition:
    if case.state is not State.CHANGE_REQUESTED:
        return "変更の確認を待っていません。"
    resumed_case, effects = resume_calling(case, now)
    return resumed_case, [*effects, e.ToShop(purpose=Purpose.DECLINED, shop=case.asked)]


def _rearranged(case: Case, event: e.Rearranged, now: datetime) -> Transition:
    if case.state not in (State.ALL_SHOPS_REFUSED, State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED):
        return "今は日時を変更して探し直せません。"
    notifications: list[Effect] = (
        [e.ToShop(purpose=Purpose.DECLINED, shop=case.asked)] if case.asked is not None else []
    )
    restarted = with_changes(
        case,
        state=State.CALLING,
        starts_at=event.starts_at,
        price=event.price,
        order=event.order,
        round=1,
        turn=(),
        void=case.calls,
        asked=None,
        resume_at=now,
    )
    return restarted, [e.Solved(tasks=SHOP_SEARCH_TASKS), *notifications]


HANDLERS: Mapping[str, Callable[..., Transition]] = {
    "call_placed": _call_placed,
    "shop_skipped": _shop_skipped,
    "shops_closed": _shops_closed,
    "call_ended": _call_ended,
    "shops_exhausted": _shops_exhausted,
    "shop_ok": _shop_ok,
    "shop_refused": _shop_refused,
    "change_accepted": _change_accepted,
    "change_refused": _change_refused,
    "rearranged": _rearranged,
}


class PhoneLine(BaseModel):
    """When a shop answers its telephone, in Tokyo time; `closed_weekdays` are ISO weekdays. `is_out`: the shop must not
    be called at all."""

    model_config = ConfigDict(frozen=True)

    opens_at: time
    closes_at: time
    closed_weekdays: frozenset[int] = frozenset()
    is_out: bool = False
    is_busy: bool = False


def unusual_time_reason(lines: Iterable[PhoneLine], starts_at: datetime) -> str | None:
    """Why a time is unusual: no shop answers its telephone then. None: it is not, or there are no shops."""
    callable_lines = [line for line in lines if not line.is_out]
    local = starts_at.astimezone(TOKYO)
    open_lines = [line for line in callable_lines if local.isoweekday() not in line.closed_weekdays]
    if not callable_lines or any(line.opens_at <= local.time() <= line.closes_at for line in open_lines):
        return None
    if not open_lines:
        return f"ご希望の日時（{format_local_datetime(starts_at)}）は、どの提携店も定休日です。"
    opens, closes = min(line.opens_at for line in open_lines), max(line.closes_at for line in open_lines)
    hours = f"{opens.hour}:{opens.minute:02}〜{closes.hour}:{closes.minute:02}"
    return f"ご希望の日時（{format_local_datetime(starts_at)}）は、提携店の電話受付時間（{hours}）の外です。"


# While another reservation's call is on the line.
BUSY_DELAY = timedelta(seconds=15)


def earliest_call(line: PhoneLine, now: datetime) -> datetime | None:
    """The earliest time at which the shop may be called; None: never."""
    if line.is_out:
        return None
    today = local_date(now)
    for day in (today + DAY * ahead for ahead in range(8)):
        if day.isoweekday() not in line.closed_weekdays and now < at(day, line.closes_at):
            opening = max(now, at(day, line.opens_at))
            return max(opening, now + BUSY_DELAY) if line.is_busy else opening
    return None
