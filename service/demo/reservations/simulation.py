"""Reservations lived through in simulated time: the product's own state machine, and vendors, shops, customers and
operators who answer it as they would. What comes out are the rows that all of it would have left.

Events of all reservations stand in one queue, so that a telephone is used by one of them at a time. Nothing is sent.
"""

from __future__ import annotations

import heapq
import itertools
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from service.core.access.auth import Actor
from service.core.access.identity import hash_token
from service.core.pages import shell
from service.core.values.times import DAY, TOKYO
from service.core.values.working_time import Calendar, add_working_time
from service.demo.files import Row, load
from service.demo.reservations.booking import MINUTE, SECOND, Booking, CalledShop
from service.demo.reservations.call_reports import CallRequest, call_report
from service.demo.reservations.desk import Desk
from service.reservations.models import TimelineEvent
from service.reservations.outgoing import message_texts
from service.reservations.outgoing.models import Link, Message, Payment, PhoneCall, Refund
from service.reservations.state_machine import events as e
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.case import FINISH_AFTER, LONGEST_NOTICE, PAY_MINUTES
from service.reservations.state_machine.events import EVENT_ADAPTER, Effect, Event
from service.reservations.state_machine.shop_search import earliest_call
from service.reservations.state_machine.states import FINAL_STATES, Purpose, State, Task
from service.reservations.vendor_events.rules import refund_cause, undelivered_text
from service.reservations.vendor_events.transcripts import read_call

LANDLINE = "30006"
SESSION = "cs_test_demo"
LINK_LIFETIME = 7 * DAY


