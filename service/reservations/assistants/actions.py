"""Assistants' requests, and the administration of their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access import throttle
from service.core.access.auth import Actor
from service.core.access.identity import hash_token, new_token
from service.core.access.throttle import Limit
from service.core.database.clock import app_now
from service.core.pages import shell
from service.core.problems import Conflict, Invalid, NotFound, Problem, TooMany, Unauthorized
from service.core.values.texts import to_e164
from service.core.values.times import format_local_datetime
from service.reservations.assistants import queries, rules, schemas
from service.reservations.flow import actions as flow
from service.reservations.models import Assistant, Reservation, Service
from service.reservations.operations import actions as operations
from service.reservations.outgoing.message_texts import TOO_LATE_TO_CANCEL, domestic_phone, yen
from service.reservations.rules import AREA, GUIDES_PATH
from service.reservations.services.queries import plan_names
from service.reservations.settings import settings
from service.reservations.state_machine.events import CancelAsked
from service.reservations.state_machine.rules import Outcome
from service.reservations.state_machine.states import State

MCP_PATH = "/mcp"
LAST_USED_INTERVAL = timedelta(minutes=1)
# Rate limits for wrong ids and telephone numbers: per reservation, and per token for all who share it.
WRONG_NUMBERS = Limit("assistants.numbers", most=5, window=timedelta(minutes=15))
WRONG_IDS = Limit("assistants.ids", most=50, window=timedelta(minutes=15))
HOUR = timedelta(hours=1)
# At most one notification per hour that a rate limit was reached, however often a model tries.
NOTIFICATION_LIMIT = Limit("assistants.told", most=1, window=HOUR)
UNKNOWN_TOKEN = "このトークンは使えません。予約サービスの管理者に、新しいトークンの発行を依頼してください。"
NEEDS_PHONE = "予約の確認とキャンセルには、予約時の電話番号も必要です。お客様に伺って、phone に指定してください。"
NOT_FOUND = "該当する予約が見つかりません。予約ID（QRV-で始まる10文字）と、予約時の電話番号をお客様に確認してください。"
_CANCELLED_STATES = frozenset({State.CANCELLED, State.REFUND_PENDING, State.REFUNDED})

AnswerType = TypeVar("AnswerType", bound=schemas.Answer)


@dataclass(frozen=True)
class ReservationRequest:
    """A reservation request of a customer."""

    client_request_id: str
    service: str
    plan: str
    starts_at: str
    customer_name: str
    phone: str
    mail: str
    wishes: str
    hours_confirmed: bool = False


def guides_url() -> str:
    """The URL of the customers' guides."""
    return f"{shell.address()}{GUIDES_PATH}/"


def issue(db: Session, by: Actor, new: schemas.NewAssistant) -> schemas.IssuedAssistant:
    token = new_token()
    assistant = Assistant(name=new.name, token_hash=hash_token(token), is_shared=new.is_shared)
    db.add(assistant)
    db.flush()
    audit.record(db, by, "create", AREA.name, "assistant", assistant.id, after=new.model_dump())
    return schemas.IssuedAssistant(id=assistant.id, token=token, url=f"{shell.address()}{MCP_PATH}")


def revoke(db: Session, by: Actor, assistant_id: int) -> None:
    """Revokes a token. Its reservations continue. Raises NotFound."""
    assistant = queries.lock_assistant(db, assistant_id)
    if assistant.revoked_at is not None:
        return
    assistant.revoked_at = app_now(db)
    before, after = {"name": assistant.name, "revoked": False}, {"name": assistant.name, "revoked": True}
    audit.record(db, by, "status_change", AREA.name, "assistant", assistant.id, before=before, after=after)


def authenticate(db: Session, token: str) -> Assistant:
    """Authenticates a token. Stores, at most once a minute, that it is in use. Raises Unauthorized."""
    assistant = queries.assistant_by_token(db, token)
    if assistant is None:
        raise Unauthorized(UNKNOWN_TOKEN)
    now = app_now(db)
    if assistant.last_used_at is None or now - assistant.last_used_at > LAST_USED_INTERVAL:
        # Of concurrent calls only one writes; the others do not wait for it.
        unlocked_id = (
            select(Assistant.id).where(Assistant.id == assistant.id).with_for_update(skip_locked=True, key_share=True)
        )
        db.execute(update(Assistant).where(Assistant.id.in_(unlocked_id)).values(last_used_at=now))
    return assistant


