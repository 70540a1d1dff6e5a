"""The definition of the reservations area: roles and permissions, jobs, retention, and labels."""

from __future__ import annotations

from datetime import timedelta

from service.core.areas import ADMINISTRATOR_PERMISSIONS, STAFF_PERMISSIONS, Area, Brand, RetentionPolicy, Role, Tick
from service.core.purposes import FileKind, Purpose
from service.core.values.times import WEEKDAYS

# The service's name for customers and shops: in SMS and mails, on the telephone and on the public pages.
SERVICE_NAME = "予約代行サービス QRV"

# The public enquiry form, linked from pages and mails.
CONTACT_PAGE = "/contact"

# The path of the public guides, below the URL of the public pages.
GUIDES_PATH = "/guides"

SURVEY_PATH = "/survey"

READ_PERMISSIONS = frozenset(
    {
        "reservations:alarm:read",
        "reservations:chore:read",
        "reservations:dashboard:read",
        "reservations:enquiry:read",
        "reservations:guide:read",
        "reservations:incident:read",
        "reservations:operation:read",
        "reservations:quality:read",
        "reservations:report:read",
        "reservations:reservation:read",
        "reservations:service:read",
        "reservations:shop:read",
    }
)
# 経営ダッシュボード is for management alone (4.2.2).
FIGURES_PERMISSIONS = frozenset({"reservations:management:read", "reservations:management:send"})
# インシデント記録 is for operators and management (5.3.2); reports, KPI of support and surveys (7.3) too.
MANAGEMENT_PERMISSIONS = FIGURES_PERMISSIONS | {
    "reservations:guide:read",
    "reservations:incident:read",
    "reservations:quality:read",
    "reservations:report:read",
}
# Staff who talk with customers and shops may record what was said.
CONTACT_PERMISSIONS = frozenset({"reservations:enquiry:answer", "reservations:reservation:contact"})
# Customer support handles enquiries and satisfaction surveys.
SUPPORT_PERMISSIONS = frozenset({"reservations:enquiry:update", "reservations:survey:update"})
# 定期作業 are done by the staff that the document names: all who work with reservations may check them off.
CHORE_PERMISSIONS = frozenset({"reservations:chore:perform"})
# All staff at the desk.
DESK_PERMISSIONS = READ_PERMISSIONS | STAFF_PERMISSIONS | CONTACT_PERMISSIONS | CHORE_PERMISSIONS
OPERATOR_PERMISSIONS = frozenset(
    {
        # The list of shops comes as a file (6.2).
        "core:import:create",
        # Slack通知確認 is the operators' daily work (6.1).
        "core:message:read",
        "reservations:incident:update",
        "reservations:operation:update",
        "reservations:report:send",
        "reservations:report:update",
        "reservations:reservation:create",
        "reservations:reservation:operate",
        "reservations:reservation:refund",
        "reservations:roster:update",
        "reservations:shop:create",
        "reservations:shop:update",
        "reservations:simulation:read",
    }
)
ADMIN_PERMISSIONS = frozenset(
    {
        "reservations:assistant:create",
        "reservations:assistant:read",
        "reservations:assistant:revoke",
        "reservations:chore:update",
        "reservations:management:recount",
        "reservations:service:update",
    }
)

MANAGEMENT_REPORT = Purpose(
    key="reservations.management_report",
    kinds=frozenset({FileKind.PDF}),
    # Created by a job; an upload needs the permission to have it sent.
    permission="reservations:management:send",
    read="reservations:management:read",
)
IMPORT_FILE = Purpose(
    key="reservations.import",
    kinds=frozenset({FileKind.CSV, FileKind.XLSX}),
    permission="reservations:shop:create",
    read="reservations:shop:create",
    max_bytes=10 * 1024 * 1024,
)
# 週次レポート and 月次レポート as they were sent, created by a job.
REPORT_FILE = Purpose(
    key="reservations.report",
    kinds=frozenset({FileKind.PDF}),
    permission="reservations:report:send",
    read="reservations:report:read",
)

# Mailed to shops, created by a job.
GUIDE_FILE = Purpose(
    key="reservations.guide",
    kinds=frozenset({FileKind.PDF}),
    permission="reservations:shop:update",
    read="reservations:guide:read",
)

