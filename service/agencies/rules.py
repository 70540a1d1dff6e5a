"""Rules of the agencies area as pure functions, its constants, and its `Area`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from service.agencies.settings import settings
from service.core.areas import ADMINISTRATOR_PERMISSIONS, STAFF_PERMISSIONS, Area, RetentionPolicy, Role, Tick
from service.core.purposes import FileKind, Purpose
from service.core.values.labels import Labelled


class Status(Labelled):
    """Of a site (4.1), and of a request, whose status is derived from its sites (4.2)."""

    DEFICIENT = "deficient", "不備"
    WORKING = "working", "対応中"
    ENTERED = "entered", "投入済"
    CANCELLED = "cancelled", "キャンセル"


class Service(Labelled):
    """サービス種別."""

    ELECTRICITY = "electricity", "電気"
    GAS = "gas", "ガス"


class CommentType(Labelled):
    DEFICIENCY = "deficiency", "不備通知"
    COMMENT = "comment", "コメント"


class Decision(Labelled):
    """What the operator did with a value that was read from a statement."""

    ACCEPTED = "accepted", "そのまま使用"
    CORRECTED = "corrected", "訂正して使用"


class ChoiceList(Labelled):
    """選択肢マスタ: those of section 9 first, then the lists that tables 2.4 and 2.5 name."""

    SALES_CHANNEL = "sales_channel", "営業チャネル"
    CUSTOMER_TYPE = "customer_type", "契約者区分"
    PAYMENT_TYPE = "payment_type", "支払方法"
    APPLICATION_TYPE = "application_type", "申込区分"
    POWER_SUPPLIER = "power_supplier", "電力会社"
    JOB_TYPE = "job_type", "業種"
    INVOICE = "invoice", "請求明細"
    PAYMENT_CERTIFICATE = "payment_certificate", "支払証明"
    SERVICE_TYPE = "service_type", "サービス種別"
    PPS = "pps", "PPS番号"
    POWER_AREA = "power_area", "電力供給エリア"
    BUILDING_TYPE = "building_type", "建物区分"
    POWER_FACTOR = "power_factor", "力率"
    GAS_CORPORATION_TYPE = "gas_corporation_type", "契約者法人種別（エコログガス用）"
    SAISAN_GAS_YOTO = "saisan_gas_yoto", "サイサンガス専用業種"
    ECOLOG_GAS_YOTO = "ecolog_gas_yoto", "エコログガス用途分類"


class CarrierRecord(Labelled):
    """元フィールド: the record whose column goes to the carrier's screen."""

    AGENCY = "agency", "代理店"
    USER = "user", "営業担当者"
    CORPORATION = "corporation", "法人"
    SITE = "site", "地点"


class FieldPart(Labelled):
    """元フィールド: which part of the column's value goes to the carrier's screen."""

    WHOLE = "whole", "全体"
    FIRST = "first", "1番目の部分"
    SECOND = "second", "2番目の部分"
    THIRD = "third", "3番目の部分"
    YEAR = "year", "年"
    MONTH = "month", "月"
    DAY = "day", "日"


OPEN = frozenset({Status.DEFICIENT, Status.WORKING})
# 4.1: the status transitions of a site. 投入済 and キャンセル are final.
MOVES: dict[Status, frozenset[Status]] = {
    Status.WORKING: frozenset({Status.DEFICIENT, Status.ENTERED, Status.CANCELLED}),
    Status.DEFICIENT: frozenset({Status.WORKING, Status.CANCELLED}),
    Status.ENTERED: frozenset(),
    Status.CANCELLED: frozenset(),
}


def aggregate(sites: Collection[Status], *, deficient: bool = False, cancelled: bool = False) -> Status:
    """4.2: the status of a request. `deficient`: a deficiency of the request itself is open. `cancelled`: the request
    was cancelled. Without sites it is 対応中 until it is cancelled."""
    if deficient or Status.DEFICIENT in sites:
        return Status.DEFICIENT
    if not sites:
        return Status.CANCELLED if cancelled else Status.WORKING
    statuses = set(sites)
    return statuses.pop() if len(statuses) == 1 else Status.WORKING


def has_open_work(sites: Collection[Status], *, deficient: bool = False, cancelled: bool = False) -> bool:
    """Whether work remains; a request whose sites are all 投入済 or キャンセル has none (残りなし)."""
    return deficient or bool(OPEN & set(sites)) or (not sites and not cancelled)


