"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

AnswerOutput: TypeAlias = Literal[
    "ok",
    "refused",
    "vague",
    "change_requested",
    "voicemail",
    "no_answer",
    "busy",
    "failed",
    "no_result",
    "unknown",
    "skipped",
]


class AnswerItem(TypedDict):
    id: int
    quarter: str
    title: str
    stars: int
    comment: str
    answered_at: str


class AssistantItem(TypedDict):
    id: int
    name: str
    is_shared: bool
    reservations: int
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


Audience: TypeAlias = Literal["customer", "shop", "operator"]


class BackupFacts(TypedDict):
    expected: bool
    last_at: str | None
    last_bytes: int | None
    kept: int | None
    failed: bool
    is_late: bool
    rehearsal_at: str | None
    rehearsal_ok: bool | None


class Called(TypedDict):
    id: int
    code: str
    name: str
    phone_shown: str
    opens_at: str
    closes_at: str
    closed_weekdays: list[int]
    blacklisted_at: str | None


Case: TypeAlias = Literal["slow", "day", "week"]


Category: TypeAlias = Literal[
    "booking", "payment", "cancellation", "messages", "calls", "assistant", "trouble", "other"
]


Channel: TypeAlias = Literal["mail", "phone"]


class ChoreLine(TypedDict):
    title: str
    owner: str
    times: int
    skipped: int
    reason: str


class Chores(TypedDict):
    due: int
    done: int
    late: int
    minutes: int
    not_done: list[ChoreLine]


class Created(TypedDict):
    id: int


class DoneOutput(TypedDict):
    done: int


Faq: TypeAlias = Literal["none", "wanted", "added", "declined"]


class GuideItem(TypedDict):
    name: str
    title: str
    audience: Audience
    audience_title: str
    reading: str
    summary: str
    url: str | None


class Guides(TypedDict):
    items: list[GuideItem]


class HistoryEvent(TypedDict):
    id: int
    at: str
    kind: str
    by: str
    text: str | None


class InTime(TypedDict):
    due: int
    met: int
    median_minutes: int | None


class IncidentLine(TypedDict):
    code: str
    title: str
    level: str
    detected_at: str
    recovered_at: str | None
    is_open: bool
    shared_weekly: bool


class IssuedAssistant(TypedDict):
    id: int
    token: str
    url: str


class Line(TypedDict):
    is_shop: bool
    text: str


class Manager(TypedDict):
    name: str
    mail: str


class Manual(TypedDict):
    state: str
    sent_at: str | None
    sent_to: str | None
    error: str | None
    titles: list[str]


Mark: TypeAlias = Literal["detected", "first_look", "stopgap", "recovery", "management", "report", "weekly"]


class MeasureItem(TypedDict):
    due: int
    met: int
    share: float | None
    median_minutes: int | None


MessageState: TypeAlias = Literal["waiting", "sending", "retrying", "sent", "dead", "discarded"]


class MoneyItem(TypedDict):
    kind: Literal["payment", "refund"]
    number: int
    amount: int
    status: str
    error: str
    at: str
    settled_at: str | None


class MonthItem(TypedDict):
    id: int
    month: str
    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    success_percent: float | None
    payment_percent: float | None
    cancellation_percent: float | None
    operations: int
    paid: int
    refunded: int
    sales: int


class Offered(TypedDict):
    id: int
    code: str
    name: str
    place: int


class OperationLine(TypedDict):
    kind: str
    count: int
    done: int
    due: int
    met: int
    median_minutes: int | None
    before: int


class OperationLink(TypedDict):
    id: int
    title: str
    resolved_at: str | None
    resolved_by: str | None
    outcome: str | None


class OperationWords(TypedDict):
    title: str
    estimate: str | None


class Order(TypedDict):
    service_id: int
    service_name: str
    version: int
    items: list[Called]


class PageAnswerItem(TypedDict):
    items: list[AnswerItem]
    total: int
    next_cursor: str | None


class PageAssistantItem(TypedDict):
    items: list[AssistantItem]
    total: int
    next_cursor: str | None


class PageMonthItem(TypedDict):
    items: list[MonthItem]
    total: int
    next_cursor: str | None


Party: TypeAlias = Literal["customer", "shop"]


class Person(TypedDict):
    id: int
    name: str


class PlanItem(TypedDict):
    code: str
    name: str
    price: int
    id: int
    version: int
    position: int
    archived_at: str | None


class PlanSummary(TypedDict):
    code: str
    name: str
    price: int


Priority: TypeAlias = Literal["urgent", "high", "medium", "low"]