AREA = Area(
    name="reservations",
    title="予約運用",
    # The roles of the document (2.3.1) and the management (4.2.2).
    roles={
        "admin": Role(
            "予約運用管理者",
            DESK_PERMISSIONS
            | SUPPORT_PERMISSIONS
            | OPERATOR_PERMISSIONS
            | FIGURES_PERMISSIONS
            | ADMIN_PERMISSIONS
            | ADMINISTRATOR_PERMISSIONS,
        ),
        "operator": Role("運営担当者", DESK_PERMISSIONS | OPERATOR_PERMISSIONS),
        "support": Role("カスタマーサポート", DESK_PERMISSIONS | SUPPORT_PERMISSIONS),
        "manager": Role("経営", STAFF_PERMISSIONS | MANAGEMENT_PERMISSIONS),
    },
    ticks={
        "reservations.flow": Tick("予約の進行", timedelta(seconds=1), silence=timedelta(seconds=60)),
        "reservations.inbox": Tick("外部サービスからの連絡の処理", timedelta(seconds=1), silence=timedelta(seconds=60)),
        "reservations.look": Tick("電話と決済の確認", timedelta(seconds=2), silence=timedelta(seconds=60)),
        "reservations.clocks": Tick("手動対応の期限の見張り", timedelta(seconds=15), silence=timedelta(seconds=120)),
        "reservations.incidents": Tick(
            "インシデントの目標時間の見張り", timedelta(seconds=15), silence=timedelta(seconds=120)
        ),
        "reservations.enquiries": Tick(
            "問い合わせの目標時間の見張り", timedelta(seconds=15), silence=timedelta(seconds=120)
        ),
        "reservations.surveys": Tick("満足度調査の再送と終了", timedelta(minutes=1), silence=timedelta(minutes=10)),
        "reservations.management": Tick(
            "経営ダッシュボードの集計とレポートの送信", timedelta(seconds=10), silence=timedelta(minutes=5)
        ),
        "reservations.chores": Tick("定期作業の予定と見張り", timedelta(minutes=5), silence=timedelta(minutes=20)),
        "reservations.reports": Tick("週次・月次レポートの下書き", timedelta(minutes=5), silence=timedelta(minutes=20)),
        "reservations.notices": Tick("手動対応の通知の整理", timedelta(seconds=2), silence=timedelta(seconds=120)),
        "reservations.alarms": Tick("監視", timedelta(seconds=10), silence=timedelta(seconds=120)),
        "reservations.manuals": Tick(
            "提携店へのマニュアルの送付", timedelta(seconds=60), silence=timedelta(minutes=10)
        ),
    },
    retention=(
        RetentionPolicy("reservations_alarms", "監視のアラートの記録", lambda: timedelta(days=3 * 365 + 1)),
        # As long as the audit log, which refers to them.
        RetentionPolicy("reservations_enquiries", "解決した問い合わせ", lambda: timedelta(days=3 * 365 + 1)),
        RetentionPolicy("reservations_measures", "監視の測定値", lambda: timedelta(days=35)),
        RetentionPolicy("reservations_webhooks", "外部サービスからの連絡の記録", lambda: timedelta(days=180)),
    ),
    subjects={
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
    },
    fields={
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
    },
    values={
        "enquiry.party": "Party",
        "enquiry.channel": "Channel",
        "enquiry.status": "EnquiryStatus",
        "enquiry.way": "Way",
        "enquiry.faq": "Faq",
        "enquiry.category": "Category",
        "reservations.enquiries.party": "Party",
        "reservations.enquiries.channel": "Channel",
        "reservations.enquiries.faq": "Faq",
        "reservations.enquiries.category": "Category",
        "reservations.operations.kind": "Task",
        "reservations.reservations.state": "ReservationState",
        # Of the lists of work.
        "state": {
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
        },
        "owner": {"me": "自分", "none": "担当なし"},
        "priority": "Priority",
        "manual": {"none": "未送付", "sent": "送付", "again": "再送を依頼"},
        "level": "Level",
        "mark": {
            "first_look": "初動対応",
            "stopgap": "応急処置・対応",
            "recovery": "復旧確認",
            "management": "経営陣に報告",
            "report": "ポストモーテム・インシデントレポート作成",
            "weekly": "週次報告で共有",
        },
        "rhythm": "Rhythm",
        "weekday": {str(day): f"{name}曜日" for day, name in enumerate(WEEKDAYS, 1)},
        "chore_turn.outcome": "TurnOutcome",
        "report.kind": "ReportKind",
        "purpose": {
            IMPORT_FILE.key: "取り込むファイル",
            GUIDE_FILE.key: "提携店向けの手引き",
            MANAGEMENT_REPORT.key: "経営レポート",
            REPORT_FILE.key: "週次・月次レポート",
        },
    },
    purposes=(GUIDE_FILE, IMPORT_FILE, MANAGEMENT_REPORT, REPORT_FILE),
    sign=Brand(SERVICE_NAME, ("/pay", "/cancel", CONTACT_PAGE, GUIDES_PATH, SURVEY_PATH)),
)
