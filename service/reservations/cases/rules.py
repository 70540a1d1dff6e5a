"""A case: everything that the state machine decides by, and the few moves that several of its events share. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.reservations.events import rules as e
from service.reservations.events.rules import Effect, Purpose, State, Task

PAY_MINUTES = 10
ROUNDS = 2
# Between the rounds, so that whoever did not answer has a chance to be back.
ROUND_PAUSE = timedelta(minutes=5)
# Who wants something sooner gets no shop to agree in time; what is further away, none to commit itself.
SHORTEST_NOTICE = timedelta(hours=3)
LONGEST_NOTICE = timedelta(days=90)
# Before its time nobody looks for a shop any more.
GIVE_UP_BEFORE = timedelta(hours=1)
# A call that nobody heard of for so long has ended somehow.
CALL_LIMIT = timedelta(minutes=15)
CANCEL_BEFORE = timedelta(hours=48)
REMIND_BEFORE = timedelta(hours=24)
FINISH_AFTER = timedelta(hours=2)
# How long Stripe may leave open whether a session is closed before it is asked anew.
EXPIRY_PATIENCE = timedelta(minutes=10)
REFUND_PATIENCE = timedelta(hours=24)


class Case(BaseModel):
    """Everything that the machine decides by.

    `turn`: the shops whose turn of this round is used up. `asked`: the shop whose word people wait for. `void`: the
    last call that asked for something else than what is wanted now. `turned_down`: calls whose yes came too late.
    `session` is the newest checkout; money for an older one is given back. `leaving`: why it is being closed.
    `refund_fails`: what is to be given back needs a new try.
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
    # When the time itself calls for something; None once it is over.
    next_action_at: datetime | None = None

    @property
    def cancel_until(self) -> datetime:
        """The last moment at which the customer may cancel what is paid."""
        return self.starts_at - CANCEL_BEFORE


# What becomes of a case and what has to be done, or why an event changes nothing.
Result = tuple[Case, list[Effect]] | str
# What is settled once it is clear whether a shop takes it, and once it is clear whether it is paid.
OF_SEEKING = (Task.VAGUE_ANSWER, Task.CHANGE_REQUESTED, Task.ALL_SHOPS_REFUSED, Task.CALL_UNCLEAR)
OF_PAYING = (Task.SMS_FAILED, Task.PAYMENT_TROUBLE)
# What a cancelled reservation leaves nobody to do. Money and other people's enquiries are not settled by it.
OF_ARRANGING = (*OF_SEEKING, *OF_PAYING, Task.LATE_CANCEL)


def with_(case: Case, **values: Any) -> Case:
    return case.model_copy(update=values)


def taken(case: Case, shop: int | None) -> tuple[Case, list[Effect]]:
    """A shop holds it. Without a number that takes an SMS, people have to say how the customer gets the link."""
    held = with_(
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
    effects: list[Effect] = [e.Solved(tasks=OF_SEEKING), e.ToShop(purpose=Purpose.HELD, shop=shop)]
    if case.sms_fails:
        return held, [*effects, e.ForPeople(task=Task.SMS_FAILED)]
    return with_(held, checkouts=case.checkouts + 1), [
        *effects,
        e.Checkout(number=case.checkouts + 1, amount=case.price),
    ]


def go_on(case: Case, now: datetime) -> Case:
    """To the next shop, or after a pause to the next round."""
    if len(case.turn) < len(case.order) or case.round >= ROUNDS:
        return with_(case, resume_at=now)
    return with_(case, round=case.round + 1, turn=(), resume_at=now + ROUND_PAUSE)


def resumed(case: Case, now: datetime) -> tuple[Case, list[Effect]]:
    return go_on(with_(case, state=State.CALLING, asked=None, call=None), now), [e.Solved(tasks=OF_SEEKING)]


def closing(case: Case, why: Literal["deadline", "cancelled"]) -> tuple[Case, list[Effect]]:
    return with_(case, state=State.EXPIRING, leaving=why), [e.Expire(session=case.session or "")]


def gone(case: Case) -> tuple[Case, list[Effect]]:
    """Cancelled before anything was paid."""
    effects: list[Effect] = [e.Solved(tasks=OF_ARRANGING)]
    if case.call is not None:
        effects.append(e.StopCall(number=case.call))
    waiting = case.shop if case.shop is not None else case.asked
    if waiting is not None or case.is_unlisted:
        effects.append(e.ToShop(purpose=Purpose.RELEASED, shop=waiting))
    left = with_(case, state=State.CANCELLED, call=None, asked=None)
    return left, [*effects, e.ToCustomer(purpose=Purpose.CANCELLED)]
