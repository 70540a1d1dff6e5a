"""Whose cards there are."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from service.core import code128
from service.core.auth import Actor
from service.core.bar_cards import BarCard
from service.core.identity import hash_token
from service.core.pages import shell
from service.core.problems import Invalid, NotFound
from service.core.settings import settings
from service.entries import queries
from service.entries.cards import rules, schemas
from service.entries.cards.models import Card
from service.entries.models import Child, Guardianship, Nursery, Parent

NOBODY = "カードを作る保護者がいません。一覧を開き直して、選び直してください。"


def key() -> bytes:
    """Makes links of cards and nothing else."""
    return hmac.new(settings().secret_key.get_secret_value().encode(), b"entries card", hashlib.sha256).digest()


def link(card: Card) -> str | None:
    """None: it was made with another SECRET_KEY, and cannot be told any more; it still opens the card."""
    token = rules.token(key(), card.parent_id, card.issued_at)
    return rules.link(shell.address(), token) if hash_token(token) == card.token_hash else None


def selected(db: Session, by: Actor, wanted: schemas.Selection, *, lock: bool = False) -> Sequence[Row[Parent, str]]:
    """The parents in use that are meant, each with the nursery's name, in the order of the lists.

    Raises:
        NotFound: one of them, or the nursery, is not there or somebody else's.
        Invalid: it is not said which nursery's, or nobody is meant.
    """
    nursery_id = queries.own(by, wanted.nursery_id)
    found = select(Parent, Nursery.name).join(Nursery, Nursery.id == Parent.nursery_id)
    if nursery_id is not None:
        found = found.where(Parent.nursery_id == nursery_id)
    elif not wanted.parent_ids:
        raise Invalid("保育園を選んでください。", [("nursery_id", "保育園を選んでください。")])
    if wanted.parent_ids:
        found = found.where(Parent.id.in_(wanted.parent_ids))
    if wanted.class_name is not None:
        of_class = select(Guardianship.parent_id).join(Child, Child.id == Guardianship.child_id)
        child = of_class.where(Guardianship.parent_id == Parent.id, Child.class_name == wanted.class_name)
        found = found.where(exists(child.where(Child.archived_at.is_(None))))
    found = found.where(Parent.archived_at.is_(None)).order_by(Parent.nursery_id, Parent.kana, Parent.id)
    if lock:
        found = found.with_for_update(of=Parent, key_share=True)
    rows = db.execute(found.limit(schemas.MOST)).all()
    if len({*wanted.parent_ids} - {parent.id for parent, _ in rows}):
        raise NotFound("指定された保護者は見つかりません。一覧を開き直してください。")
    if not rows:
        raise Invalid(NOBODY)
    return rows


def in_force(db: Session, parents: Sequence[int]) -> dict[int, Card]:
    """By parent."""
    found = db.scalars(select(Card).where(Card.parent_id.in_(parents), Card.revoked_at.is_(None)))
    return {card.parent_id: card for card in found}


def of_parent(db: Session, by: Actor, parent_id: int) -> Mapping[str, Any]:
    """Raises NotFound for a parent that is not there, and for one without a link that can be told."""
    queries.get_parent(db, by, parent_id)
    card = in_force(db, [parent_id]).get(parent_id)
    url = link(card) if card else None
    if card is None or url is None:
        raise NotFound("この保護者のカードはまだ発行されていません。")
    return {"url": url, "issued_at": card.issued_at, "last_opened_at": card.last_opened_at}


def by_token(db: Session, token: str) -> Row[Card, str, str] | None:
    """The card in force with the names on it, as long as parent and nursery are in use."""
    return db.execute(
        select(Card, Parent.name, Nursery.name)
        .join(Parent, Parent.id == Card.parent_id)
        .join(Nursery, Nursery.id == Card.nursery_id)
        .where(
            Card.token_hash == hash_token(token),
            Card.revoked_at.is_(None),
            Parent.archived_at.is_(None),
            Nursery.archived_at.is_(None),
        )
    ).one_or_none()


def to_print(db: Session, by: Actor, wanted: schemas.Selection) -> list[BarCard]:
    """A card of paper for each; with a QR code for those whose link is issued. Raises as `selected`."""
    rows = selected(db, by, wanted)
    cards = in_force(db, [parent.id for parent, _ in rows])
    return [
        BarCard(
            name=f"{parent.name} 様",
            code=str(parent.id),
            by=nursery_name,
            text=rules.HOW_TO,
            link=link(cards[parent.id]) if parent.id in cards else None,
            link_text=rules.BY_PHONE,
        )
        for parent, nursery_name in rows
    ]


def bars(parent_id: int) -> str:
    """TR-PA-003: the number without zeros in front."""
    return code128.modules(str(parent_id))
