"""Reservations lived through in simulated time: the product's own state machine, and vendors, shops, customers and
operators who answer it as they would. What comes out are the rows that all of it would have left.

Events of all reservations stand in one queue, so that a telephone is used by one of them at a time. Nothing is sent.
"""

from __future__ import annotations

import heapq
import itertools
import secrets
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.core.pages import shell
from service.core.values.targets import NEAR
from service.core.values.times import TOKYO
from service.core.values.working_time import add_working_time
from service.demo.reservations_cast import MINUTE, Life, Operator, Person, ShopFacts, done
from service.demo.reservations_talk import Wish, told
from service.reservations.cases.rules import FINISH_AFTER, LONGEST_NOTICE, PAY_MINUTES
from service.reservations.events import rules as e
from service.reservations.events.rules import FINAL_STATES, Effect, Event, Purpose, State, Task
from service.reservations.machine import rules as machine
from service.reservations.message_texts import rules as letters
from service.reservations.operations.rules import (
    PRIORITIES,
    RESOLVED_AUTOMATICALLY,
    RESOLVED_BY_OPERATOR,
    TARGETS,
    TASK_LABELS,
)
from service.reservations.shop_search.rules import earliest_call
from service.reservations.transcripts.rules import read_call
from service.reservations.vendor_events.rules import refund_cause, undelivered_text

SECOND = timedelta(seconds=1)
LANDLINE = "30006"
SESSION = "cs_test_demo"


