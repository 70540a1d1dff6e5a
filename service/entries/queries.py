"""Every read of nurseries, parents and children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    String,
    Subquery,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.access.auth import Actor
from service.core.access.tenants import Tenant
from service.core.database.lookups import get_or_404
from service.core.database.paging import (
    Filter,
    Key,
    Listing,
    Page,
    archived_filter,
    contains,
    equals,
    filter_values,
    when_true,
)
from service.core.problems import NotFound
from service.entries import schemas
from service.entries.models import Card, Child, EntryExitLog, Guardianship, Nursery, Parent, Station
from service.entries.rules import AREA, SILENT_AFTER

Item = TypeVar("Item")
NurseryRow = TypeVar("NurseryRow", Parent, Child, Station, EntryExitLog)


def relatives(
    model: type[Parent | Child], key: ColumnElement[bool], value: ColumnElement[Any] | InstrumentedAttribute[str]
) -> ColumnElement[list[Any]]:
    """The value of each person on the other side of the guardianships, in the order of the nursery's lists."""
    foreign_key = Guardianship.child_id if model is Child else Guardianship.parent_id
    rows = (
        select(value)
        .select_from(Guardianship)
        .join(model, model.id == foreign_key)
        .where(key, model.archived_at.is_(None))
        .order_by(model.kana, model.id)
    )
    return func.array(rows.scalar_subquery(), type_=ARRAY(value.type))


def relatives_by_parent() -> Subquery:
    """parent_id and the names of the parent's children, as one text, for a statement about many parents."""
    in_order = aggregate_order_by(literal(", "), Child.kana, Child.id)
    return (
        select(Guardianship.parent_id, func.string_agg(Child.name, in_order).label("names"))
        .join(Child, Child.id == Guardianship.child_id)
        .where(Child.archived_at.is_(None))
        .group_by(Guardianship.parent_id)
        .subquery("children")
    )


def _relatives_json(model: type[Parent | Child], key: ColumnElement[bool]) -> ColumnElement[Any]:
    relative = func.json_build_object("id", model.id, "name", model.name, "relation", Guardianship.relation)
    return func.to_json(relatives(model, key, relative))


def _count(nursery_id: InstrumentedAttribute[int], *where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).where(nursery_id == Nursery.id, *where).correlate(Nursery).scalar_subquery()


NURSERIES = Listing(
    select(
        Nursery.id,
        Nursery.version,
        Nursery.name,
        Nursery.code,
        Nursery.station_password_hash.is_not(None).label("has_station_password"),
        Nursery.opens_at,
        Nursery.closes_at,
        Nursery.offline_cap,
        _count(Parent.nursery_id, Parent.archived_at.is_(None)).label("parents"),
        _count(Child.nursery_id, Child.archived_at.is_(None)).label("children"),
        _count(Station.nursery_id, Station.revoked_at.is_(None)).label("stations"),
        _count(
            Station.nursery_id,
            Station.revoked_at.is_(None),
            Station.last_seen_at < func.now() - literal(SILENT_AFTER),
        ).label("silent_stations"),
        Nursery.archived_at,
    ),
    model=schemas.NurseryItem,
    unique=Nursery.id,
    keys={"name": Key(Nursery.name), "code": Key(Nursery.code)},
    default="name",
    filters={
        "nursery_id": equals(Nursery.id),
        "q": contains(Nursery.name, Nursery.code),
        **archived_filter(Nursery.archived_at),
    },
)
_card = select(Card.issued_at).where(Card.parent_id == Parent.id, Card.revoked_at.is_(None)).correlate(Parent)
_last_scan = (
    select(func.max(EntryExitLog.timestamp))
    .where(EntryExitLog.parent_id == Parent.id, EntryExitLog.deleted_at.is_(None))
    .correlate(Parent)
)


def _has_child_in(class_name: str) -> ColumnElement[bool]:
    """Condition for a parent; `class_name` is the name of the bind parameter."""
    return exists(
        select(Guardianship.child_id)
        .join(Child, Child.id == Guardianship.child_id)
        .where(
            Guardianship.parent_id == Parent.id,
            Child.class_name == bindparam(class_name),
            Child.archived_at.is_(None),
        )
    )


