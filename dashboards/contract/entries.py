"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict


class ArchiveItem(TypedDict):
    nursery_id: int
    nursery_name: str
    month: str
    logs: int
    made_at: str
    file_id: str
    size: int


class CardLink(TypedDict):
    url: str
    issued_at: str
    last_opened_at: str | None


class ChildNow(TypedDict):
    child_id: int
    child_name: str
    class_name: str
    state: Literal["in", "out", "not_come"]
    since: str | None
    by: str | None
    absent: bool
    overdue: bool


class ClassSize(TypedDict):
    name: str
    children: int


class Created(TypedDict):
    id: int


EntryType: TypeAlias = Literal["Entry", "Exit"]


class Indicator(TypedDict):
    key: Literal["KPI-001", "KPI-002", "KPI-003"]
    value: float | None
    target: float
    met: bool | None
    part: int
    whole: int


class Issued(TypedDict):
    issued: int
    there: int


class Late(TypedDict):
    day: str
    parent_name: str
    child_names: list[str]
    at: str
    minutes: int


class LogRow(TypedDict):
    id: int
    parent_id: int
    parent_name: str
    entry_type: EntryType
    timestamp: str
    child_names: list[str]
    nursery_id: int
    nursery_name: str
    created_at: str
    was_offline: bool
    skew_seconds: int | None
    deleted_at: str | None
    deleted_by: str | None
    delete_reason: str | None


class LoggedOut(TypedDict):
    stations: int


class Mailed(TypedDict):
    mailed: int
    without_mail: int


class Now(TypedDict):
    as_of: str
    nursery_id: int
    nursery_name: str
    closes_at: str
    is_closed: bool
    counts: dict[str, int]
    children: list[ChildNow]


class NurseryItem(TypedDict):
    id: int
    version: int
    name: str
    code: str
    has_station_password: bool
    opens_at: str
    closes_at: str
    offline_cap: int
    parents: int
    children: int
    stations: int
    silent_stations: int
    archived_at: str | None


class PageArchiveItem(TypedDict):
    items: list[ArchiveItem]
    total: int
    next_cursor: str | None


class PageLogRow(TypedDict):
    items: list[LogRow]
    total: int
    next_cursor: str | None


class PageNurseryItem(TypedDict):
    items: list[NurseryItem]
    total: int
    next_cursor: str | None


class People(TypedDict):
    parents: int
    without_card: int
    without_mail: int
    children: int
    without_parent: int
    classes: list[ClassSize]


Presence: TypeAlias = Literal["present", "absent", "late", "left_early"]


class Quarter(TypedDict):
    begins: str
    entries: float
    exits: float


class Recorded(TypedDict):
    id: int
    parentId: int
    parentName: str
    nurseryId: int
    entryType: EntryType
    timestamp: str
    childNames: list[str]
    alreadyRecorded: bool


class Relative(TypedDict):
    id: int
    name: str
    relation: str


class Replayed(TypedDict):
    status: int
    log: Recorded | None
    detail: str | None


class Replays(TypedDict):
    results: list[Replayed]


class RosterParent(TypedDict):
    id: int
    name: str


class StationItem(TypedDict):
    id: int
    nursery_id: int
    nursery_name: str
    label: str
    user_agent: str
    address: str
    app_version: str
    created_at: str
    last_seen_at: str
    token_expires_at: str
    queue_depth: int
    needs_attention: int
    oldest_queued_at: str | None
    skew_seconds: int | None
    is_silent: bool
    revoked_at: str | None


UnusualKind: TypeAlias = Literal["early", "late", "other_person", "forgotten"]


class Scanned(TypedDict):
    log_id: int
    entry_type: EntryType
    timestamp: str
    parent_name: str


class Opened(TypedDict):
    parentId: int
    parentName: str
    nurseryName: str
    modules: str


class ChildItem(TypedDict):
    id: int
    version: int
    nursery_id: int
    nursery_name: str
    name: str
    kana: str
    archived_at: str | None
    class_name: str
    parents: list[Relative]


class MonthDay(TypedDict):
    day: str
    presence: Presence | None
    suggested: bool
    note: str
    first_entry: str | None
    last_exit: str | None
    scans: list[Scanned]


