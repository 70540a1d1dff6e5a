"""What the reservations area says about itself: who may do what, and the words of its codes."""

from __future__ import annotations

from datetime import timedelta

from service.core.areas import ADMINISTRATION, EVERYDAY, Area, Policy, Role, Tick
from service.core.purposes import Kind, Purpose

READ = frozenset(
    {
        "reservations:incident:read",
        "reservations:operation:read",
        "reservations:reservation:read",
        "reservations:service:read",
        "reservations:shop:read",
    }
)
# インシデント記録 is for operators and management (5.3.2).
MANAGEMENT = frozenset({"reservations:incident:read"})
# What customers and shops are told, and what they said, may be noted by whoever talks with them.
CONTACT = frozenset({"reservations:reservation:contact"})
OPERATE = frozenset(
    {
        # The list of shops comes as a file (6.2).
        "core:import:create",
        "reservations:incident:update",
        "reservations:operation:update",
        "reservations:reservation:create",
        "reservations:reservation:operate",
        "reservations:reservation:refund",
        "reservations:roster:update",
        "reservations:shop:create",
        "reservations:shop:update",
        "reservations:simulation:read",
    }
)
MANAGE = frozenset(
    {
        "reservations:assistant:create",
        "reservations:assistant:read",
        "reservations:assistant:revoke",
        "reservations:service:update",
    }
)

IMPORT_FILE = Purpose(
    key="reservations.import",
    kinds=frozenset({Kind.CSV, Kind.XLSX}),
    permission="reservations:shop:create",
    read="reservations:shop:create",
    max_bytes=10 * 1024 * 1024,
)

AREA = Area(
    name="reservations",
    title="予約運用",
    # The document's people (2.3.1) and the management (4.2.2).
    roles={
        "admin": Role("予約運用管理者", READ | EVERYDAY | CONTACT | OPERATE | MANAGE | ADMINISTRATION),
        "operator": Role("運営担当者", READ | EVERYDAY | CONTACT | OPERATE),
        "support": Role("カスタマーサポート", READ | EVERYDAY | CONTACT),
        "manager": Role("経営", EVERYDAY | MANAGEMENT),
    },
    ticks={
        "reservations.flow": Tick("予約の進行", timedelta(seconds=1), silence=timedelta(seconds=60)),
        "reservations.inbox": Tick("外部サービスからの連絡の処理", timedelta(seconds=1), silence=timedelta(seconds=60)),
        "reservations.look": Tick("電話と決済の確認", timedelta(seconds=2), silence=timedelta(seconds=60)),
        "reservations.clocks": Tick("手動対応の期限の見張り", timedelta(seconds=15), silence=timedelta(seconds=120)),
        "reservations.incidents": Tick(
            "インシデントの目標時間の見張り", timedelta(seconds=15), silence=timedelta(seconds=120)
        ),
    },
    retention=(Policy("reservations_webhooks", "外部サービスからの連絡の記録", lambda: timedelta(days=180)),),
    subjects={
        "service": "サービス",
        "plan": "サイズ・料金",
        "shop": "提携店",
        "reservation": "予約",
        "operation": "手動対応",
        "shift": "当番",
        "assistant": "アシスタント用トークン",
        "incident": "インシデント",
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
    },
    values={
        "level": {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low"},
        "mark": {
            "first_look": "初動対応",
            "stopgap": "応急処置・対応",
            "recovery": "復旧確認",
            "management": "経営陣に報告",
            "report": "ポストモーテム・インシデントレポート作成",
            "weekly": "週次報告で共有",
        },
    },
    purposes=(IMPORT_FILE,),
)
