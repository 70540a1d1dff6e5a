"""Every read of nurseries, parents and children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, String, bindparam, cast, exists, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.auth import Actor
from service.core.lookups import by_id
from service.core.paging import Filter, Key, Listing, contains, equals, put_away, when
from service.core.problems import NotFound
from service.core.tenants import Tenant
from service.entries import schemas
from service.entries.cards.models import Card
from service.entries.logs.models import EntryExitLog
from service.entries.models import Child, Guardianship, Nursery, Parent
from service.entries.rules import AREA
from service.entries.station.models import Station
from service.entries.station.rules import SILENT_AFTER

Person = TypeVar("Person", Parent, Child)


def _related(one: type[Parent | Child], key: ColumnElement[bool]) -> ColumnElement[Any]:
    """The other side of guardianships as JSON: id, name and relation, in the order of the nursery's lists."""
    relative = func.json_build_object("id", one.id, "name", one.name, "relation", Guardianship.relation)
    other = Guardianship.child_id if one is Child else Guardianship.parent_id
    rows = (
        select(relative)
        .select_from(Guardianship)
        .join(one, one.id == other)
        .where(key, one.archived_at.is_(None))
        .order_by(one.kana, one.id)
    )
    return func.to_json(func.array(rows.scalar_subquery()))


def _number(of: InstrumentedAttribute[int], *where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).where(of == Nursery.id, *where).correlate(Nursery).scalar_subquery()


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
        _number(Parent.nursery_id, Parent.archived_at.is_(None)).label("parents"),
        _number(Child.nursery_id, Child.archived_at.is_(None)).label("children"),
        _number(Station.nursery_id, Station.revoked_at.is_(None)).label("stations"),
        _number(
            Station.nursery_id,
            Station.revoked_at.is_(None),
            Station.last_seen_at < func.now() - literal(SILENT_AFTER),
        ).label("silent_stations"),
        Nursery.archived_at,
    ),
    unique=Nursery.id,
    keys={"name": Key(Nursery.name), "code": Key(Nursery.code)},
    default="name",
    filters={
        "nursery_id": equals(Nursery.id),
        "q": contains(Nursery.name, Nursery.code),
        **put_away(Nursery.archived_at),
    },
)
_card = select(Card.issued_at).where(Card.parent_id == Parent.id, Card.revoked_at.is_(None)).correlate(Parent)
_last_scan = (
    select(func.max(EntryExitLog.timestamp))
    .where(EntryExitLog.parent_id == Parent.id, EntryExitLog.deleted_at.is_(None))
    .correlate(Parent)
)


def _has_child_in(class_name: str) -> ColumnElement[bool]:
    """Of a parent; `class_name` is the parameter's name."""
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
_kin = (
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
        _related(Child, Guardianship.parent_id == Parent.id).label("children"),
        _card.scalar_subquery().label("card_issued_at"),
        _last_scan.scalar_subquery().label("last_scanned_at"),
        Parent.archived_at,
    ).join(Nursery, Nursery.id == Parent.nursery_id),
    unique=Parent.id,
    keys={"kana": Key(Parent.kana), "name": Key(Parent.name), "id": Key(Parent.id)},
    default="kana",
    filters={
        "nursery_id": equals(Parent.nursery_id),
        "id": equals(Parent.id),
        "class_name": Filter(_has_child_in),
        "has_card": when(_has_card),
        "has_no_card": when(~_has_card),
        # The number too: a station that does not know a card shows that alone.
        "q": contains(Parent.name, Parent.kana, cast(Parent.id, String)),
        **put_away(Parent.archived_at),
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
        _related(Parent, Guardianship.child_id == Child.id).label("parents"),
        Child.archived_at,
    ).join(Nursery, Nursery.id == Child.nursery_id),
    unique=Child.id,
    keys={"kana": Key(Child.kana), "name": Key(Child.name), "class_name": Key(Child.class_name)},
    default="kana",
    filters={
        "nursery_id": equals(Child.nursery_id),
        "class_name": equals(Child.class_name),
        "q": contains(Child.name, Child.kana),
        **put_away(Child.archived_at),
    },
)


def own(by: Actor, nursery_id: int | None = None) -> int | None:
    """The nursery whose rows the person is shown: the one of the role, or the one asked for; None: all.

    Raises:
        NotFound: another nursery than one's own is asked for.
    """
    bound = by.tenant_in(AREA.name)
    if bound is not None and nursery_id not in (None, bound):
        raise NotFound("指定された保育園は見つかりません。一覧を開き直してください。")
    return nursery_id if bound is None else bound


def nurseries(
    db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.NurseryFilters
) -> dict[str, Any]:
    return NURSERIES.page(db, limit, cursor, filters.sort, **_asked(by, filters))


