"""How the demo's simulated reservations get into the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from service.core.database.clock import app_now, clock_shift
from service.core.outbox.records import OutboxMessage
from service.core.values.times import DAY
from service.demo.files import Row, insert_rows, insert_trees
from service.demo.reservations.booking import Booking
from service.reservations.models import Reservation, TimelineEvent
from service.reservations.operations.models import Operation
from service.reservations.operations.rules import operation_notice
from service.reservations.outgoing.models import Link, Message, Payment, PhoneCall, Refund
from service.reservations.rules import AREA
from service.reservations.settings import settings
from service.reservations.state_machine.states import Task

SLACK_DAYS = 30
TABLES = (TimelineEvent, PhoneCall, Payment, Refund, Message, Link, Operation)


def store(db: Session, bookings: Sequence[Booking]) -> dict[str, int]:
    """Their ids by 予約ID; older ones have lower ids."""
    bookings = sorted(bookings, key=lambda booking: (booking.at, booking.code))
    ids = insert_trees(db, Reservation, [_row(booking, number) for number, booking in enumerate(bookings, 1)])
    _insert_slack_messages(db, bookings)
    return dict(zip((booking.code for booking in bookings), ids, strict=True))


def _row(booking: Booking, number: int) -> Row:
    case, values = booking.current_case, booking.values
    return {
        "code": booking.code,
        "assistant_id": booking.assistant_id,
        "user_id": booking.by.user_id if booking.by else None,
        "client_request_id": f"demo-{number}",
        "service_id": booking.service.id,
        "plan_id": booking.plan.id,
        "customer_name": booking.customer,
        "phone": booking.phone,
        "mail": booking.mail,
        "wishes": booking.wishes,
        "shop_id": case.shop,
        "state": case.state.value,
        "state_since": case.since,
        "starts_at": case.starts_at,
        "price": case.price,
        "paid": case.paid,
        "refunded": case.refunded,
        "case_now": case.model_dump(mode="json"),
        "next_action_at": case.next_action_at,
        "created_at": booking.at,
        **values,
        **{table: booking.rows[table] for table in TABLES},
        "shop_note": values["shop_note"] if case.is_unlisted else "",
    }


def _insert_slack_messages(db: Session, bookings: Sequence[Booking]) -> None:
    """What was sent of the last weeks' tasks, for the list of what Slack was told; it is sent no more."""
    now, shift, channel = app_now(db), clock_shift(db), settings().slack_channel
    rows: list[Row] = []
    for code, task in ((booking.code, task) for booking in bookings for task in booking.rows[Operation]):
        if task["opened_at"] < now - SLACK_DAYS * DAY:
            continue
        text, real = operation_notice(Task(task["kind"]), code), task["opened_at"] - shift
        row: Row = {"topic": "slack", "payload": {"channel": channel, "text": text}, "area": AREA.name}
        row |= {"recipient": channel, "title": " ".join(text.split())}
        row |= {"subject": "reservation", "subject_id": code, "attempts": 1, "tries": 1}
        rows.append(row | {"created_at": real, "next_attempt_at": real, "sent_at": real + timedelta(seconds=1)})
    insert_rows(db, OutboxMessage, sorted(rows, key=lambda row: row["created_at"]))
