"""Telling a site by mail, and keeping what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, or_, update
from sqlalchemy.orm import Session

from service.core import outbox
from service.core.messages import STATE, State
from service.core.outbox import OutboxMessage
from service.loaners.models import Site
from service.loaners.notifications.models import Notification
from service.loaners.notifications.rules import Notice
from service.loaners.rules import AREA


@dataclass(frozen=True)
class Mail:
    subject: str
    body: str


def tell(
    db: Session,
    site: Site,
    kind: Notice,
    mail: Mail,
    of: Iterable[tuple[int, int]],
    about: tuple[str, int],
    expires_at: datetime | None = None,
) -> None:
    """One mail to the site's group address, kept with each device and event that it is `of`; `about` is where the list
    of messages leads, and past `expires_at` nobody wants it."""
    message = outbox.publish(
        db,
        "mail",
        {"to": [site.group_mail], "subject": mail.subject, "body": mail.body},
        area=AREA.name,
        recipient=site.group_mail,
        title=mail.subject,
        about=about,
        expires_at=expires_at,
    )
    db.flush()  # for the id
    told = {"kind": kind.value, "message_id": message.id, "recipient": message.recipient, "title": message.title}
    db.execute(insert(Notification), [{"device_id": device, "event_id": event, **told} for device, event in of])


def keep_results(db: Session) -> int:
    """Copies from the outbox what became of messages since the last time; how many rows."""
    changed = or_(Notification.state != STATE, Notification.error.is_distinct_from(OutboxMessage.last_error))
    kept = db.connection().execute(
        update(Notification)
        .where(Notification.message_id == OutboxMessage.id, Notification.state != State.SENT.value, changed)
        .values(state=STATE, sent_at=OutboxMessage.sent_at, error=OutboxMessage.last_error)
    )
    return kept.rowcount
