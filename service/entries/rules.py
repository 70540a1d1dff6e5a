"""Rules and declarations of the entries area: pure functions and constants."""

from __future__ import annotations

from datetime import timedelta

from service.core.areas import ADMINISTRATOR_PERMISSIONS, STAFF_PERMISSIONS, Area, RetentionPolicy, Role, Tick
from service.core.purposes import FileKind, Purpose
from service.core.values.labels import Labelled

# More than two heartbeats: after that a station counts as switched off or offline.
SILENT_AFTER = timedelta(seconds=90)
CLOSES_BEFORE_OPENING = "閉園時刻は開園時刻より後にしてください。"


class EntryType(Labelled):
    """The document's own codes (5.1)."""

    ENTRY = "Entry", "入"
    EXIT = "Exit", "出"


class Presence(Labelled):
    """出席状態, set by staff."""

    PRESENT = "present", "出席"
    ABSENT = "absent", "欠席"
    LATE = "late", "遅刻"
    LEFT_EARLY = "left_early", "早退"


# A second scan of the same parent and type within this time is a duplicate.
DOUBLE_SCAN = timedelta(seconds=10)
# SEC-008: one to ten digits, no leading zero.
LARGEST_PARENT_ID = 9_999_999_999

READ = frozenset(
    {
        "entries:attendance:read",
        "entries:child:read",
        "entries:log:read",
        "entries:nursery:read",
        "entries:parent:read",
    }
)
WORK = frozenset({"entries:attendance:update", "entries:log:delete"})
MANAGE = frozenset(
    {
        "entries:card:issue",
        "entries:child:update",
        "entries:nursery:update",
        "entries:parent:update",
        "entries:station:update",
    }
)
# Only for users who see all nurseries: create a nursery, delete a log permanently (SEC-006).
ALL_NURSERIES = frozenset({"entries:log:purge", "entries:nursery:create"})

IMPORT_FILE = Purpose(
    key="entries.import",
    kinds=frozenset({FileKind.CSV, FileKind.XLSX}),
    permission="entries:parent:update",
    read="entries:parent:update",
    max_bytes=10 * 1024 * 1024,
)
# Logs older than a year: one file for each nursery and month (NFR-S-003).
ARCHIVE = Purpose(
    key="entries.archive",
    kinds=frozenset({FileKind.CSV}),
    permission="entries:nursery:update",
    read="entries:nursery:update",
)

AREA = Area(
    name="entries",
    title="入退管理",
    roles={
        "admin": Role(
            "入退管理者（全園）", READ | STAFF_PERMISSIONS | WORK | MANAGE | ALL_NURSERIES | ADMINISTRATOR_PERMISSIONS
        ),
        "nursery_admin": Role(
            "園管理者", READ | STAFF_PERMISSIONS | WORK | MANAGE | {"core:import:create"}, scope="nursery"
        ),
        "staff": Role("園職員", READ | STAFF_PERMISSIONS | WORK, scope="nursery"),
    },
    ticks={"entries.archive": Tick("古い入退ログの保管", timedelta(hours=1))},
    subjects={
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
    },
    fields={
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
    },
    values={
        "entry_type": EntryType.labels(),
        "presence": Presence.labels(),
        "entries.parents.card": {"issued": "発行済み", "none": "未発行"},
    },
    retention=(
        # A year, leap day included (NFR-S-003); each month is archived (entries_archives) before its logs are deleted.
        RetentionPolicy("entries_logs", "入退ログ", lambda: timedelta(days=366)),
    ),
    purposes=(IMPORT_FILE, ARCHIVE),
)
