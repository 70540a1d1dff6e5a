"""レポート: which month's reports are ready, which were not sent yet, and how did the month go?"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.fleet.choices import customers
from dashboards.fleet.report_drawer import (
    LISTED_STATES,
    NOT_MEASURED,
    PATH,
    REPORT_STATES,
    drawer,
    name_of,
    start,
    state_of,
)
from dashboards.fleet.report_words import change, month_words, percent
from dashboards.session import may
from dashboards.settings import settings
from dashboards.ui import columns, dialogs, figures, filters, live, tables, tasks, times
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import small

KEY = "fleet.reports"
DRAFTING = f"{KEY}.is_drafting"
FOLLOW_SECONDS = 5
MONTHS_OFFERED = 12
STOCKS = {"65": "65面", "44": "44面", "24": "24面"}
SORTS = {"customer_name": "会社名順", "uptime": "時間稼働率が低い順", "-uptime": "時間稼働率が高い順"}


def _moved(row: Row) -> float | None:
    return change(row["uptime"], row["uptime_before"])


COLUMNS = (
    columns.text("対象", name_of, width=200, sort="customer_name"),
    columns.badge("状況", state_of, LISTED_STATES, width=104),
    columns.text("時間稼働率", lambda row: percent(row["uptime"]), width=96, alignment="right", sort="uptime"),
    columns.trend("前月比", _moved, unit="pt"),
    columns.number("端末（台）", "terminals"),
    columns.number("障害（件）", "incidents"),
    columns.stamp("作成", "drafted_at"),
    columns.stamp("送信", "sent_at", missing="–"),
)


def chosen_month() -> str | None:
    """2026-10, as the filter or, before it is drawn for the first time, the page's address has it."""
    kept = st.session_state.get("month") or st.query_params.get("month") or ""
    found = re.fullmatch(r"(\d{4})(?:-|年)(\d{1,2})月?", kept)
    return f"{found[1]}-{int(found[2]):02}" if found else None


def headline(month: str | None) -> None:
    """Looks every few seconds while reports are being drafted, and then no more often than the rest of the page."""
    drafting = st.session_state.get(DRAFTING, False)
    every = FOLLOW_SECONDS if drafting else settings().refresh_seconds
    st.fragment(_headline, run_every=every)(month, was_drafting=drafting)


def _headline(month: str | None, *, was_drafting: bool) -> None:
    reading = live.block(
        f"{KEY}_headline",
        "レポート",
        f"{PATH}/overview",
        headline=True,
        right=head_buttons,
        month=month,
    )
    if reading is None:
        return
    if not reading.problem:
        state_sentence(reading.data)
    if reading.data["is_drafting"]:
        tasks.card(drafting_task(reading.data), key=f"{KEY}.drafting", problem=reading.problem)
    if reading.data["figures"]:
        key_figures(reading)
    if reading.data["is_drafting"] != was_drafting:
        st.session_state[DRAFTING] = reading.data["is_drafting"]
        st.rerun()  # From now on it is looked at more often, or less, and the list has what came of it.


def drafting_task(told: Row) -> dict[str, Any]:
    """The job that drafts the month by itself, as the card of a task has it. Nobody started it, nobody can stop it."""
    drafted, expected = told["drafted"], told["expected"]
    return {
        "title": f"{month_words(told['month'])}の月次報告書の作成（自動）",
        "state": "running" if drafted else "waiting",
        "percent": 100 * drafted / expected,
        "message": f"{drafted:,}件を作成しました（全{expected:,}件）。" if drafted else None,
        "started_at": told["first_drafted_at"],
    } | dict.fromkeys(("error", "created_at", "finished_at", "can_cancel", "can_resume", "result_url"))


def state_sentence(told: Row) -> None:
    month, drafted, expected = month_words(told["month"]), told["drafted"], told["expected"]
    if not drafted and not told["is_summed_up"]:
        st.info(f"{month}の月次報告書は、集計が終わると自動で作成されます。", icon=":material/schedule:")
    elif not expected:
        st.info(f"{month}の端末の記録がないため、月次報告書はありません。", icon=":material/info:")
    elif told["is_drafting"]:
        st.info(f"{month}の月次報告書を作成しています（{drafted:,} / {expected:,}件）。", icon=":material/autorenew:")
    elif drafted < expected:
        st.warning(
            f"{month}の月次報告書は、{expected:,}件のうち{drafted:,}件だけ作成されています。"
            "残りは「報告書を作成する」から作成できます。",
            icon=":material/summarize:",
        )
    elif told["unsent"]:
        sent = f"送信済みは{told['sent']:,}件です。" if told["sent"] else ""
        st.warning(
            f"{month}の月次報告書ができています。まだ送信していない顧客企業が{told['unsent']:,}社あります。{sent}",
            icon=":material/outgoing_mail:",
        )
    else:
        st.success(f"{month}の月次報告書は、{told['sent']:,}社すべてに送信済みです。", icon=":material/check_circle:")


