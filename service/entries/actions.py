"""Every write of nurseries, parents and children."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit, memberships
from service.core.auth import Actor
from service.core.clock import real_now
from service.core.edits import Edits
from service.core.imports.kinds import Change, New
from service.core.problems import Conflict, Forbidden, Invalid, Stale
from service.entries import queries, schemas
from service.entries.cards.models import Card
from service.entries.models import Child, Guardianship, Nursery, Parent
from service.entries.rules import AREA
from service.entries.station.models import Station

NURSERIES = Edits(AREA.name, "nursery", "保育園", {"uq_entries_nurseries_code": "code"})
PARENTS = Edits(AREA.name, "parent", "保護者", {"pk_entries_parents": "id"})
CHILDREN = Edits(AREA.name, "child", "園児")


def create_nursery(db: Session, by: Actor, new: schemas.NewNursery) -> Nursery:
    """Raises Forbidden for who sees one nursery alone, Conflict when the code is another's."""
    if by.tenant_in(AREA.name) is not None:
        raise Forbidden("保育園の登録は、すべての園を管理する管理者だけができます。")
    nursery = Nursery(**new.model_dump())
    NURSERIES.create(db, by, nursery, new.model_dump())
    return nursery


def change_nursery(db: Session, by: Actor, nursery_id: int, new: schemas.NurseryChange) -> None:
    nursery = queries.get_nursery(db, by, nursery_id, lock=True)
    opens, closes = new.opens_at or nursery.opens_at, new.closes_at or nursery.closes_at
    if opens >= closes:
        message = "閉園時刻は開園時刻より後にしてください。"
        raise Invalid(message, [("closes_at", message)])
    NURSERIES.change(db, by, nursery, new)


def archive_nursery(db: Session, by: Actor, nursery_id: int, archived: bool) -> None:
    """Its stations stop with it, and who works for it alone can no longer sign in until it is back."""
    nursery = queries.get_nursery(db, by, nursery_id, lock=True)
    ended = memberships.suspend(db, AREA.name, nursery.id, archived)
    said = {"sessions_ended": ended} if archived else {}
    if NURSERIES.set_archived(db, by, nursery, archived, said) and archived:
        end_stations(db, by, nursery)


def set_station_password(db: Session, by: Actor, nursery_id: int, hashed: str | None) -> int:
    """From now on stations log in with this one, or not at all; how many were running and have to log in again."""
    nursery = queries.get_nursery(db, by, nursery_id, lock=True)
    had = nursery.station_password_hash is not None
    nursery.station_password_hash = hashed
    NURSERIES.touch(db, nursery)
    before, after = {"station_password": "" if had else None}, {"station_password": "" if hashed else None}
    audit.record(db, by, "update", AREA.name, "nursery", nursery.id, before=before, after=after)
    return end_stations(db, by, nursery)


def end_stations(db: Session, by: Actor, nursery: Nursery) -> int:
    ended = db.scalars(
        update(Station)
        .where(Station.nursery_id == nursery.id, Station.revoked_at.is_(None))
        .values(revoked_at=real_now(), revoked_by=by.login_id)
        .returning(Station.id)
    ).all()
    after = {"revoked": True, "nursery_id": nursery.id}
    audit.record_many(db, by, "status_change", AREA.name, "station", ((key, None, after) for key in ended))
    return len(ended)


def create_parent(db: Session, by: Actor, new: schemas.NewParent) -> Parent:
    """Raises NotFound for a nursery or a child that is not there, Conflict for an archived nursery."""
    _nursery_in_use(db, by, new.nursery_id)
    parent = Parent(**new.model_dump(exclude={"children"}))
    PARENTS.create(db, by, parent, new.model_dump(exclude={"children"}))
    if new.children:
        _tie(db, parent, new.children)
        after = {"children": queries.ties_in_words(db, parent.id)}
        audit.record(db, by, "update", AREA.name, "parent", parent.id, after=after)
    return parent


def change_parent(db: Session, by: Actor, parent_id: int, new: schemas.ParentChange) -> None:
    parent = queries.get_parent(db, by, parent_id, lock=True)
    try:
        PARENTS.change(db, by, parent, new.model_copy(update={"children": None}))
    except Stale as stale:
        stale.current["children"] = [
            {"id": child_id, "relation": tie.relation} for child_id, tie in queries.ties(db, parent.id).items()
        ]
        if new.children is not None:
            stale.yours["children"] = [tie.model_dump() for tie in new.children]
        raise
    if new.children is None:
        return
    before = queries.ties_in_words(db, parent.id)
    _tie(db, parent, new.children)
    after = queries.ties_in_words(db, parent.id)
    if before != after:
        PARENTS.touch(db, parent)
        audit.record(
            db, by, "update", AREA.name, "parent", parent.id, before={"children": before}, after={"children": after}
        )


