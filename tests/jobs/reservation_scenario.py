"""End-to-end scenarios of reservations: jobs and service run in this process on committed rows; the vendors run in
the sandbox and send webhooks over a socket. One clock moves for all of them."""

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
from service.reservations.flow import actions as flow
from service.reservations.flow import queries as flow_queries
from service.reservations.inbox.models import Webhook
from service.reservations.models import Reservation, TimelineEvent
from service.reservations.operations.models import Operation
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.state_machine.events import Event
from service.reservations.state_machine.states import State
from tests.api.reservations import scene, vendors
from tests.api.reservations.vendors import SignedRequest
from tests.sandbox.process import STRIPE_SECRET, TWILIO_TOKEN, Sandbox

FIRST, SECOND = "+81312340001", "+81312340002"
_event_numbers = itertools.count(1)
# Seconds; far longer than the sandbox vendors need for what they do on their own.
IDLE_SECONDS = 0.5
# What changes whenever a job or a vendor does something.
_ACTIVITY = """SELECT
    (SELECT (count(*), count(ignored))::text FROM reservations_events),
    (SELECT (count(*), count(processed_at))::text FROM reservations_webhooks),
    (SELECT (count(*), count(sent_at), sum(attempts))::text FROM outbox_messages)"""
# Columns in real time: they move together with the product's clock.
_MOVE_REAL_TIMES = (
    "UPDATE outbox_messages SET next_attempt_at = next_attempt_at - :span WHERE sent_at IS NULL AND dead_at IS NULL",
    "UPDATE reservations_calls SET look_at = look_at - :span",
    "UPDATE reservations_payments SET look_at = look_at - :span",
    "UPDATE reservations_refunds SET look_at = look_at - :span",
    "UPDATE reservations_messages SET look_at = look_at - :span",
    "UPDATE reservations_webhooks SET next_try_at = next_try_at - :span, received_at = received_at - :span",
)


@dataclass
class Scenario:
    """`url`: of the service."""

    url: str
    sandbox: Sandbox
    id: int = 0

    def request_reservation(self, **values: Any) -> Scenario:
        """Requests a bouquet, which two shops offer."""
        with transaction(SYSTEM) as db:
            self.id = scene.create_reservation(db, **values).id
        return self

    def record_event(self, event: Event, **values: Any) -> str | None:
        with transaction(SYSTEM) as db:
            return flow.record_event(db, self.id, event, **({"source": "customer"} | values)).ignored

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

    def run_jobs(self) -> None:
        """Runs every job once. What follows from a webhook is sent in the same turn."""
        jobs.read_webhooks()
        jobs.advance_reservations()
        jobs.look()
        self.send()

    def run_until(self, condition: Callable[[], Any], seconds: float = 40) -> Any:
        """Runs the jobs until `condition` returns a true value, and returns that value."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, self.timeline()
            self.run_jobs()
            if not self.sandbox.rest(IDLE_SECONDS):
                time.sleep(0.02)
        return result

    def run_until_state(self, state: State) -> Scenario:
        self.run_until(lambda: self.state is state)
        return self

    def run_until_idle(self) -> Scenario:
        """Runs the jobs until neither jobs nor vendors do anything more."""
        before = None
        while before != (after := self._activity()):
            before = after
            self.run_jobs()
            self.sandbox.rest(IDLE_SECONDS)
        return self

    def pass_time(self, span: timedelta) -> Scenario:
        while True:
            try:
                self._move_clock(span)
                break
            except OperationalError as error:
                # Running jobs may hold locks on these rows, in another order.
                if not isinstance(error.orig, DeadlockDetected):
                    raise
        self.sandbox.clock(advance=span.total_seconds())
        # Before the next request, the vendors do what was due in between.
        self.sandbox.rest(0)
        return self

    @staticmethod
    def _move_clock(span: timedelta) -> None:
        with transaction(SYSTEM) as db:
            scene.set_clock(db, app_now(db) + span)
            for statement in _MOVE_REAL_TIMES:
                db.execute(text(statement), {"span": span})

    # State

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

    def events(self, applied: bool = True) -> list[str]:
        """Kinds of the timeline events. `applied`: only those that changed something."""
        return [event.kind for event in self.rows(TimelineEvent) if not applied or event.ignored is None]

    def timeline(self) -> str:
        return "\n".join(
            f"{event.state} {event.kind} {event.ignored or ''} {event.note}" for event in self.rows(TimelineEvent)
        )

    def calls(self) -> list[PhoneCall]:
        return self.rows(PhoneCall)

    def payment(self) -> Payment:
        payment: Payment = self.rows(Payment)[-1]
        return payment

    def refunds(self) -> list[Refund]:
        return self.rows(Refund)

    def messages(self, channel: str = "sms") -> list[Message]:
        return [message for message in self.rows(Message) if message.channel == channel]

    def tasks(self, *, is_open: bool = True) -> list[str]:
        return [operation.kind for operation in self.rows(Operation) if not is_open or operation.resolved_at is None]

    def webhooks(self, provider: str = "") -> list[Webhook]:
        with transaction(SYSTEM) as db:
            return [
                webhook
                for webhook in db.scalars(select(Webhook).order_by(Webhook.id))
                if webhook.provider.startswith(provider)
            ]

    def is_due(self, topic: str) -> bool:
        """Whether a message of that topic is due."""
        with transaction(SYSTEM) as db:
            return topic in queue.topics_due(db)

    # Vendors

    def post(self, webhook: SignedRequest) -> None:
        """Posts a webhook."""
        path, body, headers = webhook
        assert self.sandbox.http.post(f"{self.url}{path}", content=body, headers=headers).status_code == 204

    def post_stripe_event(self, kind: str, **fields: Any) -> None:
        event = vendors.stripe_event(kind, f"evt_{next(_event_numbers)}", **fields)
        self.post(vendors.stripe_webhook(event, STRIPE_SECRET))

    def post_twilio_status(self, message: Message, status: str, sid: str | None = None, **extra: str) -> None:
        fields = vendors.sms_fields(status, sid or str(message.external_id), **extra)
        self.post(vendors.twilio_webhook(fields, shell.address(), str(message.message_key), TWILIO_TOKEN))

    def sent_sms(self, phrase: str) -> list[dict[str, Any]]:
        """The SMS at Twilio that contain the phrase."""
        return [sms for sms in self.sandbox.sms() if phrase in sms["body"]]

    def pay(self, card: str = "ok") -> dict[str, Any]:
        return self.sandbox.pay(str(self.payment().session_id), card)

    def await_link(self) -> Scenario:
        """Runs until a shop has accepted and the customer has the payment link."""
        return self.run_until_state(State.AWAITING_PAYMENT)

    def confirm(self) -> Scenario:
        self.await_link().pay()
        return self.run_until_state(State.CONFIRMED)

    @staticmethod
    def _activity() -> Any:
        with transaction(SYSTEM) as db:
            return db.execute(text(_ACTIVITY)).one()