_has_card = exists(_card)
_guardians = (
    select(Guardianship.parent_id)
    .join(Parent, Parent.id == Guardianship.parent_id)
    .where(Guardianship.child_id == Child.id, Parent.archived_at.is_(None))
    .correlate(Child)
)
PARENTS = Listing(
    select(
        Parent.id,
        Parent.version,
        Parent.nursery_id,
        Nursery.name.label("nursery_name"),
        Parent.name,
        Parent.kana,
        Parent.phone_number,
        Parent.mail,
        _relatives_json(Child, Guardianship.parent_id == Parent.id).label("children"),
        _card.scalar_subquery().label("card_issued_at"),
        _last_scan.scalar_subquery().label("last_scanned_at"),
        Parent.archived_at,
    ).join(Nursery, Nursery.id == Parent.nursery_id),
    model=schemas.ParentItem,
    unique=Parent.id,
    keys={"kana": Key(Parent.kana), "name": Key(Parent.name), "id": Key(Parent.id)},
    default="kana",
    filters={
        "nursery_id": equals(Parent.nursery_id),
        "id": equals(Parent.id),
        "class_name": Filter(_has_child_in),
        "has_card": when_true(_has_card),
        "has_no_card": when_true(~_has_card),
        # The number too: a station shows only the number of an unknown card.
        "q": contains(Parent.name, Parent.kana, cast(Parent.id, String)),
        **archived_filter(Parent.archived_at),
    },
)
CHILDREN = Listing(
    select(
        Child.id,
        Child.version,
        Child.nursery_id,
        Nursery.name.label("nursery_name"),
        Child.name,
        Child.kana,
        Child.class_name,
        _relatives_json(Parent, Guardianship.child_id == Child.id).label("parents"),
        Child.archived_at,
    ).join(Nursery, Nursery.id == Child.nursery_id),
    model=schemas.ChildItem,
    unique=Child.id,
    keys={"kana": Key(Child.kana), "name": Key(Child.name), "class_name": Key(Child.class_name)},
    default="kana",
    filters={
        "nursery_id": equals(Child.nursery_id),
        "class_name": equals(Child.class_name),
        "q": contains(Child.name, Child.kana),
        **archived_filter(Child.archived_at),
    },
)


def nursery_scope(by: Actor, nursery_id: int | None = None) -> int | None:
    """The nursery whose rows the user may see: the one of the role, or the requested one; None: all nurseries.

    Raises:
        NotFound: the user is bound to another nursery than the requested one.
    """
    own_nursery_id = by.tenant_in(AREA.name)
    if own_nursery_id is not None and nursery_id not in (None, own_nursery_id):
        raise NotFound("指定された保育園は見つかりません。一覧を開き直してください。")
    return nursery_id if own_nursery_id is None else own_nursery_id


def nursery_parameter(by: Actor, nursery_name: str) -> dict[str, str]:
    """For the address of a page of the dashboards: only for who sees several nurseries there is a choice."""
    return {"nursery_id": nursery_name} if by.tenant_in(AREA.name) is None else {}


def page(
    listing: Listing[Item], db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.ListFilters
) -> Page[Item]:
    return listing.read(db, limit, cursor, filters.sort, **_filter_values(by, filters))


def export_parents(by: Actor, filters: schemas.ParentFilters) -> Select[*tuple[Any, ...]]:
    """All rows, in the order of the list. Raises Invalid for an unknown sort order."""
    names = _relative_names(Child, Guardianship.parent_id == Parent.id, Child.name)
    return PARENTS.all(filters.sort, **_filter_values(by, filters)).add_columns(names)


def export_children(by: Actor, filters: schemas.ChildFilters) -> Select[*tuple[Any, ...]]:
    """All rows, in the order of the list. Raises Invalid for an unknown sort order."""
    relation = case((Guardianship.relation != "", func.concat("（", Guardianship.relation, "）")), else_="")
    names = _relative_names(Parent, Guardianship.child_id == Child.id, func.concat(Parent.name, relation))
    return CHILDREN.all(filters.sort, **_filter_values(by, filters)).add_columns(names)


def _relative_names(
    model: type[Parent | Child], key: ColumnElement[bool], name: ColumnElement[str] | InstrumentedAttribute[str]
) -> ColumnElement[str]:
    return func.array_to_string(relatives(model, key, name), "、").label("relatives")