def key_figures(reading: live.Reading) -> None:
    now, before = reading.data["figures"], reading.data["before"]
    counts = now["counts"]
    respond = counts["respond"]
    figures.row(
        [
            Figure(
                "時間稼働率",
                percent(now["uptime"]),
                "メンテナンス中を除く",
                change=change(now["uptime"], before["uptime"] if before else None),
                change_unit="pt",
                against="前月比",
                share=now["uptime"] or 0.0,
                help="月を通した稼働率です。ダッシュボードの「現在の稼働率」（今オンラインの台数の割合）とは別の数字です。",
            ),
            Figure(
                "端末",
                f"{now['terminals']:,}台",
                change=now["terminals"] - before["terminals"] if before else None,
                change_unit="台",
                against="前月比",
                good="neither",
            ),
            Figure(
                "障害",
                f"{counts['incidents']:,}件",
                f"うち未解決 {counts['unresolved']:,}件",
                change=counts["incidents"] - before["counts"]["incidents"] if before else None,
                change_unit="件",
                against="前月比",
                good="down",
            ),
            Figure(
                "初動確認が目標内",
                percent(respond["within"] / respond["count"]) if respond["count"] else "–",
                f"{respond['within']:,} / {respond['count']:,}件（目標5分）" if respond["count"] else NOT_MEASURED,
            ),
            Figure(
                "復旧までの時間",
                span_words(counts["repair"]["median"]),
                "中央値" if counts["repair"]["count"] else NOT_MEASURED,
            ),
        ],
        faded=reading.problem is not None,
    )


def span_words(seconds: float | None) -> str:
    return "–" if seconds is None else times.duration(timedelta(seconds=seconds))


def head_buttons() -> None:
    with st.popover("そのほかの帳票", icon=":material/print:", key=f"{KEY}.others"):
        other_papers()
    if may("fleet:report:create"):
        dialogs.button("報告書を作成する", drafting, key=f"{KEY}.draft", type="primary")


def other_papers() -> None:
    st.markdown("今の端末の状態を1冊にまとめたPDFです。")
    link("端末状況レポート（PDF）", f"{DOWNLOAD}/api/fleet/reports/status.pdf", download=True)
    if not may("fleet:terminal:read"):
        return
    st.markdown("端末に貼る、シリアル番号のQRコードのラベルです。")
    offered = customers()
    customer = st.selectbox(
        "顧客",
        [*offered],
        index=None,
        placeholder="すべて",
        format_func=lambda key: offered[key],
        key=f"{KEY}.labels.customer",
    )
    stock = st.selectbox("用紙", [*STOCKS], format_func=lambda key: STOCKS[key], key=f"{KEY}.labels.stock")
    query = {"layout": stock or "65"} | ({"customer_id": customer} if customer else {})
    link("端末ラベル（PDF）", f"{DOWNLOAD}/api/fleet/terminals/labels.pdf?{urlencode(query)}", download=True)


def drafting() -> None:
    """Chooses a month, and starts the task."""

    @dialogs.dialog("月次報告書を作成する", icon=":material/summarize:")
    def show() -> None:
        st.markdown("選んだ月の報告書を、顧客企業ごとと全体で作成します。")
        st.markdown(small("送信していない報告書は新しい内容に置き換わります。送信済みの報告書は変わりません。"))
        months = past_months()
        key = f"{KEY}.draft.month"
        st.selectbox("対象月", months, format_func=month_words, key=key)
        st.button("作成を始める", key=f"{KEY}.draft.start", type="primary", on_click=_begin, args=(key,))

    show()


def _begin(key: str) -> None:
    """For callbacks: the month that was chosen just now may be later than what was drawn last."""
    start({"month": st.session_state[key]})


def past_months() -> list[str]:
    now = times.now()
    count = now.year * 12 + now.month - 1
    return [f"{(count - back) // 12:04}-{(count - back) % 12 + 1:02}" for back in range(1, MONTHS_OFFERED + 1)]


@refreshing
def listed(chosen: filters.Filters, month: str | None) -> None:
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


def conditions(told: Any) -> filters.Filters:
    months = {month: month_words(month) for month in (told["months"] if told else [])}
    return filters.bar(
        filters.Choice("month", "対象月", months, otherwise=month_words(told["month"]) if told else "最新の月"),
        filters.Text("q", "会社名"),
        filters.Choice("state", "状況", REPORT_STATES),
    )


month_asked = chosen_month()
headline(month_asked)
overview = live.shown(f"{KEY}_headline")
listed(conditions(overview), month_asked or (overview["month"] if overview else None))
