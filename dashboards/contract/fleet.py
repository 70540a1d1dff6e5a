"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

AlertType: TypeAlias = Literal["offline", "error", "high_cpu", "high_memory", "update_failed"]


class BundleAnswer(TypedDict):
    file_id: str


class Changed(TypedDict):
    changed: int


CodeState: TypeAlias = Literal["valid", "used_up", "expired", "revoked"]


class Command(TypedDict):
    id: int
    name: str
    arguments: dict[str, Any]


CommandName: TypeAlias = Literal["diagnose", "send_bundle", "rotate_token", "update_firmware"]


CommandState: TypeAlias = Literal["waiting", "accepted", "running", "done", "failed", "cancelled", "expired"]


ContractType: TypeAlias = Literal["basic", "standard", "premium"]


class Created(TypedDict):
    id: int


class CustomerChoice(TypedDict):
    id: int
    company_name: str


class CustomerContact(TypedDict):
    id: int
    company_name: str
    contact_person: str
    contact_email: str
    contact_phone: str
    contract_type: ContractType


class CustomerFigure(TypedDict):
    name: str
    terminals: int
    uptime: float | None
    incidents: int


class CustomerHours(TypedDict):
    setting: bool
    learned_hours: bool


class DayFigure(TypedDict):
    day: str
    terminals: int
    uptime: float | None


class Enrolment(TypedDict):
    terminal_id: int
    token: str


class EnrolmentCodeAnswer(TypedDict):
    id: int
    code: str
    expires_at: str
    maximum_uses: int


class EnrolmentCodeItem(TypedDict):
    id: int
    customer_id: int | None
    customer_name: str | None
    state: CodeState
    uses: int
    maximum_uses: int
    created_at: str
    created_by: str
    expires_at: str
    revoked_at: str | None


Fate: TypeAlias = Literal["repair", "stock", "scrapped"]


Finding: TypeAlias = Literal[
    "well",
    "never_heard",
    "shut_down",
    "closed",
    "pc_silent",
    "store_silent",
    "network_silent",
    "cloned",
    "terminal_unplugged",
    "other_terminal",
    "terminal_error",
]


class FirmwareItem(TypedDict):
    id: int
    version: str
    size: int
    sha256: str
    notes: str
    terminals: int
    created_at: str
    created_by: str
    withdrawn_at: str | None


class HeartbeatAnswer(TypedDict):
    server_time: str
    next_heartbeat_in: int
    commands: list[Command]


Hours: TypeAlias = Literal[24, 168, 720, 8760]


class LastReport(TypedDict):
    id: int
    month: str
    drafted_at: str
    sent_at: str | None


class MemberItem(TypedDict):
    alert_id: int
    terminal_id: int
    serial_number: str
    customer_name: str
    store_name: str
    message: str
    created_at: str
    is_resolved: bool
    resolved_at: str | None


class Neighbourhood(TypedDict):
    others: int
    silent: int


class OpenAlert(TypedDict):
    id: int
    incident_id: int
    alert_type: AlertType
    message: str
    created_at: str


class PageEnrolmentCodeItem(TypedDict):
    items: list[EnrolmentCodeItem]
    total: int
    next_cursor: str | None


class PageFirmwareItem(TypedDict):
    items: list[FirmwareItem]
    total: int
    next_cursor: str | None


class Person(TypedDict):
    id: int
    name: str


Phase: TypeAlias = Literal["now", "next", "past"]


class Photo(TypedDict):
    id: str
    name: str
    size: int
    content_type: str
    width: int
    height: int
    added_at: str
    added_by: str


class Photos(TypedDict):
    items: list[Photo]
    total: int


class Planned(TypedDict):
    ids: list[int]


class ReportAnswer(TypedDict):
    go_on: bool


class Retried(TypedDict):
    terminals: int


RolloutState: TypeAlias = Literal["draft", "running", "paused", "aborted", "finished"]