def _filter_values(by: Actor, filters: schemas.ListFilters) -> dict[str, Any]:
    values = filter_values(filters)
    card = values.pop("card", None)
    values |= {"has_card": card == "issued", "has_no_card": card == "none"} if card else {}
    return values | {"nursery_id": nursery_scope(by, values.get("nursery_id"))}


def get_nursery(db: Session, by: Actor, nursery_id: int, lock: bool = False) -> Nursery:
    nursery_scope(by, nursery_id)
    return get_or_404(db, Nursery, nursery_id, "保育園", lock=lock)


def nursery_detail(db: Session, by: Actor, nursery_id: int | None) -> schemas.NurseryItem:
    """As in the list. Raises as `get_default_nursery`."""
    return NURSERIES.read_one(db, get_default_nursery(db, by, nursery_id).id)


def parent_detail(db: Session, by: Actor, parent_id: int) -> schemas.ParentItem:
    """As in the list. Raises NotFound."""
    return PARENTS.read_one(db, get_parent(db, by, parent_id).id)


def child_detail(db: Session, by: Actor, child_id: int) -> schemas.ChildItem:
    """As in the list. Raises NotFound."""
    return CHILDREN.read_one(db, get_child(db, by, child_id).id)


def count_people(db: Session, by: Actor, nursery_id: int | None) -> schemas.People:
    """Counts parents and children, and those with missing data; the classes are sorted by name."""
    scope = nursery_scope(by, nursery_id)
    parents, children = select(Parent).where(Parent.archived_at.is_(None)), Child.archived_at.is_(None)
    child_counts = select(func.count(), func.count().filter(~exists(_guardians))).select_from(Child).where(children)
    class_sizes = select(Child.class_name, func.count()).where(children, Child.class_name != "")
    if scope is not None:
        parents = parents.where(Parent.nursery_id == scope)
        child_counts = child_counts.where(Child.nursery_id == scope)
        class_sizes = class_sizes.where(Child.nursery_id == scope)
    parent_counts = parents.with_only_columns(
        func.count(), func.count().filter(~_has_card), func.count().filter(Parent.mail == "")
    )
    parent_count, without_card, without_mail = db.execute(parent_counts).one()
    child_count, without_parent = db.execute(child_counts).one()
    classes = db.execute(class_sizes.group_by(Child.class_name).order_by(Child.class_name))
    return schemas.People(
        parents=parent_count,
        without_card=without_card,
        without_mail=without_mail,
        children=child_count,
        without_parent=without_parent,
        classes=[schemas.ClassSize(name=name, children=count) for name, count in classes],
    )


def tenants(db: Session) -> list[Tenant]:
    """The tenants that roles of the area are bound to."""
    rows = db.execute(select(Nursery.id, Nursery.name, Nursery.archived_at.is_(None)).order_by(Nursery.name))
    return [Tenant(*row) for row in rows]


def get_default_nursery(db: Session, by: Actor, nursery_id: int | None) -> Nursery:
    """For a page about one nursery: the requested one, or the first one that the user may see. Raises NotFound."""
    scope = nursery_scope(by, nursery_id)
    if scope is None:
        scope = db.scalar(select(Nursery.id).where(Nursery.archived_at.is_(None)).order_by(Nursery.id).limit(1))
    if scope is None:
        raise NotFound("まだ保育園が登録されていません。先に「保育園一覧」で保育園を登録してください。")
    return get_nursery(db, by, scope)


def get_parent(db: Session, by: Actor, parent_id: int, lock: bool = False) -> Parent:
    return get_row(db, by, Parent, parent_id, "保護者", lock=lock)


def get_child(db: Session, by: Actor, child_id: int, lock: bool = False) -> Child:
    return get_row(db, by, Child, child_id, "園児", lock=lock)


def get_row(db: Session, by: Actor, model: type[NurseryRow], row_id: int, noun: str, *, lock: bool) -> NurseryRow:
    """A row of a nursery that the user may see. Raises NotFound with the `noun`."""
    row = get_or_404(db, model, row_id, noun, lock=lock)
    if by.tenant_in(AREA.name) not in (None, row.nursery_id):
        raise NotFound(f"指定された{noun}は見つかりません。一覧を開き直してください。")
    return row


def children_of_nursery(db: Session, nursery_id: int, child_ids: Sequence[int]) -> Mapping[int, Child]:
    """Those of the given children that belong to the nursery, by id."""
    rows = db.scalars(select(Child).where(Child.nursery_id == nursery_id, Child.id.in_(child_ids)))
    return {child.id: child for child in rows}


