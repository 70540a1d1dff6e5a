"""Issues, mails, revokes and opens personal links to parents' cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access import throttle
from service.core.access.auth import Actor
from service.core.access.identity import hash_token
from service.core.access.throttle import Limit
from service.core.database.clock import app_now, real_now
from service.core.http.addresses import source_of
from service.core.outbox import queue
from service.core.problems import Conflict, NotFound, Problem
from service.entries import queries as masters
from service.entries.cards import queries, rules, schemas
from service.entries.models import Card, Parent
from service.entries.rules import AREA

# Only invalid links count: many parents may share one address.
WRONG_LINKS = Limit("parent card", 20, timedelta(minutes=10))


def issue(db: Session, by: Actor, selection: schemas.Selection) -> schemas.Issued:
    """A parent who has a link keeps it: it may be on a phone already. Raises as `queries.selected_parents`."""
    parents = [parent for parent, _ in queries.selected_parents(db, by, selection, lock=True)]
    new = len(_issue(db, by, parents))
    return schemas.Issued(issued=new, there=len(parents) - new)


def _issue(db: Session, by: Actor, parents: Sequence[Parent], *, is_mailed: bool = False) -> set[int]:
    """Returns the ids of the new links. The caller has locked the parents. `is_mailed`: the audit entries say to whom
    they were sent."""
    existing = queries.active_cards(db, [parent.id for parent in parents])
    unreadable = [card for card in existing.values() if queries.card_link(card) is None]
    _revoke(db, by, unreadable)
    ended = {card.parent_id for card in unreadable}
    # The real clock: a link is derived from this time, and the product's clock may be set back.
    now, key = real_now(), queries.signing_key()
    rows = [
        {
            "token_hash": hash_token(rules.card_token(key, parent.id, now)),
            "parent_id": parent.id,
            "nursery_id": parent.nursery_id,
            "issued_at": now,
            "issued_by": by.login_id,
        }
        for parent in parents
        if parent.id not in existing or parent.id in ended
    ]
    if rows:
        created = db.execute(insert(Card).returning(Card.id, Card.parent_id), rows).all()
        mails = {parent.id: {"sent_to": parent.mail} for parent in parents} if is_mailed else {}
        entries = (
            (card_id, None, {"parent_id": parent_id} | mails.get(parent_id, {})) for card_id, parent_id in created
        )
        audit.record_many(db, by, "create", AREA.name, "card", entries)
        return {card_id for card_id, _ in created}
    return set()


def mail(db: Session, by: Actor, selection: schemas.Selection) -> schemas.Mailed:
    """Mails each parent their link and issues missing ones. Raises as `queries.selected_parents`, and Conflict when no
    parent has a mail address."""
    rows = queries.selected_parents(db, by, selection, lock=True)
    recipients = [(parent, nursery_name) for parent, nursery_name in rows if parent.mail]
    if not recipients:
        whose = f"{rows[0][0].name}さんの" if len(rows) == 1 else "選ばれた保護者の"
        raise Conflict(f"{whose}メールアドレスが登録されていません。先に登録するか、カードを印刷して渡してください。")
    issued = _issue(db, by, [parent for parent, _ in recipients], is_mailed=True)
    cards = queries.active_cards(db, [parent.id for parent, _ in recipients])
    for parent, nursery_name in recipients:
        subject, body = rules.card_mail(parent.name, nursery_name, queries.card_link(cards[parent.id]) or "")
        about = "parent", parent.id
        queue.publish_mail(db, [parent.mail], subject, body, area=AREA.name, tenant_id=parent.nursery_id, about=about)
    sent = (
        (cards[parent.id].id, None, {"parent_id": parent.id, "sent_to": parent.mail})
        for parent, _ in recipients
        if cards[parent.id].id not in issued
    )
    audit.record_many(db, by, "update", AREA.name, "card", sent)
    return schemas.Mailed(mailed=len(recipients), without_mail=len(rows) - len(recipients))


def record_print(db: Session, by: Actor, selection: schemas.Selection, cards: int) -> None:
    """Records in the audit log that cards were printed."""
    after = selection.model_dump(exclude_none=True, exclude={"parent_ids"}) | {"rows": cards}
    subject_id = selection.parent_ids[0] if len(selection.parent_ids) == 1 else "-"
    audit.record(db, by, "export", AREA.name, "card", subject_id, after=after)


def revoke(db: Session, by: Actor, parent_id: int) -> None:
    """Raises NotFound for an unknown parent; without a link nothing happens."""
    parent = masters.get_parent(db, by, parent_id, lock=True)
    _revoke(db, by, [*queries.active_cards(db, [parent.id]).values()])


def _revoke(db: Session, by: Actor, cards: Sequence[Card]) -> None:
    for card in cards:
        card.revoked_at = app_now(db)
    db.flush()
    entries = ((card.id, None, {"revoked": True, "parent_id": card.parent_id}) for card in cards)
    audit.record_many(db, by, "status_change", AREA.name, "card", entries)


def open_card(db: Session, token: str, address: str) -> schemas.Opened | Problem:
    """The contents of the card; or a Problem, which the caller raises after the attempt is stored. The answer is the
    same for every invalid link."""
    source = source_of(address)
    if wait := throttle.attempt(db, WRONG_LINKS, source):
        return throttle.too_many("開けないリンクの表示", wait)
    row = queries.card_by_token(db, token)
    if row is None:
        return NotFound(rules.INVALID_LINK)
    throttle.undo_attempt(db, WRONG_LINKS, source)
    card, parent_name, nursery_name = row
    db.execute(update(Card).where(Card.id == card.id).values(last_opened_at=app_now(db)))
    return schemas.Opened(
        parent_id=card.parent_id,
        parent_name=parent_name,
        nursery_name=nursery_name,
        modules=queries.barcode_modules(card.parent_id),
    )
