"""The outbox: every outgoing message is written in the transaction that decided it and sent outside any transaction.

A message is claimed with a lease: when its sender dies, the next one takes the message over after `LEASE`. The lease
has a random id. When a slow sender reports after its lease was taken over, its report is ignored.

A message is *in doubt* when an earlier try may have reached the vendor (its sender died, or the answer was lost). Then
the vendor is asked before anything is sent again. What users do with messages is in `messages`.

A message may belong to an earlier one (`follows`): a reply in its thread, a change of its text. It is sent after the
earlier one and after those that already follow it, and its sender gets the vendor's id of the earlier one.

An area's reaction is called in the transaction that settles one of its messages. A reaction that raises rolls this
transaction back. Before each try an area can cancel a message that is no longer wanted (`Check`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, cast

import structlog
from sqlalchemy import (
    CursorResult,
    and_,
    exists,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, aliased

from service.core.database.clock import app_now, clock_shift, real_now
from service.core.outbox.records import (
    NO_CHECKS,
    NO_REACTIONS,
    OPEN,
    Check,
    Claimed,
    OutboxAttempt,
    OutboxMessage,
    Outcome,
    Reaction,
    Settled,
)
from service.core.values.times import format_local_datetime

# Longer than any vendor's client takes, with time for a request that is still under way to arrive.
LEASE = timedelta(minutes=2)
# The default; a vendor can have its own.
BACK_OFF: Sequence[timedelta] = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 3600, 3600)]
NO_REFUSALS: Mapping[str, str] = MappingProxyType({})
# A vendor that did not answer may still be processing the message: it is asked after this pause.
DOUBT_PAUSE = timedelta(seconds=30)

# The payload's field for the id of the request that wrote the message; vendors do not read it.
REQUEST_ID = "request_id"

# For a message with `follows`: unsent messages that have to go out first.
_earlier_message = aliased(OutboxMessage)
_UNSENT_BEFORE = (
    select(_earlier_message.id)
    .where(_earlier_message.sent_at.is_(None), _earlier_message.dead_at.is_(None))
    .where(
        or_(
            _earlier_message.key == OutboxMessage.follows,
            and_(_earlier_message.follows == OutboxMessage.follows, _earlier_message.id < OutboxMessage.id),
        )
    )
    .correlate(OutboxMessage)
    .exists()
)
_HAS_NONE_BEFORE = or_(OutboxMessage.follows.is_(None), ~_UNSENT_BEFORE)


log = structlog.get_logger()


def publish(
    db: Session,
    topic: str,
    payload: Mapping[str, Any],
    *,
    area: str,
    recipient: str,
    title: str,
    tenant_id: int | None = None,
    about: tuple[str, object] | None = None,
    expires_at: datetime | None = None,
    not_before: datetime | None = None,
    tries: int = 0,
    follows: uuid.UUID | None = None,
) -> OutboxMessage:
    """Writes a message into the outbox. `recipient` and `title` are for lists; `about` is its subject, as (subject,
    id).

    `not_before` is a time of the product's clock. `tries`: how many an earlier message about the same has used up.
    `follows`: the key of the message of the same topic that it belongs to.
    """
    subject, subject_id = about or (None, None)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    message = OutboxMessage(
        topic=topic,
        payload=dict(payload) | ({REQUEST_ID: request_id} if request_id else {}),
        area=area,
        tenant_id=tenant_id,
        recipient=recipient[:400],
        title=" ".join(title.split())[:200],
        subject=subject,
        subject_id=None if subject_id is None else str(subject_id)[:100],
        expires_at=expires_at,
        tries=tries,
        follows=follows,
    )
    if not_before is not None:
        message.next_attempt_at = not_before - clock_shift(db)
    db.add(message)
    return message


def publish_mail(
    db: Session,
    to: Sequence[str],
    subject: str,
    body: str,
    *,
    area: str,
    about: tuple[str, object] | None = None,
    title: str = "",
    attachments: Sequence[str] = (),
    tenant_id: int | None = None,
    expires_at: datetime | None = None,
) -> OutboxMessage:
    """Writes one mail to these addresses into the outbox. Without a `title`, lists show the mail's subject.
    `attachments`: ids of files."""
    payload: dict[str, Any] = {"to": list(to), "subject": subject, "body": body}
    return publish(
        db,
        "mail",
        payload | ({"attachments": list(attachments)} if attachments else {}),
        area=area,
        recipient="、".join(to),
        title=title or subject,
        tenant_id=tenant_id,
        about=about,
        expires_at=expires_at,
    )


def publish_sms(
    db: Session,
    to: str,
    body: str,
    *,
    area: str,
    about: tuple[str, object],
    title: str,
    validity_seconds: int | None = None,
    expires_at: datetime | None = None,
) -> OutboxMessage:
    """Writes an SMS to a number (+81…) into the outbox. `validity_seconds`: how long the carrier tries to deliver it;
    None: as long as it does by itself."""
    payload = {"to": to, "body": body, "validity_seconds": validity_seconds}
    return publish(db, "sms", payload, area=area, recipient=to, title=title, about=about, expires_at=expires_at)


def message_exists(db: Session, key: uuid.UUID) -> bool:
    """Whether the message is stored. Retention deletes old ones, and a restored backup lacks those written after it."""
    return bool(db.scalar(select(exists().where(OutboxMessage.key == key))))


def topics_due(db: Session) -> list[str]:
    """The topics with messages that are due now."""
    due = and_(text(OPEN), OutboxMessage.next_attempt_at <= real_now())
    return sorted(db.scalars(select(OutboxMessage.topic).where(due, _HAS_NONE_BEFORE).distinct()))


def claim(
    db: Session,
    topic: str,
    back_off: Sequence[timedelta] = BACK_OFF,
    reactions: Mapping[str, Reaction] = NO_REACTIONS,
    checks: Mapping[str, Check] = NO_CHECKS,
) -> Claimed | None:
    """Claims the topic's message that has been due longest, with a lease of `LEASE`. Commit before sending: the lease
    must be stored before anything is sent.

    One at a time: in a batch the last message would wait longer than the lease. A message that has expired, or whose
    senders died so often that its tries are used up, becomes a dead letter. One that its area no longer wants is
    discarded, unless it may have arrived already.
    """
    now, product_now = real_now(), app_now(db)
    due = (
        select(OutboxMessage)
        .where(text(OPEN), OutboxMessage.topic == topic, OutboxMessage.next_attempt_at <= now, _HAS_NONE_BEFORE)
        .order_by(OutboxMessage.next_attempt_at, OutboxMessage.id)
        .limit(1)
        .with_for_update(of=OutboxMessage, skip_locked=True)
    )
    while (message := db.scalars(due).one_or_none()) is not None:
        if message.lease is not None:
            lost_error = "送信の途中で処理が止まりました。届いたかどうかは分かりません。"
            _end_attempt(db, message.id, message.attempts, "lost", lost_error)
            message.in_doubt, message.lease, message.last_error = True, None, lost_error
        unwanted = _reason_unwanted(db, message, checks)
        if unwanted and not message.in_doubt and message.discarded_at is None:
            message.discarded_at, message.discard_reason = now, unwanted
        expired = message.expires_at is not None and message.expires_at <= product_now
        given_up = (expired and not message.in_doubt) or message.tries > len(back_off)
        if given_up or message.discarded_at is not None:
            _close(db, message, expired, reactions)
            continue
        message.lease, message.next_attempt_at = uuid.uuid4(), now + LEASE
        message.attempts += 1
        message.tries += 1
        db.add(
            OutboxAttempt(
                message_id=message.id,
                area=message.area,
                tenant_id=message.tenant_id,
                number=message.attempts,
                started_at=now,
            )
        )
        return replace(
            _claimed(message, message.lease, expired, _external_id_of_followed(db, message)), unwanted=unwanted
        )
    return None


def _external_id_of_followed(db: Session, message: OutboxMessage) -> str | None:
    if message.follows is None:
        return None
    return db.scalar(select(OutboxMessage.external_id).where(OutboxMessage.key == message.follows))


def _reason_unwanted(db: Session, message: OutboxMessage, checks: Mapping[str, Check]) -> str | None:
    """Why the area no longer wants the message, None when it does. When the check itself fails, the message is sent."""
    check = checks.get(message.area)
    if check is None or message.discarded_at is not None:
        return None
    try:
        with db.begin_nested():
            return check(db, message)
    except Exception:
        log.exception("no check of a message", area=message.area, topic=message.topic, key=str(message.key))
        return None


def _close(db: Session, message: OutboxMessage, expired: bool, reactions: Mapping[str, Reaction]) -> None:
    """Closes a dead or discarded message and calls the reaction. When the reaction fails, the message waits for
    `LEASE`, so that it does not block the messages after it."""
    try:
        with db.begin_nested():
            if message.discarded_at is None:
                message.dead_at = real_now()
                if expired and message.expires_at is not None:
                    message.last_error = expiry_message(message.expires_at)
            else:
                message.dead_at = min(message.next_attempt_at, message.discarded_at)
            db.flush()  # so that it is no longer found
            outcome: Literal["dead", "discarded"] = "discarded" if message.discarded_at else "dead"
            # A new lease id that is not stored, so that no sender can settle the message once more.
            claimed = _claimed(message, uuid.uuid4(), expired)
            _react(db, Settled(claimed, outcome, error=message.last_error, in_doubt=message.in_doubt), reactions)
    except Exception:
        log.exception("no reaction to a dead letter", area=message.area, topic=message.topic, key=str(message.key))
        message.next_attempt_at = real_now() + LEASE
        db.flush()


def _claimed(
    message: OutboxMessage, lease: uuid.UUID, expired: bool, followed_external_id: str | None = None
) -> Claimed:
    return Claimed(
        id=message.id,
        key=message.key,
        topic=message.topic,
        payload=message.payload,
        created_at=message.created_at,
        lease=lease,
        attempt=message.attempts,
        tries=message.tries,
        in_doubt=message.in_doubt,
        insisted=message.insisted,
        expires_at=message.expires_at,
        expired=expired,
        area=message.area,
        tenant_id=message.tenant_id,
        subject=message.subject,
        subject_id=message.subject_id,
        earlier=followed_external_id,
        request_id=message.payload.get(REQUEST_ID),
    )


def expiry_message(expires_at: datetime) -> str:
    return f"有効期限（{format_local_datetime(expires_at)}）を過ぎたため、送信しませんでした。"


def mark_sent(
    db: Session,
    message: Claimed,
    external_id: str | None = None,
    *,
    already_delivered: bool = False,
    answer: Mapping[str, Any] | None = None,
    refused: Mapping[str, str] = NO_REFUSALS,
    reactions: Mapping[str, Reaction] = NO_REACTIONS,
) -> bool:
    """Settles the message as sent. `already_delivered`: by an earlier try. `refused`: recipients of a mail who do not
    have it, each with the reason; they get a message of their own, which is tried again as any other. False when
    another sender has taken over the lease."""
    values = {"sent_at": real_now(), "last_error": None, "in_doubt": False, "external_id": external_id}
    settled = _settle(db, message, "found" if already_delivered else "sent", None, values)
    if settled:
        if refused:
            _split_off(db, message, refused)
        _react(db, Settled(message, "sent", external_id, answer or {}), reactions)
    return settled


def _split_off(db: Session, message: Claimed, refused: Mapping[str, str]) -> None:
    """Leaves in the sent mail the recipients who have it, and writes one message for each of the others."""
    sent = db.get_one(OutboxMessage, message.id)
    payload = sent.payload
    accepted = [address for address in payload["to"] if address not in refused]
    sent.payload, sent.recipient = payload | {"to": accepted}, "、".join(accepted)[:400]
    for address, reason in refused.items():
        db.add(
            OutboxMessage(
                topic=sent.topic,
                payload=payload | {"to": [address]},
                area=sent.area,
                tenant_id=sent.tenant_id,
                recipient=address[:400],
                title=sent.title,
                subject=sent.subject,
                subject_id=sent.subject_id,
                expires_at=sent.expires_at,
                next_attempt_at=real_now() + BACK_OFF[0],
                tries=message.tries,
                last_error=reason,
            )
        )


def mark_failed(
    db: Session,
    message: Claimed,
    error: str,
    *,
    permanent: bool = False,
    in_doubt: bool = False,
    code: str | None = None,
    back_off: Sequence[timedelta] = BACK_OFF,
    reactions: Mapping[str, Reaction] = NO_REACTIONS,
) -> bool:
    """Puts the message back into the queue after a pause, or makes it a dead letter when it failed for good or has no
    tries left. `in_doubt`: it may have arrived. Returns False as `mark_sent`."""
    outcome: Outcome = "unknown" if in_doubt else "refused" if permanent else "failed"
    dead = permanent or message.tries > len(back_off)
    if dead:
        values: dict[str, Any] = {"dead_at": real_now()}
    else:
        pause = back_off[message.tries - 1]
        values = {"next_attempt_at": real_now() + (max(pause, DOUBT_PAUSE) if in_doubt else pause)}
    settled = _settle(db, message, outcome, error, values | {"in_doubt": in_doubt})
    if settled and dead:
        _react(db, Settled(message, "dead", error=error, code=code, in_doubt=in_doubt), reactions)
    return settled


def withdraw(db: Session, keys: Iterable[uuid.UUID], reason: str) -> list[uuid.UUID]:
    """Discards messages that are no longer wanted and that no sender has begun to send; returns the keys of those. The
    reaction is called for each (`discarded`).

    A message that a worker has locked at this time is skipped. To wait for it could be a deadlock, because its reaction
    may need rows that this transaction has locked.
    """
    now = real_now()
    message_ids = (
        select(OutboxMessage.id)
        .where(text(OPEN), OutboxMessage.key.in_(list(keys)))
        .where(OutboxMessage.lease.is_(None), ~OutboxMessage.in_doubt, OutboxMessage.discarded_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    return list(
        db.scalars(
            update(OutboxMessage)
            .where(OutboxMessage.id.in_(message_ids))
            .values(discarded_at=now, discard_reason=reason, next_attempt_at=now)
            .returning(OutboxMessage.key)
            .execution_options(synchronize_session=False)
        )
    )


def mark_rate_limited(db: Session, message: Claimed, error: str, retry_after: timedelta) -> bool:
    """Puts the message back into the queue until the vendor accepts messages again, and delays the topic's other
    waiting messages as long, because the vendor would refuse them, too. It does not count as a try. Returns False as
    `mark_sent`."""
    until = real_now() + retry_after
    values = {"next_attempt_at": until, "tries": message.tries - 1, "in_doubt": message.in_doubt}
    settled = _settle(db, message, "rate_limited", error, values)
    if settled:
        db.execute(
            update(OutboxMessage)
            .where(text(OPEN), OutboxMessage.topic == message.topic, OutboxMessage.lease.is_(None))
            .where(OutboxMessage.next_attempt_at < until)
            .values(next_attempt_at=until)
        )
    return settled


def _react(db: Session, settled: Settled, reactions: Mapping[str, Reaction]) -> None:
    reaction = reactions.get(settled.message.area)
    if reaction is not None:
        reaction(db, settled)


def _settle(db: Session, message: Claimed, outcome: Outcome, error: str | None, values: Mapping[str, Any]) -> bool:
    error = error[:2000] if error else None
    result = db.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message.id, OutboxMessage.lease == message.lease)
        .values({"lease": None, "last_error": error} | dict(values))
    )
    settled = cast("CursorResult[Any]", result).rowcount == 1
    if settled:
        _end_attempt(db, message.id, message.attempt, outcome, error)
    return settled


def _end_attempt(db: Session, message_id: int, number: int, outcome: Outcome, error: str | None) -> None:
    db.execute(
        update(OutboxAttempt)
        .where(OutboxAttempt.message_id == message_id, OutboxAttempt.number == number)
        .values(ended_at=real_now(), outcome=outcome, error=error)
    )
