"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict


class AreaRole(TypedDict):
    area: str
    role: str


class AreaState(TypedDict):
    area: str
    key: str
    address: str
    figures: dict[str, Any] | None


class Broker(TypedDict):
    name: str
    version: str
    memory_bytes: int
    started_at: str
    waiting: int


class Database(TypedDict):
    version: str
    size_bytes: int
    connections: int
    connections_allowed: int
    started_at: str


class Delivered(TypedDict):
    stored: int


class DetailChoice(TypedDict):
    name: str
    title: str


EntryType: TypeAlias = Literal["Entry", "Exit"]


class Failure(TypedDict):
    area: str
    title: str


class FieldAnswer(TypedDict):
    name: str
    label: str
    example: str
    is_required: bool
    is_key: bool


class FileAnswer(TypedDict):
    id: str
    name: str
    size: int
    content_type: str
    width: int | None
    height: int | None


class Gap(TypedDict):
    start: str
    end: str
    minutes: float


class Going(TypedDict):
    before: str
    rows: int
    bytes: int
    oldest: str | None
    newest: str | None
    partitions: list[str]


Good: TypeAlias = Literal["up", "down", "neither"]


class Health(TypedDict):
    status: str
    parts: dict[str, str]


HolidaySource: TypeAlias = Literal["shipped", "edited"]


ImportOutcome: TypeAlias = Literal["new", "update", "same", "error"]


class InstanceItem(TypedDict):
    name: str
    host: str
    pid: int
    started_at: str
    seen_at: str
    is_there: bool
    cpu_percent: float
    memory_bytes: int
    host_cpu_percent: float
    host_memory_percent: float
    host_disk_percent: float


class JobItem(TypedDict):
    name: str
    title: str
    every_seconds: int
    last_at: str | None
    is_late: bool
    remedy: str


class KindAnswer(TypedDict):
    kind: str
    area: str
    title: str
    purpose: str
    fields: list[FieldAnswer]


class LastBackup(TypedDict):
    at: str
    seconds: float
    bytes: int
    kept: int


class LogItem(TypedDict):
    id: int
    parentName: str
    entryType: EntryType
    timestamp: str
    childNames: list[str]
    nurseryName: str


class LogPage(TypedDict):
    logs: list[LogItem]
    totalCount: int
    page: int
    pageSize: int


class LoggedIn(TypedDict):
    token: str
    nurseryId: int
    nurseryName: str
    expiresAt: str


class Me(TypedDict):
    login_id: str
    name: str
    areas: list[AreaRole]
    permissions: list[str]
    session_expires_at: str
    must_change_password: bool
    as_of: str


class MembershipOut(TypedDict):
    area: str
    role: str
    tenant_id: int | None
    details: dict[str, str]
    is_suspended: bool


class MenuCounts(TypedDict):
    due: int | None
    pages: dict[str, int | None]


class MessageAttempt(TypedDict):
    number: int
    started_at: str
    ended_at: str | None
    outcome: str | None
    error: str | None


MessageState: TypeAlias = Literal["waiting", "sending", "retrying", "sent", "dead", "discarded"]


class MessageSummary(TypedDict):
    as_of: str
    areas: dict[str, str]
    open: int
    tried: int
    oldest_open_at: str | None
    dead: int
    sent_today: int
    sent_yesterday_by_now: int


class Minute(TypedDict):
    minute: str
    requests: int
    errors: int


class OneTimePassword(TypedDict):
    id: int
    password: str


class Outbox(TypedDict):
    waiting: int
    retrying: int
    dead: int
    oldest_waiting_at: str | None


class PolicyItem(TypedDict):
    target: str
    when: Literal["nightly", "hourly"]
    title: str
    keep_days: int
    plan: Going


class Preferences(TypedDict):
    items: dict[str, Any]


Presence: TypeAlias = Literal["present", "absent", "late", "left_early"]


class PreviewRow(TypedDict):
    row: int
    outcome: ImportOutcome
    values: dict[str, str]
    before: dict[str, str]
    errors: list[str]


class Recorded(TypedDict):
    id: int
    parentId: int
    parentName: str
    nurseryId: int
    entryType: EntryType
    timestamp: str
    childNames: list[str]
    alreadyRecorded: bool


class Rehearsal(TypedDict):
    at: str
    ok: bool
    seconds: float
    is_slow: bool
    is_late: bool