def guardianships_by_child(db: Session, parent_id: int, *, with_archived: bool = False) -> dict[int, Guardianship]:
    """By child id; without those of archived children, unless asked for."""
    statement = select(Guardianship).where(Guardianship.parent_id == parent_id)
    if not with_archived:
        statement = statement.join(Child, Child.id == Guardianship.child_id).where(Child.archived_at.is_(None))
    return {guardianship.child_id: guardianship for guardianship in db.scalars(statement)}


def guardianship_labels(db: Session, parent_id: int) -> list[str]:
    """For the audit log: 山田太郎（母）."""
    rows = db.execute(
        select(Child.name, Guardianship.relation)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .where(Guardianship.parent_id == parent_id)
        .order_by(Child.kana, Child.id)
    )
    return [f"{name}（{relation}）" if relation else name for name, relation in rows]


def nurseries_by_code(db: Session, by: Actor, codes: Sequence[str]) -> dict[str, Nursery]:
    """Active nurseries that the user works for."""
    statement = select(Nursery).where(Nursery.code.in_(codes), Nursery.archived_at.is_(None))
    own_nursery_id = by.tenant_in(AREA.name)
    return {
        row.code: row
        for row in db.scalars(statement if own_nursery_id is None else statement.where(Nursery.id == own_nursery_id))
    }


def children_by_name(db: Session, nursery_id: int, names: Sequence[str]) -> dict[str, Child]:
    """Of two children with the same name, the one that was created first."""
    statement = select(Child).where(Child.nursery_id == nursery_id, Child.name.in_(names), Child.archived_at.is_(None))
    return {child.name: child for child in db.scalars(statement.order_by(Child.id.desc()))}


def parents_for_import(db: Session, by: Actor, parent_ids: Sequence[int]) -> dict[int, tuple[int, dict[str, Any]]]:
    """In the format of rows of a file. Without parents of other nurseries: `parent_import_errors` refuses those."""
    statement = (
        select(Parent, Nursery.code).join(Nursery, Nursery.id == Parent.nursery_id).where(Parent.id.in_(parent_ids))
    )
    own_nursery_id = by.tenant_in(AREA.name)
    rows = db.execute(
        statement if own_nursery_id is None else statement.where(Parent.nursery_id == own_nursery_id)
    ).all()
    names: dict[int, list[str]] = {}
    child_names = (
        select(Guardianship.parent_id, Child.name)
        .join(Child, Child.id == Guardianship.child_id)
        .where(Guardianship.parent_id.in_([parent.id for parent, _ in rows]), Child.archived_at.is_(None))
        .order_by(Child.kana, Child.id)
    )
    for parent_id, name in db.execute(child_names):
        names.setdefault(parent_id, []).append(name)
    return {
        parent.id: (
            parent.id,
            {
                "id": parent.id,
                "nursery_code": code,
                "name": parent.name,
                "kana": parent.kana,
                "phone_number": parent.phone_number,
                "mail": parent.mail,
                "children": names.get(parent.id, []),
            },
        )
        for parent, code in rows
    }


def parent_import_errors(db: Session, by: Actor, rows: Sequence[Mapping[str, Any]]) -> dict[int, tuple[str, str]]:
    """Errors by row index: unknown nursery, number used by another nursery, archived parent."""
    codes = nurseries_by_code(db, by, sorted({row["nursery_code"] for row in rows}))
    existing = parents_for_import(db, by, [row["id"] for row in rows])
    archived = set(db.scalars(select(Parent.id).where(Parent.id.in_(list(existing)), Parent.archived_at.is_not(None))))
    errors = {}
    for index, row in enumerate(rows):
        if row["nursery_code"] not in codes:
            errors[index] = (
                "nursery_code",
                f"保育園コード「{row['nursery_code']}」の保育園が見つかりません。コードを確認してください。",
            )
        elif row["id"] in existing and existing[row["id"]][1]["nursery_code"] != row["nursery_code"]:
            errors[index] = ("id", f"保護者ID {row['id']} は別の保育園で使われています。別の番号にしてください。")
        elif row["id"] in archived:
            errors[index] = ("id", f"保護者ID {row['id']} はアーカイブされています。元に戻してから取り込んでください。")
    return errors
