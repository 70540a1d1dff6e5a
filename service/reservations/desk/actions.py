"""What operators do to a reservation. Each is one event of the flow, on the version that was read: what would change
nothing is refused in words, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now, in_words
from service.core.problems import Conflict, Invalid, Stale
from service.core.texts import international
from service.reservations.cases.rules import LONGEST_NOTICE
from service.reservations.desk import queries, schemas
from service.reservations.events import rules as e
from service.reservations.events.rules import STATE_WORDS, Answer, Event, State
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Link, Reservation
from service.reservations.flow.queries import case_of, locked, order_of, plans
from service.reservations.letters.rules import at_home
from service.reservations.rules import AREA
from service.reservations.services.models import Plan
from service.reservations.shops import queries as shops


def create(db: Session, by: Actor, new: schemas.NewReservation) -> Reservation:
    """Asked for on the telephone, say. Raises as `flow.actions.create`."""
    return flow.create(
        db,
        by=by,
        client_request_id=new.client_request_id,
        service_code=new.service,
        plan_code=new.plan,
        starts_at=new.starts_at,
        customer_name=new.customer_name,
        phone=new.phone,
        mail=new.mail,
        wishes=new.wishes,
        hours_confirmed=new.hours_confirmed,
    )


def shop_agreed(db: Session, by: Actor, code: str, new: schemas.ShopAgreed) -> None:
    """予約OKを確認: by a shop of ours or one in no list. The customer gets the link to pay.

    Raises:
        Invalid: neither a shop nor a name was given, or the shop is archived.
    """
    reservation = _hold(db, code, new)
    if (new.shop_id is None) == (not new.unlisted.strip()):
        message = "予約OKを確認した店舗を選ぶか、一覧にない店舗の名前と電話番号を入力してください。"
        raise Invalid(message, [("shop_id", message)])
    if new.shop_id is not None and shops.get(db, new.shop_id).archived_at is not None:
        message = "この店舗はアーカイブされています。別の店舗を選んでください。"
        raise Invalid(message, [("shop_id", message)])
    said = "\n".join(one for one in (new.unlisted.strip(), new.note.strip()) if one)
    ok = e.ShopOk(shop=new.shop_id, note=new.unlisted.strip())
    _happen(db, by, reservation, ok, said)


def shop_refused(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    """予約NGを確認: the next shop is called."""
    _happen(db, by, _hold(db, code, new), e.ShopRefused(), new.note)


def accept_change(db: Session, by: Actor, code: str, new: schemas.Change) -> None:
    """変更を反映: the customer agreed.

    Raises:
        Invalid: nobody agreed, the time cannot be, the size is not offered, or nothing is different: a customer would
            pay for what the shop cannot do.
    """
    reservation = _hold(db, code, new)
    if not new.consented:
        message = (
            "依頼者に電話で説明し、承諾を得てから、「承諾を得ました」を選んでください。"
            "承諾されないときは、「承諾なし」で次の提携店への電話を再開できます。"
        )
        raise Invalid(message, [("consented", message)])
    _refuse_past(new.starts_at, app_now(db))
    plan = _plan(db, reservation, new.plan)
    changed = plan.id != reservation.plan_id
    price = new.price if new.price is not None else plan.price if changed else reservation.price
    same = not changed and (new.starts_at, price) == (reservation.starts_at, reservation.price)
    if same and not new.note.strip():
        message = (
            "日時もサイズも料金も、今の予約と同じです。承諾された内容に書き換えてください。"
            "ほかの変更（色など）だけのときは、その内容をメモに書いてください。"
        )
        raise Invalid(message, [("starts_at", message)])
    _take_over(db, by, reservation, starts_at=new.starts_at, price=price, plan=plan)
    _happen(db, by, reservation, e.ChangeAccepted(starts_at=new.starts_at, price=price), new.note)


def refuse_change(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    """The customer does not agree: the shop is told, and the next one called."""
    _happen(db, by, _hold(db, code, new), e.ChangeRefused(), new.note)


def rearrange(db: Session, by: Actor, code: str, new: schemas.Rearrangement) -> None:
    """別の日時で探し直す: the shops of the service as they stand now, from the first one on."""
    reservation = _hold(db, code, new)
    flow.refuse_time(new.starts_at, app_now(db))
    plan = _plan(db, reservation, new.plan)
    price = plan.price if plan.id != reservation.plan_id else reservation.price
    _take_over(db, by, reservation, starts_at=new.starts_at, price=price, plan=plan)
    order = order_of(db, reservation.service_id)
    _happen(db, by, reservation, e.Rearranged(starts_at=new.starts_at, price=price, order=order), new.note)


def send_link(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    """決済リンクを再作成: the page is made anew and its link sent by SMS."""
    reservation = _hold(db, code, new)
    if case_of(reservation).sms_fails:
        raise Conflict("この依頼者にはSMSが届きません。決済リンクはメールで送ってください。")
    _happen(db, by, reservation, e.CheckoutRetried(), new.note)


def mail_link(db: Session, by: Actor, code: str, new: schemas.LinkByMail) -> None:
    """決済リンクをメールで送る. Raises Invalid when there is no address to send it to."""
    reservation = _hold(db, code, new)
    if new.mail is None and not reservation.mail:
        message = "決済リンクを送るメールアドレスを入力してください。"
        raise Invalid(message, [("mail", message)])
    if new.mail is not None and new.mail != reservation.mail:
        before, reservation.mail = reservation.mail, new.mail
        _record(db, by, reservation, {"mail": before}, {"mail": new.mail})
    _happen(db, by, reservation, e.CheckoutRetried(by_mail=True), new.note)


def cancel(db: Session, by: Actor, code: str, new: schemas.Cancellation) -> None:
    """キャンセル: what is paid goes back. After the time limit only when the shop lets the customer off (2.2.6)."""
    reservation = _hold(db, code, new)
    case = case_of(reservation)
    is_late = case.state is State.CONFIRMED and app_now(db) > case.cancel_until
    if is_late and not new.shop_agreed:
        message = (
            f"キャンセル期限（{in_words(case.cancel_until)}）を過ぎています。"
            "提携店の承諾を得てから、「提携店の承諾を得ました」を選んでください。"
        )
        raise Invalid(message, [("shop_agreed", message)])
    reason = f"{new.reason}\n提携店の承諾: あり" if is_late else new.reason
    _happen(db, by, reservation, e.CancelAsked(by="operator", special=is_late), reason)


def retry_refund(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    _happen(db, by, _hold(db, code, new), e.RefundRetried(), new.note)


def refunded_otherwise(db: Session, by: Actor, code: str, new: schemas.RefundedOtherwise) -> None:
    """別の方法で返金した: Stripe could not, and a person saw to it."""
    _happen(db, by, _hold(db, code, new), e.RefundedOtherwise(), new.how)


def correct(db: Session, by: Actor, code: str, number: int, new: schemas.Correction) -> bool:
    """判定を訂正: what was read from a call was wrong. It is corrected in any case; whether the reservation follows,
    or has gone on without it.

    Raises:
        NotFound: there is no such call.
        Conflict: it is not over, or says that already.
    """
    reservation = _hold(db, code, new)
    call, answer = queries.call_of(db, reservation, number), Answer(new.answer)
    if call.is_active or call.answer is None:
        raise Conflict("この電話はまだ終わっていません。終わってから判定を訂正してください。")
    if call.answer == answer:
        raise Conflict("この電話の判定は、すでにその内容です。画面を開き直してください。")
    ended = e.CallEnded(number=number, shop=call.shop_id, answer=answer, overruled=True)
    outcome = flow.happen(db, reservation.id, ended, source="operator", by=by, note=new.note.strip())
    return outcome.ignored is None


def correct_customer(db: Session, by: Actor, code: str, new: schemas.CustomerCorrection) -> None:
    """依頼者の連絡先を訂正: who had a wrong number or address gets what holds now, and links that went there open
    nothing any more.

    Raises:
        Invalid: the number is none of Japan's mobile ones, or nothing is different.
    """
    reservation = _hold(db, code, new)
    # Who is known by a number that takes no SMS may keep it.
    phone = reservation.phone if international(new.phone) == reservation.phone else flow.number_of(new.phone)
    right = {"customer_name": new.customer_name.strip(), "phone": phone, "mail": new.mail.strip()}
    was = {name: getattr(reservation, name) for name in right}
    changed = [name for name in right if right[name] != was[name]]
    if not changed:
        message = "どれも今の内容と同じです。訂正する項目を書き換えてください。"
        raise Invalid(message, [("phone", message)])
    case = case_of(reservation)
    if "phone" in changed:
        _close_links(db, reservation, but_to_pay=case.by_mail or case.state is State.EXPIRING)
    for name in changed:
        setattr(reservation, name, right[name])
    event = e.CustomerCorrected(
        name="customer_name" in changed,
        phone="phone" in changed,
        mail="mail" in changed and bool(was["mail"] and right["mail"]),
        new_mail="mail" in changed and not was["mail"],
    )
    before, after = ({name: values[name] for name in changed} for values in (was, right))
    _record(db, by, reservation, before, after | {"reason": new.reason.strip()})
    lines = [f"{_FIELDS[name]}: {_shown(name, was)} → {_shown(name, right)}" for name in changed]
    _happen(db, by, reservation, event, "\n".join([*lines, f"理由: {new.reason.strip()}"]))


_FIELDS = {"customer_name": "お名前", "phone": "電話番号", "mail": "メールアドレス"}


def _shown(name: str, values: Mapping[str, str]) -> str:
    return (at_home(values[name]) if name == "phone" else values[name]) or "なし"


def _close_links(db: Session, reservation: Reservation, *, but_to_pay: bool) -> None:
    """Whoever has the wrong number shall neither cancel nor see it."""
    purposes = ["cancel"] if but_to_pay else ["cancel", "pay"]
    db.execute(delete(Link).where(Link.reservation_id == reservation.id, Link.purpose.in_(purposes)))


def note_contact(db: Session, by: Actor, code: str, new: schemas.Contact) -> None:
    """It changes nothing, and makes nobody's screen an old one."""
    reservation = queries.find(db, code)
    flow.happen(db, reservation.id, e.ContactNoted(party=new.party), source="operator", by=by, note=new.text)