Scope: TypeAlias = Literal["terminal", "store", "customer", "network", "fleet"]


class Side(TypedDict):
    terminals: int
    troubled: int
    hours: int


class Span(TypedDict):
    count: int
    median: float | None
    worst: float | None
    within: int
    target: float


class SpanItem(TypedDict):
    opens: int
    closes: int


class StatusCounts(TypedDict):
    total: int
    online: int
    offline: int
    error: int
    maintenance: int


class Store(TypedDict):
    store: str
    terminals: StatusCounts


class StoreOfTerminal(TypedDict):
    store: str
    terminals: StatusCounts


class Swapped(TypedDict):
    terminal_id: int
    version: int
    serial_number: str
    code: str
    expires_at: str


class Target(TypedDict):
    customers: list[str]
    tags: list[str]
    versions: list[str]


class TaskFile(TypedDict):
    id: str
    name: str
    size: int


class TerminalHours(TypedDict):
    as_of: str
    setting: bool
    customer: bool
    learned_hours: bool
    learned_until: str | None
    days: int
    days_needed: int
    week: list[list[SpanItem]] | None
    alert_after: str | None


class TokenAnswer(TypedDict):
    issued_at: str | None
    renew_at: str | None
    cloned_at: str | None


class Undone(TypedDict):
    ids: list[int]
    terminals: int
    missing: list[str]


class VersionFigure(TypedDict):
    version: str | None
    terminals: int


class WaveCounts(TypedDict):
    total: int
    waiting: int
    under_way: int
    succeeded: int
    failed: int
    cancelled: int
    wave: int
    percent: int


class WavePreview(TypedDict):
    percent: int
    terminals: int


ValuesTaskState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]


ValuesState: TypeAlias = Literal["running", "near", "overdue", "met", "missed"]


class DeviceItem(TypedDict):
    serial_number: str
    placed_at: str
    removed_at: str | None
    fate: Fate | None
    reason: str | None
    removed_by: str | None


FirmwareTaskState: TypeAlias = Literal["waiting", "offered", "updating", "proving", "succeeded", "failed", "cancelled"]


class FirmwareChoices(TypedDict):
    tags: list[str]
    versions: list[str]


class FirmwareCounts(TypedDict):
    total: int
    waiting: int
    under_way: int
    succeeded: int
    failed: int
    cancelled: int


class FirmwareOverview(TypedDict):
    as_of: str
    running: int
    paused: int
    drafts: int
    under_way: int
    firmwares: int


class TaskItem(TypedDict):
    id: int
    terminal_id: int
    serial_number: str
    customer_name: str
    store_name: str
    wave: int
    state: FirmwareTaskState
    step: str | None
    percent: int | None
    from_version: str
    firmware_version: str
    healthy: int
    error: str | None
    offered_at: str | None
    deadline_at: str | None
    finished_at: str | None


class HistorySeconds(TypedDict):
    online: int
    offline: int
    error: int
    maintenance: int
    closed: int


Level: TypeAlias = Literal["high", "middle", "low"]


class IncidentsCounts(TypedDict):
    as_of: str
    open: int
    alerts: int
    unacknowledged: int
    overdue: int
    snoozed: int
    oldest_opened_at: str | None


class EventItem(TypedDict):
    id: int
    at: str
    kind: str
    by: str
    text: str | None
    detail: dict[str, Any] | None


class StepItem(TypedDict):
    step: int
    title: str
    team: str
    due_at: str | None
    done_at: str | None
    done_by: str | None
    note: str | None
    response: ValuesState | None
    may: bool
    waits_for: str | None


class Ended(TypedDict):
    ended: int


class MonthlyCounts(TypedDict):
    incidents: int
    unresolved: int
    by_type: dict[str, int]
    by_scope: dict[str, int]
    detect: Span
    respond: Span
    repair: Span


class MonthlySeconds(TypedDict):
    online: int
    offline: int
    error: int
    maintenance: int
    closed: int


