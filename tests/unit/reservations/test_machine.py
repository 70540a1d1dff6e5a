"""The state machine under whatever may happen in whatever order: nothing illegal, nothing stuck, nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reservations.cases.rules import CANCEL_BEFORE, Case
from service.reservations.events import rules as e
from service.reservations.events.rules import EVENT_ADAPTER, FINAL_STATES, Answer, Event, State
from service.reservations.machine import rules as machine
from service.reservations.machine.rules import Outcome

NOW = datetime(2031, 1, 8, 1, 0, tzinfo=UTC)
S = State
# Every move that there may be; staying is always possible.
_SOUGHT = {S.CALLING, S.PENDING_SHOP_RESPONSE, S.CHANGE_REQUESTED, S.ALL_SHOPS_REFUSED, S.CALLING_SUCCESS, S.CANCELLED}
LEGAL: dict[State, set[State]] = {
    S.REQUESTED: {S.CALLING, S.ALL_SHOPS_REFUSED, S.CALLING_SUCCESS, S.CANCELLED},
    S.CALLING: _SOUGHT,
    S.PENDING_SHOP_RESPONSE: _SOUGHT,
    S.CHANGE_REQUESTED: _SOUGHT,
    S.ALL_SHOPS_REFUSED: {S.CALLING, S.CALLING_SUCCESS, S.CANCELLED},
    S.CALLING_SUCCESS: {
        *(S.AWAITING_PAYMENT, S.EXPIRING, S.CONFIRMED, S.CANCELLED),
        *(S.CALLING, S.PENDING_SHOP_RESPONSE, S.CHANGE_REQUESTED),
    },
    S.AWAITING_PAYMENT: {S.EXPIRING, S.CONFIRMED, S.PAYMENT_TIMEOUT, S.CALLING_SUCCESS},
    S.EXPIRING: {S.PAYMENT_TIMEOUT, S.CONFIRMED, S.CANCELLED, S.REFUND_PENDING},
    S.PAYMENT_TIMEOUT: {S.REFUND_PENDING},
    S.CONFIRMED: {S.COMPLETED, S.REFUND_PENDING},
    S.COMPLETED: set(),
    S.CANCELLED: {S.REFUND_PENDING},
    S.REFUND_PENDING: {S.REFUNDED},
    S.REFUNDED: {S.REFUND_PENDING},
}
# Only a vendor or a person can end these; the time asks them again and again.
OF_OTHERS = frozenset({S.EXPIRING, S.REFUND_PENDING})
NOT_HERE = frozenset({Answer.REFUSED, Answer.VOICEMAIL, Answer.NO_ANSWER, Answer.BUSY, Answer.FAILED})


def begun(shops: int, ahead: timedelta = timedelta(days=7)) -> tuple[e.Requested, Case]:
    asked = e.Requested(starts_at=NOW + ahead, price=5500, order=tuple(range(1, shops + 1)))
    return asked, machine.start(asked, NOW).case


class Life:
    """A reservation with everything that happened to it, and what the world would have seen of it."""

    def __init__(self, shops: int, ahead: timedelta) -> None:
        asked, self.case = begun(shops, ahead)
        self.now = NOW
        self.events: list[tuple[datetime, Event]] = [(NOW, asked)]
        self.called: dict[int, int] = {}
        self.active: set[int] = set()
        self.sessions = ["cs_foreign"]
        self.paid: dict[str, int] = {}
        self.refunds: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def is_at(self, state: State) -> bool:
        return self.case.state is state

    def happen(self, event: Event) -> Outcome:
        before = self.case
        outcome = machine.apply(before, event, self.now)
        self.events.append((self.now, event))
        self.case = outcome.case
        if outcome.ignored is not None:
            assert outcome.case == before
            assert outcome.effects == ()
            return outcome
        self._note(event, outcome)
        self._check(before)
        return outcome

    def _note(self, event: Event, outcome: Outcome) -> None:
        if isinstance(event, e.CallEnded):
            self.active.discard(event.number)
        if isinstance(event, e.Paid):
            self.paid[event.intent] = event.amount
        if isinstance(event, e.RefundFailed):
            self.failed[event.intent] += 1
        for effect in outcome.effects:
            if isinstance(effect, e.StopCall):
                self.active.discard(effect.number)
            if isinstance(effect, e.Call):
                self.active.add(effect.number)
                self.called[effect.number] = effect.shop
            if isinstance(effect, e.Checkout):
                self.sessions.append(f"cs_{effect.number}")
            if isinstance(effect, e.Refund):
                self.refunds[effect.intent] += 1
                assert effect.amount == self.paid[effect.intent], "no more and no less than was paid"

    def _check(self, before: Case) -> None:
        now = self.case
        assert now.state == before.state or now.state in LEGAL[before.state], f"{before.state} to {now.state}"
        assert (now.next_action_at is None) == (now.state in FINAL_STATES), "somebody has to be waiting for something"
        assert self.active == ({now.call} if now.call is not None else set()), "one call at a time"
        for intent, times in self.refunds.items():
            assert times <= 1 + self.failed[intent], "given back once, unless that failed"
        if now.state in (S.AWAITING_PAYMENT, S.EXPIRING):
            assert now.session is not None
        if now.state is S.AWAITING_PAYMENT:
            assert now.deadline is not None
        if now.state in (S.CONFIRMED, S.COMPLETED):
            assert now.paid
            assert now.shop is not None or now.is_unlisted
        if now.state in (S.CANCELLED, S.PAYMENT_TIMEOUT):
            assert not now.paid, "nobody is sent away who has paid"

    def pass_until(self, moment: datetime, free: machine.EarliestCall) -> None:
        """The time, and with it all that it calls for."""
        self.now = max(self.now, moment)
        for _ in range(500):
            event = machine.due_event(self.case, self.now, free)
            if event is None:
                return
            outcome = self.happen(event)
            assert outcome.ignored is None, f"what the time calls for fits: {event}"
        raise AssertionError("the time calls for more and more")


def minutes(dice: Random, most: int) -> timedelta:
    return timedelta(minutes=dice.randint(0, most))


def rumour(life: Life, dice: Random) -> Event:
    """Anything that anybody may say just now, true or not, late or twice; mostly about what is going on."""
    case = life.case
    number = dice.choice([case.call or case.calls or 1] * 3 + list(range(1, case.calls + 2)))
    shop = life.called.get(number, 5)
    session = dice.choice([case.session or "cs_foreign"] * 3 + life.sessions[-2:])
    intent = dice.choice([case.intent or "pi_1"] * 3 + ["pi_1", "pi_2", "pi_3"])
    # A payment has one amount, however often it is told.
    amount = 5000 + int(intent[-1])
    later, flag = life.now + minutes(dice, 10 * 24 * 60), dice.random() < 0.5
    said: list[Event] = [
        *[e.CallEnded(number=number, shop=shop, answer=answer, overruled=flag) for answer in Answer],
        e.CallEnded(number=number, shop=case.shop or case.asked or shop, answer=Answer.VAGUE, overruled=True),
        e.CallEnded(number=number, shop=case.shop or case.asked or shop, answer=Answer.REFUSED, overruled=True),
        e.CallPlaced(number=number, shop=shop),
        e.ShopSkipped(number=number, shop=shop, why="-"),
        e.ShopsClosed(until=later),
        e.ShopsExhausted(too_late=flag),
        e.ShopOk(shop=1 if flag else None, note="-"),
        e.ShopRefused(),
        e.ChangeAccepted(starts_at=later, price=6600),
        e.ChangeRefused(),
        e.Rearranged(starts_at=later, price=3300, order=(1, 2) if flag else ()),
        e.CheckoutReady(number=case.checkouts, session=f"cs_{case.checkouts}"),
        e.CheckoutReady(number=case.checkouts + 1, session="cs_foreign"),
        e.CheckoutFailed(number=case.checkouts),
        e.CheckoutRetried(by_mail=flag),
        e.LinkSent(minutes=10, by_mail=case.by_mail),
        e.LinkSent(minutes=10, by_mail=not case.by_mail),
        e.SmsFailed(purpose="payment_link" if flag else "reminder"),
        e.DeadlinePassed(),
        e.SessionClosed(session=session),
        e.ExpiryUnclear(),
        e.Paid(session=session, intent=intent, amount=amount),
        e.ReminderDue(),
        e.Finished(),
        e.Lapsed(),
        e.CancelAsked(by="operator" if flag else "customer", special=flag),
        e.LateCancelAsked(),
        e.RefundDone(intent=intent, amount=amount),
        e.RefundFailed(intent=intent),
        e.RefundRetried(),
        e.RefundedOtherwise(),
        e.Disputed(),
        e.CustomerCorrected(phone=flag, mail=not flag, name=flag),
        e.CustomerCorrected(phone=flag, new_mail=not flag),
        e.Requested(starts_at=later, price=1, order=()),
    ]
    return dice.choice(said)


def as_hoped(life: Life) -> Event:
    """What brings it on; by chance alone few would ever be paid for."""
    case = life.case
    if case.state in (S.REQUESTED, S.CALLING) and case.call is None and len(case.turn) < len(case.order):
        return e.CallPlaced(number=case.calls + 1, shop=case.order[len(case.turn)])
    if case.call is not None:
        return e.CallEnded(number=case.call, shop=case.turn[-1], answer=Answer.OK)
    if case.state is S.CALLING_SUCCESS and case.session is None:
        return e.CheckoutReady(number=case.checkouts, session=f"cs_{case.checkouts}")
    if case.state is S.CALLING_SUCCESS:
        return e.LinkSent(minutes=10)
    if case.state is S.AWAITING_PAYMENT:
        return e.Paid(session=case.session or "", intent="pi_1", amount=5001)
    if case.state is S.EXPIRING:
        return e.SessionClosed(session=case.session or "")
    if case.state is S.REFUND_PENDING:
        return e.RefundDone(intent=case.intent or "", amount=case.paid)
    return e.Disputed()


def life_of(seed: int) -> Life:
    """A walk of chance: drawing each step by itself would rarely get far."""
    dice = Random(seed)
    life = Life(dice.randint(0, 4), minutes(dice, 10 * 24 * 60))
    for _ in range(dice.randint(1, 60)):
        what = dice.random()
        if what < 0.3:
            life.happen(as_hoped(life))
        elif what < 0.85:
            life.happen(rumour(life, dice))
        else:
            moment = life.now + dice.choice([timedelta(0), minutes(dice, 30), minutes(dice, 3 * 24 * 60)])
            waits = {shop: dice.choice([None, 0, 0, 60]) for shop in range(1, 10)}
            life.pass_until(moment, partial(opening, waits, moment))
    return life


def opening(waits: Mapping[int, int | None], at: datetime, shop: int) -> datetime | None:
    wait = waits[shop]
    return None if wait is None else at + timedelta(minutes=wait)


lives = st.integers(0, 2**40).map(life_of)


@given(lives)
def test_whatever_happens_in_whatever_order_leads_nowhere_illegal(life: Life) -> None:
    """Every step was checked on its way (`Life._check`); here what is kept of it."""
    kept = [(at, EVENT_ADAPTER.validate_json(event.model_dump_json())) for at, event in life.events]
    steps = list(machine.replay(kept))

    assert steps[-1][2].case == life.case, "the timeline says how it came about"
    assert Case.model_validate_json(life.case.model_dump_json()) == life.case


@given(lives)
def test_time_alone_brings_everything_to_an_end_or_asks_people(life: Life) -> None:
    asked: list[e.Effect] = []
    for _ in range(60):
        if life.case.state in FINAL_STATES or life.case.next_action_at is None:
            break
        moment = life.case.next_action_at
        before = len(life.events)
        life.pass_until(moment, lambda _: life.now)
        if life.case.state in OF_OTHERS:
            replayed = list(machine.replay(life.events))[before:]
            asked = [one for _, _, outcome in replayed for one in outcome.effects if isinstance(one, e.ForPeople)]
            if asked:
                break
    assert life.case.state in FINAL_STATES or (life.case.state in OF_OTHERS and asked), life.case.state


@st.composite
def seeking(draw: st.DrawFn) -> tuple[int, list[Answer | None]]:
    shops = draw(st.integers(0, 5))
    answers = st.sampled_from([*sorted(NOT_HERE), Answer.NO_RESULT, Answer.UNKNOWN, None])
    return shops, draw(st.lists(answers, min_size=2 * shops, max_size=2 * shops))


def turns(life: Life) -> list[int]:
    return [event.shop for _, event in life.events if isinstance(event, e.CallPlaced | e.ShopSkipped)]


@given(seeking(), st.data())
def test_two_rounds_end_after_exactly_two_turns_of_each_shop(
    drawn: tuple[int, list[Answer | None]], data: st.DataObject
) -> None:
    """Whatever they answer, whether anybody says so at all (None: the call's time runs out), and whoever is closed,
    busy or out of use at times."""
    shops, answers = drawn
    life = Life(shops, timedelta(days=30))
    coming: Iterator[Answer | None] = iter(answers)

    def free(shop: int) -> datetime | None:
        return data.draw(st.sampled_from([None, life.now, life.now, life.now + timedelta(hours=1)]))

    while life.case.state in (S.REQUESTED, S.CALLING):
        assert life.case.next_action_at is not None
        if life.case.call is not None and (answer := next(coming, None)) is not None:
            life.happen(e.CallEnded(number=life.case.call, shop=life.case.turn[-1], answer=answer))
        else:
            life.pass_until(life.case.next_action_at, free)

    assert life.is_at(S.ALL_SHOPS_REFUSED)
    assert Counter(turns(life)) == dict.fromkeys(range(1, shops + 1), 2)
    assert sorted(turns(life)[:shops]) == list(range(1, shops + 1)), "each once before any a second time"


def test_nobody_to_call_is_told_to_people_at_once() -> None:
    life = Life(0, timedelta(days=7))
    life.pass_until(NOW, lambda _: None)

    assert life.is_at(S.ALL_SHOPS_REFUSED)
    assert e.ForPeople(task=e.Task.ALL_SHOPS_REFUSED) in list(machine.replay(life.events))[-1][2].effects


def confirmed(starts_in: timedelta = timedelta(days=7)) -> Life:
    life = Life(2, starts_in)
    life.pass_until(NOW, lambda _: NOW)
    for event in (
        e.CallEnded(number=1, shop=1, answer=Answer.OK),
        e.CheckoutReady(number=1, session="cs_1"),
        e.LinkSent(minutes=10),
        e.Paid(session="cs_1", intent="pi_1", amount=5500),
    ):
        assert life.happen(event).ignored is None
    assert life.is_at(S.CONFIRMED)
    return life


def test_cancelling_ends_48_hours_before_to_the_second() -> None:
    for seconds, in_time in ((-1, True), (0, True), (1, False)):
        life = confirmed()
        life.now = life.case.starts_at - CANCEL_BEFORE + timedelta(seconds=seconds)
        outcome = life.happen(e.CancelAsked(by="customer"))

        assert (outcome.ignored is None) == in_time
        assert (life.case.state is S.REFUND_PENDING) == in_time
        refund = e.Refund(number=1, intent="pi_1", amount=5500)
        assert (refund in outcome.effects) == in_time


def test_only_an_operator_may_cancel_after_the_time_limit() -> None:
    life = confirmed()
    life.now = life.case.cancel_until + timedelta(hours=1)

    assert life.happen(e.CancelAsked(by="customer", special=True)).ignored == "キャンセル期限を過ぎています。"
    assert life.happen(e.CancelAsked(by="operator")).ignored is not None
    assert life.happen(e.CancelAsked(by="operator", special=True)).ignored is None


def purposes(outcome: Outcome) -> list[e.Purpose]:
    return [effect.purpose for effect in outcome.effects if isinstance(effect, e.ToCustomer)]


def test_who_pays_while_the_page_is_being_closed_has_paid() -> None:
    life = confirmed()
    [paid] = [event for _, event in life.events if isinstance(event, e.Paid)]
    late = Life(2, timedelta(days=7))
    late.pass_until(NOW, lambda _: NOW)
    for event in life.events[2:-1]:
        late.happen(event[1])
    late.pass_until(NOW + timedelta(minutes=10), lambda _: NOW)
    assert late.is_at(S.EXPIRING)

    assert purposes(late.happen(paid)) == [e.Purpose.CONFIRMED]
    assert late.happen(e.SessionClosed(session="cs_1")).ignored is not None
    assert late.is_at(S.CONFIRMED)


def test_money_after_the_end_is_given_back_once_however_often_it_is_told() -> None:
    life = Life(2, timedelta(days=7))
    life.pass_until(NOW, lambda _: NOW)
    for event in (
        e.CallEnded(number=1, shop=1, answer=Answer.OK),
        e.CheckoutReady(number=1, session="cs_1"),
        e.LinkSent(minutes=10),
    ):
        life.happen(event)
    life.pass_until(NOW + timedelta(minutes=10), lambda _: NOW)
    life.happen(e.SessionClosed(session="cs_1"))
    assert life.is_at(S.PAYMENT_TIMEOUT)

    for _ in range(3):
        life.happen(e.Paid(session="cs_1", intent="pi_1", amount=5500))

    assert life.refunds == {"pi_1": 1}
    life.happen(e.RefundDone(intent="pi_1", amount=5500))
    assert life.is_at(S.REFUNDED)
    # The customer's bank sends it back: somebody has to see to it, and it is tried again once.
    life.happen(e.RefundFailed(intent="pi_1"))
    life.happen(e.RefundRetried())
    assert life.happen(e.RefundRetried()).ignored == "返金の結果を待っています。"
    assert life.refunds == {"pi_1": 2}


def test_a_yes_to_what_is_no_longer_wanted_books_nothing() -> None:
    """The call was given up; before the shop's answer came, the customer wanted another day."""
    life = Life(1, timedelta(days=7))
    life.pass_until(NOW, lambda _: NOW)
    while life.is_at(S.CALLING):
        life.pass_until(life.case.next_action_at or NOW, lambda _: life.now)
    life.happen(e.Rearranged(starts_at=NOW + timedelta(days=9), price=5500, order=(1,)))

    told = life.happen(e.CallEnded(number=1, shop=1, answer=Answer.OK))

    assert life.is_at(S.CALLING)
    assert e.ToShop(purpose=e.Purpose.RELEASED, shop=1) in told.effects
    assert life.happen(e.CallEnded(number=1, shop=1, answer=Answer.OK)).ignored == "この店舗には見送りを伝えました。"


def test_the_first_yes_has_it_and_the_second_is_told_that_it_has_not() -> None:
    life = Life(2, timedelta(days=7))
    life.pass_until(NOW, lambda _: NOW)
    life.pass_until(NOW + timedelta(minutes=15), lambda _: life.now)
    assert (life.case.call, life.case.turn) == (2, (1, 2))

    first = life.happen(e.CallEnded(number=1, shop=1, answer=Answer.OK))
    second = life.happen(e.CallEnded(number=2, shop=2, answer=Answer.OK))

    assert life.case.shop == 1
    assert e.StopCall(number=2) in first.effects
    assert e.ToShop(purpose=e.Purpose.RELEASED, shop=2) in second.effects
    assert e.ForPeople(task=e.Task.SECOND_OK) in second.effects


def test_a_yes_that_was_misheard_can_be_taken_back_until_the_link_is_out() -> None:
    life = Life(2, timedelta(days=7))
    life.pass_until(NOW, lambda _: NOW)
    life.happen(e.CallEnded(number=1, shop=1, answer=Answer.OK))
    life.happen(e.CheckoutReady(number=1, session="cs_1"))

    back = life.happen(e.CallEnded(number=1, shop=1, answer=Answer.REFUSED, overruled=True))

    assert life.is_at(S.CALLING)
    assert e.Expire(session="cs_1") in back.effects
    assert e.ToShop(purpose=e.Purpose.RELEASED, shop=1) in back.effects
    life.pass_until(life.now, lambda _: life.now)
    assert life.called[2] == 2, "the next shop is called"


@pytest.mark.parametrize(
    ("starts_in", "expected"),
    [(timedelta(days=7), [e.Purpose.REMINDER]), (timedelta(hours=24, minutes=30), [])],
    ids=["a week ahead", "only just booked"],
)
def test_a_reminder_goes_out_a_day_before_unless_it_was_only_just_booked(
    starts_in: timedelta, expected: list[e.Purpose]
) -> None:
    life = confirmed(starts_in)
    # Two hours later than it should have been: a service that was down reminds all the same.
    life.pass_until(life.case.starts_at - timedelta(hours=22), lambda _: life.now)
    told = [outcome for _, event, outcome in machine.replay(life.events) if isinstance(event, e.ReminderDue)]

    assert [purposes(outcome) for outcome in told] == [expected]