class ProposalItem(TypedDict):
    id: int
    kind: Case
    found_at: str
    title: str
    impact: str
    calm_at: str | None


class Proposals(TypedDict):
    as_of: str
    items: list[ProposalItem]


class QualityPeriod(TypedDict):
    title: str
    since: str
    until: str
    count: int
    mail: int
    phone: int
    unresolved: int
    first_mail: MeasureItem
    first_phone: MeasureItem
    resolution: MeasureItem
    satisfaction: float | None
    answers: int


class Recipients(TypedDict):
    mail: int
    sms: int
    without: int


class Recounted(TypedDict):
    counted_at: str
    months: int


Rhythm: TypeAlias = Literal["daily", "weekly", "monthly", "quarterly", "anytime"]


class ScoreItem(TypedDict):
    success: float
    mean_minutes: float | None
    median_minutes: float | None
    calls: float
    measured: float
    doubt: float


class Section(TypedDict):
    title: str
    blocks: list[dict[str, Any]]


class Sent(TypedDict):
    recipients: int


class ServiceDetail(TypedDict):
    id: int
    version: int
    code: str
    name: str
    description: str
    position: int
    shops: int
    created_at: str
    updated_at: str
    archived_at: str | None
    plans: list[PlanItem]


class ServiceItem(TypedDict):
    id: int
    version: int
    code: str
    name: str
    description: str
    position: int
    shops: int
    created_at: str
    updated_at: str
    archived_at: str | None
    plans: list[PlanSummary]


class ShiftItem(TypedDict):
    id: int
    version: int
    user_id: int
    name: str
    phone: str
    phone_shown: str
    starts_at: str
    ends_at: str
    is_now: bool


class Support(TypedDict):
    by_channel: dict[str, int]
    first_mail: InTime
    first_phone: InTime
    resolution: InTime
    unresolved: int
    categories: list[tuple[str, int]]
    for_faq: list[tuple[str, str]]


Task: TypeAlias = Literal[
    "all_shops_refused",
    "sms_failed",
    "vague_answer",
    "change_requested",
    "late_cancel",
    "payment_trouble",
    "refund_failed",
    "dispute",
    "call_unclear",
    "second_ok",
    "customer_enquiry",
]


Trust: TypeAlias = Literal["good", "fair", "poor"]


Way: TypeAlias = Literal["faq", "system", "manual"]


class Change(TypedDict):
    field: str
    title: str
    before: str | None
    after: str | None
    text: str


ValuesState: TypeAlias = Literal["running", "near", "overdue", "met", "missed"]


AlarmsKind: TypeAlias = Literal["cpu", "memory", "queue", "errors"]


class Check(TypedDict):
    kind: str
    title: str
    value: float | None
    shown: str | None
    limit: str
    every_minutes: int
    priority: str
    state: Literal["fine", "high", "alarm", "unknown"]
    since: str | None
    detail: str


class AlarmsCounts(TypedDict):
    as_of: str
    open: int


class Opened(TypedDict):
    incident_id: int


class Outage(TypedDict):
    start: str
    end: str
    words: str


class Point(TypedDict):
    at: str
    cpu: float | None
    memory: float | None
    queue: int | None
    errors: float | None


class AlarmsState(TypedDict):
    as_of: str
    checks: list[Check]
    measured_at: str | None
    is_measured: bool
    silent_jobs: list[str]
    open: int


ChoresState: TypeAlias = Literal["planned", "now", "overdue", "missed", "done", "skipped"]


class ChoresCounts(TypedDict):
    as_of: str
    todo: int
    overdue: int
    today: int
    done_today: int
    next_title: str | None
    next_at: str | None


class DeskCounts(TypedDict):
    as_of: str
    total: int
    seeking: int
    paying: int
    confirmed: int
    today: int
    refunding: int
    needs_people: int
    asked_today: int


class MessageItem(TypedDict):
    id: int
    channel: Literal["sms", "mail"]
    recipient: Literal["customer", "shop"]
    purpose: str
    purpose_title: str
    address: str
    title: str
    body: str
    status: str
    tries: int
    error: str
    created_at: str
    sent_at: str | None
    delivered_at: str | None


class TaskItem(TypedDict):
    id: int
    kind: Task
    title: str
    priority: Priority
    detail: str
    opened_at: str
    due_at: str
    resolved_at: str | None
    outcome: str | None


DraftsKind: TypeAlias = Literal["weekly", "monthly"]


class DraftsShare(TypedDict):
    part: int
    whole: int


