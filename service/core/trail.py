"""Reading the audit trail: found, scoped to areas, newest first, each entry with its differences field by field."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import ARRAY, String, and_, any_, bindparam, or_, select, tuple_
from sqlalchemy.orm import Session

from service.core import trail_words
from service.core.areas import CORE, areas
from service.core.audit import Action, AuditEntry
from service.core.exports.declared import lists
from service.core.identity import Membership, User
from service.core.paging import Key, Listing, at_least, before, contains, equals
from service.core.tenants import names
from service.core.times import day_bounds

ACTION_WORDS: Mapping[Action, str] = {
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
    "user_id": "ユーザーID",
    "action": "操作",
    "subject": "対象",
    "q": "対象のID",
    "purpose": "用途",
    "size": "大きさ（バイト）",
    "sha256": "内容の指紋（SHA-256）",
    "file_id": "ファイルID",
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


@dataclass(frozen=True)
class Wanted:
    """What is looked for; None: whatever. Days are Tokyo's, both included."""

    day_from: date | None = None
    day_to: date | None = None
    area: str | None = None
    actor: str | None = None
    user_id: int | None = None
    action: str | None = None
    subject: str | None = None
    q: str | None = None


@dataclass(frozen=True)
class Change:
    """A field in words, and its values as text; None: there was, or is, none."""

    field: str
    title: str
    before: str | None
    after: str | None


Values = Mapping[str, Mapping[str, str]]
_ACTOR = contains(AuditEntry.actor, User.name)
_SEEN = bindparam("seen", type_=ARRAY(String))
# Entries of the areas seen, and of the floor those that their members left: who signed in, and when.
_TRAIL = Listing(
    select(AuditEntry, User.name)
    .outerjoin(User, User.id == AuditEntry.user_id)
    .where(
        or_(
            AuditEntry.area == any_(_SEEN),
            and_(
                AuditEntry.area == CORE,
                AuditEntry.user_id.in_(select(Membership.user_id).where(Membership.area == any_(_SEEN))),
            ),
        )
    ),
    unique=AuditEntry.id,
    keys={"at": Key(AuditEntry.at)},
    default="-at",
    filters={
        "day_from": at_least(AuditEntry.at, lambda day: day_bounds(day)[0]),
        "day_to": before(AuditEntry.at, lambda day: day_bounds(day)[1]),
        "area": equals(AuditEntry.area),
        "actor": replace(_ACTOR, value=lambda asked: _ACTOR.value(trail_words.as_stored(asked))),
        "user_id": equals(AuditEntry.user_id),
        "action": equals(AuditEntry.action),
        "subject": equals(AuditEntry.subject),
        "q": contains(AuditEntry.subject_id),
    },
)