def parents(db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.ParentFilters) -> dict[str, Any]:
    return PARENTS.page(db, limit, cursor, filters.sort, **_asked(by, filters))


def parents_to_take_along(by: Actor, filters: schemas.ParentFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list. Raises Invalid for an order that is none of ours."""
    return PARENTS.all(filters.sort, **_asked(by, filters)).add_columns(
        _names(Child, Guardianship.parent_id == Parent.id)
    )


def children(db: Session, by: Actor, limit: int, cursor: str | None, filters: schemas.ChildFilters) -> dict[str, Any]:
    return CHILDREN.page(db, limit, cursor, filters.sort, **_asked(by, filters))


def children_to_take_along(by: Actor, filters: schemas.ChildFilters) -> Select[*tuple[Any, ...]]:
    """All of them, in the order of the list. Raises Invalid for an order that is none of ours."""
    return CHILDREN.all(filters.sort, **_asked(by, filters)).add_columns(
        _names(Parent, Guardianship.child_id == Child.id)
    )


def _names(one: type[Parent | Child], key: ColumnElement[bool]) -> ColumnElement[str]:
    other = Guardianship.child_id if one is Child else Guardianship.parent_id
    rows = (
        select(one.name)
        .select_from(Guardianship)
        .join(one, one.id == other)
        .where(key, one.archived_at.is_(None))
        .order_by(one.kana, one.id)
    )
    return func.array_to_string(func.array(rows.scalar_subquery()), "、").label("relatives")


def _asked(by: Actor, filters: schemas.NurseryFilters | schemas.PersonFilters) -> dict[str, Any]:
    given = filters.model_dump(exclude={"archived", "card", "sort"}, exclude_none=True)
    shown = own(by, given.get("nursery_id"))
    card = getattr(filters, "card", None)
    given |= {"has_card": card == "issued", "has_no_card": card == "none"} if card else {}
    return given | {"nursery_id": shown, "is_archived": filters.archived, "is_in_use": not filters.archived}


def get_nursery(db: Session, by: Actor, nursery_id: int, *, lock: bool = False) -> Nursery:
    own(by, nursery_id)
    return by_id(db, Nursery, nursery_id, "保育園", lock=lock)


def nursery_in_full(db: Session, by: Actor, nursery_id: int | None) -> dict[Any, Any]:
    """As in the list; raises as `get_shown_nursery`."""
    shown = get_shown_nursery(db, by, nursery_id)
    return dict(db.execute(NURSERIES.rows.where(Nursery.id == shown.id)).one()._mapping)


def parent_in_full(db: Session, by: Actor, parent_id: int) -> dict[Any, Any]:
    """As in the list. Raises NotFound."""
    return dict(db.execute(PARENTS.rows.where(Parent.id == get_parent(db, by, parent_id).id)).one()._mapping)


def child_in_full(db: Session, by: Actor, child_id: int) -> dict[Any, Any]:
    """As in the list. Raises NotFound."""
    return dict(db.execute(CHILDREN.rows.where(Child.id == get_child(db, by, child_id).id)).one()._mapping)


def people(db: Session, by: Actor, nursery_id: int | None) -> dict[str, Any]:
    """How many there are, and what is missing of whom; the classes in the order of their names."""
    shown = own(by, nursery_id)
    parents, children = select(Parent).where(Parent.archived_at.is_(None)), Child.archived_at.is_(None)
    of_children = select(func.count(), func.count().filter(~exists(_kin))).select_from(Child).where(children)
    of_classes = select(Child.class_name, func.count()).where(children, Child.class_name != "")
    if shown is not None:
        parents = parents.where(Parent.nursery_id == shown)
        of_children = of_children.where(Child.nursery_id == shown)
        of_classes = of_classes.where(Child.nursery_id == shown)
    of_parents = parents.with_only_columns(
        func.count(), func.count().filter(~_has_card), func.count().filter(Parent.mail == "")
    )
    counted = [*db.execute(of_parents).one(), *db.execute(of_children).one()]
    names = ("parents", "without_card", "without_mail", "children", "without_parent")
    classes = db.execute(of_classes.group_by(Child.class_name).order_by(Child.class_name))
    return dict(zip(names, counted, strict=True)) | {
        "classes": [{"name": name, "children": count} for name, count in classes]
    }


def tenants(db: Session) -> list[Tenant]:
    """Whom roles of the area are bound to."""
    found = db.execute(select(Nursery.id, Nursery.name, Nursery.archived_at.is_(None)).order_by(Nursery.name))
    return [Tenant(*row) for row in found]


def get_shown_nursery(db: Session, by: Actor, nursery_id: int | None) -> Nursery:
    """Of a page about one nursery: the one asked for, or the first of those that the person sees. Raises NotFound."""
    shown = own(by, nursery_id)
    if shown is None:
        shown = db.scalar(select(Nursery.id).where(Nursery.archived_at.is_(None)).order_by(Nursery.id).limit(1))
    if shown is None:
        raise NotFound("まだ保育園が登録されていません。先に「保育園一覧」で保育園を登録してください。")
    return get_nursery(db, by, shown)


def get_parent(db: Session, by: Actor, parent_id: int, *, lock: bool = False) -> Parent:
    return _get(db, by, Parent, parent_id, "保護者", lock)


def get_child(db: Session, by: Actor, child_id: int, *, lock: bool = False) -> Child:
    return _get(db, by, Child, child_id, "園児", lock)


def _get(db: Session, by: Actor, kind: type[Person], key: int, noun: str, lock: bool) -> Person:
    found = db.get(kind, key, with_for_update=lock, populate_existing=lock)
    bound = by.tenant_in(AREA.name)
    if found is None or bound not in (None, found.nursery_id):
        raise NotFound(f"指定された{noun}は見つかりません。一覧を開き直してください。")
    return found


def family(db: Session, nursery_id: int, keys: Sequence[int]) -> Mapping[int, Child]:
    """The nursery's own children among them."""
    found = db.scalars(select(Child).where(Child.nursery_id == nursery_id, Child.id.in_(keys)))
    return {child.id: child for child in found}


def ties(db: Session, parent_id: int) -> dict[int, Guardianship]:
    """By child."""
    return {tie.child_id: tie for tie in db.scalars(select(Guardianship).where(Guardianship.parent_id == parent_id))}


def ties_in_words(db: Session, parent_id: int) -> list[str]:
    """For the trail: 山田太郎（母）."""
    rows = db.execute(
        select(Child.name, Guardianship.relation)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .where(Guardianship.parent_id == parent_id)
        .order_by(Child.kana, Child.id)
    )
    return [f"{name}（{relation}）" if relation else name for name, relation in rows]


def nurseries_by_code(db: Session, by: Actor, codes: Sequence[str]) -> dict[str, Nursery]:
    """Those in use that the person works for."""
    found = select(Nursery).where(Nursery.code.in_(codes), Nursery.archived_at.is_(None))
    bound = by.tenant_in(AREA.name)
    return {row.code: row for row in db.scalars(found if bound is None else found.where(Nursery.id == bound))}


def children_by_name(db: Session, nursery_id: int, names: Sequence[str]) -> dict[str, Child]:
    """Of two of one name, the one that was enrolled first."""
    found = select(Child).where(Child.nursery_id == nursery_id, Child.name.in_(names), Child.archived_at.is_(None))
    return {child.name: child for child in db.scalars(found.order_by(Child.id.desc()))}


def parents_for_import(db: Session, by: Actor, keys: Sequence[int]) -> dict[int, tuple[int, dict[str, Any]]]:
    """As rows of a file have them. Others' are not there: their numbers are refused by `unusable_parents`."""
    found = select(Parent, Nursery.code).join(Nursery, Nursery.id == Parent.nursery_id).where(Parent.id.in_(keys))
    bound = by.tenant_in(AREA.name)
    rows = db.execute(found if bound is None else found.where(Parent.nursery_id == bound)).all()
    names: dict[int, list[str]] = {}
    ties = (
        select(Guardianship.parent_id, Child.name)
        .join(Child, Child.id == Guardianship.child_id)
        .where(Guardianship.parent_id.in_([parent.id for parent, _ in rows]), Child.archived_at.is_(None))
        .order_by(Child.kana, Child.id)
    )
    for parent_id, name in db.execute(ties):
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


def unusable_parents(db: Session, by: Actor, rows: Sequence[Mapping[str, Any]]) -> dict[int, tuple[str, str]]:
    """Rows whose nursery is not there, whose number is taken elsewhere, or whose parent is archived."""
    codes = nurseries_by_code(db, by, sorted({row["nursery_code"] for row in rows}))
    known = parents_for_import(db, by, [row["id"] for row in rows])
    archived = set(db.scalars(select(Parent.id).where(Parent.id.in_(list(known)), Parent.archived_at.is_not(None))))
    wrong = {}
    for place, row in enumerate(rows):
        if row["nursery_code"] not in codes:
            wrong[place] = (
                "nursery_code",
                f"保育園コード「{row['nursery_code']}」の保育園が見つかりません。コードを確認してください。",
            )
        elif row["id"] in known and known[row["id"]][1]["nursery_code"] != row["nursery_code"]:
            wrong[place] = ("id", f"保護者ID {row['id']} は別の保育園で使われています。別の番号にしてください。")
        elif row["id"] in archived:
            wrong[place] = ("id", f"保護者ID {row['id']} はアーカイブされています。元に戻してから取り込んでください。")
    return wrong