class DraftsCounts(TypedDict):
    as_of: str
    drafts: int
    finished: int
    last_kind: DraftsKind | None
    last_period: str | None
    last_finished_at: str | None
    next_weekly_at: str | None
    next_monthly_at: str | None


class DraftsReportItem(TypedDict):
    id: int
    version: int
    kind: DraftsKind
    first_day: str
    last_day: str
    period: str
    drafted_at: str
    finished_at: str | None
    finished_by: str | None
    sent_at: str | None
    sent_by: str | None
    requested: int
    success: float | None
    sales: int


EnquiriesStatus: TypeAlias = Literal["received", "working", "waiting", "resolved"]


class EnquiriesCounts(TypedDict):
    as_of: str
    open: int
    mine: int
    unclaimed: int
    unanswered: int
    waiting: int
    near: int
    overdue: int
    for_faq: int
    resolved_today: int


class EnquiriesEventItem(TypedDict):
    id: int
    at: str
    kind: str
    by: str
    text: str | None
    sending: Literal["waiting", "sent", "failed"] | None


class Notice(TypedDict):
    id: int
    title: str
    recipient: str
    subject: str | None
    subject_id: str | None
    created_at: str
    sent_at: str | None
    state: MessageState
    last_error: str | None


class FiguresShare(TypedDict):
    part: int
    whole: int
    share: float | None


Level: TypeAlias = Literal["critical", "high", "medium", "low"]


IncidentsStatus: TypeAlias = Literal["open", "follow_up", "done"]


class IncidentsCounts(TypedDict):
    as_of: str
    open: int
    critical: int
    follow_up: int
    overdue: int


class IncidentItem(TypedDict):
    id: int
    version: int
    code: str
    title: str
    level: Level
    status: IncidentsStatus
    detected_at: str
    impact: str
    cause: str
    response: str
    recovered_at: str | None
    prevention: str
    opened_by: str
    resolved_at: str | None
    resolved_by: str | None
    next_title: str | None
    next_due_at: str | None
    next_response: ValuesState | None
    left_seconds: int | None


class Waiting(TypedDict):
    text: str
    waiting: int
    confirmed: int
    told: int


class ManagementReportItem(TypedDict):
    id: int
    month: str
    is_automatic: bool
    asked_at: str
    asked_by: str
    sent_at: str | None
    recipients: list[str]
    pdf_id: str | None


class QueueCounts(TypedDict):
    as_of: str
    open: int
    unclaimed: int
    mine: int
    urgent: int
    near: int
    overdue: int
    next_due_at: str | None
    resolved_today: int
    on_call: ShiftItem | None


class ShopsShopItem(TypedDict):
    id: int
    version: int
    code: str
    name: str
    phone: str
    phone_shown: str
    mail: str
    contact_name: str
    note: str
    opens_at: str
    closes_at: str
    closed_weekdays: list[int]
    services: list[Offered]
    state: Literal["active", "blacklisted", "archived"]
    blacklisted_at: str | None
    blacklist_reason: str | None
    created_at: str
    updated_at: str
    archived_at: str | None


class Summary(TypedDict):
    shops: int
    blacklisted: int
    without_mail: int
    unplaced: int


class SimulationShopItem(TypedDict):
    id: int
    code: str
    name: str
    phone_shown: str
    opens_at: str
    closes_at: str
    closed_weekdays: list[int]
    blacklisted_at: str | None
    known_calls: int
    known_ok: int
    likely: float
    minutes: float


StateMachineState: TypeAlias = Literal[
    "requested",
    "calling",
    "pending_shop_response",
    "change_requested",
    "all_shops_refused",
    "calling_success",
    "awaiting_payment",
    "expiring",
    "payment_timeout",
    "confirmed",
    "completed",
    "cancelled",
    "refund_pending",
    "refunded",
]


SurveysStatus: TypeAlias = Literal["preparing", "open", "closed"]


class AlarmItem(TypedDict):
    id: int
    kind: AlarmsKind
    text: str
    begun_at: str
    over_at: str | None
    worst: str
    latest: str
    detail: str


class CalendarItem(TypedDict):
    id: int
    version: int
    title: str
    rhythm: Rhythm
    owner: str
    starts_at: str
    due_at: str | None
    state: ChoresState


class CallItem(TypedDict):
    number: int
    round: int
    shop_id: int
    shop_name: str
    phone_shown: str
    is_active: bool
    planned_at: str
    placed_at: str | None
    ended_at: str | None
    answer: AnswerOutput | None
    answer_title: str | None
    read_answer: AnswerOutput | None
    why: str
    quote: str
    staff: str
    change: str
    summary: str
    seconds: int | None
    transcript: list[Line]
    overruled_at: str | None
    overruled_by: str | None
    may_overrule: bool


