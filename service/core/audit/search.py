"""Search in the audit log: entries in the scope of areas, newest first, each with its changes field by field."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import ARRAY, String, and_, any_, bindparam, or_, select, tuple_
from sqlalchemy.orm import Session

from service.core.access import tenants
from service.core.access.identity import Membership, User
from service.core.areas import CORE, areas
from service.core.audit import Action, AuditEntry, words
from service.core.audit.names import Names
from service.core.audit.schemas import AuditItem, Change, Filters, HistoryItem
from service.core.database.paging import Key, Listing, Page, at_least, before, contains, equals
from service.core.values.times import day_bounds

ACTION_TITLES: Mapping[Action, str] = {
    "create": "登録",
    "update": "変更",
    "delete": "削除",
    "status_change": "状態の変更",
    "cancel": "キャンセル",
    "login": "ログイン",
    "logout": "ログアウト",
    "login_failed": "ログイン失敗",
    "reveal": "マスクの解除",
    "export": "出力",
}
CORE_TITLE = "共通"
CORE_SUBJECTS = {
    "audit": "監査ログ",
    "file": "ファイル",
    "holiday": "休日",
    "message": "通知",
    "task": "処理",
    "user": "ユーザー",
}
CORE_FIELDS = {
    "day": "日付",
    "details": "業務ごとの項目",
    "name": "名称",
    "day_from": "期間の始まり",
    "day_to": "期間の終わり",
    "area": "業務",
    "actor": "操作者",
    "user_id": "ユーザー",
    "action": "操作",
    "subject": "対象",
    "q": "対象のID",
    "purpose": "用途",
    "size": "大きさ（バイト）",
    "sha256": "内容の指紋（SHA-256）",
    "file_id": "ファイル",
    "error": "エラー",
    "expires_at": "有効期限",
    "filters": "条件",
    "format": "形式",
    "import_id": "取り込みID",
    "is_active": "有効",
    "kind": "種類",
    "list": "一覧",
    "last_error": "最後のエラー",
    "login_id": "ログインID",
    "mail": "メールアドレス",
    "memberships": "業務と役割",
    "must_change_password": "パスワードの変更が必要",
    "params": "条件",
    "password": "パスワード",
    "reason": "理由",
    "role": "役割",
    "rows": "件数",
    "sessions_ended": "終了したセッション",
    "sort": "並び順",
    "state": "状態",
    "tenant_id": "所属先",
    "title": "件名",
}


Values = Mapping[str, Mapping[str, str]]
_ACTOR = contains(AuditEntry.actor, User.name)
_AREAS = bindparam("seen", type_=ARRAY(String))
# Entries of the visible areas, and those core entries whose user is a member of these areas (such as sign-ins).
_ENTRIES = Listing(
    select(AuditEntry, User.name)
    .outerjoin(User, User.id == AuditEntry.user_id)
    .where(
        or_(
            AuditEntry.area == any_(_AREAS),
            and_(
                AuditEntry.area == CORE,
                AuditEntry.user_id.in_(select(Membership.user_id).where(Membership.area == any_(_AREAS))),
            ),
        )
    ),
    model=AuditItem,
    unique=AuditEntry.id,
    keys={"at": Key(AuditEntry.at)},
    default="-at",
    filters={
        "day_from": at_least(AuditEntry.at, lambda day: day_bounds(day)[0]),
        "day_to": before(AuditEntry.at, lambda day: day_bounds(day)[1]),
        "area": equals(AuditEntry.area),
        "actor": replace(_ACTOR, value=lambda query: _ACTOR.value(words.stored_actor_text(query))),
        "user_id": equals(AuditEntry.user_id),
        "action": equals(AuditEntry.action),
        "subject": equals(AuditEntry.subject),
        "q": contains(AuditEntry.subject_id),
    },
)


def page(
    db: Session, visible_areas: Collection[str], filters: Filters, limit: int, cursor: str | None
) -> Page[AuditItem]:
    """A page of the entries of the visible areas, newest first."""
    found = _ENTRIES.read_rows(db, limit, cursor, parameters={"seen": [*visible_areas]}, **vars(filters))
    items = _readable(db, found["items"], _tenant_titles(db, visible_areas))
    return Page[AuditItem](**found | {"items": items})


def count(db: Session, visible_areas: Collection[str], filters: Filters) -> int:
    """The number of entries that `all_entries` gives."""
    return _ENTRIES.count(db, parameters={"seen": [*visible_areas]}, **vars(filters))


def all_entries(db: Session, visible_areas: Collection[str], filters: Filters) -> Iterator[AuditItem]:
    """Every matching entry, newest first. Read in chunks, because the log of years does not fit into memory."""
    statement = _ENTRIES.all(parameters={"seen": [*visible_areas]}, **vars(filters)).execution_options(yield_per=1000)
    tenant_titles = _tenant_titles(db, visible_areas)
    for rows in db.connection().execute(statement).partitions():
        entries = [row._asdict() for row in rows]
        names = Names(db, entries)
        yield from (_item(entry, names, tenant_titles) for entry in entries)


def history(db: Session, area: str, about: Mapping[str, Collection[int]], limit: int = 50) -> list[HistoryItem]:
    """The history of these things (subject → ids), newest first, for the staff who work with them; without the
    addresses of the actors."""
    db.flush()
    keys_of_things = [(subject, str(key)) for subject, keys in about.items() for key in keys]
    statement = (
        select(AuditEntry, User.name)
        .outerjoin(User, User.id == AuditEntry.user_id)
        .where(AuditEntry.area == area, tuple_(AuditEntry.subject, AuditEntry.subject_id).in_(keys_of_things))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    entries = _readable(db, [row._asdict() for row in db.connection().execute(statement)], {})
    return [HistoryItem.model_validate(entry, from_attributes=True) for entry in entries]


def filters_as_dict(filters: Filters) -> dict[str, Any]:
    """The filters that are set, for the audit entry of an export."""
    return {name: str(value) for name, value in filters if value is not None}


def _tenant_titles(db: Session, visible_areas: Collection[str]) -> Values:
    """Names of the tenants that roles are bound to, by area and id."""
    return {
        f"{area}.tenant_id": {str(tenant_id): name for tenant_id, name in names_by_id.items()}
        for area, names_by_id in tenants.names(db, visible_areas).items()
    }


def _readable(db: Session, entries: Sequence[dict[str, Any]], tenant_titles: Values) -> list[AuditItem]:
    names = Names(db, entries)
    return [_item(entry, names, tenant_titles) for entry in entries]


def _item(entry: dict[str, Any], names: Names, tenant_titles: Values) -> AuditItem:
    """The entry with titles for its codes, and names for its ids. Areas declare theirs; a code of an earlier release is
    shown as it is."""
    area = areas().get(entry["area"])
    subjects, fields = subject_titles(entry["area"]), field_titles(entry["area"])
    subject_title = subjects.get(entry["subject"], entry["subject"])
    values = _values(entry["area"], entry["subject"])
    named = {field: {**values.get(field, {}), **ids} for field, ids in names.by_field(entry["area"]).items()}
    titles: Mapping[str, str] = ACTION_TITLES  # type: ignore[assignment]  # as stored: any text
    return AuditItem(
        id=entry["id"],
        at=entry["at"],
        user_id=entry["user_id"],
        actor=entry["actor"],
        actor_name=entry["name"],
        actor_title=words.actor_title(entry["actor"], entry["name"]),
        address=entry["address"],
        area=entry["area"],
        area_title=area.title if area else CORE_TITLE,
        action=entry["action"],
        action_title=titles.get(entry["action"], entry["action"]),
        subject=entry["subject"],
        subject_title=subject_title,
        subject_id=entry["subject_id"],
        target=names.target(entry, subject_title),
        changes=changes(entry["before"], entry["after"], fields, {**values, **named, **tenant_titles}),
    )


def subject_titles(area: str) -> dict[str, str]:
    """Titles of the subjects of an area's entries: things, and lists that were exported."""
    declared_area = areas().get(area)
    exported = {key: title for key, title in words.exported_lists().items() if key.startswith(f"{area}.")}
    return CORE_SUBJECTS | exported | dict(declared_area.subjects if declared_area else {})


