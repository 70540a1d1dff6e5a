"""What the fleet area decides: pure functions of facts and a clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.areas import ADMINISTRATION, EVERYDAY, Area, Policy, Role, Tick
from service.core.calendar import calendar
from service.core.purposes import IMAGES, Kind, Purpose
from service.core.targets import State, Target, read
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

# A mail about a district without power must still be read on a phone, and a post is read at a glance.
MAIL_LISTS = 50
POST_LISTS = 10
# An alert that could not be told for a day is news to nobody.
NEWS_LASTS = timedelta(days=1)

# Step 2 of the document's 4.2, 初動確認: within five minutes of detection, day and night.
FIRST_CHECK = Target("first_check", timedelta(minutes=5))

READ = frozenset({"fleet:alert:read", "fleet:customer:read", "fleet:terminal:read"})
REPORTS = frozenset({"fleet:report:read"})
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
        "admin": Role("システム管理者", READ | REPORTS | EVERYDAY | CHANGE | MANAGE | ADMINISTRATION),
        "operator": Role("運用オペレーター", READ | REPORTS | EVERYDAY | CHANGE),
        "support": Role("サポート担当", READ | REPORTS | EVERYDAY),
        "viewer": Role("閲覧のみ", REPORTS),
    },
    ticks={"fleet.watch": Tick("端末の監視", timedelta(seconds=10), silence=timedelta(seconds=60))},
    subjects={
        "customer": "顧客企業",
        "terminal": "端末",
        "enrolment_code": "登録コード",
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


_FIRST_CHECK_CLOCK = calendar(FIRST_CHECK.calendar, frozenset())


def response(respond_by: datetime, now: datetime, resolved_at: datetime | None) -> State:
    """How an alert's first look stands. What resolved itself in time needs none."""
    return read(FIRST_CHECK, respond_by, now, _FIRST_CHECK_CLOCK, resolved_at).state


@dataclass(frozen=True)
class NewAlert:
    """An alert as the messages about it need it."""

    id: int
    customer_name: str
    store_name: str
    serial_number: str
    alert_type: AlertType
    message: str


def alert_mail(alerts: Iterable[NewAlert], found_at: str, url: str) -> tuple[str, str]:
    """Subject and text of the one mail that tells of the alerts found at the same moment."""
    listed = list(alerts)
    first = listed[0]
    what = f"{first.customer_name} - {first.store_name}: {ALERT_WORDS[first.alert_type]}"
    subject = f"【Genba】{what}" if len(listed) == 1 else f"【Genba】{what} ほか{len(listed) - 1}件"
    shown = listed[:MAIL_LISTS]
    lines = [
        f"・{alert.customer_name} - {alert.store_name}（{alert.serial_number}）\n  {ALERT_WORDS[alert.alert_type]}: "
        f"{alert.message}"
        for alert in shown
    ]
    if len(listed) > len(shown):
        lines.append(f"・ほか{len(listed) - len(shown)}件")
    text = (
        f"{found_at} に、次の{len(listed)}件のアラートを検知しました。\n"
        "5分以内に初動確認をお願いします。\n\n" + "\n".join(lines) + f"\n\nダッシュボード: {url}\n"
    )
    return subject, text


def alert_post(alerts: Iterable[NewAlert], found_at: str, url: str) -> str:
    """The same for Slack, shorter. Its three special characters are written as Slack wants them."""
    listed = list(alerts)
    shown = listed[:POST_LISTS]
    lines = [
        f"• {_for_slack(f'{alert.customer_name} - {alert.store_name}（{alert.serial_number}）')}: "
        f"{ALERT_WORDS[alert.alert_type]}"
        for alert in shown
    ]
    if len(listed) > len(shown):
        lines.append(f"• ほか{len(listed) - len(shown)}件")
    return (
        f"【Genba】アラートを{len(listed)}件検知しました（{found_at}）\n"
        + "\n".join(lines)
        + f"\n<{url}|ダッシュボードを開く>"
    )


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