class ReportItem(TypedDict):
    id: int
    version: int
    month: str
    customer_id: int | None
    customer_name: str | None
    contact_email: str | None
    terminals: int
    incidents: int
    uptime: float | None
    uptime_before: float | None
    pdf_id: str
    csv_id: str
    drafted_at: str
    sent_at: str | None
    sent_to: str | None
    sent_by: str | None


Status: TypeAlias = Literal["online", "offline", "error", "maintenance"]


class Summary(TypedDict):
    as_of: str
    terminals: StatusCounts
    online_percent: float | None
    open_alerts: int
    open_incidents: int
    oldest_open_alert_at: str | None


class Choice(TypedDict):
    value: str
    terminals: int


class TerminalsChoices(TypedDict):
    tags: list[Choice]
    firmware_versions: list[Choice]


class TerminalsState(TypedDict):
    status: Status
    since: str
    last_heartbeat_at: str | None
    offline_after: str | None
    cpu_usage: int
    memory_usage: int
    disk_usage: int
    firmware_version: str
    agent_version: str | None
    terminal_connected: bool | None
    terminal_serial: str | None
    error: str | None
    address: str | None
    network: str | None
    clock_skew_seconds: int | None
    cloned_at: str | None
    shutdown_at: str | None


class AlertItem(TypedDict):
    id: int
    incident_id: int
    terminal_id: int
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    alert_type: AlertType
    message: str
    is_resolved: bool
    created_at: str
    resolved_at: str | None
    resolved_by: str


class CommandItem(TypedDict):
    id: int
    name: CommandName
    state: CommandState
    step: str | None
    percent: int | None
    message: str | None
    result: dict[str, Any] | None
    file_id: str | None
    created_by: str
    created_at: str
    told_at: str | None
    reported_at: str | None
    finished_at: str | None
    expires_at: str


class Comparison(TypedDict):
    updated: Side
    control: Side


class CustomerItem(TypedDict):
    id: int
    company_name: str
    contact_person: str
    contact_email: str
    contact_phone: str
    contract_type: ContractType
    archived_at: str | None
    terminals: StatusCounts


class Devices(TypedDict):
    items: list[DeviceItem]
    total: int


class Diagnosis(TypedDict):
    finding: Finding
    store: Neighbourhood
    network: Neighbourhood


class Happening(TypedDict):
    at: str
    source: Literal["log", "alert", "incident"]
    kind: str
    status: Status | None
    alert_type: AlertType | None
    incident_id: int | None
    text: str | None
    by: str | None
    detail: dict[str, Any] | None


class Impact(TypedDict):
    score: int
    level: Level
    stopped: int
    terminals: int
    contract_type: ContractType
    is_trading: bool


class MaintenanceItem(TypedDict):
    id: int
    phase: Phase
    terminal_id: int
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    starts_at: str
    ends_at: str
    reason: str
    created_at: str
    created_by: str | None
    begun_at: str | None
    ended_at: str | None
    ended_by: str | None


class OpenIncident(TypedDict):
    id: int
    alert_type: AlertType
    scope: Scope
    opened_at: str
    members_open: int


class PageAlertItem(TypedDict):
    items: list[AlertItem]
    total: int
    next_cursor: str | None


class PageCommandItem(TypedDict):
    items: list[CommandItem]
    total: int
    next_cursor: str | None


class PageCustomerItem(TypedDict):
    items: list[CustomerItem]
    total: int
    next_cursor: str | None


class PageMaintenanceItem(TypedDict):
    items: list[MaintenanceItem]
    total: int
    next_cursor: str | None


class PageTaskItem(TypedDict):
    items: list[TaskItem]
    total: int
    next_cursor: str | None


class PreviewAnswer(TypedDict):
    terminals: int
    online: int
    waves: list[WavePreview]


