"""What the fleet area decides: pure functions of facts and a clock."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from service.core.areas import ADMINISTRATION, EVERYDAY, Area, Policy, Role, Tick
from service.core.purposes import IMAGES, Kind, Purpose
from service.fleet.settings import settings


class Status(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    ERROR = "error"
    MAINTENANCE = "maintenance"


class AlertType(StrEnum):
    OFFLINE = "offline"
    ERROR = "error"
    HIGH_CPU = "high_cpu"
    HIGH_MEMORY = "high_memory"
    UPDATE_FAILED = "update_failed"


class ContractType(StrEnum):
    BASIC = "basic"
    STANDARD = "standard"
    PREMIUM = "premium"


ALERT_WORDS = {
    AlertType.OFFLINE: "オフライン",
    AlertType.ERROR: "エラー",
    AlertType.HIGH_CPU: "CPU使用率高",
    AlertType.HIGH_MEMORY: "メモリ使用率高",
    AlertType.UPDATE_FAILED: "更新失敗",
}

STATUS_WORDS = {
    Status.ONLINE: "オンライン",
    Status.OFFLINE: "オフライン",
    Status.ERROR: "エラー",
    Status.MAINTENANCE: "メンテナンス中",
}
CONTRACT_WORDS = {
    ContractType.BASIC: "ベーシック保守",
    ContractType.STANDARD: "スタンダード保守",
    ContractType.PREMIUM: "プレミアム保守",
}

READ = frozenset({"fleet:customer:read", "fleet:incident:note", "fleet:incident:read", "fleet:terminal:read"})
REPORTS = frozenset({"fleet:report:read"})
# Whose response step a step is, stands in `incidents.rules`.
CONTACT = frozenset({"fleet:incident:contact"})
RESPOND = frozenset(
    {"fleet:incident:assign", "fleet:incident:operate", "fleet:incident:resolve", "fleet:incident:snooze"}
)
CHANGE = frozenset({"fleet:terminal:update"})
MANAGE = frozenset({"fleet:customer:create", "fleet:enrolment:create", "fleet:terminal:create"})

# 設置写真: where a terminal stands and how it is wired, for whoever goes there next.
TERMINAL_PHOTO = Purpose(
    key="fleet.terminal_photo", kinds=IMAGES, permission="fleet:terminal:update", read="fleet:terminal:read"
)
MOST_PHOTOS = 30
IMPORT_FILE = Purpose(
    key="fleet.import",
    kinds=frozenset({Kind.CSV, Kind.XLSX}),
    permission="fleet:terminal:create",
    read="fleet:terminal:create",
    max_bytes=10 * 1024 * 1024,
)

AREA = Area(
    name="fleet",
    title="端末管理",
    # The document's four roles (5.1). A viewer reads reports only, which are not these lists.
    roles={
        "admin": Role(
            "システム管理者", READ | REPORTS | EVERYDAY | RESPOND | CONTACT | CHANGE | MANAGE | ADMINISTRATION
        ),
        "operator": Role("運用オペレーター", READ | REPORTS | EVERYDAY | RESPOND | CHANGE),
        "support": Role("サポート担当", READ | REPORTS | EVERYDAY | CONTACT),
        "viewer": Role("閲覧のみ", REPORTS),
    },
    ticks={"fleet.watch": Tick("端末の監視", timedelta(seconds=10), silence=timedelta(seconds=60))},
    subjects={
        "customer": "顧客企業",
        "terminal": "端末",
        "enrolment_code": "登録コード",
        "incident": "障害",
        "terminal_token": "端末の認証",
    },
    fields={
        "company_name": "会社名",
        "contact_person": "担当者",
        "contact_email": "連絡先メール",
        "contact_phone": "連絡先電話番号",
        "contract_type": "契約種別",
        "serial_number": "シリアル番号",
        "customer_id": "顧客ID",
        "store_name": "設置店舗名",
        "installed_date": "設置日",
        "maximum_uses": "使用できる回数",
        "valid_hours": "有効時間",
        "enrolment_code_id": "登録コードID",
        "agent_version": "エージェントのバージョン",
        "q": "検索する語",
        "status": "状態",
        "photo_added": "追加した設置写真",
        "photo_removed": "外した設置写真",
        "acknowledged": "初動確認",
        "assignee_id": "担当者",
        "note": "メモ",
        "resolution": "解決の内容",
        "resolved": "解決済み",
        "snoozed_until": "スヌーズの終了",
        "step": "対応手順",
    },
    retention=(
        # Until a compact row per terminal and day takes their place, raw heartbeats are all there is.
        Policy("fleet_heartbeats", "ハートビート", lambda: timedelta(days=settings().heartbeat_keep_days)),
    ),
    purposes=(TERMINAL_PHOTO, IMPORT_FILE),
)


def silence_allowed(interval_seconds: int) -> timedelta:
    """How long a terminal may be silent before it counts as offline: two intervals and a minute."""
    return timedelta(seconds=2 * interval_seconds + 60)
