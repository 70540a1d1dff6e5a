"""The whole of a reservation: jobs and service in this process on committed rows, and vendors in the sandbox, which
tell the service over a socket. Time passes for all of them together."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.errors import DeadlockDetected
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from jobs import outbox as outbox_jobs
from jobs import reservations as jobs
from service.core.database.clock import app_now
from service.core.database.session import SYSTEM, transaction
from service.core.outbox import queue
from service.core.pages import shell
from service.reservations.events.rules import Event, State
from service.reservations.flow import actions as flow
from service.reservations.flow import queries as flow_queries
from service.reservations.flow.models import Payment, PhoneCall, Refund, Reservation, TimelineEvent, Webhook
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message
from tests.api.reservations import scene, vendors
from tests.api.reservations.vendors import Sent
from tests.sandbox.process import STRIPE_SECRET, TWILIO_TOKEN, Sandbox

FIRST, SECOND = "+81312340001", "+81312340002"
_events = itertools.count(1)
# Seconds; far more than the vendors take for anything that they do of themselves.
JUST_NOW = 0.5
# What changes whenever a job or a vendor does something.
_TRACE = """SELECT
    (SELECT (count(*), count(ignored))::text FROM reservations_events),
    (SELECT (count(*), count(processed_at))::text FROM reservations_webhooks),
    (SELECT (count(*), count(sent_at), sum(attempts))::text FROM outbox_messages)"""
# What waits in real time; it passes with the product's.
_WAITING = (
    "UPDATE outbox_messages SET next_attempt_at = next_attempt_at - :span WHERE sent_at IS NULL AND dead_at IS NULL",
    "UPDATE reservations_calls SET look_at = look_at - :span",
    "UPDATE reservations_payments SET look_at = look_at - :span",
    "UPDATE reservations_refunds SET look_at = look_at - :span",
    "UPDATE reservations_messages SET look_at = look_at - :span",
    "UPDATE reservations_webhooks SET next_try_at = next_try_at - :span, received_at = received_at - :span",
)


@dataclass
class World:
    """`url`: of the service."""

    url: str
    sandbox: Sandbox
    id: int = 0

    def ask(self, **said: Any) -> World:
        """A reservation of a bouquet, which two shops offer."""
        with transaction(SYSTEM) as db:
            self.id = scene.ask(db, **said).id
        return self

    def happen(self, event: Event, **more: Any) -> str | None:
        with transaction(SYSTEM) as db:
            return flow.record_event(db, self.id, event, **({"source": "customer"} | more)).ignored

    # Jobs

    def send(self, *topics: str) -> None:
        with transaction(SYSTEM) as db:
            due = queue.topics_due(db)
        for topic in topics or due:
            outbox_jobs.send_topic(topic)

    @contextmanager
    def sending(self, topic: str) -> Iterator[None]:
        """While a sender waits for the vendor's answer."""
        sender = threading.Thread(target=self.send, args=(topic,))
        sender.start()
        yield
        sender.join(30)
        assert not sender.is_alive()

    def turn(self) -> None:
        """Every job once: what follows from what was told is sent in the same turn."""
        jobs.read_webhooks()
        jobs.advance_reservations()
        jobs.look()
        self.send()

    def until(self, done: Callable[[], Any], seconds: float = 40) -> Any:
        """Jobs run until that is so; what it gave."""
        deadline = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < deadline, self.story()
            self.turn()
            if not self.sandbox.rest(JUST_NOW):
                time.sleep(0.02)
        return found

    def until_state(self, state: State) -> World:
        self.until(lambda: self.state is state)
        return self

    def settle(self) -> World:
        """Until the vendors have nothing more to say and we have nothing more to do just now."""
        before = None
        while before != (after := self._trace()):
            before = after
            self.turn()
            self.sandbox.rest(JUST_NOW)
        return self

    def pass_time(self, span: timedelta) -> World:
        while True:
            try:
                self._put_on(span)
                break
            except OperationalError as error:
                # Jobs that are at work hold some of all these rows, in an order of theirs.
                if not isinstance(error.orig, DeadlockDetected):
                    raise
        self.sandbox.clock(advance=span.total_seconds())
        # Whoever asks next is answered as of then: what was due in between has happened at the vendors.
        self.sandbox.rest(0)
        return self

    @staticmethod
    def _put_on(span: timedelta) -> None:
        with transaction(SYSTEM) as db:
            scene.set_clock(db, app_now(db) + span)
            for statement in _WAITING:
                db.execute(text(statement), {"span": span})

    # What is there

    @property
    def reservation(self) -> Reservation:
        with transaction(SYSTEM) as db:
            return db.get_one(Reservation, self.id)

    @property
    def state(self) -> State:
        return State(self.reservation.state)

    @property
    def case(self) -> Any:
        return flow_queries.case_of(self.reservation)

    def rows(self, table: type[Any]) -> list[Any]:
        with transaction(SYSTEM) as db:
            order = table.number if hasattr(table, "number") else table.id
            return list(db.scalars(select(table).where(table.reservation_id == self.id).order_by(order)))

    def events(self, taken: bool = True) -> list[str]:
        """Kinds of what happened; `taken`: those only that changed something."""
        return [one.kind for one in self.rows(TimelineEvent) if not taken or one.ignored is None]

    def story(self) -> str:
        return "\n".join(f"{one.state} {one.kind} {one.ignored or ''} {one.note}" for one in self.rows(TimelineEvent))

    def calls(self) -> list[PhoneCall]:
        return self.rows(PhoneCall)

    def payment(self) -> Payment:
        found: Payment = self.rows(Payment)[-1]
        return found

    def refunds(self) -> list[Refund]:
        return self.rows(Refund)

    def letters(self, channel: str = "sms") -> list[Message]:
        return [letter for letter in self.rows(Message) if letter.channel == channel]

    def tasks(self, *, is_open: bool = True) -> list[str]:
        return [one.kind for one in self.rows(Operation) if not is_open or one.resolved_at is None]

    def webhooks(self, provider: str = "") -> list[Webhook]:
        with transaction(SYSTEM) as db:
            return [
                one for one in db.scalars(select(Webhook).order_by(Webhook.id)) if one.provider.startswith(provider)
            ]

    def is_waiting(self, topic: str) -> bool:
        """Whether a message of that kind is due."""
        with transaction(SYSTEM) as db:
            return topic in queue.topics_due(db)

    # The world

    def post(self, sent: Sent) -> None:
        """A webhook by hand."""
        path, body, headers = sent
        assert self.sandbox.http.post(f"{self.url}{path}", content=body, headers=headers).status_code == 204

    def stripe_says(self, kind: str, **about: Any) -> None:
        event = vendors.stripe_event(kind, f"evt_{next(_events)}", **about)
        self.post(vendors.of_stripe(event, STRIPE_SECRET))

    def twilio_says(self, letter: Message, status: str, sid: str | None = None, **more: str) -> None:
        fields = vendors.sms_fields(status, sid or str(letter.external_id), **more)
        self.post(vendors.of_twilio(fields, shell.address(), str(letter.message_key), TWILIO_TOKEN))

    def told(self, words: str) -> list[dict[str, Any]]:
        """SMS with these words that Twilio truly has."""
        return [sms for sms in self.sandbox.sms() if words in sms["body"]]

    def pay(self, card: str = "ok") -> dict[str, Any]:
        return self.sandbox.pay(str(self.payment().session_id), card)

    def await_link(self) -> World:
        """A shop has said yes and the customer has the link."""
        return self.until_state(State.AWAITING_PAYMENT)

    def confirm(self) -> World:
        self.await_link().pay()
        return self.until_state(State.CONFIRMED)

    @staticmethod
    def _trace() -> Any:
        with transaction(SYSTEM) as db:
            return db.execute(text(_TRACE)).one()