class Renewed(TypedDict):
    token: str
    expiresAt: str
    serverTime: str
    nurseryName: str
    offlineCap: int
    rosterVersion: str


class Replica(TypedDict):
    state: Literal["ok", "late", "away", "other", "off"]
    behind_seconds: float | None
    limit_seconds: float


class RoleChoice(TypedDict):
    role: str
    title: str
    scope: str | None


class RowError(TypedDict):
    row: int
    field: str
    message: str


class SearchHit(TypedDict):
    id: int
    title: str
    detail: str
    address: str
    state: str | None
    state_label: str
    rank: int


class SessionItem(TypedDict):
    id: int
    address: str
    created_at: str
    last_seen_at: str
    expires_at: str
    current: bool


class SignedInAnswer(TypedDict):
    token: str
    expires_at: str
    user: Me


class TaskFile(TypedDict):
    id: str
    name: str
    size: int


class Tenant(TypedDict):
    id: int
    name: str
    in_use: bool


class Traffic(TypedDict):
    requests: int
    errors: int
    error_rate: float | None
    p95_ms: int | None
    minutes: list[Minute]


Unit: TypeAlias = Literal["count", "yen", "percent"]


UserState: TypeAlias = Literal["active", "one_time_password", "inactive"]


class WeekFigure(TypedDict):
    title: str
    unit: Unit
    good: Good
    value: float | None
    before: float | None
    series: list[float]


Whose: TypeAlias = Literal["mine", "nobody", "another"]


class RunItem(TypedDict):
    before: str
    rows: int
    bytes: int
    oldest: str | None
    newest: str | None
    partitions: list[str]
    day: str
    target: str
    at: str


class Change(TypedDict):
    field: str
    title: str
    before: str | None
    after: str | None
    text: str


class Choices(TypedDict):
    areas: dict[str, str]
    actions: dict[str, str]
    subjects: dict[str, str]


class Counts(TypedDict):
    new: int
    update: int
    same: int
    error: int


class Preview(TypedDict):
    counts: Counts
    rows: list[PreviewRow]
    errors: list[RowError]
    error_count: int


class Outage(TypedDict):
    start: str
    end: str
    minutes: float
    down: dict[str, str]


class MessageItem(TypedDict):
    id: int
    key: str
    area: str
    topic: str
    state: MessageState
    recipient: str
    title: str
    subject: str | None
    subject_id: str | None
    attempts: int
    created_at: str
    next_attempt_at: str | None
    last_error: str | None
    in_doubt: bool
    sent_at: str | None
    dead_at: str | None
    resent_at: str | None
    discarded_at: str | None
    discard_reason: str | None
    decided_by: str | None
    expires_at: str | None
    external_id: str | None


class Ended(TypedDict):
    ended: int


class Summary(TypedDict):
    active: int
    one_time_password: int
    inactive: int


TaskState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]


class AreaChoice(TypedDict):
    area: str
    title: str
    roles: list[RoleChoice]
    tenants: list[Tenant]
    details: list[DetailChoice]


class AreaWeek(TypedDict):
    area: str
    title: str
    address: str
    since: str
    until: str
    figures: list[WeekFigure]


class AuditItem(TypedDict):
    id: int
    at: str
    actor_title: str
    action: str
    action_title: str
    subject_title: str
    changes: list[Change]
    user_id: int | None
    actor: str
    actor_name: str | None
    address: str
    area: str
    area_title: str
    subject: str
    subject_id: str
    target: str


class Availability(TypedDict):
    month: str
    start: str
    end: str
    up_minutes: float
    down_minutes: float
    unknown_minutes: float
    percent: float | None
    target_minutes: float
    within_target: bool
    outages: list[Outage]
    gaps: list[Gap]


class Backups(TypedDict):
    expected: bool
    last: LastBackup | None
    tried_at: str | None
    failed: bool
    is_late: bool
    rehearsal: Rehearsal | None


class DayAttendance(TypedDict):
    date: str
    status: Presence | None
    note: str


class DayLog(TypedDict):
    logId: int
    entryType: EntryType
    timestamp: str
    parentName: str


class DueItem(TypedDict):
    id: str
    area: str
    kind: str
    title: str
    detail: str
    since: str | None
    due_at: str | None
    whose: Whose
    owner: str | None
    step: str
    address: str


class HolidayItem(TypedDict):
    day: str
    name: str
    source: HolidaySource
    version: int


