"""The fleet area's declaration (roles, jobs, labels, retention, file purposes) and its pure rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from service.core.areas import ADMINISTRATOR_PERMISSIONS, STAFF_PERMISSIONS, Area, RetentionPolicy, Role, Tick
from service.core.purposes import IMAGES, FileKind, Purpose
from service.core.values.labels import Labelled
from service.fleet.settings import settings


class Status(Labelled):
    ONLINE = "online", "オンライン"
    OFFLINE = "offline", "オフライン"
    ERROR = "error", "エラー"
    MAINTENANCE = "maintenance", "メンテナンス中"


class AlertType(Labelled):
    OFFLINE = "offline", "オフライン"
    ERROR = "error", "エラー"
    HIGH_CPU = "high_cpu", "CPU使用率高"
    HIGH_MEMORY = "high_memory", "メモリ使用率高"
    UPDATE_FAILED = "update_failed", "更新失敗"


class ContractType(Labelled):
    BASIC = "basic", "ベーシック保守"
    STANDARD = "standard", "スタンダード保守"
    PREMIUM = "premium", "プレミアム保守"


READ = frozenset({"fleet:customer:read", "fleet:incident:note", "fleet:incident:read", "fleet:terminal:read"})
REPORTS = frozenset({"fleet:report:read"})
# `incidents.rules` says which of the two permissions a response step needs.
CONTACT = frozenset({"fleet:incident:contact"})
RESPOND = frozenset(
    {"fleet:incident:assign", "fleet:incident:operate", "fleet:incident:resolve", "fleet:incident:snooze"}
)
CHANGE = frozenset({"fleet:photo:update", "fleet:terminal:diagnose", "fleet:terminal:maintain", "fleet:terminal:swap"})
MANAGE = frozenset(
    {
        "fleet:customer:create",
        "fleet:customer:update",
        "fleet:enrolment:create",
        "fleet:enrolment:read",
        "fleet:enrolment:revoke",
        "fleet:firmware:create",
        "fleet:firmware:read",
        "fleet:firmware:withdraw",
        "fleet:rollout:create",
        "fleet:rollout:operate",
        "fleet:report:create",
        "fleet:report:send",
        "fleet:terminal:create",
        "fleet:terminal:update",
        "fleet:token:revoke",
        "fleet:token:rotate",
    }
)

# 設置写真: where a terminal stands and how it is wired, for the next technician.
TERMINAL_PHOTO = Purpose(
    key="fleet.terminal_photo", kinds=IMAGES, permission="fleet:photo:update", read="fleet:terminal:read"
)
MAX_PHOTOS = 30
MAX_TAGS = 10
MAX_TAG_LENGTH = 30
# Separate tags in a cell of a file; therefore not allowed in a tag.
TAG_SEPARATORS = ",、"
# The diagnostic file that an agent uploads on command. Users who may read terminals may read it.
BUNDLE = Purpose(
    key="fleet.bundle",
    kinds=frozenset({FileKind.ZIP}),
    permission="fleet:terminal:diagnose",
    read="fleet:terminal:read",
    max_bytes=5 * 1024 * 1024,
)
# An image for the TC-200. Its signature is checked, not its content.
FIRMWARE = Purpose(
    key="fleet.firmware",
    kinds=frozenset({FileKind.BINARY}),
    permission="fleet:firmware:create",
    read="fleet:firmware:read",
    max_bytes=64 * 1024 * 1024,
)
# 月次報告書: PDF and CSV, created by the service and stored with the report.
MONTHLY_REPORT = Purpose(
    key="fleet.monthly_report",
    kinds=frozenset({FileKind.PDF, FileKind.CSV}),
    permission="fleet:report:create",
    read="fleet:report:read",
)
IMPORT_FILE = Purpose(
    key="fleet.import",
    kinds=frozenset({FileKind.CSV, FileKind.XLSX}),
    permission="fleet:terminal:create",
    read="fleet:terminal:create",
    max_bytes=10 * 1024 * 1024,
)

AREA = Area(
    name="fleet",
    title="端末管理",
    # The four roles of the requirements document (5.1). A viewer reads only reports, none of the lists.
    roles={
        "admin": Role(
            "システム管理者",
            READ | REPORTS | STAFF_PERMISSIONS | RESPOND | CONTACT | CHANGE | MANAGE | ADMINISTRATOR_PERMISSIONS,
        ),
        "operator": Role("運用オペレーター", READ | REPORTS | STAFF_PERMISSIONS | RESPOND | CHANGE),
        "support": Role("サポート担当", READ | REPORTS | STAFF_PERMISSIONS | CONTACT),
        "viewer": Role("閲覧のみ", REPORTS),
    },
    ticks={
        "fleet.watch": Tick("端末の監視", timedelta(seconds=10), silence=timedelta(seconds=60)),
        "fleet.agents": Tick("端末への指示とトークンの整理", timedelta(minutes=1)),
        "fleet.compact": Tick("端末の日次集計", timedelta(minutes=10)),
        "fleet.hours": Tick("営業時間の学習", timedelta(minutes=10)),
        "fleet.roll_outs": Tick("ファームウェアの配信", timedelta(seconds=10), silence=timedelta(seconds=120)),
        "fleet.monthly": Tick("月次報告書の作成", timedelta(minutes=2)),
    },
    subjects={
        "customer": "顧客企業",
        "terminal": "端末",
        "enrolment_code": "登録コード",
        "command": "端末への指示",
        "incident": "障害",
        "maintenance": "メンテナンス",
        "firmware": "ファームウェア",
        "rollout": "ファームウェアの配信",
        "terminal_token": "端末の認証",
        "monthly_report": "月次報告書",
    },
    fields={
        "company_name": "会社名",
        "contact_person": "担当者",
        "contact_email": "連絡先メール",
        "contact_phone": "電話番号",
        "contract_type": "契約種別",
        "serial_number": "シリアル番号",
        "customer_id": "顧客企業",
        "store_name": "設置店舗名",
        "installed_date": "設置日",
        "tags": "タグ",
        "tag": "タグ",
        "learned_hours": "営業時間の学習",
        "store": "店舗",
        "firmware_version": "ファームウェア",
        "customer_name": "顧客企業",
        "last_heartbeat_at": "最終通信",
        "created_at": "登録日時",
        "trouble": "異常のある端末の台数",
        "archived": "アーカイブ",
        "updates_cancelled": "取り消した更新（件）",
        "commands_cancelled": "取り消した指示（件）",
        "codes_revoked": "無効にした登録コード（件）",
        "maintenances_ended": "終了したメンテナンス（件）",
        "alerts_resolved": "解決済みにしたアラート（件）",
        "starts_at": "開始日時",
        "ends_at": "終了日時",
        "ended_at": "終了した日時",
        "reason": "理由",
        "terminal_ids": "端末",
        "maximum_uses": "使用できる回数",
        "valid_hours": "有効時間",
        "enrolment_code_id": "登録コード",
        "agent_version": "エージェントのバージョン",
        "q": "検索する語",
        "status": "状態",
        "photo_added": "追加した設置写真",
        "photo_removed": "外した設置写真",
        "terminal_id": "端末",
        "command": "指示",
        "fate": "取り外した端末の扱い",
        "renewed": "更新",
        "revoked": "無効化",
        "acknowledged": "初動確認",
        "assignee_id": "担当者",
        "note": "メモ",
        "resolution": "解決の内容",
        "resolved": "解決済み",
        "snoozed_until": "スヌーズの終了",
        "step": "対応手順",
        "version": "バージョン",
        "withdrawn": "取り下げ",
        "firmware_id": "ファームウェア",
        "undoes_id": "元に戻す配信",
        "customer_ids": "対象の顧客企業",
        "versions": "対象の現在のバージョン",
        "waves": "配信の段階（%）",
        "success_percent": "次の段階へ進む成功率（%）",
        "error_percent": "停止する失敗率（%）",
        "error_count": "停止する失敗台数",
        "healthy_heartbeats": "成功とみなす正常な通信の回数",
        "step_minutes": "手順ごとの制限時間（分）",
        "offer_from": "配信を始める時刻",
        "offer_until": "配信を終える時刻",
        "terminals": "端末の台数",
        "retried": "やり直した端末の台数",
        "month": "対象月",
        "sent_at": "送信日時",
        "sent_to": "送信先",
    },
    values={
        "contract_type": ContractType.labels(),
        "status": Status.labels(),
        "kind": {"fleet.monthly_reports": "月次報告書の作成"},
        "purpose": {
            TERMINAL_PHOTO.key: "設置写真",
            BUNDLE.key: "診断ファイル",
            FIRMWARE.key: "ファームウェア",
            MONTHLY_REPORT.key: "月次報告書",
            IMPORT_FILE.key: "取り込むファイル",
        },
    },
    retention=(
        # Each day is summed up (fleet_days) before its heartbeats are deleted.
        RetentionPolicy("fleet_heartbeats", "ハートビート", lambda: timedelta(days=settings().heartbeat_keep_days)),
        # A year, leap day included (requirements document 6.1).
        RetentionPolicy("fleet_days", "端末の日次集計", lambda: timedelta(days=366)),
        RetentionPolicy("fleet_incident_events", "障害対応の記録", lambda: timedelta(days=366)),
        RetentionPolicy("fleet_terminal_logs", "端末ログ", lambda: timedelta(days=366)),
    ),
    purposes=(TERMINAL_PHOTO, IMPORT_FILE, BUNDLE, FIRMWARE, MONTHLY_REPORT),
)


def distinct(tags: Sequence[str]) -> list[str]:
    """Each tag once, in the order of their first appearance."""
    return list(dict.fromkeys(tags))


def retagged(tags: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
    """The tags without those in `remove` and with those in `add`. A tag in both is in the result."""
    return distinct([*(tag for tag in tags if tag not in remove), *add])


def silence_allowed(interval_seconds: int) -> timedelta:
    """How long a terminal may be silent before it counts as offline: two intervals and a minute."""
    return timedelta(seconds=2 * interval_seconds + 60)


def opening_grace(interval_seconds: int) -> timedelta:
    """How long after a store's learned opening time a silent terminal raises an alert: 15 minutes, or the allowed
    silence if that is longer."""
    return max(timedelta(minutes=15), silence_allowed(interval_seconds))


# Percent. A usage becomes high at HIGH_FROM and stays high until it falls below HIGH_UNTIL (hysteresis).
HIGH_FROM, HIGH_UNTIL = 90, 80
# A larger clock skew of the PC is logged: the times of its readings cannot be trusted.
MAX_CLOCK_SKEW = timedelta(seconds=120)
# Steps are whole seconds, so an agent up to one second after its slot is on time; float arithmetic is not exact.
_TOLERANCE, _EPSILON = 1.0, 0.01
_MODULUS = 2**32
# Knuth's multiplicative hash: spreads neighbouring ids evenly over the interval.
_MULTIPLIER = 2654435761


def next_heartbeat_in(terminal_id: int, now: float, interval_seconds: int) -> int:
    """Seconds until the terminal's next heartbeat, `now` in Unix seconds. Each terminal has its own offset in the
    interval (jitter): one step of half to one and a half intervals leads to it, from then on each step is one
    interval. So a fleet that reconnects all at once is spread out again with its next heartbeat."""
    offset = terminal_id * _MULTIPLIER % _MODULUS / _MODULUS * interval_seconds
    elapsed = (now - offset) % interval_seconds
    if elapsed <= _TOLERANCE + _EPSILON or elapsed >= interval_seconds - _EPSILON:
        return interval_seconds
    step = math.ceil(interval_seconds - elapsed)
    return step if step >= interval_seconds / 2 else step + interval_seconds
