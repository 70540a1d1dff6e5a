"""One monthly report beside the list: its figures, its files, and sending it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.addresses import FILES
from dashboards.client import ApiProblem
from dashboards.fleet.report_words import change, month_words, percent
from dashboards.fleet.words import ALERT
from dashboards.session import may
from dashboards.ui import charts, confirm, details, dialogs, feedback, tasks, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.once import pressed
from dashboards.ui.status import UNKNOWN, Status
from dashboards.ui.text import plain, small

PATH = "/api/fleet/reports/monthly"
WORST_SHOWN = 5
REPORT_STATES = {
    "draft": Status("未送信", "orange", "drafts"),
    "sent": Status("送信済み", "green", "mark_email_read"),
}
LISTED_STATES = {**REPORT_STATES, "internal": Status("社内用", "gray", "lock")}
NOT_MEASURED = "測定できた障害はありません"


def state_of(row: Row) -> str:
    return "sent" if row["sent_at"] else "draft" if row["customer_id"] else "internal"


def name_of(row: Row) -> str:
    return str(row["customer_name"] or "全体")


def drawer(row: Row) -> None:
    @dialogs.dialog(
        plain(f"{month_words(row['month'])} {name_of(row)}"),
        position="right",
        width="medium",
        icon=":material/summarize:",
    )
    def show() -> None:
        try:
            report = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="report.drawer")
            return
        _head(report)
        _figures(report)
        _by_day(report["figures"]["by_day"])
        _worst(report["figures"]["worst"])

    show()


def _head(report: Row) -> None:
    st.markdown(LISTED_STATES[state_of(report)].badge())
    with st.container(horizontal=True):
        link("PDFをダウンロード", f"{FILES}/{report['pdf_id']}", primary=True, download=True)
        link("CSVをダウンロード", f"{FILES}/{report['csv_id']}", download=True)
        if report["customer_id"] and may("fleet:report:send"):
            word = "もう一度送信する" if report["sent_at"] else "送信する"
            dialogs.button(word, send, report, key="report.send", icon="send")
        if not report["sent_at"] and may("fleet:report:create"):
            params = {"month": report["month"], "customer_id": report["customer_id"]}
            st.button(
                "作り直す",
                key="report.redraft",
                icon=":material/refresh:",
                on_click=start,
                args=({name: value for name, value in params.items() if value},),
            )
    details.facts(
        {
            "作成": times.full(times.parse(report["drafted_at"])),
            "送信": f"{times.full(times.parse(report['sent_at']))}　{report['sent_by']}" if report["sent_at"] else None,
            "送信先": report["sent_to"] or (report["contact_email"] and f"{report['contact_email']}（予定）"),
        }
    )


def _figures(report: Row) -> None:
    found, before = report["figures"], report["before"]
    counts = found["counts"]
    moved = change(found["uptime"], before["uptime"] if before else None)
    kinds = "、".join(f"{ALERT.get(kind, UNKNOWN).word} {count:,}件" for kind, count in counts["by_type"].items())
    details.facts(
        {
            "時間稼働率": percent(found["uptime"]) + ("" if moved is None else f"（前月比 {moved:+.2f}pt）"),
            "端末": f"{found['terminals']:,}台",
            "障害": f"{counts['incidents']:,}件" + (f"（{kinds}）" if kinds else ""),
            "検知まで": _span(counts["detect"]),
            "初動確認まで": _span(counts["respond"]),
            "復旧まで": _span(counts["repair"]),
            "ファームウェア": "、".join(
                f"{one['version'] or '通信なし'}（{one['terminals']:,}台）" for one in found["firmware"]
            ),
        }
    )


def _span(span: Row) -> str:
    """中央値 4分、最長 15分（目標5分以内 9 / 12件）"""
    if not span["count"]:
        return NOT_MEASURED
    median, worst, target = (
        times.duration(timedelta(seconds=span[name] or 0)) for name in ("median", "worst", "target")
    )
    return f"中央値 {median}、最長 {worst}（目標{target}以内 {span['within']:,} / {span['count']:,}件）"


def _by_day(days: list[dict[str, Any]]) -> None:
    known = [one for one in days if one["uptime"] is not None]
    if not known:
        return
    lowest = min(known, key=lambda one: one["uptime"])
    day = date.fromisoformat(lowest["day"])
    finding = (
        "時間稼働率はすべての日で100%でした"
        if lowest["uptime"] == 1
        else f"時間稼働率が最も低かったのは{day.month}/{day.day}の{percent(lowest['uptime'])}です"
    )
    values = [None if one["uptime"] is None else round(one["uptime"] * 100, 2) for one in days]
    charts.line(
        finding,
        [date.fromisoformat(one["day"]) for one in days],
        {"時間稼働率": values},
        unit="%",
        key="report.by_day",
    )


def _worst(terminals: list[dict[str, Any]]) -> None:
    if not terminals:
        return
    st.markdown(small("時間稼働率の低い端末"))
    for one in terminals[:WORST_SHOWN]:
        st.markdown(
            f"**{percent(one['uptime'])}**　{plain(one['store_name'])}　"
            f"{small(plain(one['serial_number']))}　障害 {one['incidents']:,}件"
        )


def send(report: Row) -> None:
    """Asks before it leaves the house; and once more in other words when it did before."""
    month, name = month_words(report["month"]), name_of(report)
    consequence = f"{report['contact_email']} へ、PDFを添付したメールを送ります。送信後は取り消せません。"
    if report["sent_at"]:
        earlier = f"{times.full(times.parse(report['sent_at']))}に{report['sent_to']} へ送信済みです。"
        consequence = f"{earlier}同じ報告書をもう一度、{consequence}"
    body = {"version": report["version"], "again": bool(report["sent_at"])}
    confirm.confirm(
        f"report.send.{report['id']}",
        plain(f"{name}に{month}の月次報告書を送信しますか？"),
        plain(consequence),
        action="送信する",
        do=lambda _, once: session.api().post(f"{PATH}/{report['id']}/send", body, once=once),
        done=f"{name}への送信を受け付けました。",
        danger=False,
    )


def start(asked: dict[str, Any]) -> None:
    """For callbacks: starts drafting, and follows it in a dialog."""
    try:
        with pressed(f"{PATH}/drafts {asked}") as once:
            task = session.api().post(f"{PATH}/drafts", asked, once=once)
            dialogs.open(_dialog, partial(_follow, task["id"]))
    except ApiProblem as problem:
        dialogs.open(_dialog, partial(feedback.not_done, problem))


def _dialog(body: Callable[[], None]) -> None:
    dialogs.dialog("月次報告書を作成する", icon=":material/summarize:")(body)()


def _follow(task_id: int) -> None:
    tasks.progress(task_id, key="reports.task")
    st.markdown(small("この画面を閉じても作成は続きます。進み具合は「処理状況」でも確認できます。"))