class Charts(TypedDict):
    as_of: str
    points: list[Point]


class ChoreItem(TypedDict):
    id: int
    version: int
    code: str | None
    title: str
    rhythm: Rhythm
    starts: str
    weekday: int | None
    business_day: int | None
    when: str
    minutes: int | None
    owner: str
    what: str
    page: str
    position: int
    last_at: str | None
    last_by: str | None
    next_at: str | None
    done_lately: int
    created_at: str
    updated_at: str
    archived_at: str | None


class DayNumbers(TypedDict):
    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    links_paid: int
    links_unpaid: int
    paid: int
    refunded: int
    sales: int
    success: FiguresShare
    payment: FiguresShare
    cancellation: FiguresShare
    day: str


class DayRates(TypedDict):
    success: FiguresShare
    payment: FiguresShare
    cancellation: FiguresShare
    day: str


class EnquiryItem(TypedDict):
    id: int
    version: int
    code: str
    party: Party
    channel: Channel
    is_from_form: bool
    sender_name: str
    phone_shown: str
    mail: str
    topic: str
    category: Category
    level: Level
    status: EnquiriesStatus
    faq: Faq
    owner: Person | None
    reservation_code: str | None
    shop_name: str | None
    received_at: str
    first_due_at: str
    first_response_at: str | None
    resolution_due_at: str | None
    resolved_at: str | None
    due_at: str | None
    due_title: str | None
    response: ValuesState | None
    left_seconds: int | None


class GuideInFull(TypedDict):
    name: str
    title: str
    audience: Audience
    audience_title: str
    reading: str
    summary: str
    url: str | None
    sections: list[Section]


class HistoryItem(TypedDict):
    id: int
    at: str
    actor_title: str
    action: str
    action_title: str
    subject_title: str
    changes: list[Change]


class MarkItem(TypedDict):
    mark: Mark
    title: str
    hints: list[str]
    tells: bool
    due_at: str
    response: ValuesState
    left_seconds: int
    done_at: str | None
    done_by: str | None
    note: str


class MonthNumbers(TypedDict):
    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    links_paid: int
    links_unpaid: int
    paid: int
    refunded: int
    sales: int
    success: FiguresShare
    payment: FiguresShare
    cancellation: FiguresShare
    month: str
    operations: int


class Notices(TypedDict):
    as_of: str
    items: list[Notice]


class OnCall(TypedDict):
    as_of: str
    shift: ShiftItem | None


class OperationCount(TypedDict):
    kind: Task
    open: int
    done: int
    carried: int
    overdue: int


class OperationItem(TypedDict):
    id: int
    version: int
    kind: Task
    title: str
    priority: Priority
    detail: str
    opened_at: str
    due_at: str
    response: ValuesState
    left_seconds: int
    owner: Person | None
    claimed_at: str | None
    resolved_at: str | None
    resolved_by: str | None
    outcome: str | None
    code: str | None
    state: StateMachineState | None
    state_title: str | None
    customer_name: str | None
    phone_shown: str | None
    service_name: str | None
    starts_at: str | None


class Outages(TypedDict):
    as_of: str
    items: list[Outage]
    total: int
    down_minutes: float


class PageAlarmItem(TypedDict):
    items: list[AlarmItem]
    total: int
    next_cursor: str | None


class PageChoreItem(TypedDict):
    items: list[ChoreItem]
    total: int
    next_cursor: str | None


class PageEnquiryItem(TypedDict):
    items: list[EnquiryItem]
    total: int
    next_cursor: str | None


class PageOperationItem(TypedDict):
    items: list[OperationItem]
    total: int
    next_cursor: str | None


class PageServiceItem(TypedDict):
    items: list[ServiceItem]
    total: int
    next_cursor: str | None


class PageShiftItem(TypedDict):
    items: list[ShiftItem]
    total: int
    next_cursor: str | None


class PageShopItem(TypedDict):
    items: list[ShopsShopItem]
    total: int
    next_cursor: str | None


class Quality(TypedDict):
    as_of: str
    goal: float
    periods: list[QualityPeriod]
    categories: list[tuple[str, int]]


class Rates(TypedDict):
    success: FiguresShare
    payment: FiguresShare
    cancellation: FiguresShare


class Reports(TypedDict):
    as_of: str
    recipients: list[str]
    items: list[ManagementReportItem]


