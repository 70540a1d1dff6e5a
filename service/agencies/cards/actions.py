"""Every write of card data. The trail says whose card and its last four digits, never more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from service.agencies.cards import queries, schemas
from service.agencies.cards.models import Card
from service.agencies.cards.rules import CODE_KEPT, PURGE_AFTER, CannotUnseal, seal
from service.agencies.fields import rules as fields
from service.agencies.rules import AREA
from service.agencies.settings import settings
from service.core import audit, outbox, throttle
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.identity import Membership, User
from service.core.problems import Conflict, Invalid, TooMany
from service.core.texts import plain
from service.core.throttle import Limit
from service.core.times import local_date

# Enough to enter a day's applications; no way to read out a database.
REVEALS = Limit("agencies.reveal", 30, timedelta(hours=1))
PURGER = "agencies.purge_cards"
OVERDUE = "【至急】保管期間を過ぎたカード情報が残っています"
PORTION = 200
NO_CODES = "セキュリティコードは保管しない設定です。入力しないでください。"


def store(db: Session, by: Actor, corporation_id: int, agency_id: int, card: schemas.CardIn, *, has_open: bool) -> None:
    """In place of whatever was there. The number goes a while after the last open request; without one, after now.

    Raises:
        Conflict: cards are not taken here.
        Invalid: something of it cannot be; the fields are card.number and so on.
    """
    numbers = settings().card_ring
    if numbers is None:
        raise Conflict(queries.SWITCHED_OFF, [("card", queries.SWITCHED_OFF)])
    now = app_now(db)
    values, number, code = _checked(db, card)
    values |= {"agency_id": agency_id, "stored_at": now, "purge_at": None if has_open else now + PURGE_AFTER}
    values["number_key"], values["number"] = seal(numbers, corporation_id, "number", number)
    values |= {"code": None, "code_key": "", "code_stored_at": None}
    if code is not None and (codes := settings().code_ring) is not None:
        values["code_key"], values["code"] = seal(codes, corporation_id, "code", code)
        values["code_stored_at"] = now
    known = queries.find(db, corporation_id, lock=True)
    before = None if known is None else {"last4": known.last4, "brand": known.brand, "has_code": known.has_code}
    if known is None:
        db.add(Card(corporation_id=corporation_id, **values))
    else:
        db.execute(_of(corporation_id).values(**values))
    after = {"last4": values["last4"], "brand": values["brand"], "has_code": code is not None}
    audit.record(db, by, "update" if known else "create", AREA.name, "card", corporation_id, before=before, after=after)
    db.flush()


def check(db: Session, card: schemas.CardIn) -> None:
    """Raises as `store`, before anything is written."""
    if settings().card_ring is None:
        raise Conflict(queries.SWITCHED_OFF, [("card", queries.SWITCHED_OFF)])
    _checked(db, card)


def _checked(db: Session, card: schemas.CardIn) -> tuple[dict[str, Any], str, str | None]:
    """The columns in the clear, the number, and the code. Raises Invalid."""
    checks, today = fields.Checks("card."), local_date(app_now(db))
    number = checks.of("number", fields.card_number, card.number.get_secret_value())
    brand = fields.card_brand(number) if number else ""
    expires = checks.of("expire_year", fields.card_expiry, card.expire_month, card.expire_year, today)
    code = None
    if card.security_code is not None and card.security_code.get_secret_value().strip():
        if settings().keep_security_code:
            code = checks.of("security_code", fields.security_code, card.security_code.get_secret_value(), brand)
        else:
            checks.complain("security_code", NO_CODES)
    if number is None or expires is None or checks.errors:
        raise Invalid("カード情報を確認してください。", checks.errors)
    month, year = expires
    shown = {"last4": number[-4:], "brand": brand, "expire_month": f"{month:02}", "expire_year": str(year)}
    return {**shown, "holder": plain(card.holder).upper()}, number, code


def remove(db: Session, by: Actor, corporation_id: int, reason: str) -> bool:
    """All of it, at once and for good. Whether there was one."""
    known = queries.find(db, corporation_id, lock=True)
    if known is None:
        return False
    before = {"last4": known.last4, "brand": known.brand, "has_code": known.has_code}
    db.execute(delete(Card).where(Card.corporation_id == corporation_id).execution_options(synchronize_session=False))
    db.expunge(known)
    audit.record(
        db, by, "delete", AREA.name, "card", corporation_id, before=before, after={"card": None, "reason": reason}
    )
    return True


def count_reveal(db: Session, by: Actor) -> TooMany | None:
    """Counts the attempt, in a transaction of its own; the refusal when there were too many."""
    wait = throttle.hit(db, REVEALS, str(by.user_id))
    if not wait:
        return None
    return TooMany(
        f"カード番号の表示は1時間に{REVEALS.most}回までです。"
        f"あと{throttle.minutes(wait)}分ほど待ってから、もう一度お試しください。",
        wait,
    )


def note_reveal(db: Session, by: Actor, corporation_id: int, reason: str) -> None:
    """Who reads which card, and why; committed before anything is opened. Raises as `queries.to_reveal`."""
    card = queries.to_reveal(db, corporation_id)
    after = {"last4": card.last4, "has_code": card.has_code, "reason": reason}
    audit.record(db, by, "reveal", AREA.name, "card", corporation_id, after=after)


def follow_requests(db: Session, corporation_id: int, *, has_open: bool, one_ended: bool) -> None:
    """After a request of the corporation came or changed its status. The number goes a while after the last open
    request ended, the code with the first that ends."""
    due = None if has_open else app_now(db) + PURGE_AFTER
    found = _of(corporation_id)
    if has_open:
        db.execute(found.where(Card.purge_at.is_not(None)).values(purge_at=None))
    else:
        db.execute(found.where(Card.has_number, Card.purge_at.is_(None)).values(purge_at=due))
    if one_ended:
        db.execute(found.where(Card.has_code).values(code=None, code_key="", code_stored_at=None))


def purge(db: Session) -> dict[str, int]:
    """What has been kept long enough goes: codes, and numbers with all but their last four digits. How many of each."""
    now = app_now(db)
    no_code = {"code": None, "code_key": "", "code_stored_at": None}
    all_cards = update(Card).execution_options(synchronize_session=False)
    numbers = db.execute(
        all_cards.where(or_(Card.has_number, Card.has_code), Card.purge_at <= now)
        .values(number=None, number_key="", expire_month="", expire_year="", holder="", purge_at=None, **no_code)
        .returning(Card.corporation_id, Card.last4)
    ).all()
    codes = db.execute(
        all_cards.where(Card.has_code, Card.code_stored_at <= now - CODE_KEPT)
        .values(**no_code)
        .returning(Card.corporation_id, Card.last4)
    ).all()
    for kind, rows in (("カード番号", numbers), ("セキュリティコード", codes)):
        for corporation_id, last4 in rows:
            after = {"reason": f"保管期間の終了（{kind}）"}
            audit.record(db, PURGER, "delete", AREA.name, "card", corporation_id, before={"last4": last4}, after=after)
    return {"numbers": len(numbers), "codes": len(codes)}


def to_reseal(db: Session, after: int) -> list[int]:
    """The next portion of corporations whose card is sealed with an older key; none where cards are not taken."""
    numbers = settings().card_ring
    return [] if numbers is None else queries.sealed_otherwise(db, numbers, settings().code_ring, after, PORTION)


def reseal(db: Session, corporation_id: int) -> bool:
    """With the rings' first keys. Whether it could be opened; meanwhile somebody may have replaced or deleted it."""
    numbers, codes = settings().card_ring, settings().code_ring
    card = queries.find(db, corporation_id, lock=True)
    if card is None or not card.has_number or numbers is None:
        return True
    try:
        number, code = queries.opened(db, corporation_id)
    except CannotUnseal:
        return False
    key, sealed = seal(numbers, corporation_id, "number", number)
    values: dict[str, Any] = {"number_key": key, "number": sealed}
    if code is not None and codes is not None:
        values["code_key"], values["code"] = seal(codes, corporation_id, "code", code)
    db.execute(_of(corporation_id).values(**values))
    return True


def tell_of_overdue(db: Session, overdue: int) -> None:
    """A mail to each of the area's administrators that has an address."""
    people = (
        select(User)
        .join(Membership)
        .where(Membership.area == AREA.name, Membership.role == "admin", User.is_active, User.mail.is_not(None))
    )
    for person in db.scalars(people.order_by(User.id)):
        address = person.mail or ""
        outbox.publish(
            db,
            "mail",
            {"to": [address], "subject": OVERDUE, "body": f"{person.name} 様\n\n{_overdue(overdue)}"},
            area=AREA.name,
            recipient=address,
            title=OVERDUE,
        )


def _overdue(count: int) -> str:
    return (
        f"保管期間を過ぎたカード情報が{count:,}件残っています。自動削除（カード情報の削除）が動いていない可能性があります。\n"
        "システム状態の画面でジョブの状態を確認し、システム管理者に連絡してください。\n\nGenba 申込投入"
    )


def _of(corporation_id: int) -> Any:
    return update(Card).where(Card.corporation_id == corporation_id).execution_options(synchronize_session=False)
