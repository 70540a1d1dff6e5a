"""Writes of card data. The audit log has the corporation and the last four digits of its card, never more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from service.agencies.cards import queries, schemas
from service.agencies.cards.models import Card
from service.agencies.cards.rules import CODE_RETENTION, PURGE_AFTER
from service.agencies.fields import rules as fields
from service.agencies.rules import AREA
from service.agencies.sealing import CannotUnseal, seal
from service.agencies.settings import settings
from service.core import audit
from service.core.access import throttle
from service.core.access.auth import Actor
from service.core.access.identity import Membership, User
from service.core.access.throttle import Limit
from service.core.database.clock import app_now
from service.core.outbox import queue
from service.core.problems import Conflict, Invalid, TooMany
from service.core.values.texts import half_width
from service.core.values.times import local_date

# Enough to enter a day's applications, too few to read out the whole database.
REVEALS = Limit("agencies.reveal", 30, timedelta(hours=1))
PURGER = "agencies.purge_cards"
OVERDUE = "【至急】保管期間を過ぎたカード情報が残っています"
PORTION = 200
NO_CODES = "セキュリティコードは保管しない設定です。入力しないでください。"


def store(db: Session, by: Actor, corporation_id: int, agency_id: int, card: schemas.CardIn, *, has_open: bool) -> None:
    """Stores the card in place of an existing one. The number is deleted `PURGE_AFTER` after the last open request
    ended; without an open request, `PURGE_AFTER` from now.

    Raises:
        Conflict: cards are not accepted here.
        Invalid: values are not valid; the fields are card.number and so on.
    """
    number_keys = settings().card_ring
    if number_keys is None:
        raise Conflict.at_field("card", queries.SWITCHED_OFF)
    now = app_now(db)
    values, number, code = _checked(db, card)
    values |= {"agency_id": agency_id, "stored_at": now, "purge_at": None if has_open else now + PURGE_AFTER}
    values["number_key"], values["number"] = seal(number_keys, corporation_id, "number", number)
    values |= {"code": None, "code_key": "", "code_stored_at": None}
    if code is not None and (code_keys := settings().code_ring) is not None:
        values["code_key"], values["code"] = seal(code_keys, corporation_id, "code", code)
        values["code_stored_at"] = now
    existing = queries.find(db, corporation_id, lock=True)
    before = (
        None if existing is None else {"last4": existing.last4, "brand": existing.brand, "has_code": existing.has_code}
    )
    if existing is None:
        db.add(Card(corporation_id=corporation_id, **values))
    else:
        db.execute(_card_update(corporation_id).values(**values))
    after = {"last4": values["last4"], "brand": values["brand"], "has_code": code is not None}
    audit.record(
        db, by, "update" if existing else "create", AREA.name, "card", corporation_id, before=before, after=after
    )
    db.flush()


def check(db: Session, card: schemas.CardIn) -> None:
    """Raises as `store`, and writes nothing."""
    if settings().card_ring is None:
        raise Conflict.at_field("card", queries.SWITCHED_OFF)
    _checked(db, card)


def _checked(db: Session, card: schemas.CardIn) -> tuple[dict[str, Any], str, str | None]:
    """The columns that are not sealed, the number, and the code. Raises Invalid."""
    checks, today = fields.Checks("card."), local_date(app_now(db))
    number = checks.run("number", fields.card_number, card.number.get_secret_value())
    brand = fields.card_brand(number) if number else ""
    expires = checks.run("expire_year", fields.card_expiry, card.expire_month, card.expire_year, today)
    code = None
    if card.security_code is not None and card.security_code.get_secret_value().strip():
        if settings().keep_security_code:
            code = checks.run("security_code", fields.security_code, card.security_code.get_secret_value(), brand)
        else:
            checks.add_error("security_code", NO_CODES)
    if number is None or expires is None or checks.errors:
        raise Invalid("カード情報を確認してください。", checks.errors)
    month, year = expires
    columns = {"last4": number[-4:], "brand": brand, "expire_month": f"{month:02}", "expire_year": str(year)}
    return {**columns, "holder": half_width(card.holder).upper()}, number, code


def remove(db: Session, by: Actor, corporation_id: int, reason: str) -> bool:
    """Deletes the card with all its columns. Returns whether there was one."""
    existing = queries.find(db, corporation_id, lock=True)
    if existing is None:
        return False
    before = {"last4": existing.last4, "brand": existing.brand, "has_code": existing.has_code}
    db.execute(delete(Card).where(Card.corporation_id == corporation_id).execution_options(synchronize_session=False))
    db.expunge(existing)
    audit.record(
        db, by, "delete", AREA.name, "card", corporation_id, before=before, after={"card": None, "reason": reason}
    )
    return True


def count_reveal(db: Session, by: Actor) -> TooMany | None:
    """Counts the attempt for the rate limit, in a separate transaction. Returns the error when there were too many."""
    wait = throttle.attempt(db, REVEALS, str(by.user_id))
    if not wait:
        return None
    return TooMany(
        f"カード番号の表示は1時間に{REVEALS.most}回までです。"
        f"あと{throttle.minutes(wait)}分ほど待ってから、もう一度お試しください。",
        wait,
    )


def record_reveal(db: Session, by: Actor, corporation_id: int, reason: str) -> None:
    """Records in the audit log who reads which card, and why; committed before the card is unsealed. Raises as
    `queries.get_revealable_card`."""
    card = queries.get_revealable_card(db, corporation_id)
    after = {"last4": card.last4, "has_code": card.has_code, "reason": reason}
    audit.record(db, by, "reveal", AREA.name, "card", corporation_id, after=after)


def update_purge_dates(db: Session, corporation_id: int, *, has_open: bool, one_ended: bool) -> None:
    """Call this when a request of the corporation was created or changed its status. The number is deleted
    `PURGE_AFTER` after the last open request ended, the code as soon as any request ends."""
    purge_at = None if has_open else app_now(db) + PURGE_AFTER
    card_update = _card_update(corporation_id)
    if has_open:
        db.execute(card_update.where(Card.purge_at.is_not(None)).values(purge_at=None))
    else:
        db.execute(card_update.where(Card.has_number, Card.purge_at.is_(None)).values(purge_at=purge_at))
    if one_ended:
        db.execute(card_update.where(Card.has_code).values(code=None, code_key="", code_stored_at=None))


def purge(db: Session) -> dict[str, int]:
    """Deletes what is past its retention period: codes, and numbers with all but their last four digits. Returns how
    many of each."""
    now = app_now(db)
    no_code = {"code": None, "code_key": "", "code_stored_at": None}
    all_cards = update(Card).execution_options(synchronize_session=False)
    purged_numbers = db.execute(
        all_cards.where(or_(Card.has_number, Card.has_code), Card.purge_at <= now)
        .values(number=None, number_key="", expire_month="", expire_year="", holder="", purge_at=None, **no_code)
        .returning(Card.corporation_id, Card.last4)
    ).all()
    purged_codes = db.execute(
        all_cards.where(Card.has_code, Card.code_stored_at <= now - CODE_RETENTION)
        .values(**no_code)
        .returning(Card.corporation_id, Card.last4)
    ).all()
    for kind, rows in (("カード番号", purged_numbers), ("セキュリティコード", purged_codes)):
        for corporation_id, last4 in rows:
            after = {"reason": f"保管期間の終了（{kind}）"}
            audit.record(db, PURGER, "delete", AREA.name, "card", corporation_id, before={"last4": last4}, after=after)
    return {"numbers": len(purged_numbers), "codes": len(purged_codes)}


def cards_to_reseal(db: Session, after: int) -> list[int]:
    """The next batch of corporations after this id whose card is sealed with an older key; empty where cards are not
    accepted."""
    number_keys = settings().card_ring
    return (
        []
        if number_keys is None
        else queries.sealed_with_old_key(db, number_keys, settings().code_ring, after, PORTION)
    )


def reseal(db: Session, corporation_id: int) -> bool:
    """Seals the card again with the current keys of the rings. Returns whether it could be unsealed; True also when it
    was replaced or deleted meanwhile."""
    number_keys, code_keys = settings().card_ring, settings().code_ring
    card = queries.find(db, corporation_id, lock=True)
    if card is None or not card.has_number or number_keys is None:
        return True
    try:
        number, code = queries.unseal_card(db, corporation_id)
    except CannotUnseal:
        return False
    key, sealed = seal(number_keys, corporation_id, "number", number)
    values: dict[str, Any] = {"number_key": key, "number": sealed}
    if code is not None and code_keys is not None:
        values["code_key"], values["code"] = seal(code_keys, corporation_id, "code", code)
    db.execute(_card_update(corporation_id).values(**values))
    return True


def notify_overdue(db: Session, overdue: int) -> None:
    """Sends a mail to each administrator of the area who has an address."""
    administrators = (
        select(User)
        .join(Membership)
        .where(Membership.area == AREA.name, Membership.role == "admin", User.is_active, User.mail.is_not(None))
    )
    for administrator in db.scalars(administrators.order_by(User.id)):
        body = f"{administrator.name} 様\n\n{_overdue_text(overdue)}"
        queue.publish_mail(db, [administrator.mail or ""], OVERDUE, body, area=AREA.name)


def _overdue_text(count: int) -> str:
    return (
        f"保管期間を過ぎたカード情報が{count:,}件残っています。自動削除（カード情報の削除）が動いていない可能性があります。\n"
        "システム状態の画面でジョブの状態を確認し、システム管理者に連絡してください。\n\nGenba 申込投入"
    )


def _card_update(corporation_id: int) -> Any:
    return update(Card).where(Card.corporation_id == corporation_id).execution_options(synchronize_session=False)
