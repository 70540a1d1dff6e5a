"""Operators' actions on a reservation. Each action is one event of the flow, with optimistic locking. An event that
would change nothing is refused with a message and not stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from service.core import edits
from service.core.access.auth import Actor
from service.core.audit import NO_CHANGES, Changes
from service.core.database.clock import app_now
from service.core.problems import Conflict, Invalid, Stale, WrongFields
from service.core.values.texts import to_e164
from service.core.values.times import format_local_datetime
from service.reservations.desk import queries, schemas
from service.reservations.flow import actions as flow
from service.reservations.flow.queries import call_order, case_of, lock_reservation
from service.reservations.models import Plan, Reservation
from service.reservations.outgoing.actions import delete_links
from service.reservations.outgoing.message_texts import domestic_phone
from service.reservations.services.queries import active_plans
from service.reservations.shops import queries as shops
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import LONGEST_NOTICE
from service.reservations.state_machine.events import Event
from service.reservations.state_machine.states import Answer, State


def create(db: Session, by: Actor, new: schemas.NewReservation) -> Reservation:
    """For example requested by telephone. Raises as `flow.actions.create`."""
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


def record_shop_ok(db: Session, by: Actor, code: str, new: schemas.ShopAgreed) -> None:
    """予約OKを確認: by a partner shop or an unlisted one. The customer gets the payment link.

    Raises:
        Invalid: not exactly one of shop and name is given, or the shop is archived.
    """
    reservation = _lock_version(db, code, new)
    if (new.shop_id is None) == (not new.unlisted.strip()):
        raise Invalid.at_field(
            "shop_id", "予約OKを確認した店舗を選ぶか、一覧にない店舗の名前と電話番号を入力してください。"
        )
    if new.shop_id is not None and shops.get(db, new.shop_id).archived_at is not None:
        raise Invalid.at_field("shop_id", "この店舗はアーカイブされています。別の店舗を選んでください。")
    note = "\n".join(part for part in (new.unlisted.strip(), new.note.strip()) if part)
    event = e.ShopOk(shop=new.shop_id, note=new.unlisted.strip())
    _apply_event(db, by, reservation, event, note)


def record_shop_refusal(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    """予約NGを確認: the next shop is called."""
    _apply_event(db, by, _lock_version(db, code, new), e.ShopRefused(), new.note)


def accept_change(db: Session, by: Actor, code: str, new: schemas.Change) -> None:
    """変更を反映: the customer agreed.

    Raises:
        Invalid: no consent, an impossible time, a size that is not offered, or no difference: the customer would pay
            for what the shop cannot do.
    """
    reservation = _lock_version(db, code, new)
    if not new.consented:
        raise Invalid.at_field(
            "consented",
            "依頼者に電話で説明し、承諾を得てから、「承諾を得ました」を選んでください。"
            "承諾されないときは、「承諾なし」で次の提携店への電話を再開できます。",
        )
    wrong = WrongFields()
    with wrong.noted():
        _validate_future(new.starts_at, app_now(db))
    with wrong.noted():
        plan = _plan(db, reservation, new.plan)
    wrong.refuse()
    plan_changed = plan.id != reservation.plan_id
    price = new.price if new.price is not None else plan.price if plan_changed else reservation.price
    is_unchanged = not plan_changed and (new.starts_at, price) == (reservation.starts_at, reservation.price)
    if is_unchanged and not new.note.strip():
        raise Invalid.at_field(
            "starts_at",
            "日時もサイズも料金も、今の予約と同じです。承諾された内容に書き換えてください。"
            "ほかの変更（色など）だけのときは、その内容をメモに書いてください。",
        )
    changes = _store_changes(db, reservation, starts_at=new.starts_at, price=price, plan=plan)
    _apply_event(db, by, reservation, e.ChangeAccepted(starts_at=new.starts_at, price=price), new.note, changes)


def refuse_change(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    """The customer does not agree: the shop is notified, and the next one is called."""
    _apply_event(db, by, _lock_version(db, code, new), e.ChangeRefused(), new.note)


def rearrange(db: Session, by: Actor, code: str, new: schemas.Rearrangement) -> None:
    """別の日時で探し直す: calls the service's current shops from the first one on."""
    reservation = _lock_version(db, code, new)
    wrong = WrongFields()
    with wrong.noted():
        flow.validate_start_time(new.starts_at, app_now(db))
    with wrong.noted():
        plan = _plan(db, reservation, new.plan)
    wrong.refuse()
    price = plan.price if plan.id != reservation.plan_id else reservation.price
    changes = _store_changes(db, reservation, starts_at=new.starts_at, price=price, plan=plan)
    order = call_order(db, reservation.service_id)
    event = e.Rearranged(starts_at=new.starts_at, price=price, order=order)
    _apply_event(db, by, reservation, event, new.note, changes)


