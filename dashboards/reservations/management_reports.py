"""The drawer of a month with its report as PDF, and the reports sent by mail."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD, FILES
from dashboards.client import ApiProblem
from dashboards.contract.reservations import ManagementReportItem, MonthItem, Parts, Reports
from dashboards.reservations import management_parts
from dashboards.reservations.figure_words import month, yen
from dashboards.reservations.management_parts import PATH
from dashboards.session import has_permission
from dashboards.ui import confirm, details, dialogs, feedback, live, times
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

KEY = "reservations.management.reports"
WAITING = Status("送信待ち", "blue", "schedule_send")
SENT = Status("送信済み", "green", "mark_email_read")
NO_RECIPIENT = Status("宛先なし", "orange", "unsubscribe")
NO_ADDRESS = (
    "メールアドレスのある「経営」の利用者がいません。"
    "ユーザー管理でメールアドレスを登録すると、送信できるようになります。"
)


@refreshing
def section() -> None:
    reading = live.block(KEY, "レポートの送信", f"{PATH}/reports")
    if reading is None:
        return
    data: Reports = reading.data
    if data["recipients"]:
        st.markdown(
            f"毎月1日の集計のあと、前月のレポート（PDF）を「経営」の利用者{len(data['recipients']):,}人"
            f"（{plain('、'.join(data['recipients']))}）に自動で送ります。"
            "今すぐ送るときは、上の一覧の「内訳」から送信してください。"
        )
    else:
        st.warning(NO_ADDRESS, icon=":material/unsubscribe:")
    if not data["items"]:
        feedback.empty("まだ送信したレポートはありません", "送信すると、ここに新しい順に並びます。")
        return
    with st.container(border=True):
        for report in data["items"]:
            st.markdown(line(report))


def line(report: ManagementReportItem) -> str:
    """送信済み 2026年10月 (自動), and below it the time and the recipients."""
    state = WAITING if report["sent_at"] is None else SENT if report["recipients"] else NO_RECIPIENT
    title = f"**{month(report['month'])}**"
    if report["pdf_id"]:
        title = f"[{title}]({FILES}/{report['pdf_id']})"
    sender = "自動送信" if report["is_automatic"] else f"{report['asked_by']}が送信"
    time = times.stamp(report["sent_at"] or report["asked_at"])
    recipients = f"・{'、'.join(report['recipients'])}" if report["recipients"] else ""
    return f"{state.badge()} {title}　{small(plain(f'{sender}・{time}{recipients}'))}"


def drawer(row: MonthItem) -> None:
    """The drawer of a month: its figures, their parts, and the report."""

    def show(parts: Parts) -> None:
        with st.container(horizontal=True):
            link("PDFをダウンロード", pdf(row["month"]), primary=True, download=True)
            if has_permission("reservations:management:send"):
                dialogs.button("メールで送信する", confirm_send, row["month"], key="management.send", icon="send")
        details.facts(
            {
                "予約件数": f"{row['requested']:,}件",
                "確定・不成立": f"{row['confirmed']:,}件・{row['failed']:,}件",
                "売上": f"{yen(row['sales'])}（支払 {yen(row['paid'])}・返金 {yen(row['refunded'])}）",
                "手動対応": f"{row['operations']:,}件",
            }
        )
        management_parts.draw(parts, "management.drawer", {"month": row["month"]})

    dialogs.drawer(
        f"{month(row['month'])}の内訳",
        f"{PATH}/parts",
        show,
        key="management",
        icon="monitoring",
        width="large",
        month=row["month"],
    )


def pdf(month_text: str) -> str:
    return f"{DOWNLOAD}{PATH}/report.pdf?{urlencode({'month': month_text})}"


def confirm_send(month_code: str) -> None:
    """Names the recipients before anything is sent."""
    try:
        recipients = session.api().get(f"{PATH}/reports")["recipients"]
    except ApiProblem as problem:
        _show_problem(month_code, problem)
        return
    if not recipients:
        _show_problem(month_code, None)
        return
    body = {"month": month_code, "recipients": len(recipients)}
    confirm.confirm(
        f"{KEY}.send.{month_code}",
        f"{month(month_code)}の経営レポートを送信しますか？",
        plain(
            f"次の{len(recipients):,}人に、PDFを添付したメールを送ります: {'、'.join(recipients)}。"
            "送信後は取り消せません。"
        ),
        action="送信する",
        do=lambda _, idempotency_key: session.api().post(f"{PATH}/reports", body, idempotency_key=idempotency_key),
        success=f"{month(month_code)}の経営レポートの送信を受け付けました。",
        danger=False,
    )


def _show_problem(month_code: str, problem: ApiProblem | None) -> None:
    @dialogs.dialog(f"{month(month_code)}の経営レポート", icon=":material/send:")
    def show() -> None:
        if problem is not None:
            feedback.action_failed(problem)
        else:
            st.warning(NO_ADDRESS, icon=":material/unsubscribe:")

    show()
