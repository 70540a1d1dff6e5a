"""The case: everything that the state machine decides by, and the transitions that several events share. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.reservations.state_machine import events as e
from service.reservations.state_machine.events import Effect
from service.reservations.state_machine.states import Purpose, State, Task

PAY_MINUTES = 10
ROUNDS = 2
# Between the rounds, so that shops that did not answer may be reachable again.
ROUND_PAUSE = timedelta(minutes=5)
# For an earlier time no shop agrees soon enough; for a later time no shop commits itself.
SHORTEST_NOTICE = timedelta(hours=3)
LONGEST_NOTICE = timedelta(days=90)
# The search for a shop ends this long before the reservation's time.
GIVE_UP_BEFORE = timedelta(hours=1)
# A call without any report for so long counts as ended.
CALL_TIMEOUT = timedelta(minutes=15)
CANCEL_BEFORE = timedelta(hours=48)
REMIND_BEFORE = timedelta(hours=24)
FINISH_AFTER = timedelta(hours=2)
# How long Stripe may leave it open whether a session is closed before it is asked again.
EXPIRY_RETRY_AFTER = timedelta(minutes=10)
REFUND_TIMEOUT = timedelta(hours=24)


class Case(BaseModel):
    """Everything that the machine decides by. Stored as JSON.

    `turn`: the shops already called or skipped in this round. `asked`: the shop whose answer operators wait for.
    `void`: the last call that asked for a time that no longer applies. `turned_down`: calls whose acceptance came too
    late. `session`: the newest checkout session; money for an older one is refunded. `leaving`: why the session is
    being closed. `stray`: payments (intents) for other sessions. `refund_fails`: the refund has to be tried again.
    """

    model_config = ConfigDict(frozen=True)

    state: State
    since: datetime
    starts_at: datetime
    price: int
    order: tuple[int, ...]
    round: int = 1
    turn: tuple[int, ...] = ()
    resume_at: datetime | None = None
    calls: int = 0
    call: int | None = None
    void: int = 0
    turned_down: tuple[int, ...] = ()
    asked: int | None = None
    shop: int | None = None
    is_unlisted: bool = False
    checkouts: int = 0
    session: str | None = None
    deadline: datetime | None = None
    by_mail: bool = False
    leaving: Literal["deadline", "cancelled"] | None = None
    intent: str | None = None
    paid: int = 0
    stray: tuple[str, ...] = ()
    refunds: int = 0
    refunded: int = 0
    refund_fails: bool = False
    sms_fails: bool = False
    reminded: bool = False
    # When the next event is due by time; None in a final state.
    next_action_at: datetime | None = None

    @property
    def cancel_until(self) -> datetime:
        """The last time at which the customer may cancel a paid reservation."""
        return self.starts_at - CANCEL_BEFORE


# The changed case and the effects, or the reason why an event changes nothing.
Transition = tuple[Case, list[Effect]] | str
# Tasks that end once it is clear whether a shop accepts, and once it is clear whether the reservation is paid.
SHOP_SEARCH_TASKS = (Task.VAGUE_ANSWER, Task.CHANGE_REQUESTED, Task.ALL_SHOPS_REFUSED, Task.CALL_UNCLEAR)
PAYMENT_TASKS = (Task.SMS_FAILED, Task.PAYMENT_TROUBLE)
# Tasks that end when the reservation is cancelled. Tasks about money and enquiries stay open.
ARRANGEMENT_TASKS = (*SHOP_SEARCH_TASKS, *PAYMENT_TASKS, Task.LATE_CANCEL)


def with_changes(case: Case, **values: Any) -> Case:
    return case.model_copy(update=values)


def accept_by_shop(case: Case, shop: int | None) -> tuple[Case, list[Effect]]:
    """The shop accepts. If SMS to the customer fails, operators decide how the customer gets the payment link."""
    held_case = with_changes(
        case,
        state=State.CALLING_SUCCESS,
        call=None,
        asked=None,
        shop=shop,
        is_unlisted=shop is None,
        session=None,
        deadline=None,
        by_mail=False,
    )
    effects: list[Effect] = [e.Solved(tasks=SHOP_SEARCH_TASKS), e.ToShop(purpose=Purpose.HELD, shop=shop)]
    if case.sms_fails:
        return held_case, [*effects, e.ForPeople(task=Task.SMS_FAILED)]
    return with_changes(held_case, checkouts=case.checkouts + 1), [
        *effects,
        e.Checkout(number=case.checkouts + 1, amount=case.price),
    ]


def advance_to_next_shop(case: Case, now: datetime) -> Case:
    """Goes on to the next shop, or after a pause to the next round."""
    if len(case.turn) < len(case.order) or case.round >= ROUNDS:
        return with_changes(case, resume_at=now)
    return with_changes(case, round=case.round + 1, turn=(), resume_at=now + ROUND_PAUSE)


def resume_calling(case: Case, now: datetime) -> tuple[Case, list[Effect]]:
    return advance_to_next_shop(with_changes(case, state=State.CALLING, asked=None, call=None), now), [
        e.Solved(tasks=SHOP_SEARCH_TASKS)
    ]


def close_session(case: Case, reason: Literal["deadline", "cancelled"]) -> tuple[Case, list[Effect]]:
    return with_changes(case, state=State.EXPIRING, leaving=reason), [e.Expire(session=case.session or "")]


def cancel_unpaid(case: Case) -> tuple[Case, list[Effect]]:
    """Cancels a reservation that is not paid."""
    effects: list[Effect] = [e.Solved(tasks=ARRANGEMENT_TASKS)]
    if case.call is not None:
        effects.append(e.StopCall(number=case.call))
    waiting_shop = case.shop if case.shop is not None else case.asked
    if waiting_shop is not None or case.is_unlisted:
        effects.append(e.ToShop(purpose=Purpose.RELEASED, shop=waiting_shop))
    cancelled = with_changes(case, state=State.CANCELLED, call=None, asked=None)
    return cancelled, [*effects, e.ToCustomer(purpose=Purpose.CANCELLED)]