def field_titles(area: str) -> dict[str, str]:
    declared_area = areas().get(area)
    return CORE_FIELDS | (dict(declared_area.details) | dict(declared_area.fields) if declared_area else {})


@lru_cache(maxsize=256)
def _values(area: str, subject: str) -> Values:
    actions = {str(code): title for code, title in ACTION_TITLES.items()}
    # The log's own filters name subjects of all areas.
    subjects = {code: title for name in areas() for code, title in subject_titles(name).items()}
    subjects = subjects if area == CORE else subject_titles(area)
    return {**words.values(area, subject), "action": actions, "subject": subjects}


def changes(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    fields: Mapping[str, str],
    values: Values = MappingProxyType({}),
) -> list[Change]:
    """The fields that differ, in the order of `fields`, then all others (jsonb has no order); nested fields by their
    path. `values` has the titles of codes, by field; those of tenants by area and field."""
    old_texts = {path: _text(path[-1], value, fields, values) for path, value in _flat(before or {})}
    new_texts = {path: _text(path[-1], value, fields, values) for path, value in _flat(after or {})}
    positions = {name: position for position, name in enumerate(fields)}
    different = [path for path in {**old_texts, **new_texts} if old_texts.get(path) != new_texts.get(path)]
    return [
        _change(path, "・".join(fields.get(part, part) for part in path), old_texts.get(path), new_texts.get(path))
        for path in sorted(different, key=lambda path: positions.get(path[0], len(positions)))
    ]


def _change(path: tuple[str, ...], title: str, before: str | None, after: str | None) -> Change:
    value = f"{before} → {after or '–'}" if before else after or "–"
    return Change(".".join(path), title, before, after, text=f"{title}: {value}")


def _flat(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*path, name))
        else:
            yield (*path, name), value


def _text(field: str, value: Any, fields: Mapping[str, str], values: Values) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, list):
        return "、".join(_text(field, item, fields, values) or "" for item in value) or None
    if isinstance(value, Mapping):
        if {"area", "role"} <= value.keys():
            return _membership(value, values)
        titled = ((fields.get(name, name), _text(name, part, fields, values)) for name, part in value.items())
        return "・".join(f"{title} {text}" for title, text in titled if text)
    return words.value_text(field, value, values, fields)


def _membership(membership: Mapping[str, Any], values: Values) -> str:
    """端末管理の運用オペレーター, 入退管理の園職員（所属先 さくら保育園）; the details follow the tenant."""
    area = areas().get(membership["area"])
    role = area.roles.get(membership["role"]) if area else None
    label = f"{area.title if area else membership['area']}の{role.title if role else membership['role']}"
    tenant, details = membership.get("tenant_id"), membership.get("details", {})
    tenant_names = values.get(f"{membership['area']}.tenant_id", {})
    additions = [] if tenant is None else [f"所属先 {tenant_names.get(str(tenant), tenant)}"]
    # In the area's order (jsonb has none), then those of an earlier release.
    titles = {name: title for name, title in (area.details.items() if area else ()) if name in details}
    additions += [
        f"{title} {details[name]}" for name, title in (titles | {n: n for n in details.keys() - titles}).items()
    ]
    return f"{label}（{'・'.join(additions)}）" if additions else label
