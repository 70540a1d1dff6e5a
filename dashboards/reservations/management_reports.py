"""A month beside the list, its report on paper, and what was sent by mail to whom."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD, FILES
from dashboards.client import ApiProblem
from dashboards.reservations import management_parts
from dashboards.reservations.figure_words import month, yen
from dashboards.reservations.management_parts import PATH
from dashboards.session import may
from dashboards.ui import confirm, details, dialogs, feedback, live, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

KEY = "reservations.management.reports"
WAITING = Status("送信待ち", "blue", "schedule_send")
SENT = Status("送信済み", "green", "mark_email_read")
NOBODY = Status("宛先なし", "orange", "unsubscribe")
NO_ADDRESS = (
    "メールアドレスのある「経営」の利用者がいません。"
    "ユーザー管理でメールアドレスを登録すると、送信できるようになります。"
)


@refreshing
def section() -> None:
    reading = live.block(KEY, "レポートの送信", f"{PATH}/reports")
    if reading is None:
        return
    found = reading.data
    if found["recipients"]:
        st.markdown(
            f"毎月1日の集計のあと、前月のレポート（PDF）を「経営」の利用者{len(found['recipients']):,}人"
            f"（{plain('、'.join(found['recipients']))}）に自動で送ります。"
            "今すぐ送るときは、上の一覧の「内訳」から送信してください。"
        )
    else:
        st.warning(NO_ADDRESS, icon=":material/unsubscribe:")
    if not found["items"]:
        feedback.empty("まだ送信したレポートはありません", "送信すると、ここに新しい順に並びます。")
        return
    with st.container(border=True):
        for one in found["items"]:
            st.markdown(line(one))


def line(one: Row) -> str:
    """送信済み 2026年10月 (自動), and below it when and to whom."""
    state = WAITING if one["sent_at"] is None else SENT if one["recipients"] else NOBODY
    title = f"**{month(one['month'])}**"
    if one["pdf_id"]:
        title = f"[{title}]({FILES}/{one['pdf_id']})"
    who = "自動送信" if one["is_automatic"] else f"{one['asked_by']}が送信"
    at = times.full(times.parse(one["sent_at"] or one["asked_at"]))
    whom = f"・{'、'.join(one['recipients'])}" if one["recipients"] else ""
    return f"{state.badge()} {title}　{small(plain(f'{who}・{at}{whom}'))}"


def drawer(row: Row) -> None:
    """A month beside the list: its figures, what they are made of, and the report."""

    @dialogs.dialog(f"{month(row['month'])}の内訳", position="right", width="large", icon=":material/monitoring:")
    def show() -> None:
        try:
            parts = session.api().get(f"{PATH}/parts", month=row["month"])
        except ApiProblem as problem:
            feedback.failed(problem, key="management.drawer")
            return
        with st.container(horizontal=True):
            link("PDFをダウンロード", pdf(row["month"]), primary=True, download=True)
            if may("reservations:management:send"):
                dialogs.button("メールで送信する", ask_to_send, row["month"], key="management.send", icon="send")
        details.facts(
            {
                "予約件数": f"{row['requested']:,}件",
                "確定・不成立": f"{row['confirmed']:,}件・{row['failed']:,}件",
                "売上": f"{yen(row['sales'])}（支払 {yen(row['paid'])}・返金 {yen(row['refunded'])}）",
                "手動対応": f"{row['operations']:,}件",
            }
        )
        management_parts.draw(parts, "management.drawer", {"month": row["month"]})

    show()


def pdf(month_text: str) -> str:
    return f"{DOWNLOAD}{PATH}/report.pdf?{urlencode({'month': month_text})}"


def ask_to_send(chosen: str) -> None:
    """Names the people before anything leaves."""
    try:
        recipients = session.api().get(f"{PATH}/reports")["recipients"]
    except ApiProblem as problem:
        _said(chosen, problem)
        return
    if not recipients:
        _said(chosen, None)
        return
    body = {"month": chosen, "recipients": len(recipients)}
    confirm.confirm(
        f"{KEY}.send.{chosen}",
        f"{month(chosen)}の経営レポートを送信しますか？",
        plain(
            f"次の{len(recipients):,}人に、PDFを添付したメールを送ります: {'、'.join(recipients)}。"
            "送信後は取り消せません。"
        ),
        action="送信する",
        do=lambda _, once: session.api().post(f"{PATH}/reports", body, once=once),
        done=f"{month(chosen)}の経営レポートの送信を受け付けました。",
        danger=False,
    )


def _said(chosen: str, problem: ApiProblem | None) -> None:
    @dialogs.dialog(f"{month(chosen)}の経営レポート", icon=":material/send:")
    def show() -> None:
        if problem is not None:
            feedback.not_done(problem)
        else:
            st.warning(NO_ADDRESS, icon=":material/unsubscribe:")

    show()
