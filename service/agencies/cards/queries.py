"""Queries of card data. One database function returns the sealed values, only to users who may see the whole area."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from service.agencies.cards import schemas
from service.agencies.cards.models import Card
from service.agencies.cards.rules import CODE_RETENTION
from service.agencies.sealing import CannotUnseal, KeyRing, unseal
from service.agencies.settings import settings
from service.core.database.clock import app_now
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
CANNOT_DECRYPT = (
    "カード情報を復号できません。暗号鍵の設定（AGENCIES_CARD_KEYS、AGENCIES_CODE_KEYS）が変わったか、"
    "データが書き換えられています。システム管理者に連絡してください。"
)
# Cards are purged every ten minutes; when a card is overdue by this much, administrators are notified.
OVERDUE_AFTER = timedelta(hours=1)


def intake() -> schemas.Intake:
    accepted = settings().card_ring is not None
    return schemas.Intake(
        takes_number=accepted,
        takes_code=accepted and settings().keep_security_code,
        reveal_seconds=settings().reveal_seconds,
        why="" if accepted else SWITCHED_OFF,
    )


def find(db: Session, corporation_id: int, *, lock: bool = False) -> Card | None:
    statement = select(Card).where(Card.corporation_id == corporation_id)
    if lock:
        statement = statement.with_for_update()
    return db.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def summary(db: Session, corporation_id: int) -> schemas.CardSummary | None:
    card = find(db, corporation_id)
    return None if card is None else schemas.CardSummary.model_validate(card, from_attributes=True)


def get_card(db: Session, corporation_id: int) -> Card:
    """Raises NotFound."""
    card = find(db, corporation_id)
    if card is None:
        raise NotFound(ABSENT)
    return card


def get_revealable_card(db: Session, corporation_id: int) -> Card:
    """Raises NotFound when there is no card, Conflict when its number has been deleted."""
    card = get_card(db, corporation_id)
    if not card.has_number:
        raise Conflict(DELETED)
    return card


def revealed(db: Session, corporation_id: int) -> schemas.Revealed:
    """The card unsealed; call it only after the audit entry was committed. Raises as `get_revealable_card`, and
    Conflict when it cannot be unsealed."""
    card = get_revealable_card(db, corporation_id)
    try:
        number, code = unseal_card(db, corporation_id)
    except CannotUnseal:
        raise Conflict(CANNOT_DECRYPT) from None
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


def unseal_card(db: Session, corporation_id: int) -> tuple[str, str | None]:
    """The unsealed number and code. Raises CannotUnseal."""
    number_keys, code_keys = settings().card_ring, settings().code_ring
    sealed = db.execute(_SEALED, {"corporation_id": corporation_id}).one_or_none()
    if sealed is None or sealed.number is None or number_keys is None:
        raise CannotUnseal("there is no key, or nothing to open")
    number = unseal(number_keys, sealed.number_key, corporation_id, "number", bytes(sealed.number))
    if sealed.code is None:
        return number, None
    if code_keys is None:
        raise CannotUnseal("there is no key for security codes")
    return number, unseal(code_keys, sealed.code_key, corporation_id, "code", bytes(sealed.code))


def sealed_with_old_key(
    db: Session, number_keys: KeyRing, code_keys: KeyRing | None, after: int, limit: int
) -> list[int]:
    """Corporations with an id above `after` whose card is sealed with another key than the ring's current one."""
    has_old_key = and_(Card.has_number, Card.number_key != number_keys.current)
    if code_keys is not None:
        has_old_key = or_(has_old_key, and_(Card.has_code, Card.code_key != code_keys.current))
    statement = select(Card.corporation_id).where(Card.corporation_id > after, has_old_key)
    return list(db.scalars(statement.order_by(Card.corporation_id).limit(limit)))


def count_overdue(db: Session) -> int:
    """How many cards are stored longer than their retention period and `OVERDUE_AFTER`."""
    latest = app_now(db) - OVERDUE_AFTER
    number = and_(Card.has_number, Card.purge_at <= latest)
    code = and_(Card.has_code, Card.code_stored_at <= latest - CODE_RETENTION)
    return db.scalar(select(func.count()).select_from(Card).where(or_(number, code))) or 0
