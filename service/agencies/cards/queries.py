"""Every read of card data. The sealed values come from one function, for who sees the area whole."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from service.agencies.cards import schemas
from service.agencies.cards.models import Card
from service.agencies.cards.rules import CODE_KEPT, CannotUnseal, KeyRing, unseal
from service.agencies.settings import settings
from service.core.clock import app_now
from service.core.problems import Conflict, NotFound

SWITCHED_OFF = (
    "カード情報の保管が設定されていないため、カード番号は入力できません。"
    "システム管理者が環境変数 AGENCIES_CARD_KEYS に暗号鍵を設定すると、入力できるようになります。"
)
ABSENT = "この法人のカード情報は登録されていません。法人詳細を開き直してください。"
DELETED = (
    "この法人のカード番号は、保管期間が過ぎたため削除されています（下4桁だけが残っています）。"
    "必要な場合は、お客様に確認してカード情報をもう一度登録してください。"
)
CLOSED = (
    "カード情報を復号できません。暗号鍵の設定（AGENCIES_CARD_KEYS、AGENCIES_CODE_KEYS）が変わったか、"
    "データが書き換えられています。システム管理者に連絡してください。"
)
# Who deletes comes every ten minutes; after this somebody has to be told that nothing came.
LATE = timedelta(hours=1)


def intake() -> schemas.Intake:
    taken = settings().card_ring is not None
    return schemas.Intake(
        takes_number=taken,
        takes_code=taken and settings().keep_security_code,
        reveal_seconds=settings().reveal_seconds,
        why="" if taken else SWITCHED_OFF,
    )


def find(db: Session, corporation_id: int, *, lock: bool = False) -> Card | None:
    found = select(Card).where(Card.corporation_id == corporation_id)
    if lock:
        found = found.with_for_update()
    return db.scalars(found.execution_options(populate_existing=True)).one_or_none()


def summary(db: Session, corporation_id: int) -> schemas.CardSummary | None:
    card = find(db, corporation_id)
    return None if card is None else schemas.CardSummary.model_validate(card, from_attributes=True)


def present(db: Session, corporation_id: int) -> Card:
    """Raises NotFound."""
    card = find(db, corporation_id)
    if card is None:
        raise NotFound(ABSENT)
    return card


def to_reveal(db: Session, corporation_id: int) -> Card:
    """Raises NotFound when there is no card, Conflict when its number has been deleted."""
    card = present(db, corporation_id)
    if not card.has_number:
        raise Conflict(DELETED)
    return card


def revealed(db: Session, corporation_id: int) -> schemas.Revealed:
    """In the clear: only after it was noted who reads it. Raises as `to_reveal`, and Conflict when the seal does not
    open."""
    card = to_reveal(db, corporation_id)
    try:
        number, code = opened(db, corporation_id)
    except CannotUnseal:
        raise Conflict(CLOSED) from None
    return schemas.Revealed(
        number=number,
        security_code=code,
        expire_month=card.expire_month,
        expire_year=card.expire_year,
        holder=card.holder,
        brand=card.brand,
        seconds=settings().reveal_seconds,
    )


_SEALED = text("SELECT number, number_key, code, code_key FROM agencies_sealed_card(:corporation_id)")


def opened(db: Session, corporation_id: int) -> tuple[str, str | None]:
    """Number and code. Raises CannotUnseal."""
    numbers, codes = settings().card_ring, settings().code_ring
    sealed = db.execute(_SEALED, {"corporation_id": corporation_id}).one_or_none()
    if sealed is None or sealed.number is None or numbers is None:
        raise CannotUnseal("there is no key, or nothing to open")
    number = unseal(numbers, sealed.number_key, corporation_id, "number", bytes(sealed.number))
    if sealed.code is None:
        return number, None
    if codes is None:
        raise CannotUnseal("there is no key for security codes")
    return number, unseal(codes, sealed.code_key, corporation_id, "code", bytes(sealed.code))


def sealed_otherwise(db: Session, numbers: KeyRing, codes: KeyRing | None, after: int, most: int) -> list[int]:
    """Corporations behind `after` whose card is sealed with another key than the ring's first."""
    old = and_(Card.has_number, Card.number_key != numbers.current)
    if codes is not None:
        old = or_(old, and_(Card.has_code, Card.code_key != codes.current))
    found = select(Card.corporation_id).where(Card.corporation_id > after, old)
    return list(db.scalars(found.order_by(Card.corporation_id).limit(most)))


def overdue(db: Session) -> int:
    """How many cards are kept longer than they may be."""
    now = app_now(db) - LATE
    number = and_(Card.has_number, Card.purge_at <= now)
    code = and_(Card.has_code, Card.code_stored_at <= now - CODE_KEPT)
    return db.scalar(select(func.count()).select_from(Card).where(or_(number, code))) or 0
