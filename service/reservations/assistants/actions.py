"""Every write by assistants and about their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core import audit, throttle
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.identity import hash_token, new_token
from service.core.pages import shell
from service.core.problems import Conflict, Invalid, NotFound, Problem, TooMany, Unauthorized
from service.core.texts import international
from service.core.throttle import Limit
from service.reservations.assistants import queries, rules, schemas
from service.reservations.assistants.models import Assistant
from service.reservations.events.rules import CancelAsked, State
from service.reservations.flow import actions as flow
from service.reservations.flow import queries as reservations
from service.reservations.flow.models import Reservation
from service.reservations.letters.rules import TOO_LATE_TO_CANCEL, at_home, yen
from service.reservations.machine.rules import Outcome
from service.reservations.operations import actions as operations
from service.reservations.rules import AREA, GUIDES_PATH
from service.reservations.services.models import Service
from service.reservations.settings import settings

PATH = "/mcp"
SEEN_EVERY = timedelta(minutes=1)
# Ids and telephone numbers that do not fit: of one reservation, and of everybody who shares a token.
WRONG_NUMBERS = Limit("assistants.numbers", most=5, window=timedelta(minutes=15))
WRONG_IDS = Limit("assistants.ids", most=50, window=timedelta(minutes=15))
HOUR = timedelta(hours=1)
# That a limit was reached is told once an hour, however often a model tries.
TOLD = Limit("assistants.told", most=1, window=HOUR)
UNKNOWN_TOKEN = "このトークンは使えません。予約サービスの管理者に、新しいトークンの発行を依頼してください。"
NEEDS_PHONE = "予約の確認とキャンセルには、予約時の電話番号も必要です。お客様に伺って、phone に指定してください。"
NOT_FOUND = "該当する予約が見つかりません。予約ID（QRV-で始まる10文字）と、予約時の電話番号をお客様に確認してください。"
_CANCELLED = frozenset({State.CANCELLED, State.REFUND_PENDING, State.REFUNDED})

Said = TypeVar("Said", bound=schemas.Answer)


@dataclass(frozen=True)
class Wish:
    """What a customer asks for."""

    client_request_id: str
    service: str
    plan: str
    starts_at: str
    customer_name: str
    phone: str
    mail: str
    wishes: str
    hours_confirmed: bool = False


def guides() -> str:
    """Where customers read how it works."""
    return f"{shell.address()}{GUIDES_PATH}/"


def issue(db: Session, by: Actor, new: schemas.NewAssistant) -> schemas.IssuedAssistant:
    token = new_token()
    assistant = Assistant(name=new.name, token_hash=hash_token(token), is_shared=new.is_shared)
    db.add(assistant)
    db.flush()
    audit.record(db, by, "create", AREA.name, "assistant", assistant.id, after=new.model_dump())
    return schemas.IssuedAssistant(id=assistant.id, token=token, url=f"{shell.address()}{PATH}")


def revoke(db: Session, by: Actor, assistant_id: int) -> None:
    """Its reservations stay, and go on. Raises NotFound."""
    assistant = queries.locked(db, assistant_id)
    if assistant.revoked_at is not None:
        return
    assistant.revoked_at = app_now(db)
    before, after = {"name": assistant.name, "revoked": False}, {"name": assistant.name, "revoked": True}
    audit.record(db, by, "status_change", AREA.name, "assistant", assistant.id, before=before, after=after)


def recognise(db: Session, token: str) -> Assistant:
    """Whose token it is. Notes, once a minute, that it is in use. Raises Unauthorized."""
    assistant = queries.by_token(db, token)
    if assistant is None:
        raise Unauthorized(UNKNOWN_TOKEN)
    now = app_now(db)
    if assistant.last_used_at is None or now - assistant.last_used_at > SEEN_EVERY:
        # Of calls at once only one writes; the others do not wait for it.
        free = (
            select(Assistant.id).where(Assistant.id == assistant.id).with_for_update(skip_locked=True, key_share=True)
        )
        db.execute(update(Assistant).where(Assistant.id.in_(free)).values(last_used_at=now))
    return assistant


def search(db: Session, assistant: Assistant, query: str) -> schemas.Services:
    """What is offered; with a query only what has it in its name or description, or everything when nothing has."""
    offered = queries.offered(db)
    word = query.strip().casefold()
    fitting = [one for one in offered.services if word in f"{one.name}\n{one.description}\n{one.service}".casefold()]
    message = "予約できるサービスです。" if offered.services else "ただいま予約できるサービスがありません。"
    if word and offered.services and not fitting:
        message = f"「{query.strip()}」に合うサービスはありません。予約できるのは、次のサービスです。"
    return _greeted(
        db, assistant, offered.model_copy(update={"services": fitting or offered.services, "message": message})
    )


def ask(db: Session, assistant: Assistant, wish: Wish) -> schemas.ReservationAnswer | Problem:
    """A reservation. Who repeats a request is told how the first one stands. Or that there were too many new ones,
    which is to be told after it was stored that people are told of it.

    Raises:
        Invalid: as `flow.actions.create`, or the time cannot be read, or the customer has to be asked about it.
        Conflict: the request's id is that of another reservation.
    """
    starts_at = _moment(wish.starts_at)
    try:
        with db.begin_nested():
            reservation = flow.create(
                db,
                assistant_id=assistant.id,
                client_request_id=wish.client_request_id,
                service_code=wish.service,
                plan_code=wish.plan,
                starts_at=starts_at,
                customer_name=wish.customer_name,
                phone=wish.phone,
                mail=wish.mail,
                wishes=wish.wishes,
                hours_confirmed=wish.hours_confirmed,
                admit=partial(_admit, db, assistant),
            )
    except flow.OutsideHours as odd:
        raise Invalid(rules.asked_about_hours(odd.asks)) from odd
    except _Crowd as crowd:
        _tell_of_crowd(db, assistant, crowd)
        return crowd
    is_new = reservation.created_at == app_now(db)
    if not is_new:
        _refuse_another(db, reservation, wish, starts_at)
    booking = reservations.booking_of(db, reservation)
    what = f"{booking.service} {booking.plan}、{in_words(reservation.starts_at)}、{yen(reservation.price)}"
    said = rules.received(reservation.code, what, is_new=is_new)
    return _greeted(db, assistant, queries.answer(db, reservation, said))


def status(db: Session, assistant: Assistant, code: str, phone: str | None) -> schemas.ReservationAnswer | Problem:
    """How it stands; or why that is not said, which is to be told after the attempt was stored."""
    found = _found(db, assistant, code, phone)
    return found if isinstance(found, Problem) else _greeted(db, assistant, queries.answer(db, found))


def cancel(db: Session, assistant: Assistant, code: str, phone: str | None) -> schemas.ReservationAnswer | Problem:
    """Cancelled for the customer, also when it was before; or why not, which is to be told after it was stored."""
    found = _found(db, assistant, code, phone)
    if isinstance(found, Problem):
        return found
    outcome = flow.happen(db, found.id, CancelAsked(by="customer"), source="assistant")
    db.refresh(found)
    if (refusal := _not_cancelled(outcome)) is not None:
        return refusal
    return _greeted(db, assistant, queries.answer(db, found))


def _not_cancelled(outcome: Outcome) -> Problem | None:
    case = outcome.case
    if outcome.ignored is None or case.state in _CANCELLED:
        return None
    if case.state is State.CONFIRMED:
        known = " / ".join(one for one in (settings().support_phone, settings().support_mail) if one)
        contact = f"カスタマーサポート: {known}" if known else ""
        return Conflict(f"{TOO_LATE_TO_CANCEL}。キャンセルの期限は{in_words(case.cancel_until)}でした。{contact}")
    why = "予約日時を過ぎて終了しています" if case.state is State.COMPLETED else "決済期限が切れて終了しています"
    return Conflict(f"この予約は{why}。キャンセルの手続きは不要です。")


class _Crowd(TooMany):
    """`whose`: the number, or the token, for which there were too many. `limit`: in words, within an hour."""

    def __init__(self, detail: str, seconds: float, whose: str, limit: str) -> None:
        super().__init__(detail, seconds)
        self.whose, self.limit = whose, limit


def _admit(db: Session, assistant: Assistant, number: str) -> None:
    """Counts a new request: each sends an SMS to whatever number it names, and has shops called.

    Raises:
        _Crowd: too many for the number, or by the token. Nothing is counted then.
    """
    config = settings()
    by_token = config.requests_per_shared_assistant if assistant.is_shared else config.requests_per_assistant
    phone, token = f"電話番号 {at_home(number)}", f"「{assistant.name}」"
    for limit, key, whose, of in (
        (Limit("assistants.phone", config.requests_per_phone, HOUR), number, phone, "この電話番号での"),
        (Limit("assistants.requests", by_token, HOUR), str(assistant.id), token, "このアシスタントからの"),
    ):
        if wait := throttle.hit(db, limit, key):
            raise _Crowd(_come_later(of, limit, wait), wait, whose, f"1時間に{limit.most:,}件")


def _come_later(of: str, limit: Limit, wait: float) -> str:
    known = " / ".join(one for one in (settings().support_phone, settings().support_mail) if one)
    contact = f"カスタマーサポート（{known}）" if known else "カスタマーサポート"
    return (
        f"{of}新しいお申し込みが続いたため、受け付けを一時止めています（1時間に{limit.most:,}件まで）。"
        f"この申し込みは受け付けていません。お客様には、あと{throttle.minutes(wait)}分ほど待ってからもう一度お申し込み"
        f"いただくか、お急ぎの場合は{contact}へご連絡いただくよう、お伝えください。"
        "すでに受け付けた予約は、get_reservation_status で確認できます。"
    )


def _tell_of_crowd(db: Session, assistant: Assistant, crowd: _Crowd) -> None:
    if throttle.hit(db, TOLD, crowd.whose):
        return
    operations.tell(db, str(assistant.id), rules.crowded(assistant.name, crowd.whose, crowd.limit), subject="assistant")
    refused = {"name": assistant.name, "reason": f"予約リクエストの上限（{crowd.whose}、{crowd.limit}）"}
    audit.record(db, f"アシスタント {assistant.name}", "update", AREA.name, "assistant", assistant.id, after=refused)


def _moment(text: str) -> datetime:
    found = rules.moment(text)
    if found is None:
        message = "日付と時刻を、2026-11-21T14:00:00+09:00 のように指定してください（時差を省くと日本時間です）。"
        raise Invalid(message, [("starts_at", message)])
    return found


def _refuse_another(db: Session, reservation: Reservation, wish: Wish, starts_at: datetime) -> None:
    """What was asked for under this id is told only to whoever asks for the same."""
    service = db.get_one(Service, reservation.service_id)
    same = reservation.phone == international(wish.phone) and reservation.starts_at == starts_at
    if not same or service.code != wish.service:
        raise Conflict(
            "この client_request_id は、内容の異なる予約で使われています。"
            "新しい予約には新しいIDを使い、前の予約は get_reservation_status で確認してください。"
        )


def _found(db: Session, assistant: Assistant, code: str, phone: str | None) -> Reservation | Problem:
    """Whatever does not fit, the answer is the same. An attempt counts before it is looked at."""
    number = international(phone) if phone else None
    if assistant.is_shared and not phone:
        return Invalid(NEEDS_PHONE, [("phone", NEEDS_PHONE)])
    key, wanted = str(assistant.id), rules.code(code)
    attempts = ((WRONG_IDS, (key,)), (WRONG_NUMBERS, (key, wanted)))
    for limit, whose in attempts:
        if wait := throttle.hit(db, limit, *whose):
            return throttle.too_many("予約が見つからない問い合わせ", wait)
    # Who names a number asks for that customer's reservation, also with a token of one's own.
    found = queries.reservation_of(db, assistant, wanted, number, by_phone=assistant.is_shared or bool(phone))
    if found is None:
        return NotFound(NOT_FOUND)
    for limit, whose in attempts:
        throttle.give_back(db, limit, *whose)
    return found


def _greeted(db: Session, assistant: Assistant, answer: Said) -> Said:
    """The first answer to a token explains the steps (document 3.1.3)."""
    if assistant.greeted_at is not None:
        return answer
    first = db.execute(
        update(Assistant)
        .where(Assistant.id == assistant.id, Assistant.greeted_at.is_(None))
        .values(greeted_at=app_now(db))
        .returning(Assistant.id)
    ).scalar_one_or_none()
    return answer if first is None else answer.model_copy(update={"guide": rules.guide(guides())})
