"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict


class Candidate(TypedDict):
    number: str
    model_name: str
    site_name: str
    status: int | None
    status_word: str


class Candidates(TypedDict):
    items: list[Candidate]
    more: bool
    exact: bool


class Created(TypedDict):
    id: int


Deposit: TypeAlias = Literal[1, 2, 3, 4]


class DepositSet(TypedDict):
    event_id: int | None
    deposit: Deposit | None


EventKind: TypeAlias = Literal["registered", "form", "deposit", "cleared", "transfer", "archived", "restored"]


class Fact(TypedDict):
    header: str
    value: str


Job: TypeAlias = Literal["rotation", "checks"]


class LoanCounts(TypedDict):
    as_of: str
    total: int
    overdue: int
    soon: int
    no_due: int
    oldest: int
    stale: dict[Stale, int]
    soon_days: int
    returnable_days: int
    silent_days: int


class LoanShown(TypedDict):
    since: str
    borrower: str
    loan_number: str
    lent_on: str | None
    due_on: str | None
    overdue_days: int
    days: int


class MarkShown(TypedDict):
    reason: str
    marked_by: str
    marked_at: str


Meaning: TypeAlias = Literal[
    "person",
    "status",
    "held",
    "deposit",
    "borrower",
    "user",
    "loan_number",
    "lent_on",
    "due_on",
    "asset_number",
    "receipt",
    "note",
]


MessageState: TypeAlias = Literal["waiting", "sending", "retrying", "sent", "dead", "discarded"]


class ModelItem(TypedDict):
    id: int
    version: int
    code: str
    name: str
    maker: str
    category: str
    note: str
    devices: int
    created_at: str
    updated_at: str
    archived_at: str | None


class PageModelItem(TypedDict):
    items: list[ModelItem]
    total: int
    next_cursor: str | None


class Rebuilt(TypedDict):
    rebuilt: list[str]
    next: int | None


class Registered(TypedDict):
    id: int
    number: str


Result: TypeAlias = Literal["found", "elsewhere", "missing", "misplaced", "unknown"]


class RotationPlan(TypedDict):
    as_of: str
    before: str
    events: int
    devices: int
    by_kind: dict[str, int]
    oldest: str | None
    newest: str | None
    kept: int
    next_at: str


class ShownCondition(TypedDict):
    key: str
    one_of: list[str]


Source: TypeAlias = Literal["form", "viewer", "system", "import"]


Stale: TypeAlias = Literal["returnable", "unset", "inactive_site", "silent"]


class StocktakeDetail(TypedDict):
    id: int
    site_id: int
    site_name: str
    room: str
    started_by: str
    started_at: str
    closed_by: str | None
    closed_at: str | None
    expected: int
    found: int
    elsewhere: int
    missing: int
    misplaced: int
    unknown: int
    as_of: str


class StocktakeItem(TypedDict):
    id: int
    site_id: int
    site_name: str
    room: str
    started_by: str
    started_at: str
    closed_by: str | None
    closed_at: str | None
    expected: int
    found: int
    elsewhere: int
    missing: int
    misplaced: int
    unknown: int


class SummaryRow(TypedDict):
    site_id: int
    site_name: str
    counts: list[int]
    total: int


class TrendPoint(TypedDict):
    day: str
    counts: dict[str, int]


Type: TypeAlias = Literal["text", "long", "choice", "date", "number", "mail"]


ValueType: TypeAlias = Literal["text", "number", "date", "choice"]


class ViewChoice(TypedDict):
    key: str
    name: str
    description: str
    groups: list[str]


class ViewItem(TypedDict):
    id: int
    version: int
    key: str
    name: str
    description: str
    position: int
    filter: str | None
    source: str
    columns: str
    created_at: str
    updated_at: str
    archived_at: str | None


State: TypeAlias = Literal["draft", "current", "retired", "import_only"]


class Choice(TypedDict):
    id: int
    name: str
    jurisdiction: str
    archived: bool


Notice: TypeAlias = Literal["change", "reminder"]


Kind: TypeAlias = Literal["terminal", "printer", "other"]


Status: TypeAlias = Literal[1, 2, 3]


class SiteItem(TypedDict):
    id: int
    version: int
    key: str
    code: str
    name: str
    jurisdiction: str
    group_mail: str
    notifies: bool
    devices: int
    state: Literal["active", "inactive"]
    created_at: str
    updated_at: str
    archived_at: str | None


