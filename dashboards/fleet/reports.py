"""レポート: the monthly reports, which of them are ready and sent, and the month's figures."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.fleet import MonthFigures, MonthlyOverview, ReportItem
from dashboards.fleet import sentences
from dashboards.fleet.choices import customers
from dashboards.fleet.report_drawer import (
    LISTED_STATES,
    NOT_MEASURED,
    PATH,
    REPORT_STATES,
    drawer,
    report_name,
    report_state,
    start_drafting,
)
from dashboards.fleet.report_words import month_text, percent_text, percentage_point_change
from dashboards.session import has_permission
from dashboards.settings import settings
from dashboards.ui import columns, dialogs, figures, filters, live, tables, tasks, times
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import small

KEY = "fleet.reports"
IS_DRAFTING = f"{KEY}.is_drafting"
POLL_SECONDS = 5
MAX_MONTHS = 12
PAPERS = {"65": "65面", "44": "44面", "24": "24面"}
SORTS = {"customer_name": "会社名順", "uptime": "時間稼働率が低い順", "-uptime": "時間稼働率が高い順"}


def _uptime_change(row: ReportItem) -> float | None:
    return percentage_point_change(row["uptime"], row["uptime_before"])


COLUMNS = (
    columns.text("対象", report_name, width=200, sort="customer_name"),
    columns.badge("状況", report_state, LISTED_STATES, width=104),
    columns.text("時間稼働率", lambda row: percent_text(row["uptime"]), width=96, alignment="right", sort="uptime"),
    columns.trend("前月比", _uptime_change, unit="pt"),
    columns.number("端末（台）", "terminals"),
    columns.number("障害（件）", "incidents"),
    columns.stamp("作成", "drafted_at"),
    columns.stamp("送信", "sent_at", missing="–"),
)


def chosen_month() -> str | None:
    """2026-10, from the filter or, before it is drawn for the first time, from the page's URL."""
    value = st.session_state.get("month") or st.query_params.get("month") or ""
    match = re.fullmatch(r"(\d{4})(?:-|年)(\d{1,2})月?", value)
    return f"{match[1]}-{int(match[2]):02}" if match else None


def headline(month: str | None) -> None:
    """Polls every few seconds while reports are drafted, otherwise as often as the rest of the page."""
    is_drafting = st.session_state.get(IS_DRAFTING, False)
    seconds = POLL_SECONDS if is_drafting else settings().refresh_seconds
    st.fragment(_headline, run_every=seconds)(month, was_drafting=is_drafting)


def _headline(month: str | None, *, was_drafting: bool) -> None:
    reading = live.block(
        f"{KEY}_headline",
        "レポート",
        f"{PATH}/overview",
        headline=True,
        right=draw_title_buttons,
        month=month,
    )
    if reading is None:
        return
    overview: MonthlyOverview = reading.data
    if not reading.problem:
        sentences.reports(overview).draw()
    if overview["is_drafting"]:
        tasks.card(drafting_task(overview), key=f"{KEY}.drafting", problem=reading.problem)
    if overview["figures"]:
        key_figures(overview["figures"], overview["before"], faded=reading.problem is not None)
    if overview["is_drafting"] != was_drafting:
        st.session_state[IS_DRAFTING] = overview["is_drafting"]
        st.rerun()  # The polling interval has changed, and the list has new reports.


def drafting_task(summary: MonthlyOverview) -> dict[str, Any]:
    """The job that drafts the month automatically, as a task for `tasks.card`. No user started it or can cancel it."""
    drafted, expected = summary["drafted"], summary["expected"]
    return {
        "title": f"{month_text(summary['month'])}の月次報告書の作成（自動）",
        "state": "running" if drafted else "waiting",
        "percent": 100 * drafted / expected,
        "message": f"{drafted:,}件を作成しました（全{expected:,}件）。" if drafted else None,
        "started_at": summary["first_drafted_at"],
    } | dict.fromkeys(("error", "created_at", "finished_at", "can_cancel", "can_resume", "result_url"))


