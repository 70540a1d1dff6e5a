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
from service.demo.reservations.desk import Desk
from service.demo.reservations.life import MINUTE, SECOND, CalledShop, Life
from service.demo.reservations.talk import Wish, told
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


class World:
    """Lets them all live until `until`; what would happen later is left undone."""

    def __init__(
        self,
        shops: Iterable[CalledShop],
        people: Sequence[Actor],
        calendars: Mapping[Any, Calendar],
        until: datetime,
        pay_token: Callable[[str], str],
    ) -> None:
        self._shops = {called.shop.id: called for called in shops}
        self.desk, self.until, self._pay_token = Desk(people, calendars), until, pay_token
        self._now = datetime.min.replace(tzinfo=UTC)
        self._busy: set[int] = set()
        self._count = itertools.count()
        self._queue: list[tuple[datetime, int, Callable[[datetime], object]]] = []

    def add(self, life: Life) -> None:
        self.later(life.at, lambda now: self._begin(life, now))

    def run(self) -> None:
        while self._queue and self._queue[0][0] <= self.until:
            self._now, _, act = heapq.heappop(self._queue)
            act(self._now)

    def later(self, at: datetime, act: Callable[[datetime], object]) -> None:
        # What is overdue is done at once.
        heapq.heappush(self._queue, (max(at, self._now), next(self._count), act))

    def _soon(self, life: Life, at: datetime, event: Event, source: str, note: str = "") -> None:
        self.later(at, lambda now: self.happen(life, event, now, source, note=note))

    def _begin(self, life: Life, now: datetime) -> None:
        asked = e.Requested(starts_at=life.starts_at, price=life.plan.price, order=life.order)
        source = "operator" if life.by else "assistant"
        self._record(life, asked, machine.start(asked, now), now, source, life.by, "")
        if life.fate.leaves is not None:
            self._soon(life, now + life.fate.leaves, e.CancelAsked(by="customer"), "customer")

    def happen(
        self, life: Life, event: Event, now: datetime, source: str, by: Actor | None = None, note: str = ""
    ) -> bool:
        """False: it changed nothing."""
        outcome = machine.apply(life.now, event, now)
        self._record(life, event, outcome, now, source, by, note)
        return outcome.ignored is None

    def does(self, life: Life, name: str, now: datetime, source: str, by: Actor | None = None, note: str = "") -> bool:
        """What the file says that people do; False: the reservation does not change."""
        act = load("reservations")["does"][name]
        if "kind" not in act:
            return False
        if name == "mail":
            life.mail = life.mail or f"customer{life.phone[-4:]}@mail.example"
        values = {"kind": act["kind"]} | act.get("with", {})
        values |= {field: getattr(life.now, source_field) for field, source_field in act.get("from", {}).items()}
        if "later_minutes" in act:
            values["starts_at"] = life.now.starts_at + act["later_minutes"] * MINUTE
        return self.happen(life, EVENT_ADAPTER.validate_python(values), now, source, by, note or act["note"])

    def _record(
        self,
        life: Life,
        event: Event,
        outcome: machine.Outcome,
        now: datetime,
        source: str,
        by: Actor | None,
        note: str,
    ) -> None:
        before, life.case = life.case, outcome.case
        if outcome.ignored is None:
            self._update(life, event, now)
        said = [note] if note else []
        said += [one for effect in outcome.effects if (one := self._carry_out(life, effect, now, note, by))]
        life.add(
            TimelineEvent,
            number=len(life.rows[TimelineEvent]) + 1,
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
            note="\n".join(said),
        )
        if before is not None and before.state is not State.CONFIRMED and life.now.state is State.CONFIRMED:
            self._customer_may_cancel(life, now)
        if life.now.next_action_at is not None:
            self.later(life.now.next_action_at + SECOND * life.chance.random(), lambda at: self._due(life, at))

    def _update(self, life: Life, event: Event, now: datetime) -> None:
        case, values = life.now, life.values
        values["version"] += 1
        values["updated_at"] = now
        if case.paid:
            values.setdefault("paid_at", now)
        if case.state is State.CONFIRMED:
            values.setdefault("confirmed_at", now)
        values["closed_at"] = (values.get("closed_at") or now) if case.state in FINAL_STATES else None
        if isinstance(event, e.ShopOk) and event.shop is None:
            values["shop_note"] = event.note

    def _due(self, life: Life, now: datetime) -> None:
        event = machine.due_event(life.now, now, lambda shop: self._free_from(shop, now))
        if event is not None:
            self.happen(life, event, now, "system")

    def _free_from(self, shop: int, now: datetime) -> datetime | None:
        line = self._shops[shop].line
        return earliest_call(line.model_copy(update={"is_busy": True}) if shop in self._busy else line, now)

    def _carry_out(self, life: Life, effect: Effect, now: datetime, note: str, by: Actor | None) -> str | None:
        match effect:
            case e.ToCustomer():
                return self._to_customer(life, effect, now)
            case e.ToShop():
                return self._to_shop(life, effect, now)
            case e.Call():
                self._call(life, effect, now)
            case e.StopCall():
                self._stop_call(life, life.rows[PhoneCall][-1], now)
            case e.Checkout():
                self._checkout(life, effect, now)
            case e.Expire():
                self._expire(life, effect, now)
            case e.Refund():
                self._refund(life, effect, now)
            case e.ForPeople():
                self._for_people(life, effect.task, now, note)
            case e.Solved():
                self.desk.close(life, effect.tasks, now, by)
        return None

    # Messages

    def _facts(self, life: Life, shop_id: int | None) -> message_texts.Facts:
        case, called = life.now, self._shops.get(shop_id or 0)
        return message_texts.Facts(
            code=life.code,
            service=life.service.name,
            plan=life.plan.name,
            starts_at=case.starts_at,
            price=case.price,
            customer_name=life.customer,
            phone=life.phone,
            wishes=life.wishes,
            cancel_until=case.cancel_until,
            shop=called.shop.name if called else life.values["shop_note"],
            shop_phone=called.shop.phone if called else "",
            is_booked="confirmed_at" in life.values,
            paid=case.paid,
        )

    def _link(self, life: Life, purpose: str, until: datetime, now: datetime, number: int | None = None) -> str:
        token = self._pay_token(life.code) if purpose == "pay" else secrets.token_urlsafe(16)
        hashed = hash_token(token)
        if until > self.until and not any(link["token_hash"] == hashed for link in life.rows[Link]):
            values = {"purpose": purpose, "payment_number": number, "expires_at": until, "created_at": now}
            life.add(Link, token_hash=hashed, **values)
        return f"{shell.address()}/{purpose}/{token}"

    def _to_customer(self, life: Life, effect: e.ToCustomer, now: datetime) -> str | None:
        case, purpose = life.now, effect.purpose
        facts = self._facts(life, case.shop)
        if purpose is Purpose.PAYMENT_LINK:
            facts = replace(facts, pay_url=self._link(life, "pay", now + LINK_LIFETIME, now, case.checkouts))
        elif purpose in (Purpose.REQUEST_RECEIVED, Purpose.CONFIRMED):
            until = max(case.starts_at + FINISH_AFTER, now + LONGEST_NOTICE) + LINK_LIFETIME
            facts = replace(facts, cancel_url=self._link(life, "cancel", until, now))
        words = message_texts.customer_message(purpose, facts)
        if not effect.by_mail and not (case.sms_fails and life.mail):
            self._sms(life, purpose, words.sms, now)
        if life.mail:
            self._letter(life, "mail", "customer", purpose, life.mail, now, title=words.title, body=words.mail)
            if purpose is Purpose.PAYMENT_LINK and case.by_mail:
                sent = e.LinkSent(minutes=PAY_MINUTES, by_mail=True)
                self.later(now + 2 * SECOND, lambda at: self._link_sent(life, sent, at, "system"))
        elif effect.by_mail:
            return "依頼者のメールアドレスがないため、メールを送っていません。"
        return None

    def _letter(
        self, life: Life, channel: str, to: str, purpose: Purpose, address: str, now: datetime, **text: str
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
        return life.add(Message, **row, sent_at=now + SECOND * (1 + life.chance.random()))

    def _sms(self, life: Life, purpose: Purpose, body: str, now: datetime) -> None:
        sms = self._letter(life, "sms", "customer", purpose, life.phone, now, body=body)
        sms["external_id"], sent_at = f"SM{secrets.token_hex(16)}", sms["sent_at"]
        if purpose is Purpose.PAYMENT_LINK:
            sent = e.LinkSent(minutes=PAY_MINUTES)
            self.later(sent_at, lambda at: self._link_sent(life, sent, at, "twilio"))
        if life.fate.takes_sms:
            sms |= {"status": "delivered", "delivered_at": sent_at + SECOND * (2 + 2 * life.chance.random())}
            return
        why = undelivered_text(LANDLINE)
        sms |= {"status": "undelivered", "error_code": LANDLINE, "error": why}
        self._soon(life, sent_at + 4 * SECOND, e.SmsFailed(purpose=purpose.value), "twilio", why)

    def _to_shop(self, life: Life, effect: e.ToShop, now: datetime) -> str | None:
        facts, called = self._facts(life, effect.shop), self._shops.get(effect.shop or 0)
        mail = message_texts.shop_mail(
            effect.purpose, replace(facts, is_booked=facts.is_booked and effect.shop == life.now.shop)
        )
        if called is None or not called.shop.mail:
            name = facts.shop or "一覧にない店舗"
            return f"{name}のメールアドレスがないため、「{mail.title}」を送っていません。電話などで連絡してください。"
        self._letter(life, "mail", "shop", effect.purpose, called.shop.mail, now, title=mail.title, body=mail.body)
        return None

    # Calls

    def _call(self, life: Life, effect: e.Call, now: datetime) -> None:
        called, case = self._shops[effect.shop], life.now
        shop, what = called.shop, f"{life.service.name} {life.plan.name}"
        wish = Wish(shop.name, called.told["staff"], what, case.starts_at, life.customer, life.wishes)
        reading = read_call(told(self._answer(life, called, now), wish, life.chance), case.starts_at)
        if reading is None:
            raise RuntimeError("a call of the past is over")
        placed_at = now + SECOND
        call = life.add(
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
                self.happen(life, ended, at, "bland", note=reading.told)

        ringing = life.chance.randrange(4, 15)
        self.later(placed_at + SECOND * (ringing + (reading.seconds or 0)), end)

    def _answer(self, life: Life, called: CalledShop, now: datetime) -> str:
        done, case = len(life.rows[PhoneCall]), life.now
        if done < len(life.fate.answers):
            return life.fate.answers[done]
        if case.round > 1 and len(case.turn) == len(case.order):
            # The last call of the second round: only who is fated to is refused by all.
            return "ok"
        return called.answer(now.astimezone(TOKYO).hour, life.chance)

    def _end_call(self, call: Row, reading: Any, now: datetime) -> None:
        call |= {"is_active": False, "ended_at": now, "answer": reading.answer.value}
        call |= {"read_answer": reading.answer.value, "seconds": reading.seconds}
        call["reading"] = reading.model_dump(mode="json", exclude={"transcript"})
        call["transcript"] = [line.model_dump() for line in reading.transcript]
        self._busy.discard(call["shop_id"])

    def _stop_call(self, life: Life, call: Row, now: datetime) -> None:
        """The vendor says in its own time that it was ended."""
        reading = read_call({"status": "canceled"}, life.now.starts_at)
        if reading is not None:
            self._end_call(call, reading, now)
            ended = e.CallEnded(number=call["number"], shop=call["shop_id"], answer=reading.answer)
            self._soon(life, now + 3 * SECOND, ended, "bland", reading.why)

    # Money

    def _checkout(self, life: Life, effect: e.Checkout, now: datetime) -> None:
        session = f"{SESSION}_{secrets.token_hex(20)}"
        values = {"number": effect.number, "amount": effect.amount, "session_id": session}
        life.add(Payment, **values, status="open", created_at=now)
        ready = e.CheckoutReady(number=effect.number, session=session)
        self._soon(life, now + SECOND * (1 + life.chance.random()), ready, "stripe")

    def _link_sent(self, life: Life, event: e.LinkSent, now: datetime, source: str) -> None:
        if self.happen(life, event, now, source) and life.fate.pays is not None:
            payment = life.rows[Payment][-1]
            self.later(now + life.fate.pays, lambda at: self._pay(life, payment, at))

    def _pay(self, life: Life, payment: Row, now: datetime) -> None:
        if payment["status"] != "open" or life.now.deadline is None:
            return
        payment |= {"status": "paid", "intent": f"pi_demo_{secrets.token_hex(10)}", "closed_at": now}
        paid = e.Paid(session=payment["session_id"], intent=payment["intent"], amount=payment["amount"])
        self.happen(life, paid, now, "stripe")

    def _expire(self, life: Life, effect: e.Expire, now: datetime) -> None:
        payment = next((one for one in life.rows[Payment] if one["session_id"] == effect.session), None)

        def close(at: datetime) -> None:
            if payment is not None and payment["status"] == "open":
                payment.update(status="expired", closed_at=at)
                self.happen(life, e.SessionClosed(session=effect.session), at, "stripe")

        self.later(now + SECOND * (1 + life.chance.random()), close)

    def _refund(self, life: Life, effect: e.Refund, now: datetime) -> None:
        values = {"number": effect.number, "intent": effect.intent, "amount": effect.amount, "error": ""}
        values |= {"refund_id": f"re_demo_{secrets.token_hex(10)}", "status": "pending", "created_at": now}
        refund = life.add(Refund, **values)

        def settle(at: datetime) -> None:
            refund["settled_at"] = at
            if life.fate.refund_fails:
                refund.update(status="failed", error=refund_cause("expired_or_canceled_card"))
                self.happen(life, e.RefundFailed(intent=effect.intent), at, "stripe", note=refund["error"])
            else:
                refund["status"] = "succeeded"
                self.happen(life, e.RefundDone(intent=effect.intent, amount=effect.amount), at, "stripe")

        self.later(now + SECOND * life.chance.randrange(4, 60), settle)

    # People

    def _customer_may_cancel(self, life: Life, now: datetime) -> None:
        if life.fate.cancels is not None:
            at = max(life.now.starts_at - life.fate.cancels, now + 20 * MINUTE)
            name = "asks_too_late" if at > life.now.cancel_until else "asks_to_cancel"
            self.later(at, lambda then: self.does(life, name, then, "customer"))

    def _for_people(self, life: Life, task: Task, now: datetime, note: str) -> None:
        if self.desk.open_tasks(life, [task]):
            return
        operation = self.desk.open(life, task, now, note)
        if task in life.fate.people:
            does, after = life.fate.people[task]
            calendar, person = self.desk.calendar(task), life.chance.choice(self.desk.people)
            self.later(add_working_time(now, after / 3, calendar), lambda at: self.desk.claim(operation, person, at))
            self.later(add_working_time(now, after, calendar), lambda at: self._work(life, operation, does, person, at))

    def _work(self, life: Life, operation: Row, does: str, person: Actor, now: datetime) -> None:
        """An operator does what the procedure of 2.2 says, once the reservation is so far."""
        if operation["resolved_at"] is not None:
            return
        if operation["kind"] == Task.SMS_FAILED and life.now.state is not State.CALLING_SUCCESS:
            if life.now.state not in FINAL_STATES:
                self.later(now + 5 * MINUTE, lambda at: self._work(life, operation, does, person, at))
        elif not self.does(life, does, now, "operator", person):
            self.desk.resolve(operation, person, now, load("reservations")["does"][does]["note"])