class Change(TypedDict):
    header: str
    old: str
    new: str


class Scanned(TypedDict):
    id: int
    result: Result
    again: bool
    number: str
    model_name: str | None
    site_name: str | None
    status: Status | None


Check: TypeAlias = Literal["same_serial", "repeated", "unreturned", "due_before_lent", "ignored_deposit"]


class RunItem(TypedDict):
    id: int
    job: Job
    at: str
    report: dict[str, Any]


class CategoryItem(TypedDict):
    key: str
    title: str
    description: str
    abbreviation: str
    kind: Kind
    group: str


class ColumnItem(TypedDict):
    id: int
    version: int
    kind: Kind
    title: str
    value_type: ValueType
    choices: list[str]
    required: bool
    position: int
    created_at: str
    updated_at: str
    archived_at: str | None


class DeviceShown(TypedDict):
    as_of: str
    moment: str
    is_now: bool
    id: int
    version: int
    number: str
    aliases: list[str]
    kind: Kind
    kind_word: str
    category: str
    category_word: str
    model_name: str
    maker: str
    serial: str
    asset_number: str
    software: str
    os: str
    extra: list[Fact]
    label_url: str
    created_at: str
    updated_at: str
    archived_at: str | None
    registered_at: str
    site_id: int | None
    site_name: str | None
    jurisdiction: str | None
    is_moved: bool
    is_archived: bool
    status: int | None
    status_word: str
    held: bool | None
    deposit: Deposit | None
    deposit_word: str
    deposit_refusal: str | None
    since: str | None
    event_id: int | None
    form_number: int | None
    answers: list[Fact]
    loan: LoanShown | None


class Difference(TypedDict):
    id: int
    number: str
    kind: Kind
    model_name: str
    was_known: bool
    before_site: str | None
    before_status: Status | None
    before_held: bool | None
    before_deposit: Deposit | None
    before_archived: bool | None
    site: str
    status: Status | None
    held: bool | None
    deposit: Deposit | None
    archived: bool


class EventShown(TypedDict):
    id: int
    kind: EventKind
    kind_word: str
    effective_at: str
    recorded_at: str
    is_late: bool
    source: Source
    source_word: str
    who: str
    mail: str
    reason: str
    form_number: int | None
    status_word: str | None
    answers: list[Fact]
    changes: list[Change]
    mark: MarkShown | None
    may_be_marked: bool
    put_away: bool


class FindingItem(TypedDict):
    finding: str
    check: Check
    title: str
    advice: str
    number: str
    at: str | None
    detail: str
    removable: int | None
    dismissed_by: str | None
    dismissed_at: str | None
    reason: str | None


class Findings(TypedDict):
    as_of: str
    items: list[FindingItem]
    total: int
    counts: dict[Check, int]
    checked_at: str | None
    different: list[str]


class FormItem(TypedDict):
    id: int
    kind: Kind
    kind_word: str
    number: int
    note: str
    state: State
    question_count: int
    version: int
    created_at: str
    updated_at: str
    published_at: str | None
    published_by: str | None


class Forms(TypedDict):
    items: list[FormItem]


class Listed(TypedDict):
    id: int
    number: str
    kind: Kind
    site_id: int
    site_name: str
    home: str | None
    status: Status | None
    held: bool | None
    deposit: Deposit | None
    is_archived: bool
    cells: list[str]


class LoanItem(TypedDict):
    device_id: int
    number: str
    kind: Kind
    model_name: str
    site_name: str
    jurisdiction: str
    borrower: str
    loan_number: str
    lent_on: str | None
    due_on: str | None
    since: str
    days: int
    overdue: int | None
    held: bool | None
    deposit: Deposit | None
    last_at: str
    stale: list[Stale]
    reminded_at: str | None


class MailShown(TypedDict):
    id: int
    kind: Notice
    event_id: int
    recipient: str
    title: str
    state: MessageState
    told_at: str
    sent_at: str | None
    error: str | None


class Mails(TypedDict):
    items: list[MailShown]
    total: int


class Options(TypedDict):
    views: list[ViewChoice]
    sites: list[Choice]
    jurisdictions: list[str]
    nested: list[str]


class PageColumnItem(TypedDict):
    items: list[ColumnItem]
    total: int
    next_cursor: str | None