class RolloutDetail(TypedDict):
    id: int
    name: str
    firmware_id: int
    firmware_version: str
    state: RolloutState
    waves: list[int]
    wave: int
    counts: FirmwareCounts
    reason: str | None
    undoes_id: int | None
    created_at: str
    created_by: str
    started_at: str | None
    finished_at: str | None
    as_of: str
    targets: Target
    success_percent: int
    error_percent: int
    error_count: int
    healthy_heartbeats: int
    step_minutes: int
    offer_from: str | None
    offer_until: str | None
    is_open: bool
    progress: list[WaveCounts]
    failed: list[TaskItem]
    took: int
    comparison: Comparison | None
    preview: PreviewAnswer | None


class RolloutItem(TypedDict):
    id: int
    name: str
    firmware_id: int
    firmware_version: str
    state: RolloutState
    waves: list[int]
    wave: int
    counts: FirmwareCounts
    reason: str | None
    undoes_id: int | None
    created_at: str
    created_by: str
    started_at: str | None
    finished_at: str | None


class TaskAnswer(TypedDict):
    id: int
    area: str
    kind: str
    title: str
    state: ValuesTaskState
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


class TerminalDetail(TypedDict):
    as_of: str
    id: int
    version: int
    serial_number: str
    store_name: str
    installed_date: str | None
    tags: list[str]
    created_at: str
    updated_at: str
    archived_at: str | None
    enrolled_at: str | None
    customer: CustomerContact
    state: TerminalsState
    diagnosis: Diagnosis | None
    alerts: list[OpenAlert]
    maintenances: list[MaintenanceItem]
    store: StoreOfTerminal


class TerminalFigure(TypedDict):
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    firmware_version: str | None
    seconds: MonthlySeconds
    uptime: float | None
    incidents: int


class TerminalItem(TypedDict):
    id: int
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    store: str
    installed_date: str | None
    tags: list[str]
    archived_at: str | None
    status: Status
    status_since: str
    firmware_version: str
    agent_version: str | None
    last_heartbeat_at: str | None
    cpu_usage: int
    memory_usage: int
    disk_usage: int
    error: str | None


class PageReportItem(TypedDict):
    items: list[ReportItem]
    total: int
    next_cursor: str | None


class Reading(TypedDict):
    at: str
    heartbeats: int
    cpu_average: int | None
    cpu_highest: int | None
    memory_average: int | None
    memory_highest: int | None
    disk_highest: int | None
    seconds: HistorySeconds | None


class Timeline(TypedDict):
    items: list[Happening]
    next_cursor: str | None


class IncidentDetail(TypedDict):
    id: int
    version: int
    alert_type: AlertType
    scope: Scope
    customer_id: int | None
    customer_name: str | None
    store_name: str | None
    network: str | None
    terminal_id: int
    serial_number: str
    message: str
    members: int
    members_open: int
    store_terminals: int
    impact: Impact | None
    opened_at: str
    step: int | None
    due_at: str | None
    response: ValuesState | None
    acknowledged_at: str | None
    assignee: Person | None
    snoozed_until: str | None
    resolved_at: str | None
    resolved_by: str | None
    resolution: str | None
    steps: list[StepItem]
    listed: list[MemberItem]
    events: list[EventItem]


class IncidentItem(TypedDict):
    id: int
    version: int
    alert_type: AlertType
    scope: Scope
    customer_id: int | None
    customer_name: str | None
    store_name: str | None
    network: str | None
    terminal_id: int
    serial_number: str
    message: str
    members: int
    members_open: int
    store_terminals: int
    impact: Impact | None
    opened_at: str
    step: int | None
    due_at: str | None
    response: ValuesState | None
    acknowledged_at: str | None
    assignee: Person | None
    snoozed_until: str | None
    resolved_at: str | None
    resolved_by: str | None


class CustomerDetail(TypedDict):
    id: int
    company_name: str
    contact_person: str
    contact_email: str
    contact_phone: str
    contract_type: ContractType
    archived_at: str | None
    terminals: StatusCounts
    version: int
    created_at: str
    updated_at: str
    archived_terminals: int
    stores: list[Store]
    store_count: int
    open_incidents: list[OpenIncident]
    last_report: LastReport | None


