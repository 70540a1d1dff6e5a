"""Property tests of the state machine with random events in random order: no illegal move, nothing stuck, nothing
done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reservations.state_machine import events as e
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.case import CANCEL_BEFORE, Case
from service.reservations.state_machine.events import EVENT_ADAPTER, Event
from service.reservations.state_machine.rules import Outcome
from service.reservations.state_machine.states import FINAL_STATES, Answer, Purpose, State, Task

NOW = datetime(2031, 1, 8, 1, 0, tzinfo=UTC)
S = State
# All legal moves; staying in a state is always legal.
_DURING_SEARCH = {
    S.CALLING,
    S.PENDING_SHOP_RESPONSE,
    S.CHANGE_REQUESTED,
    S.ALL_SHOPS_REFUSED,
    S.CALLING_SUCCESS,
    S.CANCELLED,
}
LEGAL: dict[State, set[State]] = {
    S.REQUESTED: {S.CALLING, S.ALL_SHOPS_REFUSED, S.CALLING_SUCCESS, S.CANCELLED},
    S.CALLING: _DURING_SEARCH,
    S.PENDING_SHOP_RESPONSE: _DURING_SEARCH,
    S.CHANGE_REQUESTED: _DURING_SEARCH,
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
# Only a vendor or an operator can end these; they are asked again and again.
WAIT_FOR_OTHERS = frozenset({S.EXPIRING, S.REFUND_PENDING})
NEGATIVE_ANSWERS = frozenset({Answer.REFUSED, Answer.VOICEMAIL, Answer.NO_ANSWER, Answer.BUSY, Answer.FAILED})


def started_case(shops: int, ahead: timedelta = timedelta(days=7)) -> tuple[e.Requested, Case]:
    requested = e.Requested(starts_at=NOW + ahead, price=5500, order=tuple(range(1, shops + 1)))
    return requested, machine.start(requested, NOW).case


class ReservationRun:
    """A reservation with all its events, and the effects that vendors and shops have seen."""

    def __init__(self, shops: int, ahead: timedelta) -> None:
        requested, self.case = started_case(shops, ahead)
        self.now = NOW
        self.events: list[tuple[datetime, Event]] = [(NOW, requested)]
        self.called: dict[int, int] = {}
        self.active: set[int] = set()
        self.sessions = ["cs_foreign"]
        self.paid: dict[str, int] = {}
        self.refunds: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def is_at(self, state: State) -> bool:
        return self.case.state is state

    def apply(self, event: Event) -> Outcome:
        before = self.case
        outcome = machine.apply(before, event, self.now)
        self.events.append((self.now, event))
        self.case = outcome.case
        if outcome.ignored is not None:
            assert outcome.case == before
            assert outcome.effects == ()
            return outcome
        self._record_effects(event, outcome)
        self._check(before)
        return outcome

    def _record_effects(self, event: Event, outcome: Outcome) -> None:
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

    def advance_to(self, time: datetime, earliest_call: machine.EarliestCall) -> None:
        """Move the clock forward and apply all events that are due then."""
        self.now = max(self.now, time)
        for _ in range(500):
            event = machine.due_event(self.case, self.now, earliest_call)
            if event is None:
                return
            outcome = self.apply(event)
            assert outcome.ignored is None, f"what the time calls for fits: {event}"
        raise AssertionError("the time calls for more and more")


def minutes(rng: Random, maximum: int) -> timedelta:
    return timedelta(minutes=rng.randint(0, maximum))


def random_event(run: ReservationRun, rng: Random) -> Event:
    """A random event of any source: true or false, late or repeated; mostly about the current call and payment."""
    case = run.case
    number = rng.choice([case.call or case.calls or 1] * 3 + list(range(1, case.calls + 2)))
    shop = run.called.get(number, 5)
    session = rng.choice([case.session or "cs_foreign"] * 3 + run.sessions[-2:])
    intent = rng.choice([case.intent or "pi_1"] * 3 + ["pi_1", "pi_2", "pi_3"])
    # A payment always has the same amount, also when it is reported again.
    amount = 5000 + int(intent[-1])
    later, flag = run.now + minutes(rng, 10 * 24 * 60), rng.random() < 0.5
    possible_events: list[Event] = [
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
    return rng.choice(possible_events)


def successful_event(run: ReservationRun) -> Event:
    """The event that leads to the next state; with random events only few reservations would be paid."""
    case = run.case
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


def random_run(seed: int) -> ReservationRun:
    """A random run from one seed: with separately drawn steps few runs would get far."""
    rng = Random(seed)
    run = ReservationRun(rng.randint(0, 4), minutes(rng, 10 * 24 * 60))
    for _ in range(rng.randint(1, 60)):
        choice = rng.random()
        if choice < 0.3:
            run.apply(successful_event(run))
        elif choice < 0.85:
            run.apply(random_event(run, rng))
        else:
            time = run.now + rng.choice([timedelta(0), minutes(rng, 30), minutes(rng, 3 * 24 * 60)])
            wait_minutes = {shop: rng.choice([None, 0, 0, 60]) for shop in range(1, 10)}
            run.advance_to(time, partial(earliest_call_after, wait_minutes, time))
    return run


def earliest_call_after(wait_minutes: Mapping[int, int | None], time: datetime, shop: int) -> datetime | None:
    wait = wait_minutes[shop]
    return None if wait is None else time + timedelta(minutes=wait)


runs = st.integers(0, 2**40).map(random_run)


@given(runs)
def test_random_events_never_lead_to_an_illegal_state(run: ReservationRun) -> None:
    """Each step was checked already (`ReservationRun._check`); this checks the stored events."""
    stored = [(at, EVENT_ADAPTER.validate_json(event.model_dump_json())) for at, event in run.events]
    steps = list(machine.replay(stored))

    assert steps[-1][2].case == run.case, "the timeline says how it came about"
    assert Case.model_validate_json(run.case.model_dump_json()) == run.case


@given(runs)
def test_time_alone_ends_every_reservation_or_opens_a_manual_task(run: ReservationRun) -> None:
    tasks: list[e.Effect] = []
    for _ in range(60):
        if run.case.state in FINAL_STATES or run.case.next_action_at is None:
            break
        time = run.case.next_action_at
        before = len(run.events)
        run.advance_to(time, lambda _: run.now)
        if run.case.state in WAIT_FOR_OTHERS:
            replayed = list(machine.replay(run.events))[before:]
            tasks = [
                effect for _, _, outcome in replayed for effect in outcome.effects if isinstance(effect, e.ForPeople)
            ]
            if tasks:
                break
    assert run.case.state in FINAL_STATES or (run.case.state in WAIT_FOR_OTHERS and tasks), run.case.state


@st.composite
def shop_answers(draw: st.DrawFn) -> tuple[int, list[Answer | None]]:
    shops = draw(st.integers(0, 5))
    answers = st.sampled_from([*sorted(NEGATIVE_ANSWERS), Answer.NO_RESULT, Answer.UNKNOWN, None])
    return shops, draw(st.lists(answers, min_size=2 * shops, max_size=2 * shops))


def shop_turns(run: ReservationRun) -> list[int]:
    return [event.shop for _, event in run.events if isinstance(event, e.CallPlaced | e.ShopSkipped)]


@given(shop_answers(), st.data())
def test_two_rounds_end_after_exactly_two_turns_of_each_shop(
    drawn: tuple[int, list[Answer | None]], data: st.DataObject
) -> None:
    """With any answers, calls without a result (None: the call times out), and shops that are sometimes closed, busy or
    out of use."""
    shops, answers = drawn
    run = ReservationRun(shops, timedelta(days=30))
    remaining: Iterator[Answer | None] = iter(answers)

    def earliest_call(shop: int) -> datetime | None:
        return data.draw(st.sampled_from([None, run.now, run.now, run.now + timedelta(hours=1)]))

    while run.case.state in (S.REQUESTED, S.CALLING):
        assert run.case.next_action_at is not None
        if run.case.call is not None and (answer := next(remaining, None)) is not None:
            run.apply(e.CallEnded(number=run.case.call, shop=run.case.turn[-1], answer=answer))
        else:
            run.advance_to(run.case.next_action_at, earliest_call)

    assert run.is_at(S.ALL_SHOPS_REFUSED)
    assert Counter(shop_turns(run)) == dict.fromkeys(range(1, shops + 1), 2)
    assert sorted(shop_turns(run)[:shops]) == list(range(1, shops + 1)), "each once before any a second time"


def test_without_shops_a_manual_task_is_opened_at_once() -> None:
    run = ReservationRun(0, timedelta(days=7))
    run.advance_to(NOW, lambda _: None)

    assert run.is_at(S.ALL_SHOPS_REFUSED)
    assert e.ForPeople(task=Task.ALL_SHOPS_REFUSED) in list(machine.replay(run.events))[-1][2].effects


def confirmed_run(starts_in: timedelta = timedelta(days=7)) -> ReservationRun:
    run = ReservationRun(2, starts_in)
    run.advance_to(NOW, lambda _: NOW)
    for event in (
        e.CallEnded(number=1, shop=1, answer=Answer.OK),
        e.CheckoutReady(number=1, session="cs_1"),
        e.LinkSent(minutes=10),
        e.Paid(session="cs_1", intent="pi_1", amount=5500),
    ):
        assert run.apply(event).ignored is None
    assert run.is_at(S.CONFIRMED)
    return run


def test_cancelling_ends_48_hours_before_to_the_second() -> None:
    for seconds, in_time in ((-1, True), (0, True), (1, False)):
        run = confirmed_run()
        run.now = run.case.starts_at - CANCEL_BEFORE + timedelta(seconds=seconds)
        outcome = run.apply(e.CancelAsked(by="customer"))

        assert (outcome.ignored is None) == in_time
        assert (run.case.state is S.REFUND_PENDING) == in_time
        refund = e.Refund(number=1, intent="pi_1", amount=5500)
        assert (refund in outcome.effects) == in_time


def test_only_an_operator_may_cancel_after_the_time_limit() -> None:
    run = confirmed_run()
    run.now = run.case.cancel_until + timedelta(hours=1)

    assert run.apply(e.CancelAsked(by="customer", special=True)).ignored == "キャンセル期限を過ぎています。"
    assert run.apply(e.CancelAsked(by="operator")).ignored is not None
    assert run.apply(e.CancelAsked(by="operator", special=True)).ignored is None


def purposes(outcome: Outcome) -> list[Purpose]:
    return [effect.purpose for effect in outcome.effects if isinstance(effect, e.ToCustomer)]


def test_a_payment_during_expiry_counts() -> None:
    run = confirmed_run()
    [paid] = [event for _, event in run.events if isinstance(event, e.Paid)]
    expiring = ReservationRun(2, timedelta(days=7))
    expiring.advance_to(NOW, lambda _: NOW)
    for event in run.events[2:-1]:
        expiring.apply(event[1])
    expiring.advance_to(NOW + timedelta(minutes=10), lambda _: NOW)
    assert expiring.is_at(S.EXPIRING)

    assert purposes(expiring.apply(paid)) == [Purpose.CONFIRMED]
    assert expiring.apply(e.SessionClosed(session="cs_1")).ignored is not None
    assert expiring.is_at(S.CONFIRMED)


def test_a_late_payment_is_refunded_once_even_if_reported_again() -> None:
    run = ReservationRun(2, timedelta(days=7))
    run.advance_to(NOW, lambda _: NOW)
    for event in (
        e.CallEnded(number=1, shop=1, answer=Answer.OK),
        e.CheckoutReady(number=1, session="cs_1"),
        e.LinkSent(minutes=10),
    ):
        run.apply(event)
    run.advance_to(NOW + timedelta(minutes=10), lambda _: NOW)
    run.apply(e.SessionClosed(session="cs_1"))
    assert run.is_at(S.PAYMENT_TIMEOUT)

    for _ in range(3):
        run.apply(e.Paid(session="cs_1", intent="pi_1", amount=5500))

    assert run.refunds == {"pi_1": 1}
    run.apply(e.RefundDone(intent="pi_1", amount=5500))
    assert run.is_at(S.REFUNDED)
    # The customer's bank returns the refund: an operator retries it once.
    run.apply(e.RefundFailed(intent="pi_1"))
    run.apply(e.RefundRetried())
    assert run.apply(e.RefundRetried()).ignored == "返金の結果を待っています。"
    assert run.refunds == {"pi_1": 2}


def test_a_late_ok_for_a_changed_request_books_nothing() -> None:
    """The call timed out; before the shop's answer arrived, the customer changed the day."""
    run = ReservationRun(1, timedelta(days=7))
    run.advance_to(NOW, lambda _: NOW)
    while run.is_at(S.CALLING):
        run.advance_to(run.case.next_action_at or NOW, lambda _: run.now)
    run.apply(e.Rearranged(starts_at=NOW + timedelta(days=9), price=5500, order=(1,)))

    outcome = run.apply(e.CallEnded(number=1, shop=1, answer=Answer.OK))

    assert run.is_at(S.CALLING)
    assert e.ToShop(purpose=Purpose.RELEASED, shop=1) in outcome.effects
    assert run.apply(e.CallEnded(number=1, shop=1, answer=Answer.OK)).ignored == "この店舗には見送りを伝えました。"