def page(db: Session, seen: Collection[str], wanted: Wanted, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the entries of the areas `seen`, newest first."""
    bound = _tenants(db, seen)
    return _TRAIL.page(
        db, limit, cursor, item=lambda row: _readable(row, bound), asked={"seen": [*seen]}, **vars(wanted)
    )


def count(db: Session, seen: Collection[str], wanted: Wanted) -> int:
    """How many entries `all_entries` would read."""
    found: int = _TRAIL.page(db, 1, None, item=lambda row: row["id"], asked={"seen": [*seen]}, **vars(wanted))["total"]
    return found


def all_entries(db: Session, seen: Collection[str], wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Every entry found, newest first, read in pieces: a trail of years does not fit into memory."""
    found = _TRAIL.all(asked={"seen": [*seen]}, **vars(wanted)).execution_options(yield_per=1000)
    bound = _tenants(db, seen)
    return (_readable(row._asdict(), bound) for row in db.connection().execute(found))


def history(db: Session, area: str, about: Mapping[str, Collection[int]], most: int = 50) -> list[dict[str, Any]]:
    """What people did to these things (subject → ids), newest first: for who works with them, who need not know from
    which address it was."""
    db.flush()
    things = [(subject, str(key)) for subject, keys in about.items() for key in keys]
    found = (
        select(AuditEntry, User.name)
        .outerjoin(User, User.id == AuditEntry.user_id)
        .where(AuditEntry.area == area, tuple_(AuditEntry.subject, AuditEntry.subject_id).in_(things))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(most)
    )
    told = [_readable(row._asdict(), {}) for row in db.connection().execute(found)]
    shown = ("id", "at", "actor_title", "action", "action_title", "subject_title", "changes")
    return [{name: one[name] for name in shown} for one in told]


def as_asked(wanted: Wanted) -> dict[str, Any]:
    """The conditions that were set, for the trail itself."""
    return {name: str(value) for name, value in asdict(wanted).items() if value is not None}


def _tenants(db: Session, seen: Collection[str]) -> Values:
    """Whom roles are bound to, by area."""
    return {
        f"{area}.tenant_id": {str(number): name for number, name in known.items()}
        for area, known in names(db, seen).items()
    }


def _readable(entry: dict[str, Any], bound: Values) -> dict[str, Any]:
    """The entry with words for its codes. Areas declare theirs; a code of an earlier release stands for itself."""
    area = areas().get(entry["area"])
    subjects, fields = subject_words(entry["area"]), field_words(entry["area"])
    titles: Mapping[str, str] = ACTION_WORDS  # type: ignore[assignment]  # as stored: any text
    return {
        "id": entry["id"],
        "at": entry["at"],
        "user_id": entry["user_id"],
        "actor": entry["actor"],
        "actor_name": entry["name"],
        "actor_title": trail_words.who(entry["actor"], entry["name"]),
        "address": entry["address"],
        "area": entry["area"],
        "area_title": area.title if area else CORE_TITLE,
        "action": entry["action"],
        "action_title": titles.get(entry["action"], entry["action"]),
        "subject": entry["subject"],
        "subject_title": subjects.get(entry["subject"], entry["subject"]),
        "subject_id": entry["subject_id"],
        "changes": changes(
            entry["before"], entry["after"], fields, {**_values(entry["area"], entry["subject"]), **bound}
        ),
    }


def subject_words(area: str) -> dict[str, str]:
    """What an area's entries are about, in words: things, and lists that were taken along."""
    found = areas().get(area)
    taken_along = {key: listed.title for key, listed in lists().items() if listed.area == area}
    return CORE_SUBJECTS | taken_along | dict(found.subjects if found else {})


def field_words(area: str) -> dict[str, str]:
    found = areas().get(area)
    return CORE_FIELDS | (dict(found.details) | dict(found.fields) if found else {})


@lru_cache(maxsize=256)
def _values(area: str, subject: str) -> Values:
    actions = {str(code): word for code, word in ACTION_WORDS.items()}
    return {**trail_words.values(area, subject), "action": actions, "subject": subject_words(area)}


def changes(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    fields: Mapping[str, str],
    values: Values = MappingProxyType({}),
) -> list[Change]:
    """What differs, in the order of `fields`, then the others (jsonb keeps no order); nested fields by their path.
    `values` has the words for codes, by field; of tenants by area and field."""
    was = {path: _text(path[-1], value, fields, values) for path, value in _flat(before or {})}
    now = {path: _text(path[-1], value, fields, values) for path, value in _flat(after or {})}
    places = {name: place for place, name in enumerate(fields)}
    different = [path for path in {**was, **now} if was.get(path) != now.get(path)]
    return [
        Change(
            field=".".join(path),
            title="・".join(fields.get(part, part) for part in path),
            before=was.get(path),
            after=now.get(path),
        )
        for path in sorted(different, key=lambda path: places.get(path[0], len(places)))
    ]


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
        listed = ((fields.get(name, name), _text(name, part, fields, values)) for name, part in value.items())
        return "・".join(f"{word} {text}" for word, text in listed if text)
    return trail_words.text(field, value, values, fields)


def _membership(held: Mapping[str, Any], values: Values) -> str:
    """端末管理の運用オペレーター、入退管理の園職員（所属先 さくら保育園）; behind the tenant, the area's details."""
    area = areas().get(held["area"])
    role = area.roles.get(held["role"]) if area else None
    words = f"{area.title if area else held['area']}の{role.title if role else held['role']}"
    tenant, details = held.get("tenant_id"), held.get("details", {})
    known = values.get(f"{held['area']}.tenant_id", {})
    more = [] if tenant is None else [f"所属先 {known.get(str(tenant), tenant)}"]
    # In the area's order (jsonb keeps none), then those of an earlier release.
    titles = {name: title for name, title in (area.details.items() if area else ()) if name in details}
    more += [f"{title} {details[name]}" for name, title in (titles | {n: n for n in details.keys() - titles}).items()]
    return f"{words}（{'・'.join(more)}）" if more else words
