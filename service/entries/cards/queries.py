"""Every read of cards."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.access.identity import hash_token
from service.core.pages import shell
from service.core.printing import code128
from service.core.printing.bar_cards import BarCard
from service.core.problems import Invalid, NotFound
from service.core.settings import settings
from service.entries import queries
from service.entries.cards import rules, schemas
from service.entries.models import Card, Child, Guardianship, Nursery, Parent

NO_PARENTS = "カードを作る保護者がいません。一覧を開き直して、選び直してください。"


def signing_key() -> bytes:
    """The key that card links are derived from, and nothing else."""
    return settings().derived_key(b"entries card")


def card_link(card: Card) -> str | None:
    """None for a card of another SECRET_KEY: its link cannot be derived, but still opens the card."""
    token = rules.card_token(signing_key(), card.parent_id, card.issued_at)
    return rules.card_url(shell.address(), token) if hash_token(token) == card.token_hash else None


def selected_parents(
    db: Session, by: Actor, selection: schemas.Selection, *, lock: bool = False
) -> Sequence[Row[Parent, str]]:
    """The active parents of the selection, each with the nursery's name, in the order of the lists.

    Raises:
        NotFound: a parent or the nursery does not exist, or belongs to another nursery.
        Invalid: no nursery is given, or no parent matches.
    """
    nursery_id = queries.nursery_scope(by, selection.nursery_id)
    statement = select(Parent, Nursery.name).join(Nursery, Nursery.id == Parent.nursery_id)
    if nursery_id is not None:
        statement = statement.where(Parent.nursery_id == nursery_id)
    elif not selection.parent_ids:
        raise Invalid.at_field("nursery_id", "保育園を選んでください。")
    if selection.parent_ids:
        statement = statement.where(Parent.id.in_(selection.parent_ids))
    if selection.class_name is not None:
        of_class = select(Guardianship.parent_id).join(Child, Child.id == Guardianship.child_id)
        child = of_class.where(Guardianship.parent_id == Parent.id, Child.class_name == selection.class_name)
        statement = statement.where(exists(child.where(Child.archived_at.is_(None))))
    statement = statement.where(Parent.archived_at.is_(None)).order_by(Parent.nursery_id, Parent.kana, Parent.id)
    if lock:
        statement = statement.with_for_update(of=Parent, key_share=True)
    rows = db.execute(statement.limit(schemas.MAX_PARENTS)).all()
    if len({*selection.parent_ids} - {parent.id for parent, _ in rows}):
        raise NotFound("指定された保護者は見つかりません。一覧を開き直してください。")
    if not rows:
        raise Invalid(NO_PARENTS)
    return rows


def active_cards(db: Session, parents: Sequence[int]) -> dict[int, Card]:
    """Active cards, by parent id."""
    cards = db.scalars(select(Card).where(Card.parent_id.in_(parents), Card.revoked_at.is_(None)))
    return {card.parent_id: card for card in cards}


def parent_card_link(db: Session, by: Actor, parent_id: int) -> schemas.CardLink:
    """Raises NotFound for an unknown parent, and for one without a link that can be shown."""
    queries.get_parent(db, by, parent_id)
    card = active_cards(db, [parent_id]).get(parent_id)
    url = card_link(card) if card else None
    if card is None or url is None:
        raise NotFound("この保護者のカードはまだ発行されていません。")
    return schemas.CardLink(url=url, issued_at=card.issued_at, last_opened_at=card.last_opened_at)


def card_by_token(db: Session, token: str) -> Row[Card, str, str] | None:
    """The active card and the names of parent and nursery; None when one of them is archived."""
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


def printable_cards(db: Session, by: Actor, selection: schemas.Selection) -> list[BarCard]:
    """A paper card for each parent, with a QR code when a link is issued. Raises as `selected_parents`."""
    rows = selected_parents(db, by, selection)
    cards = active_cards(db, [parent.id for parent, _ in rows])
    return [
        BarCard(
            name=f"{parent.name} 様",
            code=str(parent.id),
            by=nursery_name,
            text=rules.HOW_TO,
            link=card_link(cards[parent.id]) if parent.id in cards else None,
            link_text=rules.PHONE_HINT,
        )
        for parent, nursery_name in rows
    ]


def barcode_modules(parent_id: int) -> str:
    """Code 128 modules of the parent's number, without leading zeros (TR-PA-003)."""
    return code128.modules(str(parent_id))