class PageDifference(TypedDict):
    items: list[Difference]
    total: int
    next_cursor: str | None


class PageLoanItem(TypedDict):
    items: list[LoanItem]
    total: int
    next_cursor: str | None


class PageStocktakeItem(TypedDict):
    items: list[StocktakeItem]
    total: int
    next_cursor: str | None


class PageViewItem(TypedDict):
    items: list[ViewItem]
    total: int
    next_cursor: str | None


class RowItem(TypedDict):
    id: int
    device_id: int | None
    number: str
    kind: Kind | None
    model_name: str | None
    serial: str | None
    site_name: str | None
    status: Status | None
    result: Result
    scanned_by: str | None
    scanned_at: str | None
    note: str


class Runs(TypedDict):
    items: list[RunItem]


class ShownQuestion(TypedDict):
    key: str
    title: str
    header: str
    type: Type
    choices: list[str]
    required: bool
    help: str
    meaning: Meaning | None
    when: list[ShownCondition]
    shown_when: list[ShownCondition]


class Stored(TypedDict):
    event_id: int
    number: str
    effective_at: str
    recorded_at: str
    changes: list[Change]
    status: int | None
    status_word: str
    cleared: str | None
    mail_to: str | None


class SummaryCard(TypedDict):
    deposit: str
    title: str
    description: str
    color: str
    rows: list[SummaryRow]
    totals: list[int]
    total: int


class Trend(TypedDict):
    points: list[TrendPoint]


class PageSiteItem(TypedDict):
    items: list[SiteItem]
    total: int
    next_cursor: str | None


class DeviceItem(TypedDict):
    id: int
    version: int
    number: str
    kind: Kind
    category: str
    model_id: int
    model_name: str
    maker: str
    serial: str
    asset_number: str
    software: str
    os: str
    extra: dict[str, str]
    aliases: list[str]
    site_id: int
    site_name: str
    jurisdiction: str
    is_moved: bool
    status: int | None
    held: bool | None
    deposit: int | None
    created_at: str
    updated_at: str
    archived_at: str | None


class Preview(TypedDict):
    number: str
    kind: Kind
    others: list[str]


class Summary(TypedDict):
    as_of: str
    shown: str | None
    jurisdiction: str | None
    groups: list[str]
    cards: list[SummaryCard]
    unset: SummaryCard


class Timeline(TypedDict):
    items: list[EventShown]
    total: int


class Categories(TypedDict):
    items: list[CategoryItem]


class Expected(TypedDict):
    effective_at: str | None
    changes: list[Change]
    cleared: str | None
    mail_to: str | None
    warnings: list[str]
    stored: Stored | None


class FormInFull(TypedDict):
    id: int
    kind: Kind
    kind_word: str
    number: int
    note: str
    state: State
    question_count: int
    version: int
    created_at: str
    updated_at: str
    published_at: str | None
    published_by: str | None
    questions: list[ShownQuestion]
    problems: list[str]
    differences: list[str]


class FormToFill(TypedDict):
    as_of: str
    number: str
    model_name: str
    kind: Kind
    site_name: str
    status: int | None
    status_word: str
    refusal: str | None
    form_id: int
    form: int
    questions: list[ShownQuestion]
    answers: dict[str, str]
    based_on: int | None
    changed_at: str | None


class ListPage(TypedDict):
    view: str
    name: str
    columns: list[str]
    items: list[Listed]
    total: int
    next_cursor: str | None
    as_of: str
    shown: str | None


class PageDeviceItem(TypedDict):
    items: list[DeviceItem]
    total: int
    next_cursor: str | None


class PageRowItem(TypedDict):
    items: list[RowItem]
    total: int
    next_cursor: str | None