def search(db: Session, assistant: Assistant, query: str) -> schemas.Services:
    """The offered services. A query filters by code, name and description; without a match all are returned."""
    offered = queries.offered_services(db)
    keyword = query.strip().casefold()
    matches = [
        service
        for service in offered.services
        if keyword in f"{service.name}\n{service.description}\n{service.service}".casefold()
    ]
    message = "予約できるサービスです。" if offered.services else "ただいま予約できるサービスがありません。"
    if keyword and offered.services and not matches:
        message = f"「{query.strip()}」に合うサービスはありません。予約できるのは、次のサービスです。"
    return _with_guide(
        db, assistant, offered.model_copy(update={"services": matches or offered.services, "message": message})
    )


def request_reservation(
    db: Session, assistant: Assistant, request: ReservationRequest
) -> schemas.ReservationAnswer | Problem:
    """Requests a reservation. A repeated request (same idempotency key) returns the state of the first one. Returns a
    Problem when a rate limit is reached: the caller raises it after the commit, so that the notification is stored.

    Raises:
        Invalid: as `flow.actions.create`, or an unreadable time, or a time that the customer has to confirm.
        Conflict: the idempotency key belongs to a different reservation.
    """
    starts_at = _parse_start(request.starts_at)
    try:
        with db.begin_nested():
            reservation = flow.create(
                db,
                assistant_id=assistant.id,
                client_request_id=request.client_request_id,
                service_code=request.service,
                plan_code=request.plan,
                starts_at=starts_at,
                customer_name=request.customer_name,
                phone=request.phone,
                mail=request.mail,
                wishes=request.wishes,
                hours_confirmed=request.hours_confirmed,
                admit=partial(_admit, db, assistant),
            )
    except flow.OutsideHours as error:
        raise Invalid(rules.confirm_hours_text(error.question)) from error
    except _RateLimited as rate_limited:
        _notify_rate_limit(db, assistant, rate_limited)
        return rate_limited
    is_new = reservation.created_at == app_now(db)
    if not is_new:
        _require_same_request(db, reservation, request, starts_at)
    service, plan = plan_names(db, reservation.plan_id)
    summary = f"{service} {plan}、{format_local_datetime(reservation.starts_at)}、{yen(reservation.price)}"
    text = rules.received_text(reservation.code, summary, is_new=is_new)
    return _with_guide(db, assistant, queries.reservation_answer(db, reservation, text))


def status(db: Session, assistant: Assistant, code: str, phone: str | None) -> schemas.ReservationAnswer | Problem:
    """The reservation's state. Returns a Problem on refusal, to be raised after the commit that stores the attempt."""
    reservation = _find_reservation(db, assistant, code, phone)
    return (
        reservation
        if isinstance(reservation, Problem)
        else _with_guide(db, assistant, queries.reservation_answer(db, reservation))
    )


def cancel(db: Session, assistant: Assistant, code: str, phone: str | None) -> schemas.ReservationAnswer | Problem:
    """Cancels for the customer; repeatable. Returns a Problem on refusal, to be raised after the commit."""
    reservation = _find_reservation(db, assistant, code, phone)
    if isinstance(reservation, Problem):
        return reservation
    outcome = flow.record_event(db, reservation.id, CancelAsked(by="customer"), source="assistant")
    if (refusal := _cancel_refusal(outcome)) is not None:
        return refusal
    return _with_guide(db, assistant, queries.reservation_answer(db, reservation))


def _cancel_refusal(outcome: Outcome) -> Problem | None:
    case = outcome.case
    if outcome.ignored is None or case.state in _CANCELLED_STATES:
        return None
    if case.state is State.CONFIRMED:
        ways = " / ".join(way for way in (settings().support_phone, settings().support_mail) if way)
        contact = f"カスタマーサポート: {ways}" if ways else ""
        return Conflict(
            f"{TOO_LATE_TO_CANCEL}。キャンセルの期限は{format_local_datetime(case.cancel_until)}でした。{contact}"
        )
    reason = "予約日時を過ぎて終了しています" if case.state is State.COMPLETED else "決済期限が切れて終了しています"
    return Conflict(f"この予約は{reason}。キャンセルの手続きは不要です。")


class _RateLimited(TooMany):
    """A rate limit was reached. `subject`: the phone number or the token; `limit`: the limit per hour as text."""

    def __init__(self, detail: str, seconds: float, subject: str, limit: str) -> None:
        super().__init__(detail, seconds)
        self.subject, self.limit = subject, limit