def test_the_first_ok_is_booked_and_the_second_is_released() -> None:
    run = ReservationRun(2, timedelta(days=7))
    run.advance_to(NOW, lambda _: NOW)
    run.advance_to(NOW + timedelta(minutes=15), lambda _: run.now)
    assert (run.case.call, run.case.turn) == (2, (1, 2))

    first = run.apply(e.CallEnded(number=1, shop=1, answer=Answer.OK))
    second = run.apply(e.CallEnded(number=2, shop=2, answer=Answer.OK))

    assert run.case.shop == 1
    assert e.StopCall(number=2) in first.effects
    assert e.ToShop(purpose=Purpose.RELEASED, shop=2) in second.effects
    assert e.ForPeople(task=Task.SECOND_OK) in second.effects


def test_a_misheard_ok_can_be_overruled_until_the_link_is_sent() -> None:
    run = ReservationRun(2, timedelta(days=7))
    run.advance_to(NOW, lambda _: NOW)
    run.apply(e.CallEnded(number=1, shop=1, answer=Answer.OK))
    run.apply(e.CheckoutReady(number=1, session="cs_1"))

    overruled = run.apply(e.CallEnded(number=1, shop=1, answer=Answer.REFUSED, overruled=True))

    assert run.is_at(S.CALLING)
    assert e.Expire(session="cs_1") in overruled.effects
    assert e.ToShop(purpose=Purpose.RELEASED, shop=1) in overruled.effects
    run.advance_to(run.now, lambda _: run.now)
    assert run.called[2] == 2, "the next shop is called"


@pytest.mark.parametrize(
    ("starts_in", "expected"),
    [(timedelta(days=7), [Purpose.REMINDER]), (timedelta(hours=24, minutes=30), [])],
    ids=["a week ahead", "only just booked"],
)
def test_a_reminder_is_sent_a_day_before_unless_just_booked(starts_in: timedelta, expected: list[Purpose]) -> None:
    run = confirmed_run(starts_in)
    # Two hours late: after a downtime the reminder is still sent.
    run.advance_to(run.case.starts_at - timedelta(hours=22), lambda _: run.now)
    outcomes = [outcome for _, event, outcome in machine.replay(run.events) if isinstance(event, e.ReminderDue)]

    assert [purposes(outcome) for outcome in outcomes] == [expected]