def _hold(db: Session, code: str, new: schemas.Edit) -> Reservation:
    """Under lock until the end. Raises Stale when somebody, or the time, has changed it since that version was read."""
    reservation = locked(db, queries.find(db, code).id)
    if new.version != reservation.version:
        state = STATE_WORDS[State(reservation.state)]
        raise Stale(
            f"この予約は、画面を開いたあとに変わりました（今は「{state}」です）。まだ何も行っていません。"
            "最新の内容を確認して、もう一度操作してください。",
            yours=new.model_dump(mode="json"),
            current={"version": reservation.version, "state": state},
        )
    return reservation


def _happen(db: Session, by: Actor, reservation: Reservation, event: Event, note: str) -> None:
    db.flush()
    outcome = flow.happen(db, reservation.id, event, source="operator", by=by, note=note.strip())
    if outcome.ignored is not None:
        state = STATE_WORDS[outcome.case.state]
        raise Conflict(f"{outcome.ignored}今は「{state}」のため、この操作はできません。画面を開き直してください。")


def _plan(db: Session, reservation: Reservation, code: str | None) -> Plan:
    """The size as it is, or another one of the service. Raises Invalid when that is not offered."""
    if code is None:
        return db.get_one(Plan, reservation.plan_id)
    current = db.get_one(Plan, reservation.plan_id)
    if current.code == code:
        return current
    offered = plans(db, reservation.service_id)
    if code not in offered:
        known = "、".join(f"{one}（{plan.name}）" for one, plan in offered.items()) or "なし"
        message = f"このサイズは取り扱っていません。指定できるサイズ: {known}"
        raise Invalid(message, [("plan", message)])
    return offered[code]


def _refuse_past(starts_at: datetime, now: datetime) -> None:
    if now < starts_at <= now + LONGEST_NOTICE:
        return
    message = f"これから{LONGEST_NOTICE.days}日先までの日時を指定してください。"
    raise Invalid(message, [("starts_at", message)])


def _take_over(
    db: Session, by: Actor, reservation: Reservation, *, starts_at: datetime, price: int, plan: Plan
) -> None:
    """The size stands beside the case; what is different goes into the trail."""
    was = db.get_one(Plan, reservation.plan_id)
    before = {"starts_at": in_words(reservation.starts_at), "price": reservation.price, "plan": was.name}
    after = {"starts_at": in_words(starts_at), "price": price, "plan": plan.name}
    reservation.plan_id = plan.id
    changed = [name for name in after if before[name] != after[name]]
    if changed:
        _record(db, by, reservation, {name: before[name] for name in changed}, {name: after[name] for name in changed})


def _record(db: Session, by: Actor, reservation: Reservation, before: dict[str, Any], after: dict[str, Any]) -> None:
    audit.record(db, by, "update", AREA.name, "reservation", reservation.code, before=before, after=after)
