"""Sends mails to sites and stores their delivery results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, or_, update
from sqlalchemy.orm import Session

from service.core.outbox import queue
from service.core.outbox.messages import STATE
from service.core.outbox.records import OutboxMessage
from service.core.values.states import MessageState
from service.loaners.models import Site
from service.loaners.notifications.models import Notification
from service.loaners.notifications.rules import Notice
from service.loaners.rules import AREA


@dataclass(frozen=True)
class Mail:
    subject: str
    body: str


def notify_site(
    db: Session,
    site: Site,
    kind: Notice,
    mail: Mail,
    events: Iterable[tuple[int, int]],
    about: tuple[str, int],
    expires_at: datetime | None = None,
) -> None:
    """Sends one mail to the site's group address and stores it for each (device id, event id) of `events`. `about` is
    the link in the list of messages; after `expires_at` the mail is not sent any more."""
    message = queue.publish_mail(
        db, [site.group_mail], mail.subject, mail.body, area=AREA.name, about=about, expires_at=expires_at
    )
    db.flush()  # for the id
    values = {"kind": kind.value, "message_id": message.id, "recipient": message.recipient, "title": message.title}
    db.execute(insert(Notification), [{"device_id": device, "event_id": event, **values} for device, event in events])


def save_results(db: Session) -> int:
    """Copies new delivery results from the outbox. Returns the number of updated rows."""
    changed = or_(Notification.state != STATE, Notification.error.is_distinct_from(OutboxMessage.last_error))
    result = db.connection().execute(
        update(Notification)
        .where(Notification.message_id == OutboxMessage.id, Notification.state != MessageState.SENT.value, changed)
        .values(state=STATE, sent_at=OutboxMessage.sent_at, error=OutboxMessage.last_error)
    )
    return result.rowcount
