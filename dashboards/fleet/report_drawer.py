"""A monthly report next to the list: its figures, its files, and sending it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.addresses import FILES
from dashboards.client import ApiProblem
from dashboards.contract.fleet import DayFigure, ReportDetail, ReportItem, Span, TaskAnswer, TerminalFigure
from dashboards.fleet.report_words import month_text, percent_text, percentage_point_change
from dashboards.fleet.words import ALERT
from dashboards.session import has_permission
from dashboards.ui import charts, confirm, details, dialogs, feedback, tasks, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link, mail
from dashboards.ui.status import UNKNOWN, Status
from dashboards.ui.text import Markdown, plain, small

PATH = "/api/fleet/reports/monthly"
WORST_SHOWN = 5
REPORT_STATES = {
    "draft": Status("未送信", "orange", "drafts"),
    "sent": Status("送信済み", "green", "mark_email_read"),
}
LISTED_STATES = {**REPORT_STATES, "internal": Status("社内用", "gray", "lock")}
NOT_MEASURED = "測定できた障害はありません"


def report_state(row: ReportItem | ReportDetail) -> str:
    return "sent" if row["sent_at"] else "draft" if row["customer_id"] else "internal"


def report_name(row: ReportItem | ReportDetail) -> str:
    return str(row["customer_name"] or "全体")


def drawer(row: ReportItem | ReportDetail) -> None:
    @dialogs.dialog(
        plain(f"{month_text(row['month'])} {report_name(row)}"),
        position="right",
        width="medium",
        icon=":material/summarize:",
    )
    def show() -> None:
        try:
            report: ReportDetail = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="report.drawer")
            return
        _draw_head(report)
        _draw_figures(report)
        _draw_by_day(report["figures"]["by_day"])
        _draw_worst(report["figures"]["worst"])

    show()


def _draw_head(report: ReportDetail) -> None:
    st.markdown(LISTED_STATES[report_state(report)].badge())
    with st.container(horizontal=True):
        link("PDFをダウンロード", f"{FILES}/{report['pdf_id']}", primary=True, download=True)
        link("CSVをダウンロード", f"{FILES}/{report['csv_id']}", download=True)
        if report["customer_id"] and has_permission("fleet:report:send"):
            label = "もう一度送信する" if report["sent_at"] else "送信する"
            dialogs.button(label, send, report, key="report.send", icon="send")
        if not report["sent_at"] and has_permission("fleet:report:create"):
            params = {"month": report["month"], "customer_id": report["customer_id"]}
            st.button(
                "作り直す",
                key="report.redraft",
                icon=":material/refresh:",
                on_click=start_drafting,
                args=({name: value for name, value in params.items() if value},),
            )
    details.facts(
        {
            "作成": times.stamp(report["drafted_at"]),
            "送信": f"{times.stamp(report['sent_at'])}　{report['sent_by']}" if report["sent_at"] else None,
            "送信先": mail(report["sent_to"])
            or (report["contact_email"] and Markdown(f"{mail(report['contact_email'])}（予定）")),
        }
    )


def _draw_figures(report: ReportDetail) -> None:
    month_figures, previous = report["figures"], report["before"]
    counts = month_figures["counts"]
    uptime_change = percentage_point_change(month_figures["uptime"], previous["uptime"] if previous else None)
    kinds = "、".join(f"{ALERT.get(kind, UNKNOWN).label} {count:,}件" for kind, count in counts["by_type"].items())
    details.facts(
        {
            "時間稼働率": percent_text(month_figures["uptime"])
            + ("" if uptime_change is None else f"（前月比 {uptime_change:+.2f}pt）"),
            "端末": f"{month_figures['terminals']:,}台",
            "障害": f"{counts['incidents']:,}件" + (f"（{kinds}）" if kinds else ""),
            "検知まで": _span_text(counts["detect"]),
            "初動確認まで": _span_text(counts["respond"]),
            "復旧まで": _span_text(counts["repair"]),
            "ファームウェア": "、".join(
                f"{version['version'] or '通信なし'}（{version['terminals']:,}台）"
                for version in month_figures["firmware"]
            ),
        }
    )


def _span_text(span: Span) -> str:
    """中央値 4分、最長 15分（目標5分以内 9 / 12件）"""
    if not span["count"]:
        return NOT_MEASURED
    median, worst, target = (
        times.duration(timedelta(seconds=seconds or 0)) for seconds in (span["median"], span["worst"], span["target"])
    )
    return f"中央値 {median}、最長 {worst}（目標{target}以内 {span['within']:,} / {span['count']:,}件）"


def _draw_by_day(days: list[DayFigure]) -> None:
    measured = [day_row for day_row in days if day_row["uptime"] is not None]
    if not measured:
        return
    lowest = min(measured, key=lambda day_row: day_row["uptime"] or 0)
    day = date.fromisoformat(lowest["day"])
    title = (
        "時間稼働率はすべての日で100%でした"
        if lowest["uptime"] == 1
        else f"時間稼働率が最も低かったのは{day.month}/{day.day}の{percent_text(lowest['uptime'])}です"
    )
    values = [None if day_row["uptime"] is None else round(day_row["uptime"] * 100, 2) for day_row in days]
    charts.line(
        title,
        [date.fromisoformat(day_row["day"]) for day_row in days],
        {"時間稼働率": values},
        unit="%",
        key="report.by_day",
    )


def _draw_worst(terminals: list[TerminalFigure]) -> None:
    if not terminals:
        return
    st.markdown(small("時間稼働率の低い端末"))
    for terminal in terminals[:WORST_SHOWN]:
        st.markdown(
            f"**{percent_text(terminal['uptime'])}**　{plain(terminal['store_name'])}　"
            f"{small(plain(terminal['serial_number']))}　障害 {terminal['incidents']:,}件"
        )


def send(report: ReportDetail) -> None:
    """Confirms first, because the report goes to the customer; the text differs when it was sent before."""
    month, name = month_text(report["month"]), report_name(report)
    consequence = f"{report['contact_email']} へ、PDFを添付したメールを送ります。送信後は取り消せません。"
    if report["sent_at"]:
        sent_before_text = f"{times.stamp(report['sent_at'])}に{report['sent_to']} へ送信済みです。"
        consequence = f"{sent_before_text}同じ報告書をもう一度、{consequence}"
    body = {"version": report["version"], "again": bool(report["sent_at"])}
    confirm.confirm(
        f"report.send.{report['id']}",
        plain(f"{name}に{month}の月次報告書を送信しますか？"),
        plain(consequence),
        action="送信する",
        do=lambda _, key: session.api().post(f"{PATH}/{report['id']}/send", body, idempotency_key=key),
        success=f"{name}への送信を受け付けました。",
        danger=False,
    )


def start_drafting(request: dict[str, Any]) -> None:
    """For callbacks: starts the task that drafts the reports, and shows its progress in a dialog."""
    try:
        with button_idempotency_key(f"{PATH}/drafts {request}") as idempotency_key:
            task: TaskAnswer = session.api().post(f"{PATH}/drafts", request, idempotency_key=idempotency_key)
            dialogs.open(_dialog, partial(_show_progress, task["id"]))
    except ApiProblem as problem:
        dialogs.open(_dialog, partial(feedback.action_failed, problem))


def _dialog(body: Callable[[], None]) -> None:
    dialogs.dialog("月次報告書を作成する", icon=":material/summarize:")(body)()


def _show_progress(task_id: int) -> None:
    tasks.progress(task_id, key="reports.task")
    st.markdown(small("この画面を閉じても作成は続きます。進み具合は「処理状況」でも確認できます。"))