def transition_error(current: Status, requested: Status) -> str | None:
    """The message when a site may not change its status so; None when it may."""
    if requested in MOVES[current]:
        return None
    if current in (Status.ENTERED, Status.CANCELLED):
        return f"この地点は{current.label}のため、{requested.label}に変更できません。"
    if current is requested:
        return f"この地点はすでに{current.label}です。画面を読み込み直して確認してください。"
    return f"{current.label}の地点は、{requested.label}に直接変更できません。先に対応中へ戻してください。"


STATEMENT = Purpose(
    key="agencies.statement",
    kinds=frozenset({FileKind.JPEG, FileKind.PNG, FileKind.WEBP}),
    permission="agencies:request:create",
    read="agencies:corporation:read",
    max_bytes=10 * 1024 * 1024,
)
# The most images of one request.
MAX_IMAGES = 20
# A draft that was not changed for so long is deleted.
DRAFT_RETENTION = timedelta(days=30)

# The queue of the worker that reads statements, where there is one.
OCR_QUEUE = "ocr"

# Permissions of all three roles.
SHARED = frozenset(
    {
        "agencies:acquired:read",
        "agencies:corporation:read",
        "agencies:corporation:update",
        "agencies:draft:update",
        "agencies:master:read",
    }
)
# Sales: the tables of 3.0 and 5.
SELL = frozenset({"agencies:request:cancel", "agencies:request:create", "agencies:request:read"})
ENTER = frozenset({"agencies:case:read", "agencies:case:update", "agencies:figure:read"})
# Only operators may reveal a card.
REVEAL = frozenset({"agencies:card:reveal"})
MANAGE = frozenset(
    {"agencies:agency:read", "agencies:agency:update", "agencies:dashboard:read", "agencies:master:update"}
)

CORPORATION_FIELDS = {
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
}
SITE_FIELDS = {
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
# Where a card goes in the carrier's screen; the values are only in the corporation's card.
CARD_FIELDS = {
    "credit_card_number": "クレジットカード番号",
    "credit_card_expire_month": "カード有効期限（月）",
    "credit_card_expire_year": "カード有効期限（年）",
    "credit_card_name": "カード名義",
    "credit_card_security_code": "セキュリティコード",
}

AREA = Area(
    name="agencies",
    title="申込投入",
    roles={
        "admin": Role("申込投入管理者", SHARED | STAFF_PERMISSIONS | SELL | ENTER | MANAGE | ADMINISTRATOR_PERMISSIONS),
        "operator": Role("投入担当者", SHARED | STAFF_PERMISSIONS | ENTER | REVEAL),
        "sales": Role("営業担当者", SHARED | STAFF_PERMISSIONS | SELL, scope="agency"),
    },
    ticks={
        "agencies.purge_cards": Tick("カード情報の削除", timedelta(minutes=10)),
        "agencies.prove_cards": Tick("カード情報の保管期間の確認", timedelta(hours=24)),
        "agencies.read": Tick(
            "明細の読み取り",
            timedelta(seconds=3),
            silence=timedelta(minutes=2),
            queue=OCR_QUEUE,
            is_on=lambda: settings().ocr,
            remedy="明細の読み取り（AGENCIES_OCR）が有効ですが、読み取るプログラムが動いていません。"
            "サーバーで「make setup-ocr」を実行し、Genbaを再起動してください。",
        ),
    },
    subjects={
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
    },
    fields={
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
        **CORPORATION_FIELDS,
        **CARD_FIELDS,
        **SITE_FIELDS,
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
    },
    values={
        "status": Status.labels(),
        "request_status": Status.labels(),
        "site_status": Status.labels(),
        "service_type": Service.labels(),
        "list": ChoiceList.labels(),
        "decision": Decision.labels(),
        "cancelled": {"included": "含む", "excluded": "含まない"},
        "record": CarrierRecord.labels(),
        "part": FieldPart.labels(),
        "field": {**CORPORATION_FIELDS, **CARD_FIELDS, **SITE_FIELDS},
        "type": CommentType.labels(),
    },
    details={"sales_staff_code": "営業担当者コード", "l_code": "Lコード"},
    retention=(RetentionPolicy("agencies_drafts", "入力途中の下書き", lambda: DRAFT_RETENTION),),
    purposes=(STATEMENT,),
)