FIELDS = {
    "key": "ID",
    "code": "拠点コード",
    "name": "名前",
    "jurisdiction": "管轄",
    "group_mail": "グループメールアドレス",
    "notifies": "ステータス変更通知",
    "archived": "無効",
    "maker": "メーカー",
    "category": "カテゴリ",
    "note": "備考",
    "number": "拠点管理番号",
    "alias": "別名",
    "model_id": "機種",
    "site_id": "拠点",
    "serial": "製造番号",
    "asset_number": "資産管理番号",
    "software": "ソフトウェア",
    "os": "OS",
    "extra": "追加の項目",
    "kind": "機器種別",
    "title": "項目名",
    "value_type": "形式",
    "choices": "選択肢",
    "required": "必須",
    "position": "表示順序",
    "version": "版",
    "questions": "質問",
    "published": "公開",
    "description": "説明",
    "filter": "フィルタ条件",
    "source": "データソース設定",
    "columns": "表示列設定",
    "status": "ステータス",
    "held": "ユーザー機の預り有無",
    "deposit": "預り機のステータス",
    "effective_at": "発生日時",
    "answers": "回答",
    "reason": "理由",
    "cleared": "あわせて登録した内容",
    "marked": "除去",
    "rebuilt": "履歴からの作り直し",
    "device_id": "機器",
    "type": "回答の形式",
    "help": "説明文",
    "meaning": "意味",
    "when": "表示条件",
    "one_of": "条件の回答",
    "view": "データタイプ",
    "number_site_id": "管理番号の拠点",
    "group": "デバイスタイプ",
    "nested": "社内ステータス",
    "as_of": "時点",
    "since": "期間の始め",
    "until": "期間の終わり",
    "moved": "移管された機器",
    "q": "検索する語",
    "state": "返却の状況",
    "stale": "注意",
    "result": "結果",
    "room": "部屋",
    "id": "番号",
    "expected": "対象",
    "found": "確認済み",
    "elsewhere": "別の棚卸で確認済み",
    "missing": "未確認",
    "misplaced": "対象外の機器",
    "unknown": "未登録の番号",
    "closed": "終了",
    "dismissed": "問題なし",
    "events": "履歴の件数",
    "devices": "機器の台数",
    "findings": "指摘の件数",
    "different": "履歴と異なる機器",
}
SUBJECTS = {
    "site": "拠点",
    "model": "機種",
    "column": "追加の列",
    "device": "機器",
    "event": "ステータス履歴",
    "form": "フォーム",
    "view": "データタイプ",
    "stocktake": "棚卸",
    "finding": "点検の指摘",
    "upkeep": "ローテーション・点検",
}
KIND = {"terminal": "端末", "printer": "プリンタ", "other": "その他"}
VALUE_TYPE = {"text": "文字", "number": "数字", "date": "日付", "choice": "選択"}
STATUS = {"1": "1.貸出中", "2": "2.回収後社内保管", "3": "3.社内にて保管中"}
DEPOSIT = {
    "1": "1.返却可能",
    "2": "2.商談や金額の問題で返却不可",
    "3": "3.お客様による返却拒否",
    "4": "4.HW延長保守中(OS入れ替えやサービス終了を含む)",
}
DEPOSIT_CLASS = {"1": "返却可能", "2": "商談中", "3": "返却拒否", "4": "保守対応中"}
DUE_STATE = {"overdue": "返却予定日を過ぎた", "soon": "もうすぐ返却予定日", "no_due": "返却予定日なし"}
EVENT_KIND = {
    "registered": "登録",
    "form": "ステータス登録",
    "deposit": "預り機のステータスの変更",
    "cleared": "預り機のステータスの自動クリア",
    "transfer": "移管",
    "archived": "無効化",
    "restored": "有効化",
}
JOB = {"rotation": "ローテーション", "checks": "月次の点検"}
MEANING = {
    "person": "担当者",
    "status": "ステータス",
    "held": "ユーザー機の預り有無",
    "deposit": "預り機のステータス",
    "borrower": "貸出先",
    "user": "ユーザー情報",
    "loan_number": "貸出番号",
    "lent_on": "貸出日",
    "due_on": "返却予定日",
    "asset_number": "資産管理番号",
    "receipt": "お預かり証No.",
    "note": "備考",
}
RESULT = {
    "found": "確認済み",
    "elsewhere": "別の棚卸で確認済み",
    "missing": "未確認",
    "misplaced": "対象外の機器",
    "unknown": "未登録の番号",
}
SOURCE = {"form": "フォーム", "viewer": "画面", "system": "自動", "import": "取込"}
STALE = {
    "returnable": "返却可能のまま",
    "unset": "ステータス未設定",
    "inactive_site": "無効な拠点",
    "silent": "更新なし",
}
STATE = {"draft": "下書き", "current": "公開中", "retired": "以前の版", "import_only": "取込専用"}
TYPE = {
    "text": "1行の文字",
    "long": "複数行の文字",
    "choice": "選択肢から1つ",
    "date": "日付",
    "number": "数字",
    "mail": "メールアドレス",
}
