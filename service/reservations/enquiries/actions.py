"""Writes of enquiries: work of staff, the public form, and notifications of targets. Each change locks the enquiry."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from service.core import audit, edits
from service.core.access import throttle
from service.core.access.auth import Actor
from service.core.access.throttle import Limit
from service.core.database.clock import app_now
from service.core.holidays import calendar_named
from service.core.outbox import queue
from service.core.problems import Conflict, Invalid, Stale, WrongFields
from service.core.values.times import format_local_datetime
from service.reservations.enquiries import queries, rules, schemas
from service.reservations.enquiries.models import Enquiry, EnquiryEvent
from service.reservations.enquiries.rules import Channel, Party, Status
from service.reservations.flow.queries import reservation_id_by_code
from service.reservations.history import event_values
from service.reservations.incidents.rules import Level
from service.reservations.models import Reservation
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA
from service.reservations.settings import settings
from service.reservations.state_machine.states import Task

SUBJECT = "enquiry"
FORM = "フォーム"
# Rate limits of the public form: they stop programs, not a customer who writes twice.
LIMIT_PER_SOURCE = Limit("reservations.enquiries.source", 10, timedelta(hours=1))
LIMIT_PER_ADDRESS = Limit("reservations.enquiries.address", 5, timedelta(hours=1))
# The same text sent again within this time is the same enquiry.
DUPLICATE_WINDOW = timedelta(hours=1)
_FUTURE_MESSAGE = "これからの日時は指定できません。"
_EDITABLE = ("sender_name", "phone", "mail", "topic", "category", "level", "faq")


def register(db: Session, by: Actor, new: schemas.NewEnquiry) -> Enquiry:
    """Registers an enquiry that staff took down. An answered call counts as the first response; with a `way` the
    enquiry is resolved at once.

    Raises:
        Invalid: `received_at` is in the future, an id is unknown, or it is resolved without an `outcome`.
    """
    now = app_now(db)
    received_at = new.received_at or now
    wrong = WrongFields()
    if received_at > now:
        wrong.add("received_at", _FUTURE_MESSAGE)
    if new.way is not None and not new.outcome.strip():
        wrong.add("outcome", "どのように対応したかを入力してください。")
    with wrong.noted():
        ids = _look_up_ids(db, new.reservation, new.shop)
    wrong.refuse()
    enquiry = _create(db, new, received_at, new.channel, new.level, by.name[:100])
    enquiry.faq = new.faq.value
    enquiry.reservation_id, enquiry.shop_id = ids
    _record_event(db, enquiry, "received", by, None)
    values = new.model_dump(mode="json", exclude={"content"}, exclude_defaults=True)
    if new.channel is Channel.PHONE and new.was_answered:
        enquiry.status, enquiry.owner_id = Status.WORKING, by.user_id
        _record_first_response(db, enquiry, by, received_at)
    if new.way is not None:
        _resolve(db, by, enquiry, new.way, new.outcome)
    audit.record(db, by, "create", AREA.name, SUBJECT, enquiry.id, after=values | {"status": enquiry.status})
    return enquiry


def receive_form(db: Session, new: schemas.FormEnquiry, source: str) -> Enquiry:
    """Stores an enquiry from the public form, notifies Slack and acknowledges it by mail. The answer does not reveal
    whether a reservation or a shop exists.

    Raises:
        TooMany: the rate limit of the source address or of the mail address is reached.
    """
    for limit, throttle_key in ((LIMIT_PER_SOURCE, source), (LIMIT_PER_ADDRESS, new.mail.lower())):
        if wait := throttle.attempt(db, limit, throttle_key):
            raise throttle.too_many("お問い合わせの送信", wait)
    now = app_now(db)
    duplicate = queries.find_duplicate(db, new, now - DUPLICATE_WINDOW)
    if duplicate is not None:
        return duplicate
    enquiry = _create(db, new, now, Channel.MAIL, Level.LOW, FORM)
    enquiry.is_from_form = True
    enquiry.reservation_id = reservation_id_by_code(db, new.reservation) if new.reservation else None
    enquiry.shop_id = queries.shop_id_by_code(db, new.shop) if new.shop else None
    _record_event(db, enquiry, "received", None, None)
    values = new.model_dump(mode="json", exclude={"content"}, exclude_defaults=True)
    audit.record(db, FORM, "create", AREA.name, SUBJECT, enquiry.id, after=values)
    message = rules.received_message(enquiry.id, new.party, new.topic, enquiry.first_due_at)
    operations.notify_slack(db, rules.enquiry_number(enquiry.id), message, SUBJECT)
    config = settings()
    subject, body = rules.acknowledgement(enquiry.id, config.support_phone, config.support_mail)
    _record_event(db, enquiry, "acknowledged", None, None, _send_mail(db, enquiry, subject, body))
    return enquiry


def change(db: Session, by: Actor, enquiry_id: int, new: schemas.EnquiryChange) -> None:
    """Changes an enquiry. A new level has a new target; a new reservation or shop id is looked up again.

    Raises:
        Stale: it was changed since that version was read.
        Invalid: an id is unknown, or neither phone nor mail remains.
    """
    enquiry = queries.get(db, enquiry_id, lock=True)
    values = edits.entered_values(new)
    _refuse_stale(enquiry, new.version, values)
    current = _editable_values(enquiry)
    before = {name: current[name] for name in values if current[name] != values[name]}
    if not before:
        return
    after = {name: values[name] for name in before}
    if not after.get("phone", enquiry.phone) and not after.get("mail", enquiry.mail):
        raise Invalid.at_field("mail", schemas.NEEDS_CONTACT)
    for name in _EDITABLE:
        if name in after:
            setattr(enquiry, name, after[name])
    if "reservation" in after or "shop" in after:
        codes = after.get("reservation", enquiry.reservation_given), after.get("shop", enquiry.shop_given)
        enquiry.reservation_id, enquiry.shop_id = _look_up_ids(db, *codes)
        enquiry.reservation_given, enquiry.shop_given = codes
    enquiry.version += 1
    _record_event(db, enquiry, "edited", by, "、".join(AREA.fields[name] for name in after))
    plain = to_jsonable_python(before), to_jsonable_python(after)
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, before=plain[0], after=plain[1])
    if "level" in after and enquiry.resolved_at is None:
        _plan_resolution(db, enquiry, app_now(db))


def claim(db: Session, by: Actor, enquiry_id: int, new: edits.Edit) -> None:
    """The caller becomes the owner.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: it is resolved.
    """
    _set_owner(db, by, _lock_open(db, enquiry_id, new), by.user_id, "claimed", by.name)


def hand_over(db: Session, by: Actor, enquiry_id: int, new: schemas.HandOver) -> None:
    """Gives it to another owner. Raises as `claim`, and Invalid for a user who cannot own enquiries."""
    enquiry = _lock_open(db, enquiry_id, new)
    names = {user.id: user.name for user in queries.possible_owners(db)}
    if new.user_id not in names:
        raise Invalid.at_field("user_id", "カスタマーサポート、運営担当者、予約運用管理者の中から選んでください。")
    _set_owner(db, by, enquiry, new.user_id, "handed_over", names[new.user_id])


def answer(db: Session, by: Actor, enquiry_id: int, new: schemas.Answer) -> None:
    """Answers by mail, with the enquiry quoted below. Raises as `claim`, and Invalid when it has no mail address."""
    enquiry = _lock_open(db, enquiry_id, new)
    if not enquiry.mail:
        raise Invalid.at_field(
            "text", "メールアドレスが登録されていません。電話で回答するか、先にメールアドレスを登録してください。"
        )
    quoted = rules.quotation(enquiry.received_at, enquiry.topic, enquiry.content)
    key = _send_mail(db, enquiry, new.subject, f"{new.text}\n{quoted}")
    _record_answer(db, enquiry, by, new.waits)
    _record_event(db, enquiry, "mailed", by, f"{new.subject}\n{new.text}", key)
    after = {"mail": enquiry.mail, "topic": new.subject, "status": enquiry.status}
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, after=after)


def call(db: Session, by: Actor, enquiry_id: int, new: schemas.Call) -> None:
    """Records a call. A call that reached the other side is a response. Raises as `claim`."""
    enquiry = _lock_open(db, enquiry_id, new)
    if new.reached:
        _record_answer(db, enquiry, by, new.waits)
    else:
        enquiry.version += 1
    _record_event(db, enquiry, "called" if new.reached else "not_reached", by, new.text)
    after = {"note": new.text, "status": enquiry.status}
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, after=after)


def note(db: Session, by: Actor, enquiry_id: int, new: schemas.Note) -> None:
    """Adds a note. A reply of the sender ends the status `waiting`."""
    enquiry = queries.get(db, enquiry_id, lock=True)
    _record_event(db, enquiry, "replied" if new.is_reply else "note", by, new.text)
    if new.is_reply and enquiry.status == Status.WAITING:
        enquiry.status = Status.WORKING
        enquiry.version += 1
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, after={"note": new.text})


def to_operations(db: Session, by: Actor, enquiry_id: int, new: schemas.ToOperations) -> None:
    """手動対応にする (7.1.2): links it to an open 手動対応 of the reservation, or opens a new one.

    Raises:
        Stale, Conflict: as `claim`.
        Invalid: it has no reservation, or the operation is not an open one of the reservation.
    """
    enquiry = _lock_open(db, enquiry_id, new)
    if enquiry.reservation_id is None:
        raise Invalid.at_field("operation_id", "予約が登録されていません。先に予約IDを登録してください。")
    if new.operation_id is None:
        reservation = db.get_one(Reservation, enquiry.reservation_id)
        detail = f"{rules.enquiry_number(enquiry.id)} {enquiry.topic}\n{enquiry.content}"
        operation = operations.open_operation(db, reservation.id, reservation.code, Task.CUSTOMER_ENQUIRY, detail)
    else:
        open_operations = {operation.id: operation for operation in queries.open_operations(db, enquiry)}
        if new.operation_id not in open_operations:
            raise Invalid.at_field(
                "operation_id", "この予約の、完了していない手動対応の中から選んでください。画面を更新してください。"
            )
        operation = open_operations[new.operation_id]
    before = {"operation_id": enquiry.operation_id}
    enquiry.operation_id, enquiry.status = operation.id, Status.WORKING
    enquiry.version += 1
    _record_event(db, enquiry, "to_operations", by, operation.title)
    after = {"operation_id": operation.id}
    audit.record(db, by, "update", AREA.name, SUBJECT, enquiry.id, before=before, after=after)


def resolve(db: Session, by: Actor, enquiry_id: int, new: schemas.Resolution) -> None:
    """Resolves it. Raises as `claim`."""
    enquiry = _lock_open(db, enquiry_id, new)
    if new.faq is not None:
        enquiry.faq = new.faq.value
    before = {"status": enquiry.status}
    _resolve(db, by, enquiry, new.way, new.outcome)
    after = {"status": Status.RESOLVED, "way": new.way, "outcome": new.outcome, "faq": enquiry.faq}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, enquiry.id, before=before, after=after)


def reopen(db: Session, by: Actor, enquiry_id: int, new: schemas.Reopening) -> None:
    """Reopens a resolved enquiry. Its target still counts from `received_at`.

    Raises:
        Stale: it was changed since that version was read.
        Conflict: it is open.
    """
    enquiry = queries.get(db, enquiry_id, lock=True)
    _refuse_stale(enquiry, new.version, {"reason": new.reason})
    if enquiry.resolved_at is None:
        raise Conflict("この問い合わせはまだ解決していません。画面を更新してください。")
    enquiry.resolved_at = enquiry.resolved_by = enquiry.resolution_minutes = None
    enquiry.status = Status.WORKING
    enquiry.version += 1
    _record_event(db, enquiry, "reopened", by, new.reason)
    before, after = {"status": Status.RESOLVED}, {"status": Status.WORKING, "reason": new.reason}
    audit.record(db, by, "status_change", AREA.name, SUBJECT, enquiry.id, before=before, after=after)
    _plan_resolution(db, enquiry, app_now(db))


def notify_targets(db: Session, limit: int = 50) -> int:
    """Notifies Slack of targets that are near or missed, each once. Returns how many were reported."""
    now, notified = app_now(db), 0
    for enquiry, owner in db.execute(
        queries.due_for_notification(now, limit), execution_options={"populate_existing": True}
    ).all():
        if enquiry.first_response_at is None:
            notified += _notify_target(db, enquiry, "first", queries.FIRST_RESPONSE_TITLE, owner, now)
        if enquiry.resolution_due_at is not None:
            notified += _notify_target(db, enquiry, "resolution", queries.RESOLUTION_TITLE, owner, now)
    db.flush()
    return notified


def _notify_target(db: Session, enquiry: Enquiry, target: str, title: str, owner: str | None, now: datetime) -> bool:
    """Returns whether a notification was sent."""
    due_at, warn_at = getattr(enquiry, f"{target}_due_at"), getattr(enquiry, f"{target}_warn_at")
    is_late = due_at < now
    if getattr(enquiry, f"{target}_breached_at") or now < warn_at:
        return False
    if not is_late and getattr(enquiry, f"{target}_warned_at"):
        return False
    setattr(enquiry, f"{target}_warned_at", getattr(enquiry, f"{target}_warned_at") or now)
    if is_late:
        setattr(enquiry, f"{target}_breached_at", now)
    build_message = rules.breach_message if is_late else rules.warning_message
    text = build_message(enquiry.id, Party(enquiry.party), Channel(enquiry.channel), title, due_at, owner)
    operations.notify_slack(db, rules.enquiry_number(enquiry.id), text, SUBJECT)
    _record_event(db, enquiry, "breached" if is_late else "warned", None, title)
    return True


def _create(
    db: Session,
    new: schemas.NewEnquiry | schemas.FormEnquiry,
    received_at: datetime,
    channel: Channel,
    level: Level,
    received_by: str,
) -> Enquiry:
    """Creates an enquiry with its targets, which only a new level changes later."""
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


def _look_up_ids(db: Session, reservation: str, shop: str) -> tuple[int | None, int | None]:
    """The ids of the reservation and the shop by their codes. Raises Invalid for an unknown code."""
    wrong = WrongFields()
    reservation_id = reservation_id_by_code(db, reservation) if reservation else None
    if reservation and reservation_id is None:
        message = f"予約ID「{reservation}」の予約は見つかりません。予約一覧で確認してください。"
        wrong.add("reservation", message)
    shop_id = queries.shop_id_by_code(db, shop) if shop else None
    if shop and shop_id is None:
        wrong.add("shop", f"提携店ID「{shop}」の提携店は見つかりません。提携店の一覧で確認してください。")
    wrong.refuse()
    return reservation_id, shop_id


def _plan_resolution(db: Session, enquiry: Enquiry, now: datetime) -> None:
    """Sets the resolution target of the level, counted from `received_at`. A target that stays missed is not notified
    again."""
    planned = rules.resolution_due(Level(enquiry.level), enquiry.received_at, calendar_named(db, rules.CALENDAR))
    if planned is None:
        enquiry.resolution_due_at = enquiry.resolution_warn_at = None
        return
    enquiry.resolution_due_at, enquiry.resolution_warn_at = planned.due_at, planned.warn_at
    if planned.warn_at > now:
        enquiry.resolution_warned_at = None
    if planned.due_at > now:
        enquiry.resolution_breached_at = None


def _record_answer(db: Session, enquiry: Enquiry, by: Actor, waits: bool) -> None:
    _record_first_response(db, enquiry, by, app_now(db))
    enquiry.status = Status.WAITING if waits else Status.WORKING
    enquiry.owner_id = enquiry.owner_id or by.user_id
    enquiry.version += 1


def _record_first_response(db: Session, enquiry: Enquiry, by: Actor, at: datetime) -> None:
    if enquiry.first_response_at is not None:
        return
    enquiry.first_response_at, enquiry.first_response_by = at, by.name[:100]
    enquiry.first_minutes = rules.working_minutes(enquiry.received_at, at, calendar_named(db, rules.CALENDAR))


def _resolve(db: Session, by: Actor, enquiry: Enquiry, way: rules.Way, outcome: str) -> None:
    now = app_now(db)
    enquiry.status, enquiry.way, enquiry.outcome = Status.RESOLVED, way.value, outcome
    enquiry.resolved_at, enquiry.resolved_by = now, by.name[:100]
    enquiry.resolution_minutes = rules.working_minutes(enquiry.received_at, now, calendar_named(db, rules.CALENDAR))
    enquiry.owner_id = enquiry.owner_id or by.user_id
    enquiry.version += 1
    _record_event(db, enquiry, "resolved", by, f"{way.label}\n{outcome}")


def _set_owner(db: Session, by: Actor, enquiry: Enquiry, user_id: int, kind: str, name: str) -> None:
    before = enquiry.owner_id
    if before == user_id:
        return
    enquiry.owner_id = user_id
    if enquiry.status == Status.RECEIVED:
        enquiry.status = Status.WORKING
    enquiry.version += 1
    _record_event(db, enquiry, kind, by, name)
    audit.record(
        db, by, "update", AREA.name, SUBJECT, enquiry.id, before={"owner_id": before}, after={"owner_id": user_id}
    )


def _lock_open(db: Session, enquiry_id: int, new: edits.Edit) -> Enquiry:
    enquiry = queries.get(db, enquiry_id, lock=True)
    if enquiry.resolved_at is not None:
        raise Conflict(
            f"この問い合わせは{format_local_datetime(enquiry.resolved_at)}に{enquiry.resolved_by}が解決にしました。"
            "画面を更新してください。"
        )
    _refuse_stale(enquiry, new.version, new.model_dump(mode="json", exclude={"version"}))
    return enquiry


def _editable_values(enquiry: Enquiry) -> dict[str, Any]:
    values = {name: getattr(enquiry, name) for name in _EDITABLE}
    return values | {"reservation": enquiry.reservation_given, "shop": enquiry.shop_given}


def _refuse_stale(enquiry: Enquiry, version: int, yours: dict[str, Any]) -> None:
    if version == enquiry.version:
        return
    raise Stale(
        "ほかの人が先にこの問い合わせを更新しました。まだ保存・送信されていません。最新の内容を確認してください。",
        yours=to_jsonable_python(yours),
        current=to_jsonable_python(_editable_values(enquiry) | {"version": enquiry.version, "status": enquiry.status}),
    )


def _send_mail(db: Session, enquiry: Enquiry, subject: str, body: str) -> uuid.UUID:
    """Mails the sender. Returns the key of the outbox message."""
    about = SUBJECT, rules.enquiry_number(enquiry.id)
    message = queue.publish_mail(db, [enquiry.mail], subject, body, area=AREA.name, about=about)
    db.flush()  # for the key
    return message.key


def _record_event(
    db: Session, enquiry: Enquiry, kind: str, by: Actor | None, text: str | None, message_key: uuid.UUID | None = None
) -> None:
    values = event_values(db, kind, by, text, max_length=8000)
    db.add(EnquiryEvent(enquiry_id=enquiry.id, message_key=message_key, **values))