class Home(TypedDict):
    as_of: str
    areas: dict[str, str]
    states: list[AreaState]
    has_due: bool
    due: list[DueItem]
    due_total: int
    mine_total: int
    weeks: list[AreaWeek]
    failed: list[Failure]


class ImportAnswer(TypedDict):
    id: int
    kind: str
    title: str
    file_name: str
    format: str
    sheets: list[str]
    headers: list[str]
    row_count: int
    fields: list[FieldAnswer]
    columns: dict[str, int | None]
    counts: Counts | None
    task_id: int | None


class MessageDetail(TypedDict):
    id: int
    key: str
    area: str
    topic: str
    state: MessageState
    recipient: str
    title: str
    subject: str | None
    subject_id: str | None
    attempts: int
    created_at: str
    next_attempt_at: str | None
    last_error: str | None
    in_doubt: bool
    sent_at: str | None
    dead_at: str | None
    resent_at: str | None
    discarded_at: str | None
    discard_reason: str | None
    decided_by: str | None
    expires_at: str | None
    external_id: str | None
    text: str
    history: list[MessageAttempt]


class PageAuditItem(TypedDict):
    items: list[AuditItem]
    total: int
    next_cursor: str | None


class PageHolidayItem(TypedDict):
    items: list[HolidayItem]
    total: int
    next_cursor: str | None


class PageMessageItem(TypedDict):
    items: list[MessageItem]
    total: int
    next_cursor: str | None


class PageSessionItem(TypedDict):
    items: list[SessionItem]
    total: int
    next_cursor: str | None


class Retention(TypedDict):
    policies: list[PolicyItem]
    runs: list[RunItem]


class SearchGroup(TypedDict):
    key: str
    title: str
    hits: list[SearchHit]
    has_more: bool
    more: str | None


class SystemState(TypedDict):
    as_of: str
    database: Database
    replica: Replica | None
    redis: Broker | None
    instances: list[InstanceItem]
    jobs: list[JobItem]
    outbox: Outbox
    traffic: Traffic
    backup: Backups


class TaskAnswer(TypedDict):
    id: int
    area: str
    kind: str
    title: str
    state: TaskState
    started_by: str
    percent: int | None
    done_count: int
    total_count: int | None
    message: str
    error: str | None
    figures: dict[str, int]
    file: TaskFile | None
    result_url: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    is_cancelling: bool
    can_cancel: bool
    can_resume: bool


class UserItem(TypedDict):
    id: int
    login_id: str
    name: str
    mail: str | None
    is_active: bool
    must_change_password: bool
    state: UserState
    last_signed_in_at: str | None
    created_at: str
    version: int
    memberships: list[MembershipOut]
    elsewhere: bool


class ChildDay(TypedDict):
    childId: int
    childName: str
    attendances: list[DayAttendance]
    entryExitLogs: list[DayLog]


class PageTaskAnswer(TypedDict):
    items: list[TaskAnswer]
    total: int
    next_cursor: str | None


class PageUserItem(TypedDict):
    items: list[UserItem]
    total: int
    next_cursor: str | None


class SearchAnswer(TypedDict):
    groups: list[SearchGroup]


FIELDS = {
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
FORMAT = {"csv": "CSV", "xlsx": "Excel"}
KIND = {"core.export": "一覧の出力", "core.import": "取り込み"}
MESSAGE_STATE = {
    "waiting": "送信待ち",
    "sending": "送信中",
    "retrying": "再送待ち",
    "sent": "送信済み",
    "dead": "送信失敗",
    "discarded": "破棄済み",
}
TASK_STATE = {"waiting": "待機中", "running": "実行中", "done": "完了", "failed": "失敗", "cancelled": "中止"}
HOLIDAY_SOURCE = {"shipped": "国民の祝日", "edited": "追加・変更"}
IMPORT_OUTCOME = {"new": "新規", "update": "更新", "same": "変更なし", "error": "エラー"}
LABEL_STOCK = {"24": "24面（66×33.9mm）", "44": "44面（48.3×25.4mm）", "65": "65面（38.1×21.2mm）"}
PROBE_TARGET = {"service": "データサービス", "dashboards": "画面"}
USER_STATE = {"active": "有効", "one_time_password": "仮パスワード", "inactive": "無効"}
WHOSE = {"mine": "自分", "nobody": "担当者なし", "another": "ほかの人"}