class MonthReport(TypedDict):
    child_id: int
    child_name: str
    class_name: str
    nursery_name: str
    month: str
    counts: dict[str, int]
    days: list[MonthDay]


class Odd(TypedDict):
    day: str
    parent_name: str
    child_names: list[str]
    at: str
    entry_type: EntryType
    kind: UnusualKind
    minutes: int


class PageChildItem(TypedDict):
    items: list[ChildItem]
    total: int
    next_cursor: str | None


class PageStationItem(TypedDict):
    items: list[StationItem]
    total: int
    next_cursor: str | None


class ParentItem(TypedDict):
    id: int
    version: int
    nursery_id: int
    nursery_name: str
    name: str
    kana: str
    archived_at: str | None
    phone_number: str
    mail: str
    children: list[Relative]
    card_issued_at: str | None
    last_scanned_at: str | None


class Roster(TypedDict):
    version: str
    parents: list[RosterParent]


class SheetRow(TypedDict):
    child_id: int
    child_name: str
    class_name: str
    nursery_id: int
    presence: Presence | None
    suggested: bool
    note: str
    version: int
    updated_by: str | None
    latest_entry: str | None
    latest_exit: str | None
    scans: list[Scanned]


class Statistics(TypedDict):
    as_of: str
    nursery_id: int
    nursery_name: str
    first_day: str
    last_day: str
    closes_at: str
    days: int
    quarters: list[Quarter]
    busiest_entry: str | None
    busiest_exit: str | None
    late: list[Late]
    late_total: int
    unusual: list[Odd]
    unusual_total: int
    indicators: list[Indicator]


class DaySheet(TypedDict):
    as_of: str
    day: str
    nursery_id: int
    nursery_name: str
    counts: dict[str, int]
    rows: list[SheetRow]


class PageParentItem(TypedDict):
    items: list[ParentItem]
    total: int
    next_cursor: str | None


FIELDS = {
    "id": "番号",
    "name": "名前",
    "code": "保育園コード",
    "station_password": "入退登録画面のパスワード",
    "opens_at": "開園時刻",
    "closes_at": "閉園時刻",
    "offline_cap": "オフラインで保存できる件数",
    "archived": "アーカイブ",
    "kana": "ふりがな",
    "phone_number": "電話番号",
    "mail": "メールアドレス",
    "class_name": "組",
    "children": "園児",
    "parents": "保護者",
    "relation": "続柄",
    "nursery_id": "保育園",
    "parent_id": "保護者",
    "child_id": "園児",
    "entry_type": "入/出",
    "timestamp": "日時",
    "reason": "理由",
    "deleted": "削除",
    "first_day": "期間の始め",
    "last_day": "期間の終わり",
    "parent_name": "保護者名",
    "child_name": "園児名",
    "q": "検索する語",
    "month": "対象月",
    "logs": "件数",
    "purged": "完全に削除",
    "day": "日付",
    "presence": "出席状態",
    "note": "備考",
    "label": "端末の名前",
    "sessions_ended": "終了したセッション",
    "stations_ended": "ログアウトした入退登録端末（台）",
    "revoked": "無効化",
    "sent_to": "送信先",
    "card": "保護者カード",
}
SUBJECTS = {
    "archive": "入退ログの保管ファイル",
    "nursery": "保育園",
    "parent": "保護者",
    "child": "園児",
    "log": "入退ログ",
    "attendance": "出欠",
    "late": "閉園後のお迎え",
    "unusual": "いつもと違う入退",
    "month_report": "出欠の詳細レポート",
    "station": "入退登録端末",
    "card": "保護者カード",
}
ENTRY_TYPE = {"Entry": "入", "Exit": "出"}
PRESENCE = {"present": "出席", "absent": "欠席", "late": "遅刻", "left_early": "早退"}
ENTRIES_PARENTS_CARD = {"issued": "発行済み", "none": "未発行"}
UNUSUAL_KIND = {
    "early": "いつもより早い",
    "late": "いつもより遅い",
    "other_person": "いつもと違う人のお迎え",
    "forgotten": "「出」の記録がない",
}