def key_figures(current: MonthFigures, previous: MonthFigures | None, *, faded: bool) -> None:
    counts = current["counts"]
    respond = counts["respond"]
    figures.row(
        [
            Figure(
                "時間稼働率",
                percent_text(current["uptime"]),
                "メンテナンス中を除く",
                change=percentage_point_change(current["uptime"], previous["uptime"] if previous else None),
                change_unit="pt",
                against="前月比",
                share=current["uptime"] or 0.0,
                help="月を通した稼働率です。ダッシュボードの「現在の稼働率」（今オンラインの台数の割合）とは別の数字です。",
            ),
            Figure(
                "端末",
                f"{current['terminals']:,}台",
                change=current["terminals"] - previous["terminals"] if previous else None,
                change_unit="台",
                against="前月比",
                good="neither",
            ),
            Figure(
                "障害",
                f"{counts['incidents']:,}件",
                f"うち未解決 {counts['unresolved']:,}件",
                change=counts["incidents"] - previous["counts"]["incidents"] if previous else None,
                change_unit="件",
                against="前月比",
                good="down",
            ),
            Figure(
                "初動確認が目標内",
                percent_text(respond["within"] / respond["count"]) if respond["count"] else "–",
                f"{respond['within']:,} / {respond['count']:,}件（目標5分）" if respond["count"] else NOT_MEASURED,
            ),
            Figure(
                "復旧までの時間",
                duration_text(counts["repair"]["median"]),
                "中央値" if counts["repair"]["count"] else NOT_MEASURED,
            ),
        ],
        faded=faded,
    )


def duration_text(seconds: float | None) -> str:
    return "–" if seconds is None else times.duration(timedelta(seconds=seconds))


def draw_title_buttons() -> None:
    with st.popover("そのほかの帳票", icon=":material/print:", key=f"{KEY}.others"):
        draw_other_papers()
    if has_permission("fleet:report:create"):
        dialogs.button("報告書を作成する", choose_month_to_draft, key=f"{KEY}.draft", type="primary")


def draw_other_papers() -> None:
    st.markdown("今の端末の状態を1冊にまとめたPDFです。")
    link("端末状況レポート（PDF）", f"{DOWNLOAD}/api/fleet/reports/status.pdf", download=True)
    if not has_permission("fleet:terminal:read"):
        return
    st.markdown("端末に貼る、シリアル番号のQRコードのラベルです。")
    customer_names = customers()
    customer = st.selectbox(
        "顧客",
        [*customer_names],
        index=None,
        placeholder="すべて",
        format_func=lambda option: customer_names[option],
        key=f"{KEY}.labels.customer",
    )
    stock = st.selectbox("用紙", [*PAPERS], format_func=lambda option: PAPERS[option], key=f"{KEY}.labels.stock")
    query = {"layout": stock or "65"} | ({"customer_id": customer} if customer else {})
    link("端末ラベル（PDF）", f"{DOWNLOAD}/api/fleet/terminals/labels.pdf?{urlencode(query)}", download=True)


def choose_month_to_draft() -> None:
    """Lets the user choose a month, and starts the task."""

    @dialogs.dialog("月次報告書を作成する", icon=":material/summarize:")
    def show() -> None:
        st.markdown("選んだ月の報告書を、顧客企業ごとと全体で作成します。")
        st.markdown(small("送信していない報告書は新しい内容に置き換わります。送信済みの報告書は変わりません。"))
        months = past_months()
        key = f"{KEY}.draft.month"
        st.selectbox("対象月", months, format_func=month_text, key=key)
        st.button("作成を始める", key=f"{KEY}.draft.start", type="primary", on_click=_start_drafting, args=(key,))

    show()


def _start_drafting(key: str) -> None:
    """For callbacks: the chosen month may be newer than what was drawn last."""
    start_drafting({"month": st.session_state[key]})


def past_months() -> list[str]:
    now = times.now()
    count = now.year * 12 + now.month - 1
    return [f"{(count - back) // 12:04}-{(count - back) % 12 + 1:02}" for back in range(1, MAX_MONTHS + 1)]


@refreshing
def draw_list(chosen: filters.Filters, month: str | None) -> None:
    tables.table(
        KEY,
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        query={"month": month} if month else {},
        actions={"詳細": drawer},
        empty=tables.Empty("この月の月次報告書はまだありません", "月次報告書は、毎月1日に前月分が自動で作成されます。"),
    )


def filter_bar(summary: MonthlyOverview | None) -> filters.Filters:
    months = {month: month_text(month) for month in (summary["months"] if summary else [])}
    return filters.bar(
        filters.Choice("month", "対象月", months, otherwise=month_text(summary["month"]) if summary else "最新の月"),
        filters.Text("q", "会社名"),
        filters.Choice("state", "状況", REPORT_STATES),
    )


requested_month = chosen_month()
headline(requested_month)
overview: MonthlyOverview | None = live.last_answer(f"{KEY}_headline")
draw_list(filter_bar(overview), requested_month or (overview["month"] if overview else None))
