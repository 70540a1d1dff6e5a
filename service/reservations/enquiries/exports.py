"""Export of 問い合わせ: the enquiries and how they were handled (7.1.2, 7.2.2)."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.enquiries import queries, rules, schemas
from service.reservations.incidents.rules import Level

ENQUIRIES = ExportList(
    key="reservations.enquiries",
    title="問い合わせ",
    permission="reservations:enquiry:read",
    columns=(
        Column("code", "番号"),
        Column("received_at", "受付日時", "moment"),
        Column("party", "問い合わせ元", "choice", words=rules.Party.labels()),
        Column("channel", "チャネル", "choice", words=rules.Channel.labels()),
        Column("sender_name", "氏名"),
        Column("phone_shown", "電話番号"),
        Column("mail", "メールアドレス"),
        Column("reservation_code", "予約ID"),
        Column("shop_name", "提携店"),
        Column("category", "種別", "choice", words=rules.Category.labels()),
        Column("level", "レベル", "choice", words=Level.labels()),
        Column("topic", "件名"),
        Column("content", "問い合わせ内容"),
        Column("status", "ステータス", "choice", words=rules.Status.labels()),
        Column("owner_name", "担当"),
        Column("first_due_at", "初回応答の目標", "moment"),
        Column("first_response_at", "初回応答日時", "moment"),
        Column("first_minutes", "初回応答（営業時間・分）", "number"),
        Column("resolution_due_at", "解決の目標", "moment"),
        Column("resolved_at", "解決日時", "moment"),
        Column("resolution_minutes", "解決（営業時間・分）", "number"),
        Column("resolved_by", "解決した人"),
        Column("way", "対応方法", "choice", words=rules.Way.labels()),
        Column("outcome", "対応内容"),
        Column("faq", "FAQへの追加", "choice", words=rules.Faq.labels()),
    ),
    filters=schemas.EnquiryFilters,
    statement=queries.enquiries_export,
)
EXPORTS = (ENQUIRIES,)