class World:
    """Lets them all live until `until`; what would happen later is left undone."""

    def __init__(self, shops: Iterable[ShopFacts], desk: Operator, until: datetime, link_token: Callable[[str], str]):
        self._shops = {shop.id: shop for shop in shops}
        self._desk, self.until, self._link_token = desk, until, link_token
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

    def _begin(self, life: Life, now: datetime) -> None:
        asked = e.Requested(starts_at=life.starts_at, price=life.price, order=life.order)
        source = "operator" if life.user else "assistant"
        self._keep(life, asked, machine.start(asked, now), now, source, life.user, "")
        if life.fate.leaves is not None:
            left = e.CancelAsked(by="customer")
            self.later(now + life.fate.leaves, lambda at: self.happen(life, left, at, "customer"))

    def happen(
        self, life: Life, event: Event, now: datetime, source: str, by: Person | None = None, note: str = ""
    ) -> bool:
        """False: it changed nothing."""
        outcome = machine.apply(life.now, event, now)
        self._keep(life, event, outcome, now, source, by, note)
        return outcome.ignored is None

    def _keep(
        self,
        life: Life,
        event: Event,
        outcome: machine.Outcome,
        now: datetime,
        source: str,
        by: Person | None,
        note: str,
    ) -> None:
        before, life.case = life.case, outcome.case
        values = life.values
        if outcome.ignored is None:
            values["version"] = values.get("version", 0) + 1
            values["updated_at"] = now
            if outcome.case.paid:
                values.setdefault("paid_at", now)
            if outcome.case.state is State.CONFIRMED:
                values.setdefault("confirmed_at", now)
            values["closed_at"] = (values.get("closed_at") or now) if outcome.case.state in FINAL_STATES else None
            if isinstance(event, e.ShopOk) and event.shop is None:
                values["shop_note"] = event.note
        said = [one for effect in outcome.effects if (one := self._carry_out(life, effect, now, note, by))]
        life.events.append(
            {
                "number": len(life.events) + 1,
                "at": now,
                "event": event.model_dump(mode="json"),
                "kind": event.kind,
                "state_before": before.state.value if before else None,
                "state": outcome.case.state.value,
                "effects": [e.effect_as_json(effect) for effect in outcome.effects],
                "ignored": outcome.ignored,
                "source": source,
                "user_id": by.id if by else None,
                "by": by.name if by else "",
                "note": "\n".join([*([note] if note else []), *said]),
            }
        )
        if before is not None and before.state is not State.CONFIRMED and outcome.case.state is State.CONFIRMED:
            self._customer_may_cancel(life, now)
        self._when_due(life)

    # What the time calls for

    def _when_due(self, life: Life) -> None:
        moment = life.now.next_action_at
        if moment is not None:
            self.later(moment + SECOND * life.chance.random(), lambda now: self._due(life, now))

    def _due(self, life: Life, now: datetime) -> None:
        event = machine.due_event(life.now, now, lambda shop: self._free(shop, now))
        if event is not None:
            self.happen(life, event, now, "system")

    def _free(self, shop: int, now: datetime) -> datetime | None:
        line = self._shops[shop].line
        return earliest_call(line.model_copy(update={"is_busy": True}) if shop in self._busy else line, now)

    # What has to be done

    def _carry_out(self, life: Life, effect: Effect, now: datetime, note: str, by: Person | None) -> str | None:
        match effect:
            case e.ToCustomer():
                return self._to_customer(life, effect, now)
            case e.ToShop():
                return self._to_shop(life, effect, now)
            case e.Call():
                self._call(life, effect, now)
            case e.StopCall():
                self._cancel(life, life.calls[-1], now)
            case e.Checkout():
                self._checkout(life, effect, now)
            case e.Expire():
                self._expire(life, effect, now)
            case e.Refund():
                self._refund(life, effect, now)
            case e.ForPeople():
                self._for_people(life, effect.task, now, note)
            case e.Solved():
                self._solved(life, effect.tasks, now, by)
        return None

    def _facts(self, life: Life, shop: ShopFacts | None) -> letters.Facts:
        case = life.now
        return letters.Facts(
            code=life.code,
            service=life.service,
            plan=life.plan,
            starts_at=case.starts_at,
            price=case.price,
            customer_name=life.customer,
            phone=life.phone,
            wishes=life.wishes,
            cancel_until=case.cancel_until,
            shop=shop.name if shop else life.values.get("shop_note", ""),
            shop_phone=shop.phone if shop else "",
            is_booked="confirmed_at" in life.values,
            paid=case.paid,
        )

    def _link(self, life: Life, purpose: str, until: datetime, number: int | None, now: datetime) -> str:
        token = self._link_token(life.code) if purpose == "pay" else secrets.token_urlsafe(16)
        if until > self.until and not any(one["token"] == token for one in life.links):
            link = {"token": token, "purpose": purpose, "payment_number": number, "expires_at": until}
            life.links.append(link | {"created_at": now})
        return f"{shell.address()}/{purpose}/{token}"

    def _to_customer(self, life: Life, effect: e.ToCustomer, now: datetime) -> str | None:
        case, purpose = life.now, effect.purpose
        facts = self._facts(life, self._shops.get(case.shop or 0))
        if purpose is Purpose.PAYMENT_LINK:
            week = now + timedelta(days=7)
            facts = replace(facts, pay_url=self._link(life, "pay", week, case.checkouts, now))
        elif purpose in (Purpose.REQUEST_RECEIVED, Purpose.CONFIRMED):
            until = max(case.starts_at + FINISH_AFTER, now + LONGEST_NOTICE) + timedelta(days=7)
            facts = replace(facts, cancel_url=self._link(life, "cancel", until, None, now))
        words = letters.customer_message(purpose, facts)
        if not effect.by_mail and not (case.sms_fails and life.mail):
            sms = self._letter(life, "sms", "customer", purpose, life.phone, "", words.sms, now)
            self._send_sms(life, sms, purpose, now)
        if life.mail:
            self._letter(life, "mail", "customer", purpose, life.mail, words.title, words.mail, now)
            if purpose is Purpose.PAYMENT_LINK and case.by_mail:
                sent = e.LinkSent(minutes=PAY_MINUTES, by_mail=True)
                self.later(now + 2 * SECOND, lambda at: self._link_sent(life, sent, at, "system"))
        elif effect.by_mail:
            return "依頼者のメールアドレスがないため、メールを送っていません。"
        return None

    def _letter(
        self, life: Life, channel: str, to: str, purpose: Purpose, address: str, title: str, body: str, now: datetime
    ) -> dict[str, Any]:
        letter = {
            "channel": channel,
            "recipient": to,
            "purpose": purpose.value,
            "address": address,
            "title": title,
            "body": body,
            "message_key": uuid.uuid4(),
            "external_id": f"SM{secrets.token_hex(16)}" if channel == "sms" else None,
            "status": "sent",
            "tries": 1,
            "error_code": None,
            "error": "",
            "created_at": now,
            "sent_at": now + SECOND * (1 + life.chance.random()),
            "delivered_at": None,
        }
        life.letters.append(letter)
        return letter

    def _send_sms(self, life: Life, sms: dict[str, Any], purpose: Purpose, now: datetime) -> None:
        sent = sms["sent_at"]
        if purpose is Purpose.PAYMENT_LINK:
            told_ = e.LinkSent(minutes=PAY_MINUTES)
            self.later(sent, lambda at: self._link_sent(life, told_, at, "twilio"))
        if life.fate.takes_sms:
            sms |= {"status": "delivered", "delivered_at": sent + SECOND * (2 + 2 * life.chance.random())}
            return
        why = undelivered_text(LANDLINE)
        sms |= {"status": "undelivered", "error_code": LANDLINE, "error": why}
        failed = e.SmsFailed(purpose=purpose.value)
        self.later(sent + 4 * SECOND, lambda at: self._happened(life, failed, at, "twilio", why))

    def _happened(self, life: Life, event: Event, now: datetime, source: str, note: str = "") -> None:
        self.happen(life, event, now, source, note=note)

    def _to_shop(self, life: Life, effect: e.ToShop, now: datetime) -> str | None:
        shop = self._shops.get(effect.shop or 0)
        facts = self._facts(life, shop)
        mail = letters.shop_mail(
            effect.purpose, replace(facts, is_booked=facts.is_booked and effect.shop == life.now.shop)
        )
        if shop is None or not shop.mail:
            name = shop.name if shop else life.values.get("shop_note") or "一覧にない店舗"
            return f"{name}のメールアドレスがないため、「{mail.title}」を送っていません。電話などで連絡してください。"
        self._letter(life, "mail", "shop", effect.purpose, shop.mail, mail.title, mail.body, now)
        return None

    # Calls

    def _call(self, life: Life, effect: e.Call, now: datetime) -> None:
        shop, case = self._shops[effect.shop], life.now
        wish = Wish(shop.name, shop.staff, f"{life.service} {life.plan}", case.starts_at, life.customer, life.wishes)
        details = told(self._answer(life, shop, now), wish, life.chance)
        ringing = SECOND * life.chance.randrange(4, 15)
        call = {
            "number": effect.number,
            "round": case.round,
            "shop_id": shop.id,
            "phone": shop.phone,
            "is_active": True,
            "external_id": str(uuid.uuid4()),
            "planned_at": now,
            "placed_at": now + SECOND,
            "ended_at": None,
            **dict.fromkeys(("answer", "read_answer", "reading", "transcript", "seconds")),
        }
        life.calls.append(call)
        self._busy.add(shop.id)
        reading = read_call(details, case.starts_at)
        if reading is None:
            raise RuntimeError("a call of the past is over")

        def end(at: datetime) -> None:
            if not call["is_active"]:
                return
            self._stop(life, call, at)
            call.update(
                answer=reading.answer.value,
                read_answer=reading.answer.value,
                reading=reading.model_dump(mode="json", exclude={"transcript"}),
                transcript=[line.model_dump() for line in reading.transcript],
                seconds=reading.seconds,
            )
            ended = e.CallEnded(number=effect.number, shop=shop.id, answer=reading.answer)
            self.happen(life, ended, at, "bland", note=reading.told)

        self.later(now + SECOND + ringing + SECOND * (reading.seconds or 0), end)

    def _answer(self, life: Life, shop: ShopFacts, now: datetime) -> str:
        fate, done = life.fate, len(life.calls)
        if done < len(fate.answers):
            return fate.answers[done]
        if life.now.round > 1 and len(life.now.turn) == len(life.now.order):
            return fate.last
        ways = shop.ways(now.astimezone(TOKYO).hour)
        left = {way: share for way, share in ways.items() if way not in fate.never}
        return life.chance.choices([*left], [*left.values()])[0]

    def _stop(self, life: Life, call: dict[str, Any], now: datetime) -> None:
        call.update(is_active=False, ended_at=call["ended_at"] or now)
        self._busy.discard(call["shop_id"])

    def _cancel(self, life: Life, call: dict[str, Any], now: datetime) -> None:
        """The vendor says in its own time that it was ended."""
        self._stop(life, call, now)
        reading = read_call({"status": "canceled"}, life.now.starts_at)
        if reading is not None:
            call.update(answer=reading.answer.value, read_answer=reading.answer.value)
            call["reading"] = reading.model_dump(mode="json", exclude={"transcript"})
            ended = e.CallEnded(number=call["number"], shop=call["shop_id"], answer=reading.answer)
            self.later(now + 3 * SECOND, lambda at: self.happen(life, ended, at, "bland", note=reading.why))

    # Money

    def _checkout(self, life: Life, effect: e.Checkout, now: datetime) -> None:
        session = f"{SESSION}_{secrets.token_hex(20)}"
        payment = {
            "number": effect.number,
            "amount": effect.amount,
            "session_id": session,
            "url": None,
            "status": "open",
            "intent": None,
            "created_at": now,
            "closed_at": None,
        }
        life.payments.append(payment)
        ready = e.CheckoutReady(number=effect.number, session=session)
        self.later(now + SECOND * (1 + life.chance.random()), lambda at: self._happened(life, ready, at, "stripe"))

    def _link_sent(self, life: Life, event: e.LinkSent, now: datetime, source: str) -> None:
        if self.happen(life, event, now, source) and life.fate.pays is not None:
            payment = life.payments[-1]
            self.later(now + life.fate.pays, lambda at: self._pay(life, payment, at))

    def _pay(self, life: Life, payment: dict[str, Any], now: datetime) -> None:
        if payment["status"] != "open" or life.now.deadline is None:
            return
        payment |= {"status": "paid", "intent": f"pi_demo_{secrets.token_hex(10)}", "closed_at": now}
        paid = e.Paid(session=payment["session_id"], intent=payment["intent"], amount=payment["amount"])
        self.happen(life, paid, now, "stripe")

    def _expire(self, life: Life, effect: e.Expire, now: datetime) -> None:
        payment = next((one for one in life.payments if one["session_id"] == effect.session), None)

        def close(at: datetime) -> None:
            if payment is None or payment["status"] != "open":
                return
            payment.update(status="expired", closed_at=at)
            self.happen(life, e.SessionClosed(session=effect.session), at, "stripe")

        self.later(now + SECOND * (1 + life.chance.random()), close)

    def _refund(self, life: Life, effect: e.Refund, now: datetime) -> None:
        refund: dict[str, Any] = {"number": effect.number, "intent": effect.intent, "amount": effect.amount}
        refund |= {"refund_id": f"re_demo_{secrets.token_hex(10)}", "status": "pending", "error": ""}
        refund |= {"created_at": now, "settled_at": None}
        life.refunds.append(refund)

        def settle(at: datetime) -> None:
            refund["settled_at"] = at
            if life.fate.refund_fails:
                refund.update(status="failed", error=refund_cause("expired_or_canceled_card"))
                self.happen(life, e.RefundFailed(intent=effect.intent), at, "stripe", note=refund["error"])
            else:
                refund["status"] = "succeeded"
                self.happen(life, e.RefundDone(intent=effect.intent, amount=effect.amount), at, "stripe")

        self.later(now + SECOND * life.chance.randrange(4, 60), settle)

    def _customer_may_cancel(self, life: Life, now: datetime) -> None:
        if life.fate.cancels is None:
            return
        at = max(life.now.starts_at - life.fate.cancels, now + 20 * MINUTE)
        late = at > life.now.cancel_until
        event: Event = e.LateCancelAsked() if late else e.CancelAsked(by="customer")
        note = "体調を崩してしまい、受け取りに行けなくなりました。" if late else ""
        self.later(at, lambda then: self._happened(life, event, then, "customer", note))

    # People

    def _for_people(self, life: Life, task: Task, now: datetime, note: str) -> None:
        if any(one["kind"] == task.value and one["resolved_at"] is None for one in life.operations):
            return
        life.operations.append(self.operation(task, now, note))
        if task in life.fate.people:
            does, after = life.fate.people[task]
            calendar = self._desk.calendars[TARGETS[PRIORITIES[task]].calendar]
            person = life.chance.choice(self._desk.people)
            operation = life.operations[-1]
            self.later(add_working_time(now, after / 3, calendar), lambda at: self.claim(operation, person, at))
            self.later(add_working_time(now, after, calendar), lambda at: self._work(life, task, does, person, at))

    def operation(self, task: Task, now: datetime, detail: str = "") -> dict[str, Any]:
        """An open task that began then."""
        target = TARGETS[PRIORITIES[task]]
        calendar = self._desk.calendars[target.calendar]
        return {
            "kind": task.value,
            "priority": PRIORITIES[task].value,
            "title": TASK_LABELS[task],
            "detail": detail,
            "opened_at": now,
            "due_at": target.due_at(now, calendar),
            "warn_at": add_working_time(now, target.span - target.span / NEAR, calendar),
            **dict.fromkeys(("warned_at", "breached_at", "owner_id", "claimed_at", "resolved_at", "resolved_by")),
            "outcome": None,
            "version": 1,
            # Slack was told of it then.
            "told_at": now,
            "events": [{"at": now, "kind": "opened", "by": "システム", "user_id": None, "text": None}],
        }

    def claim(self, operation: dict[str, Any], person: Person, now: datetime) -> None:
        if operation["resolved_at"] is not None or operation["owner_id"] is not None:
            return
        self.hurry(operation, now)
        operation.update(owner_id=person.id, claimed_at=now, version=operation["version"] + 1)
        self.note(operation, "claimed", person, now, person.name)

    @staticmethod
    def note(operation: dict[str, Any], kind: str, person: Person | None, now: datetime, text: str | None) -> None:
        by, user_id = (person.name, person.id) if person else ("システム", None)
        operation["events"].append({"at": now, "kind": kind, "by": by, "user_id": user_id, "text": text})

    def hurry(self, operation: dict[str, Any], now: datetime) -> None:
        """What the clocks have said while nobody had it."""
        if operation["owner_id"] is not None or operation["resolved_at"] is not None:
            return
        if operation["warn_at"] <= now and operation["warned_at"] is None:
            operation["warned_at"] = operation["warn_at"]
            self.note(operation, "warned", None, operation["warn_at"], None)
        if operation["due_at"] < now and operation["breached_at"] is None:
            operation["breached_at"] = operation["due_at"] + SECOND
            self.note(operation, "breached", None, operation["due_at"] + SECOND, None)

    def _work(self, life: Life, task: Task, does: str, person: Person, now: datetime) -> None:
        """An operator does what the procedure of 2.2 says, once the reservation is so far."""
        operation = next(
            (one for one in life.operations if one["kind"] == task.value and one["resolved_at"] is None), None
        )
        if operation is None:
            return
        if task is Task.SMS_FAILED and life.now.state is not State.CALLING_SUCCESS:
            if life.now.state not in FINAL_STATES:
                self.later(now + 5 * MINUTE, lambda at: self._work(life, task, does, person, at))
            return
        event, note = done(life.now, does, now)
        if does == "mail":
            life.mail = life.mail or f"customer{life.phone[-4:]}@mail.example"
        if event is not None and self.happen(life, event, now, "operator", person, note):
            return
        operation.update(resolved_at=now, resolved_by=person.name, outcome=note, version=operation["version"] + 1)
        self.note(operation, "resolved", person, now, note)

    def _solved(self, life: Life, tasks: Sequence[Task], now: datetime, by: Person | None) -> None:
        for one in life.operations:
            if one["kind"] in [task.value for task in tasks] and one["resolved_at"] is None:
                self.hurry(one, now)
                one.update(resolved_at=now, resolved_by=by.name if by else "システム", version=one["version"] + 1)
                one["outcome"] = RESOLVED_BY_OPERATOR if by else RESOLVED_AUTOMATICALLY
                self.note(one, "closed", by, now, None)