def archive_parent(db: Session, by: Actor, parent_id: int, archived: bool) -> None:
    """The card opens nothing any more, and is greeted by no station."""
    parent = queries.get_parent(db, by, parent_id, lock=True)
    if PARENTS.set_archived(db, by, parent, archived) and archived:
        db.execute(
            update(Card)
            .where(Card.parent_id == parent.id, Card.revoked_at.is_(None))
            .values(revoked_at=parent.archived_at)
        )


def create_child(db: Session, by: Actor, new: schemas.NewChild) -> Child:
    _nursery_in_use(db, by, new.nursery_id)
    child = Child(**new.model_dump())
    CHILDREN.create(db, by, child, new.model_dump())
    return child


def change_child(db: Session, by: Actor, child_id: int, new: schemas.ChildChange) -> None:
    CHILDREN.change(db, by, queries.get_child(db, by, child_id, lock=True), new)


def archive_child(db: Session, by: Actor, child_id: int, archived: bool) -> None:
    CHILDREN.set_archived(db, by, queries.get_child(db, by, child_id, lock=True), archived)


def _nursery_in_use(db: Session, by: Actor, nursery_id: int) -> Nursery:
    nursery = queries.get_nursery(db, by, nursery_id, lock=True)
    if nursery.archived_at is not None:
        message = f"「{nursery.name}」はアーカイブされています。先に保育園を元に戻してください。"
        raise Conflict(message, [("nursery_id", message)])
    return nursery


def _tie(db: Session, parent: Parent, wanted: Sequence[schemas.Tie]) -> None:
    """The parent's children from now on. Raises Invalid for one that is not of the nursery."""
    relations = {tie.id: tie.relation for tie in wanted}
    missing = relations.keys() - queries.family(db, parent.nursery_id, list(relations)).keys()
    if missing:
        message = "選ばれた園児が見つかりません。同じ保育園の園児を選び直してください。"
        raise Invalid(message, [("children", message)])
    there = queries.ties(db, parent.id)
    for child_id, tie in there.items():
        if child_id in relations:
            tie.relation = relations[child_id]
        else:
            db.delete(tie)
    db.add_all(
        Guardianship(parent_id=parent.id, child_id=child_id, nursery_id=parent.nursery_id, relation=relation)
        for child_id, relation in relations.items()
        if child_id not in there
    )
    db.flush()


def import_parents(db: Session, by: Actor, new: Sequence[New]) -> None:
    """Rows of a file; children that the nursery does not know yet are enrolled with them. Raises Conflict when a number
    is another nursery's, which the preview could not see."""
    nurseries = queries.nurseries_by_code(db, by, sorted({row.values["nursery_code"] for row in new}))
    for row in new:
        nursery = nurseries[row.values["nursery_code"]]
        values = {name: row.values[name] for name in ("name", "kana", "phone_number", "mail")}
        parent = Parent(id=row.values["id"], nursery_id=nursery.id, **values)
        PARENTS.create(db, by, parent, {"id": parent.id, "nursery_id": nursery.id} | values)
        _tie_by_name(db, by, parent, row.values["children"])


def reimport_parents(db: Session, by: Actor, changes: Sequence[Change]) -> None:
    for row in changes:
        parent = queries.get_parent(db, by, row.id, lock=True)
        given = {name: row.after[name] for name in ("name", "kana", "phone_number", "mail")}
        PARENTS.change(db, by, parent, schemas.ParentChange(version=parent.version, **given))
        if row.before["children"] != row.after["children"]:
            _tie_by_name(db, by, parent, row.after["children"])


def _tie_by_name(db: Session, by: Actor, parent: Parent, names: Sequence[str]) -> None:
    known = queries.children_by_name(db, parent.nursery_id, names)
    for name in names:
        if name not in known:
            known[name] = create_child(db, by, schemas.NewChild(nursery_id=parent.nursery_id, name=name))
    relations = {child_id: tie.relation for child_id, tie in queries.ties(db, parent.id).items()}
    wanted = [
        schemas.Tie(id=known[name].id, relation=relations.get(known[name].id, "")) for name in dict.fromkeys(names)
    ]
    _tie(db, parent, wanted)
