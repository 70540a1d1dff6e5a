"""Every write of nurseries, parents and children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access import memberships
from service.core.access.auth import Actor
from service.core.database.clock import real_now
from service.core.edits import Edits
from service.core.imports.kinds import ChangedRow, NewRow
from service.core.problems import Conflict, Forbidden, Invalid, Stale
from service.core.resources import Resource
from service.entries import queries, schemas
from service.entries.models import Card, Child, Guardianship, Nursery, Parent, Station
from service.entries.rules import AREA, CLOSES_BEFORE_OPENING


def end_stations(db: Session, by: Actor, nursery: Nursery) -> int:
    ended = db.scalars(
        update(Station)
        .where(Station.nursery_id == nursery.id, Station.revoked_at.is_(None))
        .values(revoked_at=real_now(), revoked_by=by.login_id)
        .returning(Station.id)
    ).all()
    return len(ended)


class Nurseries(Resource[Nursery]):
    def create(self, db: Session, by: Actor, new: schemas.NewNursery) -> Nursery:
        """Raises Forbidden for a user bound to one nursery, Conflict when the code is already in use."""
        if by.tenant_in(AREA.name) is not None:
            raise Forbidden("保育園の登録は、すべての園を管理する管理者だけができます。")
        return super().create(db, by, new)

    def check(self, db: Session, row: Nursery, after: Mapping[str, Any]) -> None:
        if after.get("opens_at", row.opens_at) >= after.get("closes_at", row.closes_at):
            raise Invalid.at_field("closes_at", CLOSES_BEFORE_OPENING)

    def set_archived(self, db: Session, by: Actor, key: int, archived: bool) -> None:
        """Also logs out its stations. Users bound to this nursery cannot sign in until it is restored."""
        nursery = queries.get_nursery(db, by, key, lock=True)
        ended = memberships.set_suspended(db, AREA.name, nursery.id, archived)
        details = {"sessions_ended": ended, "stations_ended": end_stations(db, by, nursery)} if archived else {}
        self.edits.set_archived(db, by, nursery, archived, details)


class Parents(Resource[Parent]):
    def create(self, db: Session, by: Actor, new: schemas.NewParent) -> Parent:
        """Raises NotFound for an unknown nursery, Conflict for an archived one, Invalid for an unknown child."""
        _get_active_nursery(db, by, new.nursery_id)
        values = new.model_dump(exclude={"children"})
        parent = Parent(**values)
        self.edits.create(db, by, parent, values, parts=partial(_change_children, db, parent, new.children))
        return parent

    def change(self, db: Session, by: Actor, key: int, new: Any) -> None:
        parent = queries.get_parent(db, by, key, lock=True)
        try:
            change = new.model_copy(update={"children": None})
            self.edits.change(db, by, parent, change, parts=partial(_change_children, db, parent, new.children))
        except Stale as stale:
            stale.current["children"] = [
                {"id": child_id, "relation": guardianship.relation}
                for child_id, guardianship in queries.guardianships_by_child(db, parent.id).items()
            ]
            if new.children is not None:
                stale.yours["children"] = [child.model_dump() for child in new.children]
            raise

    def set_archived(self, db: Session, by: Actor, key: int, archived: bool) -> None:
        """Also revokes the card; stations do not accept it any more."""
        parent = queries.get_parent(db, by, key, lock=True)
        if self.edits.set_archived(db, by, parent, archived) and archived:
            db.execute(
                update(Card)
                .where(Card.parent_id == parent.id, Card.revoked_at.is_(None))
                .values(revoked_at=parent.archived_at)
            )


class Children(Resource[Child]):
    def create(self, db: Session, by: Actor, new: schemas.NewChild) -> Child:
        """Raises NotFound for an unknown nursery, Conflict for an archived one."""
        _get_active_nursery(db, by, new.nursery_id)
        return super().create(db, by, new)


NURSERIES = Nurseries(
    Edits(AREA.name, "nursery", "保育園", {"uq_entries_nurseries_code": "code"}),
    Nursery,
    schemas.NurseryChange,
    schemas.NewNursery,
    find=queries.get_nursery,
)
PARENTS = Parents(
    Edits(AREA.name, "parent", "保護者", {"pk_entries_parents": "id"}),
    Parent,
    schemas.ParentChange,
    schemas.NewParent,
    find=queries.get_parent,
)
CHILDREN = Children(
    Edits(AREA.name, "child", "園児"), Child, schemas.ChildChange, schemas.NewChild, find=queries.get_child
)


def _change_children(
    db: Session, parent: Parent, children: Sequence[schemas.Tie] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    if children is None:
        return {}, {}
    before = {"children": queries.guardianship_labels(db, parent.id)}
    _set_children(db, parent, children)
    return before, {"children": queries.guardianship_labels(db, parent.id)}


def set_station_password(db: Session, by: Actor, nursery_id: int, hashed: str | None) -> int:
    """Sets the log-in password of the stations; None switches log-in off. Returns how many stations were logged out."""
    nursery = queries.get_nursery(db, by, nursery_id, lock=True)
    had = nursery.station_password_hash is not None
    nursery.station_password_hash = hashed
    NURSERIES.edits.touch(db, nursery)
    stations_ended = end_stations(db, by, nursery)
    before = {"station_password": "" if had else None}
    after = {"station_password": "" if hashed else None, "stations_ended": stations_ended}
    audit.record(db, by, "update", AREA.name, "nursery", nursery.id, before=before, after=after)
    return stations_ended


def _get_active_nursery(db: Session, by: Actor, nursery_id: int) -> Nursery:
    nursery = queries.get_nursery(db, by, nursery_id, lock=True)
    if nursery.archived_at is not None:
        raise Conflict.at_field(
            "nursery_id", f"「{nursery.name}」はアーカイブされています。先に保育園を元に戻してください。"
        )
    return nursery


def _set_children(db: Session, parent: Parent, children: Sequence[schemas.Tie]) -> None:
    """Replaces the parent's children, but those that are archived: a user does not see them, and they come back with
    their parents. Raises Invalid for a child that is not of the nursery."""
    relations = {child.id: child.relation for child in children}
    missing = relations.keys() - queries.children_of_nursery(db, parent.nursery_id, list(relations)).keys()
    if missing:
        raise Invalid.at_field("children", "選ばれた園児が見つかりません。同じ保育園の園児を選び直してください。")
    existing = queries.guardianships_by_child(db, parent.id, with_archived=True)
    for child_id in queries.guardianships_by_child(db, parent.id).keys() - relations.keys():
        db.delete(existing[child_id])
    for child_id in existing.keys() & relations.keys():
        existing[child_id].relation = relations[child_id]
    db.add_all(
        Guardianship(parent_id=parent.id, child_id=child_id, nursery_id=parent.nursery_id, relation=relation)
        for child_id, relation in relations.items()
        if child_id not in existing
    )
    db.flush()


def import_parents(db: Session, by: Actor, new: Sequence[NewRow]) -> None:
    """Adds rows of a file; children that do not exist yet are created. Raises Conflict when a parent's number is used
    by another nursery, which the preview could not see."""
    nurseries = queries.nurseries_by_code(db, by, sorted({row.values["nursery_code"] for row in new}))
    for row in new:
        nursery = nurseries[row.values["nursery_code"]]
        values = {name: row.values[name] for name in ("name", "kana", "phone_number", "mail")}
        values = {"id": row.values["id"], "nursery_id": nursery.id} | values
        parent = Parent(**values)
        parts = partial(_change_named_children, db, by, parent, row.values["children"])
        PARENTS.edits.create(db, by, parent, values, parts=parts)


def reimport_parents(db: Session, by: Actor, changes: Sequence[ChangedRow]) -> None:
    for row in changes:
        parent = queries.get_parent(db, by, row.id, lock=True)
        values = {name: row.after[name] for name in ("name", "kana", "phone_number", "mail")}
        names = row.after["children"] if row.before["children"] != row.after["children"] else None
        change = schemas.ParentChange(version=parent.version, **values)
        PARENTS.edits.change(db, by, parent, change, parts=partial(_change_named_children, db, by, parent, names))


def _change_named_children(
    db: Session, by: Actor, parent: Parent, names: Sequence[str] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    if names is None:
        return {}, {}
    by_name = queries.children_by_name(db, parent.nursery_id, names)
    for name in names:
        if name not in by_name:
            by_name[name] = CHILDREN.create(db, by, schemas.NewChild(nursery_id=parent.nursery_id, name=name))
    relations = {
        child_id: guardianship.relation
        for child_id, guardianship in queries.guardianships_by_child(db, parent.id).items()
    }
    children = [
        schemas.Tie(id=by_name[name].id, relation=relations.get(by_name[name].id, "")) for name in dict.fromkeys(names)
    ]
    return _change_children(db, parent, children)
