"""Types of answers and labels of codes. Written by `make contract` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict


class AcquiredCounts(TypedDict):
    corporations: int
    sites: int
    last_entered_at: str | None


class Address(TypedDict):
    prefecture: str
    city: str
    town: str


class AgencySummary(TypedDict):
    active: int
    inactive: int
    without_sales: int
    without_shop: int


class CardSummary(TypedDict):
    last4: str
    brand: str
    expire_month: str
    expire_year: str
    holder: str
    has_number: bool
    has_code: bool
    stored_at: str
    purge_at: str | None


class CarrierFieldItem(TypedDict):
    id: int
    version: int
    record: str
    field: str
    title: str
    part: str
    page: str
    carrier_field: str
    position: int
    created_at: str
    updated_at: str
    archived_at: str | None


class CaseCounts(TypedDict):
    as_of: str
    open: int
    deficient: int
    working: int
    waiting: int
    mine: int
    unread: int
    oldest: str | None


class ChoiceItem(TypedDict):
    id: int
    version: int
    list: str
    code: str
    name: str
    is_example: bool
    is_fixed: bool
    position: int
    created_at: str
    updated_at: str
    archived_at: str | None


CommentType: TypeAlias = Literal["deficiency", "comment"]


class Content(TypedDict):
    values: dict[str, Any]
    number: int
    updated_at: str | None


class CorporationDetail(TypedDict):
    id: int
    customer_type: str
    corporation_number: str
    name: str
    kana: str
    representative_last_name: str
    representative_first_name: str
    representative_last_name_kana: str
    representative_first_name_kana: str
    zip_code: str
    prefecture: str
    city: str
    town: str
    street: str
    building_name: str
    phone1: str
    phone2: str
    mail_address: str
    birthday: str | None
    representative_birthday: str | None
    job_type: str
    payment_type: str
    invoice: str
    payment_certificate: str
    billing_address_same: bool
    billing_zip_code: str
    billing_prefecture: str
    billing_city: str
    billing_town: str
    billing_street: str
    billing_building: str
    billing_customer_name: str
    sales_channel_id: str
    version: int
    agency_id: int
    agency_name: str
    last_name: str
    first_name: str
    last_name_kana: str
    first_name_kana: str
    card: CardSummary | None
    needs_card: bool
    requests: int
    open_requests: int
    sites: int
    created_at: str
    updated_at: str


class CorporationItem(TypedDict):
    id: int
    agency_id: int
    agency_name: str
    name: str
    kana: str
    reading: str
    customer_type: str
    corporation_number: str
    phone1: str
    prefecture: str
    city: str
    requests: int
    sites: int
    created_at: str


class Created(TypedDict):
    id: int


class Deactivated(TypedDict):
    sessions_ended: int


DecisionOutput: TypeAlias = Literal["accepted", "corrected"]


class Duplicate(TypedDict):
    id: int
    agency_id: int
    agency_name: str
    name: str
    kana: str
    corporation_number: str
    phone1: str
    prefecture: str
    city: str
    created_at: str
    same: list[str]


class Duplicates(TypedDict):
    items: list[Duplicate]


class EntryItem(TypedDict):
    id: int
    page: str
    carrier_field: str
    title: str
    value: str
    words: str


class Facts(TypedDict):
    id: int
    customer_type: str
    corporation_number: str
    name: str
    kana: str
    representative_last_name: str
    representative_first_name: str
    representative_last_name_kana: str
    representative_first_name_kana: str
    zip_code: str
    prefecture: str
    city: str
    town: str
    street: str
    building_name: str
    phone1: str
    phone2: str
    mail_address: str
    birthday: str | None
    representative_birthday: str | None
    job_type: str
    payment_type: str
    invoice: str
    payment_certificate: str
    billing_address_same: bool
    billing_zip_code: str
    billing_prefecture: str
    billing_city: str
    billing_town: str
    billing_street: str
    billing_building: str
    billing_customer_name: str
    sales_channel_id: str


class Figure(TypedDict):
    requests: int
    deficient: int
    working: int
    entered: int
    cancelled: int
    acquired_sites: int
    rate: int | None
    id: int
    name: str
    code: str
    is_active: bool


Form: TypeAlias = Literal["new_request", "add_site", "correction", "corporation", "site"]


class Intake(TypedDict):
    takes_number: bool
    takes_code: bool
    reveal_seconds: int
    why: str


class MasterChoice(TypedDict):
    code: str
    name: str
    is_example: bool
    in_use: bool


class MasterOption(TypedDict):
    code: str
    name: str
    price: str
    is_support_pack: bool
    in_use: bool


class Masters(TypedDict):
    lists: dict[str, str]
    choices: dict[str, list[MasterChoice]]
    options: list[MasterOption]
    records: dict[str, str]
    columns: dict[str, dict[str, str]]
    parts: dict[str, str]


class OptionItem(TypedDict):
    id: int
    version: int
    code: str
    name: str
    price: str
    is_support_pack: bool
    position: int
    created_at: str
    updated_at: str
    archived_at: str | None


class PageCarrierFieldItem(TypedDict):
    items: list[CarrierFieldItem]
    total: int
    next_cursor: str | None


class PageChoiceItem(TypedDict):
    items: list[ChoiceItem]
    total: int
    next_cursor: str | None


class PageCorporationItem(TypedDict):
    items: list[CorporationItem]
    total: int
    next_cursor: str | None


class PageEntryItem(TypedDict):
    items: list[EntryItem]
    total: int
    next_cursor: str | None


class PageOptionItem(TypedDict):
    items: list[OptionItem]
    total: int
    next_cursor: str | None


class Period(TypedDict):
    requests: int
    acquired_sites: int


class PersonItem(TypedDict):
    id: int
    name: str
    agency_name: str


class PostalCode(TypedDict):
    zip_code: str
    candidates: list[Address]


class ReadField(TypedDict):
    field: Literal[
        "latest_charges", "latest_power_usage", "latest_date", "power_customer_number", "power_customer_location_number"
    ]
    value: str
    score: float
    is_sure: bool
    box: tuple[float, float, float, float]
    notes: list[str]
    decision: DecisionOutput | None


class RequestOf(TypedDict):
    id: int
    status: str
    is_open: bool
    requested_by_name: str
    entered_sites: int
    sites: int
    site_count: int
    site_names: list[str]
    created_at: str


class Revealed(TypedDict):
    number: str
    security_code: str | None
    expire_month: str
    expire_year: str
    holder: str
    brand: str
    seconds: int


class SalesPerson(TypedDict):
    id: int
    name: str
    agency_id: int
    agency_name: str


class Saved(TypedDict):
    number: int
    updated_at: str


Service: TypeAlias = Literal["electricity", "gas"]


class Viewers(TypedDict):
    names: list[str]
    version: int


class CasesAgencyItem(TypedDict):
    id: int
    name: str


class Reading(TypedDict):
    kana: str | None


class Numbers(TypedDict):
    requests: int
    deficient: int
    working: int
    entered: int
    cancelled: int
    acquired_sites: int
    rate: int | None


class Point(TypedDict):
    first: str
    requests: int
    acquired_sites: int


State: TypeAlias = Literal["waiting", "reading", "done", "failed"]


Status: TypeAlias = Literal["deficient", "working", "entered", "cancelled"]


class Counts(TypedDict):
    as_of: str
    deficient: int
    working: int
    entered: int
    cancelled: int
    unread: int
    waiting: int
    oldest_deficient: str | None


class SalesImageItem(TypedDict):
    id: int
    file_id: str
    file_name: str
    content_type: str
    size: int
    site_id: int | None
    uploaded_at: str


class SalesSiteItem(TypedDict):
    id: int
    branch_name: str
    service_type: Service
    status: Status
    deficiency: str
    entered_at: str | None


class AgenciesAgencyItem(TypedDict):
    id: int
    version: int
    name: str
    code: str
    referral_shop_code: str
    referral_shop_name: str
    contact_name: str
    phone: str
    mail_address: str
    sales_count: int
    is_active: bool
    created_at: str
    updated_at: str


class SitesImageItem(TypedDict):
    id: int
    site_id: int | None
    file_id: str
    file_name: str
    content_type: str
    size: int
    width: int | None
    height: int | None
    uploaded_at: str


class SitesSiteItem(TypedDict):
    id: int
    version: int
    status: Status
    pps_business_number: str
    service_type: Service
    application_type: str
    power_area: str
    power_supplier_type: str
    power_customer_number: str
    power_customer_location_number: str
    power_zip_code: str
    power_prefecture: str
    power_city: str
    power_town: str
    power_street: str
    power_building: str
    power_room_number: str
    power_building_type: str
    power_branch_name: str
    power_customer_name: str
    power_customer_name_kana: str
    latest_charges: int | None
    latest_power_usage: float | None
    latest_date: str
    power_plan_name: str
    contract_capacity: str
    power_amounts_form: str
    moving_in_date: str | None
    option_plans: list[str]
    note: str
    contract_corporation_type: str
    saisan_gas_yoto: str
    ecolog_gas_yoto: str
    required: list[str]
    missing: list[str]
    deficiency: str
    twins: int
    entered_at: str | None
    created_at: str
    updated_at: str


class DatabasePageAgencyItem(TypedDict):
    items: list[CasesAgencyItem]
    total: int
    next_cursor: str | None


class DatabasePageImageItem(TypedDict):
    items: list[SitesImageItem]
    total: int
    next_cursor: str | None


class DatabasePageSiteItem(TypedDict):
    items: list[SitesSiteItem]
    total: int
    next_cursor: str | None


class AcquiredSite(TypedDict):
    id: int
    request_id: int
    branch_name: str
    service_type: Service
    status: Status
    power_plan_name: str
    location_number: str
    entered_at: str


class CaseDetail(TypedDict):
    id: int
    version: int
    status: Status
    is_open: bool
    corporation_id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    entered_sites: int
    sites: int
    site_count: int
    requested_by_id: int
    requested_by_name: str
    created_at: str
    updated_at: str
    unread: int
    claimed_by_id: int | None
    claimed_by_name: str | None
    is_claimed_by_me: bool
    remarks: str
    corporation: Facts
    cancelled_at: str | None
    claimed_at: str | None
    deficiency: str
    viewers: list[str]


class CaseItem(TypedDict):
    id: int
    version: int
    status: Status
    is_open: bool
    corporation_id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    entered_sites: int
    sites: int
    site_count: int
    requested_by_id: int
    requested_by_name: str
    created_at: str
    updated_at: str
    unread: int
    claimed_by_id: int | None
    claimed_by_name: str | None
    is_claimed_by_me: bool


class CommentItem(TypedDict):
    id: int
    site_id: int | None
    site_name: str
    type: CommentType
    message: str
    author_id: int
    author_name: str
    created_at: str
    resolved_at: str | None
    is_open: bool
    is_unread: bool


class DraftItem(TypedDict):
    id: int
    form: Form
    subject: str
    number: int
    updated_at: str


class FiguresPage(TypedDict):
    items: list[Figure]
    total: int
    next_cursor: str | None
    whole: Numbers
    as_of: str


class PageCaseItem(TypedDict):
    items: list[CaseItem]
    total: int
    next_cursor: str | None


class PageCommentItem(TypedDict):
    items: list[CommentItem]
    total: int
    next_cursor: str | None


class PageDraftItem(TypedDict):
    items: list[DraftItem]
    total: int
    next_cursor: str | None


class PagePersonItem(TypedDict):
    items: list[PersonItem]
    total: int
    next_cursor: str | None


class PageRequestOf(TypedDict):
    items: list[RequestOf]
    total: int
    next_cursor: str | None


class PageSalesPerson(TypedDict):
    items: list[SalesPerson]
    total: int
    next_cursor: str | None


class ReadingItem(TypedDict):
    id: int
    image_id: int
    site_id: int | None
    state: State
    error: str
    engine: str
    turn: int
    fields: list[ReadField]
    missing: list[
        Literal[
            "latest_charges",
            "latest_power_usage",
            "latest_date",
            "power_customer_number",
            "power_customer_location_number",
        ]
    ]
    asked_by_name: str
    created_at: str
    done_at: str | None


class Readings(TypedDict):
    items: list[ReadingItem]
    total: int
    next_cursor: str | None
    is_on: bool
    problem: str


class RequestDetail(TypedDict):
    id: int
    version: int
    status: Status
    is_open: bool
    corporation_id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    entered_sites: int
    sites: int
    site_count: int
    requested_by_id: int
    requested_by_name: str
    created_at: str
    updated_at: str
    is_mine: bool
    unread: int
    unread_comments: int
    remarks: str
    images: int
    cancelled_at: str | None
    may_put_right: bool
    may_cancel: bool


class RequestItem(TypedDict):
    id: int
    version: int
    status: Status
    is_open: bool
    corporation_id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    entered_sites: int
    sites: int
    site_count: int
    requested_by_id: int
    requested_by_name: str
    created_at: str
    updated_at: str
    is_mine: bool
    unread: int
    unread_comments: int


class Series(TypedDict):
    points: list[Point]


class Waiting(TypedDict):
    id: int
    corporation_name: str
    agency_name: str
    status: Status
    claimed_by_name: str | None
    created_at: str


class AcquiredItem(TypedDict):
    id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    sites_count: int
    last_entered_at: str
    sites: list[AcquiredSite]


class Dashboard(TypedDict):
    as_of: str
    deficient: int
    working: int
    unclaimed: int
    oldest: list[Waiting]
    today: Period
    month: Period
    before: Period


class PageAcquiredItem(TypedDict):
    items: list[AcquiredItem]
    total: int
    next_cursor: str | None


class PageRequestItem(TypedDict):
    items: list[RequestItem]
    total: int
    next_cursor: str | None


FIELDS = {
    "name": "名前",
    "code": "コード",
    "referral_shop_code": "紹介店コード",
    "referral_shop_name": "紹介店名",
    "contact_name": "担当者名",
    "phone": "電話番号",
    "archived": "無効",
    "is_example": "例",
    "price": "料金",
    "is_support_pack": "サポートパック",
    "position": "表示順",
    "record": "対象",
    "field": "項目",
    "part": "部分",
    "page": "ページ",
    "carrier_field": "元フィールド",
    "customer_type": "契約者区分",
    "corporation_number": "法人番号",
    "last_name": "契約者名（姓）",
    "first_name": "契約者名（名）",
    "last_name_kana": "契約者名カナ（セイ）",
    "first_name_kana": "契約者名カナ（メイ）",
    "representative_last_name": "代表者名（姓）",
    "representative_first_name": "代表者名（名）",
    "representative_last_name_kana": "代表者カナ（セイ）",
    "representative_first_name_kana": "代表者カナ（メイ）",
    "zip_code": "郵便番号",
    "prefecture": "都道府県",
    "city": "市区町村",
    "town": "町域",
    "street": "字・丁目＋番地号",
    "building_name": "建物名",
    "phone1": "連絡先番号1",
    "phone2": "連絡先番号2",
    "mail_address": "メールアドレス",
    "birthday": "生年月日",
    "representative_birthday": "代表者の生年月日",
    "job_type": "業種",
    "payment_type": "支払方法",
    "invoice": "請求明細",
    "payment_certificate": "支払証明",
    "billing_address_same": "請求書送付先が契約者住所と同一",
    "billing_zip_code": "請求書送付先郵便番号",
    "billing_prefecture": "請求書送付先都道府県",
    "billing_city": "請求書送付先市区町村",
    "billing_town": "請求書送付先町域",
    "billing_street": "請求書送付先番地",
    "billing_building": "請求書送付先建物名",
    "billing_customer_name": "請求書送付先宛名",
    "sales_channel_id": "営業チャネル",
    "credit_card_number": "クレジットカード番号",
    "credit_card_expire_month": "カード有効期限（月）",
    "credit_card_expire_year": "カード有効期限（年）",
    "credit_card_name": "カード名義",
    "credit_card_security_code": "セキュリティコード",
    "pps_business_number": "PPS番号",
    "service_type": "サービス種別",
    "application_type": "申込区分",
    "power_area": "電力供給エリア",
    "power_supplier_type": "現在の電力会社",
    "power_customer_number": "お客様番号",
    "power_customer_location_number": "供給地点特定番号",
    "power_zip_code": "使用場所郵便番号",
    "power_prefecture": "使用場所都道府県",
    "power_city": "使用場所市区町村",
    "power_town": "使用場所町域",
    "power_street": "使用場所番地",
    "power_building": "使用場所建物",
    "power_room_number": "部屋番号",
    "power_building_type": "建物区分",
    "power_branch_name": "店舗名",
    "power_customer_name": "名義",
    "power_customer_name_kana": "名義カナ",
    "latest_charges": "最新の明細料金（円）",
    "latest_power_usage": "最新の電力使用量（kWh）",
    "latest_date": "最新の明細年月",
    "power_plan_name": "契約プラン",
    "contract_capacity": "契約容量",
    "power_amounts_form": "力率",
    "moving_in_date": "入居日/開業日",
    "option_plans": "オプションサービス",
    "note": "メモ/備考",
    "contract_corporation_type": "契約者法人種別",
    "saisan_gas_yoto": "サイサンガス専用業種",
    "ecolog_gas_yoto": "エコログガス用途分類",
    "agency_id": "代理店",
    "corporation_id": "法人",
    "request_id": "投入依頼",
    "site_id": "地点",
    "requested_by": "営業担当者",
    "status": "ステータス",
    "request_status": "依頼のステータス",
    "sites": "対象の地点",
    "site_status": "地点のステータス",
    "remarks": "備考",
    "site_count": "地点数",
    "claimed_by": "担当者",
    "images": "明細画像",
    "file_name": "ファイル名",
    "type": "種別",
    "message": "内容",
    "reason": "理由",
    "image_id": "明細画像",
    "decision": "読み取り結果の使い方",
    "card": "カード情報",
    "last4": "カード番号の下4桁",
    "brand": "カードブランド",
    "expires": "有効期限",
    "holder": "カード名義",
    "has_code": "セキュリティコードの有無",
    "number": "カード番号",
    "sessions_ended": "終了したログイン",
    "cards": "カードの件数",
    "q": "検索する語",
    "since": "期間の始め",
    "until": "期間の終わり",
    "period": "期間",
    "month": "対象月",
    "sales_id": "営業担当者",
    "mine": "自分の依頼のみ",
    "unread": "未読のみ",
    "cancelled": "キャンセルした依頼",
    "open": "残りのある依頼のみ",
    "sort": "並べ替え",
}
SUBJECTS = {
    "agency": "代理店",
    "choice": "選択肢",
    "option": "オプションサービス",
    "carrier_field": "元フィールド",
    "corporation": "法人",
    "card": "カード情報",
    "request": "投入依頼",
    "site": "地点",
    "image": "明細画像",
    "reading": "明細の読み取り",
    "comment": "コメント",
    "acquired": "獲得案件",
    "figure": "代理店別数値",
    "case": "投入案件",
}
STATUS = {"deficient": "不備", "working": "対応中", "entered": "投入済", "cancelled": "キャンセル"}
REQUEST_STATUS = STATUS
SITE_STATUS = STATUS
SERVICE_TYPE = {"electricity": "電気", "gas": "ガス"}
LIST = {
    "sales_channel": "営業チャネル",
    "customer_type": "契約者区分",
    "payment_type": "支払方法",
    "application_type": "申込区分",
    "power_supplier": "電力会社",
    "job_type": "業種",
    "invoice": "請求明細",
    "payment_certificate": "支払証明",
    "service_type": "サービス種別",
    "pps": "PPS番号",
    "power_area": "電力供給エリア",
    "building_type": "建物区分",
    "power_factor": "力率",
    "gas_corporation_type": "契約者法人種別（エコログガス用）",
    "saisan_gas_yoto": "サイサンガス専用業種",
    "ecolog_gas_yoto": "エコログガス用途分類",
}
DECISION = {"accepted": "そのまま使用", "corrected": "訂正して使用"}
CANCELLED = {"included": "含む", "excluded": "含まない"}
RECORD = {"agency": "代理店", "user": "営業担当者", "corporation": "法人", "site": "地点"}
PART = {
    "whole": "全体",
    "first": "1番目の部分",
    "second": "2番目の部分",
    "third": "3番目の部分",
    "year": "年",
    "month": "月",
    "day": "日",
}
FIELD = {
    "customer_type": "契約者区分",
    "corporation_number": "法人番号",
    "last_name": "契約者名（姓）",
    "first_name": "契約者名（名）",
    "last_name_kana": "契約者名カナ（セイ）",
    "first_name_kana": "契約者名カナ（メイ）",
    "representative_last_name": "代表者名（姓）",
    "representative_first_name": "代表者名（名）",
    "representative_last_name_kana": "代表者カナ（セイ）",
    "representative_first_name_kana": "代表者カナ（メイ）",
    "zip_code": "郵便番号",
    "prefecture": "都道府県",
    "city": "市区町村",
    "town": "町域",
    "street": "字・丁目＋番地号",
    "building_name": "建物名",
    "phone1": "連絡先番号1",
    "phone2": "連絡先番号2",
    "mail_address": "メールアドレス",
    "birthday": "生年月日",
    "representative_birthday": "代表者の生年月日",
    "job_type": "業種",
    "payment_type": "支払方法",
    "invoice": "請求明細",
    "payment_certificate": "支払証明",
    "billing_address_same": "請求書送付先が契約者住所と同一",
    "billing_zip_code": "請求書送付先郵便番号",
    "billing_prefecture": "請求書送付先都道府県",
    "billing_city": "請求書送付先市区町村",
    "billing_town": "請求書送付先町域",
    "billing_street": "請求書送付先番地",
    "billing_building": "請求書送付先建物名",
    "billing_customer_name": "請求書送付先宛名",
    "sales_channel_id": "営業チャネル",
    "credit_card_number": "クレジットカード番号",
    "credit_card_expire_month": "カード有効期限（月）",
    "credit_card_expire_year": "カード有効期限（年）",
    "credit_card_name": "カード名義",
    "credit_card_security_code": "セキュリティコード",
    "pps_business_number": "PPS番号",
    "service_type": "サービス種別",
    "application_type": "申込区分",
    "power_area": "電力供給エリア",
    "power_supplier_type": "現在の電力会社",
    "power_customer_number": "お客様番号",
    "power_customer_location_number": "供給地点特定番号",
    "power_zip_code": "使用場所郵便番号",
    "power_prefecture": "使用場所都道府県",
    "power_city": "使用場所市区町村",
    "power_town": "使用場所町域",
    "power_street": "使用場所番地",
    "power_building": "使用場所建物",
    "power_room_number": "部屋番号",
    "power_building_type": "建物区分",
    "power_branch_name": "店舗名",
    "power_customer_name": "名義",
    "power_customer_name_kana": "名義カナ",
    "latest_charges": "最新の明細料金（円）",
    "latest_power_usage": "最新の電力使用量（kWh）",
    "latest_date": "最新の明細年月",
    "power_plan_name": "契約プラン",
    "contract_capacity": "契約容量",
    "power_amounts_form": "力率",
    "moving_in_date": "入居日/開業日",
    "option_plans": "オプションサービス",
    "note": "メモ/備考",
    "contract_corporation_type": "契約者法人種別",
    "saisan_gas_yoto": "サイサンガス専用業種",
    "ecolog_gas_yoto": "エコログガス用途分類",
}
TYPE = {"deficiency": "不備通知", "comment": "コメント"}
CARRIER_RECORD = RECORD
CHOICE_LIST = LIST
COMMENT_TYPE = TYPE
FIELD_PART = PART
SERVICE = SERVICE_TYPE
