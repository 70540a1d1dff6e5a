"""What becomes of a case while a shop is looked for: calls, their answers, and what people find out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time, timedelta

from pydantic import BaseModel, ConfigDict

from service.core.times import DAY, TOKYO, at, in_words, local_date
from service.reservations.cases.rules import OF_PAYING, OF_SEEKING, Case, Result, go_on, resumed, taken, with_
from service.reservations.events import rules as e
from service.reservations.events.rules import OVER, SEEKING, Answer, Effect, Purpose, State, Task

# Answers that people have to clear up.
_FOR_PEOPLE: Mapping[Answer, tuple[State, Task]] = {
    Answer.VAGUE: (State.PENDING_SHOP_RESPONSE, Task.VAGUE_ANSWER),
    Answer.CHANGE_REQUESTED: (State.CHANGE_REQUESTED, Task.CHANGE_REQUESTED),
}


def _is_its_turn(case: Case, event: e.CallPlaced | e.ShopSkipped) -> bool:
    calling = case.state in (State.REQUESTED, State.CALLING) and case.call is None
    return calling and event.number == case.calls + 1 and event.shop in case.order and event.shop not in case.turn


def _call_placed(case: Case, event: e.CallPlaced, now: datetime) -> Result:
    if not _is_its_turn(case, event):
        return "今は電話をかけられません。"
    placed = with_(
        case,
        state=State.CALLING,
        call=event.number,
        calls=event.number,
        turn=(*case.turn, event.shop),
        resume_at=None,
    )
    return placed, [e.Call(number=event.number, shop=event.shop)]


def _shop_skipped(case: Case, event: e.ShopSkipped, now: datetime) -> Result:
    if not _is_its_turn(case, event):
        return "今は電話をかけられません。"
    turn = (*case.turn, event.shop)
    return go_on(with_(case, state=State.CALLING, calls=event.number, turn=turn), now), []


def _shops_closed(case: Case, event: e.ShopsClosed, now: datetime) -> Result:
    if case.state not in (State.REQUESTED, State.CALLING) or case.call is not None:
        return "電話をかける店舗を待っていません。"
    return with_(case, state=State.CALLING, resume_at=event.until), []


def _call_ended(case: Case, event: e.CallEnded, now: datetime) -> Result:
    if event.answer is Answer.OK:
        return _said_yes(case, event, now)
    if event.overruled:
        return _overruled(case, event, now)
    if case.call != event.number:
        return "すでに終わった電話の結果です。"
    ended = with_(case, call=None)
    if event.answer in _FOR_PEOPLE:
        state, task = _FOR_PEOPLE[event.answer]
        return with_(ended, state=state, asked=event.shop), [e.ForPeople(task=task)]
    unclear: list[Effect] = [e.ForPeople(task=Task.CALL_UNCLEAR)] if event.answer is Answer.UNKNOWN else []
    return go_on(ended, now), unclear


def _said_yes(case: Case, event: e.CallEnded, now: datetime) -> Result:
    """The first shop that says yes has it, whichever call that was; a second one is told that it has not. So is one
    that said yes to what is no longer wanted."""
    if event.number > case.calls:
        return "この番号の電話はありません。"
    if case.state in SEEKING and event.number > case.void:
        stop: list[Effect] = [e.StopCall(number=case.call)] if case.call not in (None, event.number) else []
        held, following = taken(case, event.shop)
        return held, stop + following
    if case.shop == event.shop and case.state not in SEEKING:
        return "この店舗で手配済みです。"
    if event.number in case.turned_down:
        return "この店舗には見送りを伝えました。"
    effects: list[Effect] = [e.ToShop(purpose=Purpose.RELEASED, shop=event.shop)]
    if case.state not in OVER and case.state is not State.REFUND_PENDING:
        effects.append(e.ForPeople(task=Task.SECOND_OK))
    return with_(case, turned_down=(*case.turned_down, event.number)), effects


def _overruled(case: Case, event: e.CallEnded, now: datetime) -> Result:
    """A person corrects what was read; a yes is no different from one that was read (`_said_yes`)."""
    held = case.state is State.CALLING_SUCCESS and case.shop == event.shop
    waits = case.state in (State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED) and case.asked == event.shop
    if not (held or waits):
        return "予約はすでに先へ進んでいます。"
    open_again = with_(case, shop=None, session=None, call=None, asked=event.shop)
    # What was wrong with paying is nobody's matter any more.
    ending: list[Effect] = [e.Solved(tasks=OF_PAYING)] if held else []
    if case.session:
        ending.append(e.Expire(session=case.session))
    if event.answer in _FOR_PEOPLE:
        state, task = _FOR_PEOPLE[event.answer]
        return with_(open_again, state=state), [*ending, e.Solved(tasks=OF_SEEKING), e.ForPeople(task=task)]
    on, effects = resumed(open_again, now)
    released: list[Effect] = [e.ToShop(purpose=Purpose.RELEASED, shop=event.shop)] if held else []
    return on, [*released, *ending, *effects]


def _shops_exhausted(case: Case, event: e.ShopsExhausted, now: datetime) -> Result:
    if case.state not in SEEKING or case.state is State.ALL_SHOPS_REFUSED:
        return "店舗を探していません。"
    stop: list[Effect] = [e.StopCall(number=case.call)] if case.call is not None else []
    told: list[Effect] = [e.ToCustomer(purpose=Purpose.ALL_SHOPS_REFUSED), e.ForPeople(task=Task.ALL_SHOPS_REFUSED)]
    refused = with_(case, state=State.ALL_SHOPS_REFUSED, call=None, asked=None)
    return refused, [*stop, e.Solved(tasks=(Task.VAGUE_ANSWER, Task.CHANGE_REQUESTED)), *told]


def _shop_ok(case: Case, event: e.ShopOk, now: datetime) -> Result:
    if case.state not in SEEKING:
        return "店舗の手配は終わっています。"
    stop: list[Effect] = [e.StopCall(number=case.call)] if case.call is not None else []
    held, effects = taken(case, event.shop)
    return held, stop + effects


def _shop_refused(case: Case, event: e.ShopRefused, now: datetime) -> Result:
    if case.state is not State.PENDING_SHOP_RESPONSE:
        return "店舗の回答を待っていません。"
    return resumed(case, now)


def _change_accepted(case: Case, event: e.ChangeAccepted, now: datetime) -> Result:
    if case.state is not State.CHANGE_REQUESTED:
        return "変更の確認を待っていません。"
    return taken(with_(case, starts_at=event.starts_at, price=event.price, void=case.calls), case.asked)


def _change_refused(case: Case, event: e.ChangeRefused, now: datetime) -> Result:
    if case.state is not State.CHANGE_REQUESTED:
        return "変更の確認を待っていません。"
    on, effects = resumed(case, now)
    return on, [*effects, e.ToShop(purpose=Purpose.DECLINED, shop=case.asked)]


def _rearranged(case: Case, event: e.Rearranged, now: datetime) -> Result:
    if case.state not in (State.ALL_SHOPS_REFUSED, State.PENDING_SHOP_RESPONSE, State.CHANGE_REQUESTED):
        return "今は日時を変更して探し直せません。"
    told: list[Effect] = [e.ToShop(purpose=Purpose.DECLINED, shop=case.asked)] if case.asked is not None else []
    anew = with_(
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
    return anew, [e.Solved(tasks=OF_SEEKING), *told]


HANDLERS: Mapping[str, Callable[..., Result]] = {
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


class Line(BaseModel):
    """When a shop's telephone is answered, Tokyo time; `closed_weekdays` as ISO counts them. `is_out`: it is not to be
    called at all."""

    model_config = ConfigDict(frozen=True)

    opens_at: time
    closes_at: time
    closed_weekdays: frozenset[int] = frozenset()
    is_out: bool = False
    is_busy: bool = False


def odd_time(lines: Iterable[Line], starts_at: datetime) -> str | None:
    """What is odd about the time of a reservation: none of the shops answers its telephone then. None: nothing is, or
    there are no shops."""
    there = [line for line in lines if not line.is_out]
    local = starts_at.astimezone(TOKYO)
    today = [line for line in there if local.isoweekday() not in line.closed_weekdays]
    if not there or any(line.opens_at <= local.time() <= line.closes_at for line in today):
        return None
    if not today:
        return f"ご希望の日時（{in_words(starts_at)}）は、どの提携店も定休日です。"
    opens, closes = min(line.opens_at for line in today), max(line.closes_at for line in today)
    hours = f"{opens.hour}:{opens.minute:02}〜{closes.hour}:{closes.minute:02}"
    return f"ご希望の日時（{in_words(starts_at)}）は、提携店の電話受付時間（{hours}）の外です。"


# Another reservation's call is on the line.
BUSY_PAUSE = timedelta(seconds=15)


def free(line: Line, now: datetime) -> datetime | None:
    """When the shop may be called, at the earliest; None: not at all."""
    if line.is_out:
        return None
    today = local_date(now)
    for day in (today + DAY * ahead for ahead in range(8)):
        if day.isoweekday() not in line.closed_weekdays and now < at(day, line.closes_at):
            opening = max(now, at(day, line.opens_at))
            return max(opening, now + BUSY_PAUSE) if line.is_busy else opening
    return None
