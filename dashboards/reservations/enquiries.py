"""問い合わせ: who waits for an answer and until when, the quality of support, and the customers' satisfaction."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import CATEGORY, CHANNEL, EnquiriesCounts
from dashboards.reservations import choices, enquiry_forms, enquiry_quality, surveys
from dashboards.reservations.enquiry_drawer import drawer
from dashboards.reservations.enquiry_forms import PATH
from dashboards.reservations.enquiry_words import FAQ, PARTY, STATUS, next_target, owner
from dashboards.reservations.incident_words import LEVEL
from dashboards.reservations.operation_words import RESPONSE
from dashboards.session import has_permission
from dashboards.ui import bound, columns, dialogs, figures, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing

KEY = "reservations.enquiries"
LIST, QUALITY, SURVEY = "問い合わせ一覧", "サポート品質", "満足度調査"
SORTS = {
    "due_at": "次の目標時間が近い順",
    "-received_at": "受付が新しい順",
    "received_at": "受付が古い順",
    "-resolved_at": "解決が新しい順",
}
STATES = {code: status.label for code, status in STATUS.items()} | {"all": "すべて（解決済みを含む）"}
COLUMNS = (
    columns.text("件名", "topic", width=164),
    columns.badge("ステータス", "status", STATUS, width=88),
    columns.text("次の目標", next_target, width=216, sort="due_at"),
    columns.badge("期限", lambda row: row["response"] or "running", RESPONSE, width=104),
    columns.badge("問い合わせ元", "party", PARTY, width=92),
    columns.text("氏名", "sender_name", width=88),
    columns.text("担当", owner, width=88),
    columns.ago("受付", "received_at", sort="received_at"),
)


def register() -> None:
    if has_permission("reservations:enquiry:update"):
        dialogs.button("問い合わせを登録する", enquiry_forms.new, key=f"{KEY}.new", icon="add_comment", type="primary")


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "問い合わせ", f"{PATH}/counts", headline=True, right=register)
    if reading is None:
        return
    counts: EnquiriesCounts = reading.data
    if not reading.problem:
        state_sentence(counts)
    figures.row(
        [
            Figure("未解決", f"{counts['open']:,}件", f"うち自分の担当 {counts['mine']:,}件"),
            Figure(
                "初回応答待ち", f"{counts['unanswered']:,}件", "目標は、依頼者2時間・提携店4時間以内、電話は即時です"
            ),
            Figure("目標時間を超過", f"{counts['overdue']:,}件", f"期限間近 {counts['near']:,}件"),
            Figure("FAQに追加すべき", f"{counts['for_faq']:,}件", "週次レビューで確認します"),
        ],
        faded=reading.problem is not None,
    )


def state_sentence(counts: EnquiriesCounts) -> None:
    if not counts["open"]:
        done_note = f"今日は{counts['resolved_today']:,}件を解決しました。" if counts["resolved_today"] else ""
        st.success(f"現在、未解決の問い合わせはありません。{done_note}", icon=":material/check_circle:")
        return
    reasons = [
        reason
        for count, reason in (
            (counts["overdue"], f"目標時間を過ぎたものが{counts['overdue']:,}件"),
            (counts["near"], f"まもなく目標時間のものが{counts['near']:,}件"),
            (counts["unclaimed"], f"担当者のいないものが{counts['unclaimed']:,}件"),
        )
        if count
    ]
    text = f"未解決の問い合わせが{counts['open']:,}件あります。"
    text += f"{'、'.join(reasons)}です。" if reasons else "すべて担当者がいて、目標時間内です。"
    if counts["overdue"]:
        st.error(text, icon=":material/alarm:")
    elif counts["near"] or counts["unclaimed"]:
        st.warning(text, icon=":material/notifications_active:")
    else:
        st.info(text, icon=":material/info:")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"対応する": drawer},
        export=Export.of(PATH),
        empty=tables.Empty(
            "未解決の問い合わせはありません",
            "お問い合わせフォームから届くと、ここに並びます。電話やメールで受けたときは、「問い合わせを登録する」で登録してください。",
        ),
    )


def _conditions() -> filters.Filters:
    return filters.bar(
        filters.Text("q", "キーワード", "番号・件名・内容・氏名・連絡先・予約ID"),
        filters.Choice("party", "問い合わせ元", {code: status.label for code, status in PARTY.items()}, width=140),
        filters.Choice("owner", "担当", {"me": "自分", "none": "担当者なし"} | choices.enquiry_assignees(), width=160),
        filters.Choice("state", "ステータス", STATES, otherwise="未解決", width=200),
        more=[
            filters.Choice("channel", "チャネル", CHANNEL),
            filters.Choice("category", "種別", CATEGORY, width=220),
            filters.Choice("level", "レベル", LEVEL),
            filters.Choice("unanswered", "初回応答", {"true": "初回応答待ち"}),
            filters.Choice("late", "目標時間", {"true": "目標時間を過ぎたもの"}, width=240),
            filters.Choice(
                "faq", "FAQへの追加", {code: status.label for code, status in FAQ.items() if code != "none"}
            ),
            filters.Dates("received", "受付日", parameters=("since", "until")),
        ],
    )


def page() -> None:
    headline()
    parts = [LIST, QUALITY, SURVEY] if has_permission("reservations:enquiry:read") else [QUALITY, SURVEY]
    part = bound.choose_part(parts)
    if part == QUALITY:
        enquiry_quality.section()
    elif part == SURVEY:
        surveys.section()
    else:
        show_list(_conditions())


page()
dialogs.open_requested(PATH, drawer)
