"""Personal links to parents' cards are issued, mailed, revoked and opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from service.core import audit, outbox, throttle
from service.core.addresses import source_of
from service.core.auth import Actor
from service.core.clock import app_now, real_now
from service.core.identity import hash_token
from service.core.problems import Conflict, NotFound, Problem
from service.core.throttle import Limit
from service.entries import queries as masters
from service.entries.cards import queries, rules, schemas
from service.entries.cards.models import Card
from service.entries.models import Parent
from service.entries.rules import AREA

# Only links that open nothing count: whole families sit behind one address.
WRONG_LINKS = Limit("parent card", 20, timedelta(minutes=10))


def issue(db: Session, by: Actor, wanted: schemas.Selection) -> schemas.Issued:
    """Whoever has a link keeps it: it may be on a phone already. Raises as `queries.selected`."""
    parents = [parent for parent, _ in queries.selected(db, by, wanted, lock=True)]
    new = _issue(db, by, parents)
    return schemas.Issued(issued=new, there=len(parents) - new)


def _issue(db: Session, by: Actor, parents: Sequence[Parent]) -> int:
    """How many are new. The parents are locked."""
    there = queries.in_force(db, [parent.id for parent in parents])
    untold = [card for card in there.values() if queries.link(card) is None]
    _end(db, by, untold)
    ended = {card.parent_id for card in untold}
    # The machine's clock: a link is made of this moment, and the product's may be set back.
    now, key = real_now(), queries.key()
    rows = [
        {
            "token_hash": hash_token(rules.token(key, parent.id, now)),
            "parent_id": parent.id,
            "nursery_id": parent.nursery_id,
            "issued_at": now,
            "issued_by": by.login_id,
        }
        for parent in parents
        if parent.id not in there or parent.id in ended
    ]
    if rows:
        made = db.execute(insert(Card).returning(Card.id, Card.parent_id), rows).all()
        entries = ((card_id, None, {"parent_id": parent_id}) for card_id, parent_id in made)
        audit.record_many(db, by, "create", AREA.name, "card", entries)
    return len(rows)


def mail(db: Session, by: Actor, wanted: schemas.Selection) -> schemas.Mailed:
    """Sends each their link, new where there was none. Raises as `queries.selected`, and Conflict when nobody has an
    address."""
    rows = queries.selected(db, by, wanted, lock=True)
    reached = [(parent, nursery_name) for parent, nursery_name in rows if parent.mail]
    if not reached:
        who = f"{rows[0][0].name}さんの" if len(rows) == 1 else "選ばれた保護者の"
        raise Conflict(f"{who}メールアドレスが登録されていません。先に登録するか、カードを印刷して渡してください。")
    _issue(db, by, [parent for parent, _ in reached])
    cards = queries.in_force(db, [parent.id for parent, _ in reached])
    for parent, nursery_name in reached:
        subject, body = rules.mail(parent.name, nursery_name, queries.link(cards[parent.id]) or "")
        outbox.publish(
            db,
            "mail",
            {"to": [parent.mail], "subject": subject, "body": body},
            area=AREA.name,
            recipient=parent.mail,
            title=subject,
            tenant_id=parent.nursery_id,
            about=("parent", parent.id),
        )
    sent = ((cards[parent.id].id, None, {"parent_id": parent.id, "sent_to": parent.mail}) for parent, _ in reached)
    audit.record_many(db, by, "update", AREA.name, "card", sent)
    return schemas.Mailed(mailed=len(reached), without_mail=len(rows) - len(reached))


def printed(db: Session, by: Actor, wanted: schemas.Selection, cards: int) -> None:
    """Notes down that cards were taken along on paper."""
    after = wanted.model_dump(exclude_none=True, exclude={"parent_ids"}) | {"rows": cards}
    whose = wanted.parent_ids[0] if len(wanted.parent_ids) == 1 else "-"
    audit.record(db, by, "export", AREA.name, "card", whose, after=after)


def revoke(db: Session, by: Actor, parent_id: int) -> None:
    """Raises NotFound; nothing happens where there is no link."""
    parent = masters.get_parent(db, by, parent_id, lock=True)
    _end(db, by, [*queries.in_force(db, [parent.id]).values()])


def _end(db: Session, by: Actor, cards: Sequence[Card]) -> None:
    for card in cards:
        card.revoked_at = app_now(db)
    db.flush()
    entries = ((card.id, None, {"revoked": True, "parent_id": card.parent_id}) for card in cards)
    audit.record_many(db, by, "status_change", AREA.name, "card", entries)


def open_card(db: Session, token: str, address: str) -> schemas.Opened | Problem:
    """What stands on the card; or why not, which is to be said after the attempt was stored. Whatever is wrong with a
    link, the answer is the same."""
    source = source_of(address)
    if wait := throttle.hit(db, WRONG_LINKS, source):
        return throttle.too_many("開けないリンクの表示", wait)
    found = queries.by_token(db, token)
    if found is None:
        return NotFound(rules.GONE)
    throttle.give_back(db, WRONG_LINKS, source)
    card, parent_name, nursery_name = found
    db.execute(update(Card).where(Card.id == card.id).values(last_opened_at=app_now(db)))
    return schemas.Opened(
        parent_id=card.parent_id,
        parent_name=parent_name,
        nursery_name=nursery_name,
        modules=queries.bars(card.parent_id),
    )