class ReservationItem(TypedDict):
    id: int
    code: str
    version: int
    state: StateMachineState
    state_title: str
    state_since: str
    waits_until: str | None
    service_name: str
    plan_name: str
    customer_name: str
    phone_shown: str
    starts_at: str
    price: int
    paid: int
    refunded: int
    shop_name: str | None
    open_operations: int
    created_at: str


class ServiceNumbers(TypedDict):
    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    links_paid: int
    links_unpaid: int
    paid: int
    refunded: int
    sales: int
    success: FiguresShare
    payment: FiguresShare
    cancellation: FiguresShare
    name: str


class ShopNumbers(TypedDict):
    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    links_paid: int
    links_unpaid: int
    paid: int
    refunded: int
    sales: int
    success: FiguresShare
    payment: FiguresShare
    cancellation: FiguresShare
    place: int
    code: str
    name: str


class Simulation(TypedDict):
    as_of: str
    since: str
    service_id: int
    service_name: str
    version: int
    reservations: int
    shops: list[SimulationShopItem]
    order: list[int]
    actual: ScoreItem
    present: ScoreItem
    tried: ScoreItem
    suggested: list[int]
    suggested_score: ScoreItem
    trust: Trust
    is_certain: bool


class Standing(TypedDict):
    due_at: str
    done_at: str | None
    done_by: str | None
    response: ValuesState
    left_seconds: int
    minutes: int | None


class StateCount(TypedDict):
    state: StateMachineState
    number: int


class SurveyDetail(TypedDict):
    id: int
    version: int
    quarter: str
    title: str
    status: SurveysStatus
    created_at: str
    created_by: str
    sent_at: str | None
    sent_by: str | None
    closes_at: str | None
    reminded_at: str | None
    reminded: int
    closed_at: str | None
    invited: int
    answered: int
    mean: float | None
    distribution: list[int]
    recipients: Recipients | None
    reminder_at: str | None


class SurveyItem(TypedDict):
    id: int
    version: int
    quarter: str
    title: str
    status: SurveysStatus
    created_at: str
    created_by: str
    sent_at: str | None
    sent_by: str | None
    closes_at: str | None
    reminded_at: str | None
    reminded: int
    closed_at: str | None
    invited: int
    answered: int
    mean: float | None
    distribution: list[int]


class Today(TypedDict):
    as_of: str
    day: str
    requested: int
    before: int
    states: list[StateCount]
    starting: int
    operations: list[OperationCount]
    begun: int
    still_open: int
    overdue: int


class TurnDetail(TypedDict):
    id: int
    version: int
    chore_id: int
    code: str | None
    title: str
    rhythm: Rhythm
    owner: str
    page: str
    estimate: int | None
    starts_at: str
    due_at: str | None
    state: ChoresState
    was_late: bool
    done_at: str | None
    done_by: str | None
    minutes: int | None
    note: str
    what: str
    when: str
    events: list[HistoryEvent]
    backups: BackupFacts | None


class TurnItem(TypedDict):
    id: int
    version: int
    chore_id: int
    code: str | None
    title: str
    rhythm: Rhythm
    owner: str
    page: str
    estimate: int | None
    starts_at: str
    due_at: str | None
    state: ChoresState
    was_late: bool
    done_at: str | None
    done_by: str | None
    minutes: int | None
    note: str


class Week(TypedDict):
    as_of: str
    first: str
    days: list[DayRates]
    this: Rates
    before: Rates
    success_goal: int | None
    payment_goal: int | None


class PageIncidentItem(TypedDict):
    items: list[IncidentItem]
    total: int
    next_cursor: str | None


class PageReportItem(TypedDict):
    items: list[DraftsReportItem]
    total: int
    next_cursor: str | None


class DeskEventItem(TypedDict):
    number: int
    at: str
    kind: str
    title: str
    state_before: StateMachineState | None
    state: StateMachineState
    state_title: str
    ignored: str | None
    source: str
    source_title: str
    by: str
    note: str
    led_to: list[str]
    event: dict[str, Any]


class StepItem(TypedDict):
    number: int
    at: str
    title: str
    by: str
    source_title: str
    ignored: str | None
    led_to: list[str]
    state_before: StateMachineState | None
    state: StateMachineState
    state_title: str
    waits_until: str | None
    agrees: bool
    progress: str
    round: int
    calls: int
    shop_name: str | None
    asked_name: str | None
    starts_at: str
    price: int
    paid: int
    refunded: int
    pay_until: str | None
    next_action_at: str | None


class Numbers(TypedDict):
    requested: int
    success: DraftsShare
    payment: DraftsShare
    cancelled: DraftsShare
    paid: int
    refunded: int
    operations: int
    incidents: int
    enquiries: int
    satisfaction: float | None
    answers: int