class Metrics(TypedDict):
    hours: Hours
    step_seconds: int
    points: list[Reading]


class MonthFigures(TypedDict):
    month: str
    terminals: int
    seconds: MonthlySeconds
    uptime: float | None
    by_day: list[DayFigure]
    counts: MonthlyCounts
    firmware: list[VersionFigure]
    worst: list[TerminalFigure]
    customers: list[CustomerFigure]


class PageRolloutItem(TypedDict):
    items: list[RolloutItem]
    total: int
    next_cursor: str | None


class PageTerminalItem(TypedDict):
    items: list[TerminalItem]
    total: int
    next_cursor: str | None


class PageIncidentItem(TypedDict):
    items: list[IncidentItem]
    total: int
    next_cursor: str | None


class MonthlyOverview(TypedDict):
    as_of: str
    month: str
    months: list[str]
    is_summed_up: bool
    is_drafting: bool
    expected: int
    drafted: int
    first_drafted_at: str | None
    sent: int
    unsent: int
    drafted_at: str | None
    figures: MonthFigures | None
    before: MonthFigures | None


class ReportDetail(TypedDict):
    id: int
    version: int
    month: str
    customer_id: int | None
    customer_name: str | None
    contact_email: str | None
    terminals: int
    incidents: int
    uptime: float | None
    uptime_before: float | None
    pdf_id: str
    csv_id: str
    drafted_at: str
    sent_at: str | None
    sent_to: str | None
    sent_by: str | None
    figures: MonthFigures
    before: MonthFigures | None


FIELDS = {
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
}
SUBJECTS = {
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
}
CONTRACT_TYPE = {"basic": "ベーシック保守", "standard": "スタンダード保守", "premium": "プレミアム保守"}
STATUS = {"online": "オンライン", "offline": "オフライン", "error": "エラー", "maintenance": "メンテナンス中"}
KIND = {"fleet.monthly_reports": "月次報告書の作成"}
PURPOSE = {
    "fleet.terminal_photo": "設置写真",
    "fleet.bundle": "診断ファイル",
    "fleet.firmware": "ファームウェア",
    "fleet.monthly_report": "月次報告書",
    "fleet.import": "取り込むファイル",
}
ALERT_TYPE = {
    "offline": "オフライン",
    "error": "エラー",
    "high_cpu": "CPU使用率高",
    "high_memory": "メモリ使用率高",
    "update_failed": "更新失敗",
}
CODE_STATE = {"valid": "有効", "used_up": "使用済み", "expired": "期限切れ", "revoked": "失効"}
COMMAND_NAME = {
    "diagnose": "リモート診断",
    "send_bundle": "診断ファイルの取得",
    "rotate_token": "トークンの更新",
    "update_firmware": "ファームウェアの更新",
}
COMMAND_STATE = {
    "waiting": "送信待ち",
    "accepted": "受付済み",
    "running": "実行中",
    "done": "完了",
    "failed": "失敗",
    "cancelled": "取り消し",
    "expired": "期限切れ",
}
FATE = {"repair": "修理に出す", "stock": "在庫に戻す", "scrapped": "廃棄する"}
LEVEL = {"high": "大", "middle": "中", "low": "小"}
PHASE = {"now": "実施中", "next": "予定", "past": "終了"}
ROLLOUT_STATE = {"draft": "下書き", "running": "配信中", "paused": "一時停止中", "aborted": "中止", "finished": "完了"}
SCOPE = {"terminal": "端末1台", "store": "店舗", "customer": "顧客企業", "network": "回線", "fleet": "複数の顧客・回線"}
STEPS = {1: "アラート検知", 2: "初動確認", 3: "リモート診断", 4: "顧客連絡", 5: "対応実施", 6: "完了報告"}