def _admit(db: Session, assistant: Assistant, number: str) -> None:
    """Counts a new request against the rate limits: each one sends an SMS to any given number and causes calls.

    Raises:
        _RateLimited: too many for the number or by the token. Nothing is counted then.
    """
    config = settings()
    by_token = config.requests_per_shared_assistant if assistant.is_shared else config.requests_per_assistant
    phone, token = f"電話番号 {domestic_phone(number)}", f"「{assistant.name}」"
    for limit, key, subject, prefix in (
        (Limit("assistants.phone", config.requests_per_phone, HOUR), number, phone, "この電話番号での"),
        (Limit("assistants.requests", by_token, HOUR), str(assistant.id), token, "このアシスタントからの"),
    ):
        if wait := throttle.attempt(db, limit, key):
            raise _RateLimited(_rate_limit_text(prefix, limit, wait), wait, subject, f"1時間に{limit.most:,}件")


def _rate_limit_text(prefix: str, limit: Limit, wait: float) -> str:
    ways = " / ".join(way for way in (settings().support_phone, settings().support_mail) if way)
    contact = f"カスタマーサポート（{ways}）" if ways else "カスタマーサポート"
    return (
        f"{prefix}新しいお申し込みが続いたため、受け付けを一時止めています（1時間に{limit.most:,}件まで）。"
        f"この申し込みは受け付けていません。お客様には、あと{throttle.minutes(wait)}分ほど待ってからもう一度お申し込み"
        f"いただくか、お急ぎの場合は{contact}へご連絡いただくよう、お伝えください。"
        "すでに受け付けた予約は、get_reservation_status で確認できます。"
    )


def _notify_rate_limit(db: Session, assistant: Assistant, rate_limited: _RateLimited) -> None:
    if throttle.attempt(db, NOTIFICATION_LIMIT, rate_limited.subject):
        return
    operations.notify_slack(
        db,
        str(assistant.id),
        rules.rate_limit_notice(assistant.name, rate_limited.subject, rate_limited.limit),
        subject="assistant",
    )
    after = {"name": assistant.name, "reason": f"予約リクエストの上限（{rate_limited.subject}、{rate_limited.limit}）"}
    audit.record(db, f"アシスタント {assistant.name}", "update", AREA.name, "assistant", assistant.id, after=after)


def _parse_start(text: str) -> datetime:
    starts_at = rules.parse_time(text)
    if starts_at is None:
        raise Invalid.at_field(
            "starts_at",
            "日付と時刻を、2026-11-21T14:00:00+09:00 のように指定してください（時差を省くと日本時間です）。",
        )
    return starts_at


def _require_same_request(
    db: Session, reservation: Reservation, request: ReservationRequest, starts_at: datetime
) -> None:
    """Raises Conflict unless the repeated request is the same: others must not learn about the reservation."""
    service = db.get_one(Service, reservation.service_id)
    is_same = reservation.phone == to_e164(request.phone) and reservation.starts_at == starts_at
    if not is_same or service.code != request.service:
        raise Conflict(
            "この client_request_id は、内容の異なる予約で使われています。"
            "新しい予約には新しいIDを使い、前の予約は get_reservation_status で確認してください。"
        )


def _find_reservation(db: Session, assistant: Assistant, code: str, phone: str | None) -> Reservation | Problem:
    """Finds a reservation. The refusal is the same for every mismatch. An attempt is counted before the search."""
    number = to_e164(phone) if phone else None
    if assistant.is_shared and not phone:
        return Invalid(NEEDS_PHONE, [("phone", NEEDS_PHONE)])
    key, reservation_code = str(assistant.id), rules.normalize_code(code)
    attempts = ((WRONG_IDS, (key,)), (WRONG_NUMBERS, (key, reservation_code)))
    for limit, keys in attempts:
        if wait := throttle.attempt(db, limit, *keys):
            return throttle.too_many("予約が見つからない問い合わせ", wait)
    # A given number always has to match, also with a token that is not shared.
    reservation = queries.own_reservation(
        db, assistant, reservation_code, number, by_phone=assistant.is_shared or bool(phone)
    )
    if reservation is None:
        return NotFound(NOT_FOUND)
    for limit, keys in attempts:
        throttle.undo_attempt(db, limit, *keys)
    return reservation


def _with_guide(db: Session, assistant: Assistant, answer: AnswerType) -> AnswerType:
    """Adds the guide to the first answer to each token (document 3.1.3)."""
    if assistant.greeted_at is not None:
        return answer
    first_use = db.execute(
        update(Assistant)
        .where(Assistant.id == assistant.id, Assistant.greeted_at.is_(None))
        .values(greeted_at=app_now(db))
        .returning(Assistant.id)
    ).scalar_one_or_none()
    return answer if first_use is None else answer.model_copy(update={"guide": rules.first_use_guide(guides_url())})