class IncidentDetail(TypedDict):
    id: int
    version: int
    code: str
    title: str
    level: Level
    status: IncidentsStatus
    detected_at: str
    impact: str
    cause: str
    response: str
    recovered_at: str | None
    prevention: str
    opened_by: str
    resolved_at: str | None
    resolved_by: str | None
    next_title: str | None
    next_due_at: str | None
    next_response: ValuesState | None
    left_seconds: int | None
    report: str
    report_template: str
    report_due_at: str | None
    marks: list[MarkItem]
    events: list[HistoryEvent]
    told_customers: int


class ManagementOverview(TypedDict):
    as_of: str
    counted_at: str | None
    is_late: bool
    is_over: bool
    months: list[MonthNumbers]
    all_months: list[str]


class SurveysOverview(TypedDict):
    as_of: str
    goal: float
    open: SurveyItem | None
    last: SurveyItem | None
    next_quarter: str | None
    next_title: str | None


class CalendarDay(TypedDict):
    day: str
    is_business_day: bool
    holiday: str | None
    items: list[CalendarItem]


class Contents(TypedDict):
    now: Numbers
    before: Numbers
    by_service: dict[str, int]
    by_shop: dict[str, int]
    operations: list[OperationLine]
    incidents: list[IncidentLine]
    support: Support
    chores: Chores


class EnquiryDetail(TypedDict):
    id: int
    version: int
    code: str
    party: Party
    channel: Channel
    is_from_form: bool
    sender_name: str
    phone_shown: str
    mail: str
    topic: str
    category: Category
    level: Level
    status: EnquiriesStatus
    faq: Faq
    owner: Person | None
    reservation_code: str | None
    shop_name: str | None
    received_at: str
    first_due_at: str
    first_response_at: str | None
    resolution_due_at: str | None
    resolved_at: str | None
    due_at: str | None
    due_title: str | None
    response: ValuesState | None
    left_seconds: int | None
    phone: str
    content: str
    reservation_given: str
    shop_given: str
    shop_id: int | None
    received_by: str
    first: Standing
    resolution: Standing | None
    way: Way | None
    outcome: str
    is_known_contact: bool | None
    operation: OperationLink | None
    operations: list[OperationLink]
    events: list[EnquiriesEventItem]
    answer_subject: str
    answer_body: str


class History(TypedDict):
    items: list[HistoryItem]


class PageReservationItem(TypedDict):
    items: list[ReservationItem]
    total: int
    next_cursor: str | None


class PageSurveyItem(TypedDict):
    items: list[SurveyItem]
    total: int
    next_cursor: str | None


class PageTurnItem(TypedDict):
    items: list[TurnItem]
    total: int
    next_cursor: str | None


class Parts(TypedDict):
    month: str | None
    services: list[ServiceNumbers]
    shops: list[ShopNumbers]
    days: list[DayNumbers]


class ReplayOutput(TypedDict):
    as_of: str
    items: list[StepItem]


class ReservationDetail(TypedDict):
    id: int
    code: str
    version: int
    state: StateMachineState
    state_title: str
    state_since: str
    waits_until: str | None
    service_name: str
    plan_name: str
    customer_name: str
    phone_shown: str
    starts_at: str
    price: int
    paid: int
    refunded: int
    shop_name: str | None
    open_operations: int
    created_at: str
    as_of: str
    progress: str
    progress_by: str | None
    next_action_at: str | None
    service_id: int
    service_code: str
    plan_code: str
    phone: str
    mail: str
    wishes: str
    assistant_name: str | None
    created_by: str | None
    shop_id: int | None
    asked_id: int | None
    asked_name: str | None
    sms_fails: bool
    pay_until: str | None
    cancel_until: str
    closed_at: str | None
    actions: list[str]
    calls: list[CallItem]
    timeline: list[DeskEventItem]
    messages: list[MessageItem]
    money: list[MoneyItem]
    operations: list[TaskItem]


class ReportDetail(TypedDict):
    id: int
    version: int
    kind: DraftsKind
    first_day: str
    last_day: str
    period: str
    drafted_at: str
    finished_at: str | None
    finished_by: str | None
    sent_at: str | None
    sent_by: str | None
    requested: int
    success: float | None
    sales: int
    findings: str
    issues: str
    next_steps: str
    contents: Contents
    operations: dict[str, OperationWords]
    events: list[HistoryEvent]
    open_chore: int | None
    unshared: list[str]


class Calendar(TypedDict):
    as_of: str
    days: list[CalendarDay]