def send_link(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    """決済リンクを再作成: creates a new payment page and sends its link by SMS."""
    reservation = _lock_version(db, code, new)
    if case_of(reservation).sms_fails:
        raise Conflict("この依頼者にはSMSが届きません。決済リンクはメールで送ってください。")
    _apply_event(db, by, reservation, e.CheckoutRetried(), new.note)


def mail_link(db: Session, by: Actor, code: str, new: schemas.LinkByMail) -> None:
    """決済リンクをメールで送る. Raises Invalid when there is no mail address."""
    reservation = _lock_version(db, code, new)
    if new.mail is None and not reservation.mail:
        raise Invalid.at_field("mail", "決済リンクを送るメールアドレスを入力してください。")
    changes = NO_CHANGES
    if new.mail is not None and new.mail != reservation.mail:
        changes = {"mail": reservation.mail}, {"mail": new.mail}
        reservation.mail = new.mail
    _apply_event(db, by, reservation, e.CheckoutRetried(by_mail=True), new.note, changes)


def cancel(db: Session, by: Actor, code: str, new: schemas.Cancellation) -> None:
    """キャンセル: a payment is refunded. After the time limit only if the shop agrees (2.2.6)."""
    reservation = _lock_version(db, code, new)
    case = case_of(reservation)
    is_late = case.state is State.CONFIRMED and app_now(db) > case.cancel_until
    if is_late and not new.shop_agreed:
        raise Invalid.at_field(
            "shop_agreed",
            f"キャンセル期限（{format_local_datetime(case.cancel_until)}）を過ぎています。"
            "提携店の承諾を得てから、「提携店の承諾を得ました」を選んでください。",
        )
    reason = f"{new.reason}\n提携店の承諾: あり" if is_late else new.reason
    _apply_event(db, by, reservation, e.CancelAsked(by="operator", special=is_late), reason)


def retry_refund(db: Session, by: Actor, code: str, new: schemas.Noted) -> None:
    _apply_event(db, by, _lock_version(db, code, new), e.RefundRetried(), new.note)


def record_other_refund(db: Session, by: Actor, code: str, new: schemas.RefundedOtherwise) -> None:
    """別の方法で返金した: Stripe could not refund, and an operator did it another way."""
    _apply_event(db, by, _lock_version(db, code, new), e.RefundedOtherwise(), new.how)


def correct_answer(db: Session, by: Actor, code: str, number: int, new: schemas.Correction) -> bool:
    """判定を訂正: corrects the answer that was read from a call. Returns whether the reservation follows, or False when
    it has already advanced.

    Raises:
        NotFound: there is no such call.
        Conflict: the call is not over, or already has this answer.
    """
    reservation = _lock_version(db, code, new)
    call, answer = queries.get_call(db, reservation, number), Answer(new.answer)
    if call.is_active or call.answer is None:
        raise Conflict("この電話はまだ終わっていません。終わってから判定を訂正してください。")
    if call.answer == answer:
        raise Conflict("この電話の判定は、すでにその内容です。画面を開き直してください。")
    event = e.CallEnded(number=number, shop=call.shop_id, answer=answer, overruled=True)
    outcome = flow.apply_event(db, reservation, event, source="operator", by=by, note=new.note.strip())
    return outcome.ignored is None


def correct_customer(db: Session, by: Actor, code: str, new: schemas.CustomerCorrection) -> None:
    """依頼者の連絡先を訂正: the customer gets the current message again, and links sent to the wrong number become
    invalid.

    Raises:
        Invalid: not a Japanese mobile number, or no difference.
    """
    reservation = _lock_version(db, code, new)
    # An unchanged number is accepted even if it cannot receive SMS.
    phone = reservation.phone if to_e164(new.phone) == reservation.phone else flow.normalize_phone(new.phone)
    corrected = {"customer_name": new.customer_name.strip(), "phone": phone, "mail": new.mail.strip()}
    previous = {name: getattr(reservation, name) for name in corrected}
    changed = [name for name in corrected if corrected[name] != previous[name]]
    if not changed:
        raise Invalid.at_field("phone", "どれも今の内容と同じです。訂正する項目を書き換えてください。")
    case = case_of(reservation)
    if "phone" in changed:
        # The holder of the wrong number must neither cancel nor see the reservation.
        keep_payment_links = case.by_mail or case.state is State.EXPIRING
        delete_links(db, reservation.id, ["cancel"] if keep_payment_links else ["cancel", "pay"])
    for name in changed:
        setattr(reservation, name, corrected[name])
    event = e.CustomerCorrected(
        name="customer_name" in changed,
        phone="phone" in changed,
        mail="mail" in changed and bool(previous["mail"] and corrected["mail"]),
        new_mail="mail" in changed and not previous["mail"],
    )
    before, after = ({name: values[name] for name in changed} for values in (previous, corrected))
    lines = [f"{_FIELD_LABELS[name]}: {_display(name, previous)} → {_display(name, corrected)}" for name in changed]
    changes = before, after | {"reason": new.reason.strip()}
    _apply_event(db, by, reservation, event, "\n".join([*lines, f"理由: {new.reason.strip()}"]), changes)


_FIELD_LABELS = {"customer_name": "お名前", "phone": "電話番号", "mail": "メールアドレス"}


def _display(name: str, values: Mapping[str, str]) -> str:
    return (domestic_phone(values[name]) if name == "phone" else values[name]) or "なし"


def note_contact(db: Session, by: Actor, code: str, new: schemas.Contact) -> None:
    """Changes nothing, not even the version that other users have read."""
    reservation = queries.find(db, code)
    flow.record_event(db, reservation.id, e.ContactNoted(party=new.party), source="operator", by=by, note=new.text)


def _lock_version(db: Session, code: str, new: edits.Edit) -> Reservation:
    """Locks the reservation. Raises Stale (optimistic locking) when it has changed since that version was read."""
    reservation = lock_reservation(db, queries.find(db, code).id)
    if new.version != reservation.version:
        state_label = State(reservation.state).label
        raise Stale(
            f"この予約は、画面を開いたあとに変わりました（今は「{state_label}」です）。まだ何も行っていません。"
            "最新の内容を確認して、もう一度操作してください。",
            yours=new.model_dump(mode="json"),
            current={"version": reservation.version, "state": state_label},
        )
    return reservation


def _apply_event(
    db: Session,
    by: Actor,
    reservation: Reservation,
    event: Event,
    note: str,
    changes: Changes = NO_CHANGES,
) -> None:
    outcome = flow.apply_event(db, reservation, event, source="operator", by=by, note=note.strip(), changes=changes)
    if outcome.ignored is not None:
        state_label = outcome.case.state.label
        raise Conflict(
            f"{outcome.ignored}今は「{state_label}」のため、この操作はできません。画面を開き直してください。"
        )


def _plan(db: Session, reservation: Reservation, code: str | None) -> Plan:
    """The current plan, or another one of the service. Raises Invalid when that is not offered."""
    if code is None:
        return db.get_one(Plan, reservation.plan_id)
    current = db.get_one(Plan, reservation.plan_id)
    if current.code == code:
        return current
    offered = active_plans(db, reservation.service_id)
    if code not in offered:
        choices = "、".join(f"{plan_code}（{plan.name}）" for plan_code, plan in offered.items()) or "なし"
        raise Invalid.at_field("plan", f"このサイズは取り扱っていません。指定できるサイズ: {choices}")
    return offered[code]


def _validate_future(starts_at: datetime, now: datetime) -> None:
    if now < starts_at <= now + LONGEST_NOTICE:
        return
    raise Invalid.at_field("starts_at", f"これから{LONGEST_NOTICE.days}日先までの日時を指定してください。")


def _store_changes(db: Session, reservation: Reservation, *, starts_at: datetime, price: int, plan: Plan) -> Changes:
    """Stores the plan, which is not part of the case; returns the differences."""
    previous_plan = db.get_one(Plan, reservation.plan_id)
    before = {
        "starts_at": format_local_datetime(reservation.starts_at),
        "price": reservation.price,
        "plan": previous_plan.name,
    }
    after = {"starts_at": format_local_datetime(starts_at), "price": price, "plan": plan.name}
    reservation.plan_id = plan.id
    changed = [name for name in after if before[name] != after[name]]
    return {name: before[name] for name in changed}, {name: after[name] for name in changed}