class Simulation:
    """Lets them all live until `until`; what would happen later is left undone."""

    def __init__(
        self,
        shops: Iterable[CalledShop],
        people: Sequence[Actor],
        calendars: Mapping[Any, Calendar],
        until: datetime,
        pay_token: Callable[[str], str],
    ) -> None:
        self._shops = {called_shop.shop.id: called_shop for called_shop in shops}
        self.desk, self.until, self._pay_token = Desk(people, calendars), until, pay_token
        self._now = datetime.min.replace(tzinfo=UTC)
        self._busy: set[int] = set()
        self._sequence = itertools.count()
        self._queue: list[tuple[datetime, int, Callable[[datetime], object]]] = []

    def add(self, booking: Booking) -> None:
        self.schedule(booking.at, lambda now: self._begin(booking, now))

    def run(self) -> None:
        while self._queue and self._queue[0][0] <= self.until:
            self._now, _, act = heapq.heappop(self._queue)
            act(self._now)

    def schedule(self, at: datetime, act: Callable[[datetime], object]) -> None:
        # What is overdue is done at once.
        heapq.heappush(self._queue, (max(at, self._now), next(self._sequence), act))

    def _schedule_event(self, booking: Booking, at: datetime, event: Event, source: str, note: str = "") -> None:
        self.schedule(at, lambda now: self.apply_event(booking, event, now, source, note=note))

    def _begin(self, booking: Booking, now: datetime) -> None:
        requested = e.Requested(starts_at=booking.starts_at, price=booking.plan.price, order=booking.order)
        source = "operator" if booking.by else "assistant"
        self._record(booking, requested, machine.start(requested, now), now, source, booking.by, "")
        if booking.behaviour.leaves is not None:
            self._schedule_event(booking, now + booking.behaviour.leaves, e.CancelAsked(by="customer"), "customer")

    def apply_event(
        self,
        booking: Booking,
        event: Event,
        now: datetime,
        source: str,
        by: Actor | None = None,
        note: str = "",
    ) -> bool:
        """False: it changed nothing."""
        outcome = machine.apply(booking.current_case, event, now)
        self._record(booking, event, outcome, now, source, by, note)
        return outcome.ignored is None

    def perform(
        self,
        booking: Booking,
        name: str,
        now: datetime,
        source: str,
        by: Actor | None = None,
        note: str = "",
    ) -> bool:
        """What the file says that people do; False: the reservation does not change."""
        act = load("reservations")["actions"][name]
        if "kind" not in act:
            return False
        if name == "mail":
            booking.mail = booking.mail or f"customer{booking.phone[-4:]}@mail.example"
        values = {"kind": act["kind"]} | act.get("with", {})
        values |= {
            field: getattr(booking.current_case, source_field) for field, source_field in act.get("from", {}).items()
        }
        if "later_minutes" in act:
            values["starts_at"] = booking.current_case.starts_at + act["later_minutes"] * MINUTE
        return self.apply_event(booking, EVENT_ADAPTER.validate_python(values), now, source, by, note or act["note"])

    def _record(
        self,
        booking: Booking,
        event: Event,
        outcome: machine.Outcome,
        now: datetime,
        source: str,
        by: Actor | None,
        note: str,
    ) -> None:
        before, booking.case = booking.case, outcome.case
        if outcome.ignored is None:
            self._update(booking, event, now)
        notes = [note] if note else []
        notes += [
            effect_note
            for effect in outcome.effects
            if (effect_note := self._carry_out(booking, effect, now, note, by))
        ]
        booking.add(
            TimelineEvent,
            number=len(booking.rows[TimelineEvent]) + 1,
            at=now,
            event=event.model_dump(mode="json"),
            kind=event.kind,
            state_before=before.state.value if before else None,
            state=outcome.case.state.value,
            effects=[e.effect_as_json(effect) for effect in outcome.effects],
            ignored=outcome.ignored,
            source=source,
            user_id=by.user_id if by else None,
            by=by.name if by else "",
            note="\n".join(notes),
        )
        if before is not None and before.state is not State.CONFIRMED and booking.current_case.state is State.CONFIRMED:
            self._customer_may_cancel(booking, now)
        if booking.current_case.next_action_at is not None:
            self.schedule(
                booking.current_case.next_action_at + SECOND * booking.rng.random(),
                lambda at: self._apply_due_event(booking, at),
            )

    def _update(self, booking: Booking, event: Event, now: datetime) -> None:
        case, values = booking.current_case, booking.values
        values["version"] += 1
        values["updated_at"] = now
        if case.paid:
            values.setdefault("paid_at", now)
        if case.state is State.CONFIRMED:
            values.setdefault("confirmed_at", now)
        values["closed_at"] = (values.get("closed_at") or now) if case.state in FINAL_STATES else None
        if isinstance(event, e.ShopOk) and event.shop is None:
            values["shop_note"] = event.note

    def _apply_due_event(self, booking: Booking, now: datetime) -> None:
        event = machine.due_event(booking.current_case, now, lambda shop: self._free_from(shop, now))
        if event is not None:
            self.apply_event(booking, event, now, "system")

    def _free_from(self, shop: int, now: datetime) -> datetime | None:
        line = self._shops[shop].line
        return earliest_call(line.model_copy(update={"is_busy": True}) if shop in self._busy else line, now)

    def _carry_out(self, booking: Booking, effect: Effect, now: datetime, note: str, by: Actor | None) -> str | None:
        match effect:
            case e.ToCustomer():
                return self._to_customer(booking, effect, now)
            case e.ToShop():
                return self._to_shop(booking, effect, now)
            case e.Call():
                self._call(booking, effect, now)
            case e.StopCall():
                self._stop_call(booking, booking.rows[PhoneCall][-1], now)
            case e.Checkout():
                self._checkout(booking, effect, now)
            case e.Expire():
                self._expire(booking, effect, now)
            case e.Refund():
                self._refund(booking, effect, now)
            case e.ForPeople():
                self._open_operation(booking, effect.task, now, note)
            case e.Solved():
                self.desk.close(booking, effect.tasks, now, by)
        return None

    # Messages

    def _facts(self, booking: Booking, shop_id: int | None) -> message_texts.Facts:
        case, called_shop = booking.current_case, self._shops.get(shop_id or 0)
        return message_texts.Facts(
            code=booking.code,
            service=booking.service.name,
            plan=booking.plan.name,
            starts_at=case.starts_at,
            price=case.price,
            customer_name=booking.customer,
            phone=booking.phone,
            wishes=booking.wishes,
            cancel_until=case.cancel_until,
            shop=called_shop.shop.name if called_shop else booking.values["shop_note"],
            shop_phone=called_shop.shop.phone if called_shop else "",
            is_booked="confirmed_at" in booking.values,
            paid=case.paid,
        )

    def _link(self, booking: Booking, purpose: str, until: datetime, now: datetime, number: int | None = None) -> str:
        token = self._pay_token(booking.code) if purpose == "pay" else secrets.token_urlsafe(16)
        hashed = hash_token(token)
        if until > self.until and not any(link["token_hash"] == hashed for link in booking.rows[Link]):
            values = {"purpose": purpose, "payment_number": number, "expires_at": until, "created_at": now}
            booking.add(Link, token_hash=hashed, **values)
        return f"{shell.address()}/{purpose}/{token}"

    def _to_customer(self, booking: Booking, effect: e.ToCustomer, now: datetime) -> str | None:
        case, purpose = booking.current_case, effect.purpose
        facts = self._facts(booking, case.shop)
        if purpose is Purpose.PAYMENT_LINK:
            facts = replace(facts, pay_url=self._link(booking, "pay", now + LINK_LIFETIME, now, case.checkouts))
        elif purpose in (Purpose.REQUEST_RECEIVED, Purpose.CONFIRMED):
            until = max(case.starts_at + FINISH_AFTER, now + LONGEST_NOTICE) + LINK_LIFETIME
            facts = replace(facts, cancel_url=self._link(booking, "cancel", until, now))
        words = message_texts.customer_message(purpose, facts)
        if not effect.by_mail and not (case.sms_fails and booking.mail):
            self._sms(booking, purpose, words.sms, now)
        if booking.mail:
            self._add_message(
                booking, "mail", "customer", purpose, booking.mail, now, title=words.title, body=words.mail
            )
            if purpose is Purpose.PAYMENT_LINK and case.by_mail:
                sent = e.LinkSent(minutes=PAY_MINUTES, by_mail=True)
                self.schedule(now + 2 * SECOND, lambda at: self._link_sent(booking, sent, at, "system"))
        elif effect.by_mail:
            return "依頼者のメールアドレスがないため、メールを送っていません。"
        return None

    def _add_message(
        self,
        booking: Booking,
        channel: str,
        to: str,
        purpose: Purpose,
        address: str,
        now: datetime,
        **text: str,
    ) -> Row:
        row: Row = {"channel": channel, "recipient": to, "purpose": purpose.value, "address": address}
        row |= {
            "title": "",
            **text,
            "message_key": uuid.uuid4(),
            "status": "sent",
            "tries": 1,
            "error": "",
            "created_at": now,
        }
        return booking.add(Message, **row, sent_at=now + SECOND * (1 + booking.rng.random()))

    def _sms(self, booking: Booking, purpose: Purpose, body: str, now: datetime) -> None:
        sms = self._add_message(booking, "sms", "customer", purpose, booking.phone, now, body=body)
        sms["external_id"], sent_at = f"SM{secrets.token_hex(16)}", sms["sent_at"]
        if purpose is Purpose.PAYMENT_LINK:
            sent = e.LinkSent(minutes=PAY_MINUTES)
            self.schedule(sent_at, lambda at: self._link_sent(booking, sent, at, "twilio"))
        if booking.behaviour.takes_sms:
            sms |= {"status": "delivered", "delivered_at": sent_at + SECOND * (2 + 2 * booking.rng.random())}
            return
        why = undelivered_text(LANDLINE)
        sms |= {"status": "undelivered", "error_code": LANDLINE, "error": why}
        self._schedule_event(booking, sent_at + 4 * SECOND, e.SmsFailed(purpose=purpose.value), "twilio", why)

    def _to_shop(self, booking: Booking, effect: e.ToShop, now: datetime) -> str | None:
        facts, called_shop = self._facts(booking, effect.shop), self._shops.get(effect.shop or 0)
        mail = message_texts.shop_mail(
            effect.purpose, replace(facts, is_booked=facts.is_booked and effect.shop == booking.current_case.shop)
        )
        if called_shop is None or not called_shop.shop.mail:
            name = facts.shop or "一覧にない店舗"
            return f"{name}のメールアドレスがないため、「{mail.title}」を送っていません。電話などで連絡してください。"
        self._add_message(
            booking, "mail", "shop", effect.purpose, called_shop.shop.mail, now, title=mail.title, body=mail.body
        )
        return None

    # Calls

    def _call(self, booking: Booking, effect: e.Call, now: datetime) -> None:
        called_shop, case = self._shops[effect.shop], booking.current_case
        shop, what = called_shop.shop, f"{booking.service.name} {booking.plan.name}"
        request = CallRequest(
            shop.name, called_shop.data["staff"], what, case.starts_at, booking.customer, booking.wishes
        )
        reading = read_call(call_report(self._answer(booking, called_shop, now), request, booking.rng), case.starts_at)
        if reading is None:
            raise RuntimeError("a call of the past is over")
        placed_at = now + SECOND
        call = booking.add(
            PhoneCall,
            number=effect.number,
            round=case.round,
            shop_id=shop.id,
            phone=shop.phone,
            is_active=True,
            external_id=str(uuid.uuid4()),
            planned_at=now,
            placed_at=placed_at,
        )
        self._busy.add(shop.id)

        def end(at: datetime) -> None:
            if call["is_active"]:
                self._end_call(call, reading, at)
                ended = e.CallEnded(number=effect.number, shop=shop.id, answer=reading.answer)
                self.apply_event(booking, ended, at, "bland", note=reading.operator_note)

        ringing = booking.rng.randrange(4, 15)
        self.schedule(placed_at + SECOND * (ringing + (reading.seconds or 0)), end)

    def _answer(self, booking: Booking, called_shop: CalledShop, now: datetime) -> str:
        done, case = len(booking.rows[PhoneCall]), booking.current_case
        if done < len(booking.behaviour.answers):
            return booking.behaviour.answers[done]
        if case.round > 1 and len(case.turn) == len(case.order):
            # The last call of the second round: only who is fated to is refused by all.
            return "ok"
        return called_shop.answer(now.astimezone(TOKYO).hour, booking.rng)

    def _end_call(self, call: Row, reading: Any, now: datetime) -> None:
        call |= {"is_active": False, "ended_at": now, "answer": reading.answer.value}
        call |= {"read_answer": reading.answer.value, "seconds": reading.seconds}
        call["reading"] = reading.model_dump(mode="json", exclude={"transcript"})
        call["transcript"] = [line.model_dump() for line in reading.transcript]
        self._busy.discard(call["shop_id"])

    def _stop_call(self, booking: Booking, call: Row, now: datetime) -> None:
        """The vendor says in its own time that it was ended."""
        reading = read_call({"status": "canceled"}, booking.current_case.starts_at)
        if reading is not None:
            self._end_call(call, reading, now)
            ended = e.CallEnded(number=call["number"], shop=call["shop_id"], answer=reading.answer)
            self._schedule_event(booking, now + 3 * SECOND, ended, "bland", reading.why)

    # Money

    def _checkout(self, booking: Booking, effect: e.Checkout, now: datetime) -> None:
        session = f"{SESSION}_{secrets.token_hex(20)}"
        values = {"number": effect.number, "amount": effect.amount, "session_id": session}
        booking.add(Payment, **values, status="open", created_at=now)
        ready = e.CheckoutReady(number=effect.number, session=session)
        self._schedule_event(booking, now + SECOND * (1 + booking.rng.random()), ready, "stripe")

    def _link_sent(self, booking: Booking, event: e.LinkSent, now: datetime, source: str) -> None:
        if self.apply_event(booking, event, now, source) and booking.behaviour.pays is not None:
            payment = booking.rows[Payment][-1]
            self.schedule(now + booking.behaviour.pays, lambda at: self._pay(booking, payment, at))

    def _pay(self, booking: Booking, payment: Row, now: datetime) -> None:
        if payment["status"] != "open" or booking.current_case.deadline is None:
            return
        payment |= {"status": "paid", "intent": f"pi_demo_{secrets.token_hex(10)}", "closed_at": now}
        paid = e.Paid(session=payment["session_id"], intent=payment["intent"], amount=payment["amount"])
        self.apply_event(booking, paid, now, "stripe")

    def _expire(self, booking: Booking, effect: e.Expire, now: datetime) -> None:
        payment = next((row for row in booking.rows[Payment] if row["session_id"] == effect.session), None)

        def close(at: datetime) -> None:
            if payment is not None and payment["status"] == "open":
                payment.update(status="expired", closed_at=at)
                self.apply_event(booking, e.SessionClosed(session=effect.session), at, "stripe")

        self.schedule(now + SECOND * (1 + booking.rng.random()), close)

    def _refund(self, booking: Booking, effect: e.Refund, now: datetime) -> None:
        values = {"number": effect.number, "intent": effect.intent, "amount": effect.amount, "error": ""}
        values |= {"refund_id": f"re_demo_{secrets.token_hex(10)}", "status": "pending", "created_at": now}
        refund = booking.add(Refund, **values)

        def settle(at: datetime) -> None:
            refund["settled_at"] = at
            if booking.behaviour.refund_fails:
                refund.update(status="failed", error=refund_cause("expired_or_canceled_card"))
                self.apply_event(booking, e.RefundFailed(intent=effect.intent), at, "stripe", note=refund["error"])
            else:
                refund["status"] = "succeeded"
                self.apply_event(booking, e.RefundDone(intent=effect.intent, amount=effect.amount), at, "stripe")

        self.schedule(now + SECOND * booking.rng.randrange(4, 60), settle)

    # People

    def _customer_may_cancel(self, booking: Booking, now: datetime) -> None:
        if booking.behaviour.cancels is not None:
            at = max(booking.current_case.starts_at - booking.behaviour.cancels, now + 20 * MINUTE)
            name = "asks_too_late" if at > booking.current_case.cancel_until else "asks_to_cancel"
            self.schedule(at, lambda then: self.perform(booking, name, then, "customer"))

    def _open_operation(self, booking: Booking, task: Task, now: datetime, note: str) -> None:
        if self.desk.open_tasks(booking, [task]):
            return
        operation = self.desk.open(booking, task, now, note)
        if task in booking.behaviour.people:
            action, after = booking.behaviour.people[task]
            calendar, person = self.desk.calendar(task), booking.rng.choice(self.desk.people)
            self.schedule(add_working_time(now, after / 3, calendar), lambda at: self.desk.claim(operation, person, at))
            self.schedule(
                add_working_time(now, after, calendar),
                lambda at: self._work(booking, operation, action, person, at),
            )

    def _work(self, booking: Booking, operation: Row, action: str, person: Actor, now: datetime) -> None:
        """An operator does what the procedure of 2.2 says, once the reservation is so far."""
        if operation["resolved_at"] is not None:
            return
        if operation["kind"] == Task.SMS_FAILED and booking.current_case.state is not State.CALLING_SUCCESS:
            if booking.current_case.state not in FINAL_STATES:
                self.schedule(now + 5 * MINUTE, lambda at: self._work(booking, operation, action, person, at))
        elif not self.perform(booking, action, now, "operator", person):
            self.desk.resolve(operation, person, now, load("reservations")["actions"][action]["note"])
