"""What people do about an enquiry, what arrives from the public form, and what the clocks say. Whoever changes one
holds it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from service.core import audit, outbox, throttle
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.holidays import calendar_named
from service.core.problems import Conflict, Invalid, Stale
from service.core.throttle import Limit
from service.reservations.enquiries import queries, rules, schemas
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.enquiries.rules import Channel, Party, Status
from service.reservations.events.rules import Task
from service.reservations.flow.models import Reservation
from service.reservations.incidents.rules import Level
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA
from service.reservations.settings import settings

SUBJECT = "enquiry"
FORM = "フォーム"
# A person who writes twice is not stopped; a program that fills in the form is.
FROM_ONE_SOURCE = Limit("reservations.enquiries.source", 10, timedelta(hours=1))
TO_ONE_ADDRESS = Limit("reservations.enquiries.address", 5, timedelta(hours=1))
# The same text again within this is the same enquiry.
REPEATED = timedelta(hours=1)
_FUTURE = "これからの日時は指定できません。"
_CHANGED = ("sender_name", "phone", "mail", "topic", "category", "level", "faq")


def register(db: Session, by: Actor, new: schemas.NewEnquiry) -> Enquiry:
    """As somebody took it down. A call that was taken has had its first response; with a way it is settled as well.

    Raises:
        Invalid: a time to come, an id that nobody has, or settled without saying how.
    """
    now = app_now(db)
    received_at = new.received_at or now
    if received_at > now:
        raise Invalid(_FUTURE, [("received_at", _FUTURE)])
    if new.way is not None and not new.outcome.strip():
        message = "どのように対応したかを入力してください。"
        raise Invalid(message, [("outcome", message)])
    enquiry = _new(db, new, received_at, new.channel, new.level, by.name[:100])
    enquiry.faq = new.faq.value
    enquiry.reservation_id, enquiry.shop_id = _known(db, new.reservation, new.shop)
    _event(db, enquiry, "received", by, None)
    values = new.model_dump(mode="json", exclude={"content"}, exclude_defaults=True)
    audit.record(db, by, "create", AREA.name, SUBJECT, enquiry.id, after=values)
    if new.channel is Channel.PHONE and new.was_answered:
        enquiry.status, enquiry.owner_id = Status.WORKING, by.user_id
        _first_response(db, enquiry, by, received_at)
    if new.way is not None:
        _resolve(db, by, enquiry, new.way, new.outcome)
    return enquiry


def arrive(db: Session, new: schemas.FormEnquiry, source: str) -> Enquiry:
    """From the public form: told in Slack, and acknowledged by mail. Nothing here tells the sender what is known of a
    reservation or a shop.

    Raises:
        TooMany: from one place, or with one address, more than people write.
    """
    for limit, whose in ((FROM_ONE_SOURCE, source), (TO_ONE_ADDRESS, new.mail.lower())):
        if wait := throttle.hit(db, limit, whose):
            raise throttle.too_many("お問い合わせの送信", wait)
    now = app_now(db)
    known = queries.same_from_form(db, new, now - REPEATED)
    if known is not None:
        return known
    enquiry = _new(db, new, now, Channel.MAIL, Level.LOW, FORM)
    enquiry.is_from_form = True
    enquiry.reservation_id = queries.reservation_named(db, new.reservation) if new.reservation else None
    enquiry.shop_id = queries.shop_named(db, new.shop) if new.shop else None
    _event(db, enquiry, "received", None, None)
    values = new.model_dump(mode="json", exclude={"content"}, exclude_defaults=True)
    audit.record(db, FORM, "create", AREA.name, SUBJECT, enquiry.id, after=values)
    told = rules.arrived(enquiry.id, new.party, new.topic, enquiry.first_due_at)
    operations.tell(db, rules.number(enquiry.id), told, SUBJECT)
    config = settings()
    subject, body = rules.acknowledgement(enquiry.id, config.support_phone, config.support_mail)
    _event(db, enquiry, "acknowledged", None, None, _mail(db, enquiry, subject, body))
    return enquiry


def change(db: Session, by: Actor, enquiry_id: int, new: schemas.EnquiryChange) -> None:
    """Another level has another target; what was heard of the reservation and the shop is looked up anew.

    Raises:
        Stale: somebody changed it since that version was read.
        Invalid: an id that nobody has, or nothing left to answer to.
    """
    enquiry = queries.get(db, enquiry_id, lock=True)
    sent = new.model_dump(exclude={"version"}, exclude_unset=True)
    given = {name: value for name, value in sent.items() if value is not None}
    _refuse_stale(enquiry, new.version, given)
    now_is = _values(enquiry)
    before = {name: now_is[name] for name in given if now_is[name] != given[name]}
    if not before:
        return
    after = {name: given[name] for name in before}
    if not after.get("phone", enquiry.phone) and not after.get("mail", enquiry.mail):
        raise Invalid(schemas.NEEDS_CONTACT, [("mail", schemas.NEEDS_CONTACT)])
    for name in _CHANGED:
        if name in after:
            setattr(enquiry, name, after[name])
    if "reservation" in after or "shop" in after:
        told = after.get("reservation", enquiry.reservation_given), after.get("shop", enquiry.shop_given)
        enquiry.reservation_id, enquiry.shop_id = _known(db, *told)
        enquiry.reservation_given, enquiry.shop_given = told
    enquiry.version += 1
    _event(db, enquiry, "edited", by, "、".join(AREA.fields[name] for name in after))
    plain = to_jsonable_python(before), to_jsonable_python(after)
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, before=plain[0], after=plain[1])
    if "level" in after and enquiry.resolved_at is None:
        _plan_resolution(db, enquiry, app_now(db))


def claim(db: Session, by: Actor, enquiry_id: int, new: schemas.Edit) -> None:
    """It is mine from now on.

    Raises:
        Stale: somebody was faster.
        Conflict: it is resolved.
    """
    _give(db, by, _open(db, enquiry_id, new), by.user_id, "claimed", by.name)


def hand_over(db: Session, by: Actor, enquiry_id: int, new: schemas.HandOver) -> None:
    """Raises as `claim`, and Invalid for somebody who cannot have it."""
    enquiry = _open(db, enquiry_id, new)
    names = {person["id"]: person["name"] for person in queries.answerers(db)}
    if new.user_id not in names:
        message = "カスタマーサポート、運営担当者、予約運用管理者の中から選んでください。"
        raise Invalid(message, [("user_id", message)])
    _give(db, by, enquiry, new.user_id, "handed_over", names[new.user_id])


def answer(db: Session, by: Actor, enquiry_id: int, new: schemas.Answer) -> None:
    """By mail; what was asked stands below it. Raises as `claim`, and Invalid when no address is known."""
    enquiry = _open(db, enquiry_id, new)
    if not enquiry.mail:
        message = "メールアドレスが登録されていません。電話で回答するか、先にメールアドレスを登録してください。"
        raise Invalid(message, [("text", message)])
    quoted = rules.quoted(enquiry.received_at, enquiry.topic, enquiry.content)
    key = _mail(db, enquiry, new.subject, f"{new.text}\n{quoted}")
    _answered(db, enquiry, by, new.waits)
    _event(db, enquiry, "mailed", by, f"{new.subject}\n{new.text}", key)
    after = {"mail": enquiry.mail, "topic": new.subject, "status": enquiry.status}
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, after=after)


def call(db: Session, by: Actor, enquiry_id: int, new: schemas.Call) -> None:
    """A call that reached somebody is a response; one that did not is noted. Raises as `claim`."""
    enquiry = _open(db, enquiry_id, new)
    if new.reached:
        _answered(db, enquiry, by, new.waits)
    else:
        enquiry.version += 1
    _event(db, enquiry, "called" if new.reached else "not_reached", by, new.text)
    after = {"note": new.text, "status": enquiry.status}
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, after=after)


def note(db: Session, by: Actor, enquiry_id: int, new: schemas.Note) -> None:
    """What the other side answered ends the waiting for it."""
    enquiry = queries.get(db, enquiry_id, lock=True)
    _event(db, enquiry, "replied" if new.is_reply else "note", by, new.text)
    if new.is_reply and enquiry.status == Status.WAITING:
        enquiry.status = Status.WORKING
        enquiry.version += 1
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, after={"note": new.text})


def to_operations(db: Session, by: Actor, enquiry_id: int, new: schemas.ToOperations) -> None:
    """手動対応にする (7.1.2): to an open one of the reservation, or to a new one.

    Raises:
        Stale, Conflict: as `claim`.
        Invalid: no reservation is known, or the task is not one of its open ones.
    """
    enquiry = _open(db, enquiry_id, new)
    if enquiry.reservation_id is None:
        message = "予約が登録されていません。先に予約IDを登録してください。"
        raise Invalid(message, [("operation_id", message)])
    if new.operation_id is None:
        reservation = db.get_one(Reservation, enquiry.reservation_id)
        detail = f"{rules.number(enquiry.id)} {enquiry.topic}\n{enquiry.content}"
        operation = operations.open(db, reservation.id, reservation.code, Task.CUSTOMER_ENQUIRY, detail)
    else:
        open_ones = {one.id: one for one in queries.open_operations(db, enquiry)}
        if new.operation_id not in open_ones:
            message = "この予約の、完了していない手動対応の中から選んでください。画面を更新してください。"
            raise Invalid(message, [("operation_id", message)])
        operation = open_ones[new.operation_id]
    before = {"operation_id": enquiry.operation_id}
    enquiry.operation_id, enquiry.status = operation.id, Status.WORKING
    enquiry.version += 1
    _event(db, enquiry, "to_operations", by, operation.title)
    after = {"operation_id": operation.id}
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, before=before, after=after)


def resolve(db: Session, by: Actor, enquiry_id: int, new: schemas.Resolution) -> None:
    """Raises as `claim`."""
    enquiry = _open(db, enquiry_id, new)
    if new.faq is not None:
        enquiry.faq = new.faq.value
    _resolve(db, by, enquiry, new.way, new.outcome)


def reopen(db: Session, by: Actor, enquiry_id: int, new: schemas.Reopening) -> None:
    """It was not settled after all: its target still counts from when it was received.

    Raises:
        Stale: somebody changed it since that version was read.
        Conflict: it is open.
    """
    enquiry = queries.get(db, enquiry_id, lock=True)
    _refuse_stale(enquiry, new.version, {"reason": new.reason})
    if enquiry.resolved_at is None:
        raise Conflict("この問い合わせはまだ解決していません。画面を更新してください。")
    enquiry.resolved_at = enquiry.resolved_by = enquiry.resolution_minutes = None
    enquiry.status = Status.WORKING
    enquiry.version += 1
    _event(db, enquiry, "reopened", by, new.reason)
    before, after = {"status": Status.RESOLVED}, {"status": Status.WORKING, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, enquiry.id, before=before, after=after)
    _plan_resolution(db, enquiry, app_now(db))


def watch(db: Session, limit: int = 50) -> int:
    """Tells people of targets that come near, or have passed: each once. How many that were."""
    now, told = app_now(db), 0
    for enquiry, owner in db.execute(
        queries.due_to_be_told(now, limit), execution_options={"populate_existing": True}
    ).all():
        if enquiry.first_response_at is None:
            told += _tell(db, enquiry, "first", queries.FIRST_TITLE, owner, now)
        if enquiry.resolution_due_at is not None:
            told += _tell(db, enquiry, "resolution", queries.RESOLUTION_TITLE, owner, now)
    db.flush()
    return told


def _tell(db: Session, enquiry: Enquiry, which: str, what: str, owner: str | None, now: datetime) -> bool:
    """Whether there was something to tell."""
    due_at, warn_at = getattr(enquiry, f"{which}_due_at"), getattr(enquiry, f"{which}_warn_at")
    is_late = due_at < now
    if getattr(enquiry, f"{which}_breached_at") or now < warn_at:
        return False
    if not is_late and getattr(enquiry, f"{which}_warned_at"):
        return False
    setattr(enquiry, f"{which}_warned_at", getattr(enquiry, f"{which}_warned_at") or now)
    if is_late:
        setattr(enquiry, f"{which}_breached_at", now)
    say = rules.breach if is_late else rules.warning
    text = say(enquiry.id, Party(enquiry.party), Channel(enquiry.channel), what, due_at, owner)
    operations.tell(db, rules.number(enquiry.id), text, SUBJECT)
    _event(db, enquiry, "breached" if is_late else "warned", None, what)
    return True


def _new(
    db: Session,
    new: schemas.NewEnquiry | schemas.FormEnquiry,
    received_at: datetime,
    channel: Channel,
    level: Level,
    received_by: str,
) -> Enquiry:
    """With its targets, which nothing moves any more but another level."""
    calendar = calendar_named(db, rules.CALENDAR)
    first = rules.first_due(new.party, channel, received_at, calendar)
    resolution = rules.resolution_due(level, received_at, calendar)
    enquiry = Enquiry(
        party=new.party.value,
        channel=channel.value,
        sender_name=new.sender_name,
        phone=new.phone,
        mail=new.mail,
        topic=new.topic,
        content=new.content,
        category=new.category.value,
        level=level.value,
        status=Status.RECEIVED.value,
        reservation_given=new.reservation,
        shop_given=new.shop,
        received_at=received_at,
        received_by=received_by,
        first_due_at=first.due_at,
        first_warn_at=first.warn_at,
        resolution_due_at=resolution.due_at if resolution else None,
        resolution_warn_at=resolution.warn_at if resolution else None,
    )
    db.add(enquiry)
    db.flush()
    return enquiry


def _known(db: Session, reservation: str, shop: str) -> tuple[int | None, int | None]:
    """What people typed has to be there. Raises Invalid."""
    found = queries.reservation_named(db, reservation) if reservation else None
    if reservation and found is None:
        message = f"予約ID「{reservation}」の予約は見つかりません。予約一覧で確認してください。"
        raise Invalid(message, [("reservation", message)])
    where = queries.shop_named(db, shop) if shop else None
    if shop and where is None:
        message = f"提携店ID「{shop}」の提携店は見つかりません。提携店の一覧で確認してください。"
        raise Invalid(message, [("shop", message)])
    return found, where


def _plan_resolution(db: Session, enquiry: Enquiry, now: datetime) -> None:
    """By its level, from when it was received. Of what was late already and still is, nobody needs to hear again."""
    planned = rules.resolution_due(Level(enquiry.level), enquiry.received_at, calendar_named(db, rules.CALENDAR))
    if planned is None:
        enquiry.resolution_due_at = enquiry.resolution_warn_at = None
        return
    enquiry.resolution_due_at, enquiry.resolution_warn_at = planned.due_at, planned.warn_at
    if planned.warn_at > now:
        enquiry.resolution_warned_at = None
    if planned.due_at > now:
        enquiry.resolution_breached_at = None


def _answered(db: Session, enquiry: Enquiry, by: Actor, waits: bool) -> None:
    _first_response(db, enquiry, by, app_now(db))
    enquiry.status = Status.WAITING if waits else Status.WORKING
    enquiry.owner_id = enquiry.owner_id or by.user_id
    enquiry.version += 1


def _first_response(db: Session, enquiry: Enquiry, by: Actor, at: datetime) -> None:
    if enquiry.first_response_at is not None:
        return
    enquiry.first_response_at, enquiry.first_response_by = at, by.name[:100]
    enquiry.first_minutes = rules.minutes(enquiry.received_at, at, calendar_named(db, rules.CALENDAR))


def _resolve(db: Session, by: Actor, enquiry: Enquiry, way: rules.Way, outcome: str) -> None:
    now, before = app_now(db), enquiry.status
    enquiry.status, enquiry.way, enquiry.outcome = Status.RESOLVED, way.value, outcome
    enquiry.resolved_at, enquiry.resolved_by = now, by.name[:100]
    enquiry.resolution_minutes = rules.minutes(enquiry.received_at, now, calendar_named(db, rules.CALENDAR))
    enquiry.owner_id = enquiry.owner_id or by.user_id
    enquiry.version += 1
    _event(db, enquiry, "resolved", by, f"{rules.WAY_WORDS[way]}\n{outcome}")
    after = {"status": Status.RESOLVED, "way": way, "outcome": outcome, "faq": enquiry.faq}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, enquiry.id, before={"status": before}, after=after)


def _give(db: Session, by: Actor, enquiry: Enquiry, user_id: int, kind: str, name: str) -> None:
    before = enquiry.owner_id
    if before == user_id:
        return
    enquiry.owner_id = user_id
    if enquiry.status == Status.RECEIVED:
        enquiry.status = Status.WORKING
    enquiry.version += 1
    _event(db, enquiry, kind, by, name)
    audit.record(
        db, by, "update", AREA.name, SUBJECT, enquiry.id, before={"owner_id": before}, after={"owner_id": user_id}
    )


def _open(db: Session, enquiry_id: int, new: schemas.Edit) -> Enquiry:
    enquiry = queries.get(db, enquiry_id, lock=True)
    if enquiry.resolved_at is not None:
        raise Conflict(
            f"この問い合わせは{in_words(enquiry.resolved_at)}に{enquiry.resolved_by}が解決にしました。"
            "画面を更新してください。"
        )
    _refuse_stale(enquiry, new.version, new.model_dump(mode="json", exclude={"version"}))
    return enquiry


def _values(enquiry: Enquiry) -> dict[str, Any]:
    known = {name: getattr(enquiry, name) for name in _CHANGED}
    return known | {"reservation": enquiry.reservation_given, "shop": enquiry.shop_given}


def _refuse_stale(enquiry: Enquiry, version: int, yours: dict[str, Any]) -> None:
    if version == enquiry.version:
        return
    raise Stale(
        "ほかの人が先にこの問い合わせを更新しました。まだ保存・送信されていません。最新の内容を確認してください。",
        yours=to_jsonable_python(yours),
        current=to_jsonable_python(_values(enquiry) | {"version": enquiry.version, "status": enquiry.status}),
    )


def _mail(db: Session, enquiry: Enquiry, subject: str, body: str) -> uuid.UUID:
    """To whoever asked. The key of the message that carries it."""
    message = outbox.publish(
        db,
        "mail",
        {"to": [enquiry.mail], "subject": subject, "body": body},
        area=AREA.name,
        recipient=enquiry.mail,
        title=subject[:200],
        about=(SUBJECT, rules.number(enquiry.id)),
    )
    db.flush()  # for the key
    return message.key


def _event(
    db: Session, enquiry: Enquiry, kind: str, by: Actor | None, text: str | None, message: uuid.UUID | None = None
) -> None:
    db.add(
        EnquiryEvent(
            enquiry_id=enquiry.id,
            at=app_now(db),
            kind=kind,
            by=by.name[:100] if by else "システム",
            user_id=by.user_id if by else None,
            text=text[:8000] if text else None,
            message_key=message,
        )
    )