class OperationDetail(TypedDict):
    id: int
    version: int
    kind: Task
    title: str
    priority: Priority
    detail: str
    opened_at: str
    due_at: str
    response: ValuesState
    left_seconds: int
    owner: Person | None
    claimed_at: str | None
    resolved_at: str | None
    resolved_by: str | None
    outcome: str | None
    code: str | None
    state: StateMachineState | None
    state_title: str | None
    customer_name: str | None
    phone_shown: str | None
    service_name: str | None
    starts_at: str | None
    minutes: str | None
    steps: list[str]
    may_resolve: bool
    events: list[HistoryEvent]
    reservation: ReservationDetail | None


FIELDS = {
    "code": "コード",
    "name": "名前",
    "title": "名称",
    "description": "説明",
    "plan": "サイズ",
    "price": "料金（円）",
    "archived": "アーカイブ",
    "position": "順番",
    "service": "サービス",
    "order": "電話をかける順番",
    "phone": "電話番号",
    "mail": "メールアドレス",
    "note": "備考",
    "opens_at": "電話受付の開始",
    "closes_at": "電話受付の終了",
    "closed_weekdays": "定休日",
    "blacklisted": "利用停止",
    "reason": "理由",
    "services": "サービスと順番",
    "contact_name": "担当者",
    "state": "ステータス",
    "starts_at": "日時",
    "ends_at": "終了",
    "customer_name": "依頼者",
    "event": "操作",
    "answer": "回答",
    "owner_id": "担当",
    "owner": "担当",
    "priority": "優先度",
    "kind": "種類",
    "late": "期限超過のみ",
    "needs_people": "手動対応あり",
    "since": "予約日（から）",
    "shop_id": "店舗",
    "service_id": "サービス",
    "outcome": "対応結果",
    "resolved": "対応済み",
    "user_id": "利用者",
    "from": "開始",
    "until": "終了",
    "is_shared": "共用",
    "revoked": "失効",
    "level": "レベル",
    "detected_at": "発生日時",
    "impact": "影響範囲",
    "cause": "原因",
    "response": "対応内容",
    "recovered_at": "復旧日時",
    "prevention": "再発防止策",
    "report": "報告書",
    "mark": "対応の段階",
    "text": "本文",
    "recipients": "送信先の人数",
    "party": "問い合わせ元",
    "channel": "チャネル",
    "sender_name": "氏名",
    "topic": "件名",
    "category": "種別",
    "reservation": "予約ID",
    "shop": "提携店ID",
    "received_at": "受付日時",
    "was_answered": "電話に出られた",
    "status": "ステータス",
    "way": "対応方法",
    "faq": "FAQへの追加",
    "operation_id": "手動対応",
    "chore_id": "定期作業",
    "unanswered": "初回応答待ちのみ",
    "quarter": "対象の四半期",
    "closed": "終了した",
    "stars": "評価",
    "commented": "コメントあり",
    "month": "月",
    "months": "集計した月",
    "rhythm": "周期",
    "starts": "実施時間",
    "weekday": "実施曜日",
    "business_day": "第何営業日まで",
    "minutes": "所要時間（分）",
    "what": "作業の内容",
    "page": "作業する画面",
    "done_at": "実施日時",
    "done_by": "実施した人",
    "first_day": "期間の最初の日",
    "last_day": "期間の最後の日",
    "findings": "所見",
    "issues": "課題",
    "next_steps": "次の対応",
    "finished": "完成",
    "version": "版",
    "incident_id": "インシデント",
    "proposal": "もとになった提案",
    "manual": "マニュアル",
    "sent_to": "送付先",
}
SUBJECTS = {
    "service": "サービス",
    "plan": "サイズ・料金",
    "shop": "提携店",
    "reservation": "予約",
    "operation": "手動対応",
    "shift": "当番",
    "assistant": "アシスタント用トークン",
    "incident": "インシデント",
    "enquiry": "問い合わせ",
    "survey": "満足度調査",
    "month": "経営ダッシュボードの集計",
    "management_report": "経営レポート",
    "chore": "定期作業",
    "chore_turn": "定期作業の実施",
    "report": "週次・月次レポート",
    "alarm": "監視のアラート",
    "proposal": "インシデントの提案",
}
STATE = {
    "all": "すべて",
    "open": "未完了",
    "resolved": "完了",
    "done": "完了",
    "todo": "実施する時間・期限超過",
    "planned": "予定",
    "overdue": "期限超過",
    "missed": "未実施",
    "skipped": "見送り",
    "unfinished": "未完了の対応あり",
    "follow_up": "事後対応中",
    "received": "受付",
    "working": "対応中",
    "waiting": "回答待ち",
}
OWNER = {"me": "自分", "none": "担当なし"}
MANUAL = {"none": "未送付", "sent": "送付", "again": "再送を依頼"}
MARK = {
    "first_look": "初動対応",
    "stopgap": "応急処置・対応",
    "recovery": "復旧確認",
    "management": "経営陣に報告",
    "report": "ポストモーテム・インシデントレポート作成",
    "weekly": "週次報告で共有",
}
WEEKDAY = {"1": "月曜日", "2": "火曜日", "3": "水曜日", "4": "木曜日", "5": "金曜日", "6": "土曜日", "7": "日曜日"}
PURPOSE = {
    "reservations.import": "取り込むファイル",
    "reservations.guide": "提携店向けの手引き",
    "reservations.management_report": "経営レポート",
    "reservations.report": "週次・月次レポート",
}
ALARM_KIND = {"cpu": "CPU使用率", "memory": "メモリ使用率", "queue": "Celeryキュー長", "errors": "エラー率"}
ANSWER = {
    "ok": "予約OK",
    "refused": "予約NG",
    "vague": "曖昧な回答",
    "change_requested": "変更依頼",
    "voicemail": "留守番電話",
    "no_answer": "応答なし",
    "busy": "話し中",
    "failed": "発信失敗",
    "no_result": "結果不明",
    "unknown": "発信の成否不明",
    "skipped": "電話せず",
}
CATEGORY = {
    "booking": "予約の内容・変更",
    "payment": "お支払い",
    "cancellation": "キャンセル・返金",
    "messages": "SMS・メールが届かない",
    "calls": "店舗への電話・受付",
    "assistant": "AIアシスタントの使い方",
    "trouble": "不具合・トラブル",
    "other": "その他",
}
CHANNEL = {"mail": "Email", "phone": "電話"}
ENQUIRY_STATUS = {"received": "受付", "working": "対応中", "waiting": "回答待ち", "resolved": "解決"}
FAQ = {"none": "なし", "wanted": "追加すべき", "added": "追加済み", "declined": "見送り"}
INCIDENT_STATUS = {"open": "対応中", "follow_up": "事後対応中", "done": "完了"}
LEVEL = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low"}
PARTY = {"customer": "依頼者", "shop": "提携店"}
PERIOD_BEFORE = {"weekly": "前週", "monthly": "前月"}
PRIORITY = {"urgent": "緊急", "high": "高", "medium": "中", "low": "低"}
REPORT_KIND = {"weekly": "週次レポート", "monthly": "月次レポート"}
RESERVATION_STATE = {
    "requested": "受付済み",
    "calling": "店舗に電話中",
    "pending_shop_response": "店舗の回答待ち",
    "change_requested": "変更の確認中",
    "all_shops_refused": "全店舗NG",
    "calling_success": "店舗OK（決済準備中）",
    "awaiting_payment": "決済待ち",
    "expiring": "決済の締め切り処理中",
    "payment_timeout": "決済期限切れ",
    "confirmed": "予約確定",
    "completed": "完了",
    "cancelled": "キャンセル",
    "refund_pending": "返金処理中",
    "refunded": "返金済み",
}
RHYTHM = {"daily": "日次", "weekly": "週次", "monthly": "月次", "quarterly": "四半期", "anytime": "随時"}
SHOP_STATE = {"active": "利用中", "blacklisted": "利用停止", "archived": "アーカイブ済み"}
STARS = {1: "とても不満", 2: "やや不満", 3: "どちらともいえない", 4: "やや満足", 5: "とても満足"}
TASK = {
    "all_shops_refused": "全店舗予約NG",
    "sms_failed": "SMS送信失敗",
    "vague_answer": "曖昧な回答",
    "change_requested": "予約内容の変更依頼",
    "late_cancel": "期限超過後のキャンセル依頼",
    "payment_trouble": "決済の不具合",
    "refund_failed": "返金の失敗",
    "dispute": "支払いへの異議",
    "call_unclear": "電話の発信状況が不明",
    "second_ok": "別の店舗からも予約OK",
    "customer_enquiry": "依頼者からの問い合わせ",
}
TURN_OUTCOME = {"done": "完了", "skipped": "見送り"}
TURN_STATE = {
    "planned": "予定",
    "now": "実施する時間",
    "overdue": "期限超過",
    "missed": "未実施",
    "done": "完了",
    "skipped": "見送り",
}
WAY = {"faq": "FAQ記載内容", "system": "システム確認", "manual": "マニュアルオペレーション"}
