"""The drawer of a report: its figures compared with the period before, the texts, and the buttons for the next step."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.reservations import (
    PERIOD_BEFORE,
    Chores,
    Contents,
    DraftsReportItem,
    DraftsShare,
    ReportDetail,
)
from dashboards.reservations import report_forms
from dashboards.reservations.actions import Back
from dashboards.reservations.chore_words import minutes, short_time
from dashboards.reservations.figure_words import in_percent, yen
from dashboards.reservations.incident_words import LEVEL
from dashboards.reservations.report_forms import KEY, PATH, TEXT_RECORD
from dashboards.reservations.report_words import (
    STATE,
    in_time,
    name,
    sales,
    share,
    state,
    timeline_event,
    written,
)
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, figures, tables, times
from dashboards.ui.figures import Figure, Good
from dashboards.ui.links import link
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

# The goal of the specification (7.3.1).
GOAL = 4.0
OPERATIONS = (
    columns.text("内容", "title", width=190),
    columns.number("件数", "count", width=60),
    columns.number("前の期間", "before", width=80),
    columns.number("完了", "done", width=60),
    columns.text("期限内", lambda row: f"{row['met']:,} / {row['due']:,}件" if row["due"] else "–", width=90),
    columns.text(
        "完了までの中央値",
        lambda row: "–" if row["median_minutes"] is None else minutes(row["median_minutes"]),
        width=130,
        sort_value="median_minutes",
    ),
    columns.text("見積もり", lambda row: row["estimate"] or "–", width=90),
)
INCIDENTS = (
    columns.text("番号", "code", width=92),
    columns.badge("レベル", "level", LEVEL, width=92),
    columns.text("件名", "title", width=260),
    columns.text("発生日時", lambda row: short_time(row["detected_at"]), width=140),
    columns.text(
        "復旧日時",
        lambda row: short_time(row["recovered_at"]) if row["recovered_at"] else "対応中" if row["is_open"] else "–",
        width=140,
    ),
)
NOT_DONE = (
    columns.text("作業内容", "title", width=250),
    columns.text("担当者", "owner", width=150),
    columns.number("未実施", "times", width=70),
    columns.number("見送り", "skipped", width=70),
    columns.text("見送りの理由", lambda row: row["reason"] or "–", width=190),
)


def drawer(row: DraftsReportItem) -> None:
    dialogs.drawer(name(row), f"{PATH}/{row['id']}", _show, key=KEY, icon="summarize", width="large")


def _show(report: ReportDetail) -> None:
    _head(report)
    _buttons(report, partial(dialogs.open, drawer, report))
    _figures(report)
    _written(report)
    _reservations(report["contents"])
    _operations(report)
    _incidents(report)
    _support(report)
    _chores(report["contents"]["chores"])
    st.markdown("**経過**")
    timeline(map(timeline_event, report["events"]), key=f"{KEY}.history")


def _head(report: ReportDetail) -> None:
    text = f"数字は{times.stamp(report['drafted_at'])}時点"
    if report["finished_at"]:
        text += f"　完成 {times.stamp(report['finished_at'])} {report['finished_by']}"
    if report["sent_at"]:
        text += f"　送信 {times.stamp(report['sent_at'])} {report['sent_by']}"
    st.markdown(f"{STATE[state(report)].badge()}　{small(plain(text))}")


def _buttons(report: ReportDetail, back: Back) -> None:
    may_update, finished = has_permission("reservations:report:update"), report["finished_at"]
    with st.container(horizontal=True):
        if may_update and not finished:
            dialogs.button("本文を書く", TEXT_RECORD.edit, report, key=f"{KEY}.write", icon="edit", type="primary")
            dialogs.button("完成させる", report_forms.finish, report, back, key=f"{KEY}.finish", icon="check_circle")
            dialogs.button("数字を取り直す", report_forms.refresh, report, back, key=f"{KEY}.refresh", icon="refresh")
        if finished and has_permission("reservations:report:send"):
            dialogs.button(
                "メールで送信する", report_forms.send, report, back, key=f"{KEY}.send", icon="send", type="primary"
            )
        link("PDFをダウンロード", f"{DOWNLOAD}{PATH}/{report['id']}.pdf", download=True)
        if may_update and finished:
            dialogs.button("下書きに戻す", report_forms.reopen, report, back, key=f"{KEY}.reopen", icon="undo")


def _figures(report: ReportDetail) -> None:
    current, before = report["contents"]["now"], report["contents"]["before"]
    against = f"{PERIOD_BEFORE[report['kind']]}比"

    def change(label: str, count: int, count_before: int, good: Good) -> Figure:
        return Figure(label, f"{count:,}件", change=count - count_before, change_unit="件", against=against, good=good)

    def rate(label: str, ratio: DraftsShare, ratio_before: DraftsShare, good: Good) -> Figure:
        share_now, share_before = share(ratio), share(ratio_before)
        is_comparable = share_now is not None and share_before is not None
        return Figure(
            label,
            in_percent(share_now),
            f"{ratio['part']:,} / {ratio['whole']:,}件",
            change=round(100 * ((share_now or 0) - (share_before or 0)), 1) if is_comparable else None,
            change_unit="pt",
            against=against,
            good=good,
        )

    figures.row(
        [
            change("予約件数", current["requested"], before["requested"], "up"),
            rate("予約成功率", current["success"], before["success"], "up"),
            rate("決済成功率", current["payment"], before["payment"], "up"),
            rate("キャンセル率", current["cancelled"], before["cancelled"], "down"),
        ]
    )
    satisfaction = current["satisfaction"]
    figures.row(
        [
            Figure(
                "売上",
                yen(sales(current)),
                change=sales(current) - sales(before),
                change_unit="¥",
                against=against,
            ),
            change("手動対応", current["operations"], before["operations"], "down"),
            change("問い合わせ", current["enquiries"], before["enquiries"], "down"),
            Figure(
                "顧客満足度",
                "–" if satisfaction is None else f"{satisfaction:.1f}",
                f"回答 {current['answers']:,}件（目標{GOAL}以上）"
                if current["answers"]
                else "期間中の回答はありません",
            ),
        ]
    )


def _written(report: ReportDetail) -> None:
    for label, text in written(report):
        st.markdown(f"**{label}**")
        if text.strip():
            details.free_text(text)
        else:
            st.markdown(small("まだ書かれていません。"))


def _reservations(contents: Contents) -> None:
    st.markdown("**予約**")
    details.facts(
        {
            "サービス別": _counts_text(contents["by_service"]),
            "予約が確定した店舗": _counts_text(contents["by_shop"]),
        }
    )


def _counts_text(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return "、".join(f"{title} {count:,}件" for title, count in ranked)


def _operations(report: ReportDetail) -> None:
    st.markdown("**手動対応**")
    kind_data = report["operations"]
    rows = [{**row, **kind_data[row["kind"]]} for row in report["contents"]["operations"]]
    if rows:
        tables.grid(f"{KEY}.operations", "手動対応の種類ごとの件数と時間", rows, OPERATIONS)
    else:
        st.markdown("期間中に発生した手動対応はありません。")


def _incidents(report: ReportDetail) -> None:
    st.markdown("**インシデント**")
    rows = report["contents"]["incidents"]
    if rows:
        tables.grid(f"{KEY}.incidents", "期間中のインシデント", rows, INCIDENTS)
        st.markdown(small("期間中に検知したものと、作成した時点で対応中だったものです。"))
    else:
        st.markdown("期間中のインシデントはありません。")


def _support(report: ReportDetail) -> None:
    support = report["contents"]["support"]
    st.markdown("**問い合わせ**")
    by_channel = "、".join(f"{channel} {count:,}件" for channel, count in support["by_channel"].items())
    details.facts(
        {
            "受付": f"{report['contents']['now']['enquiries']:,}件" + (f"（{by_channel}）" if by_channel else ""),
            "未解決": f"{support['unresolved']:,}件",
            "初回応答（Email）が目標内": in_time(support["first_mail"]),
            "初回応答（電話）が目標内": in_time(support["first_phone"]),
            "解決（24時間）が目標内": in_time(support["resolution"]),
            "多い内容": "、".join(f"{category} {count:,}件" for category, count in support["categories"][:5]),
            "FAQに追加すべきもの": "、".join(f"{code} {subject}" for code, subject in support["for_faq"]),
        }
    )


def _chores(chores: Chores) -> None:
    st.markdown("**定期作業**")
    if not chores["due"]:
        st.markdown("期間中に期限を迎えた定期作業はありません。")
        return
    late_note = f"（うち期限後 {chores['late']:,}件）" if chores["late"] else ""
    st.markdown(f"期限を迎えた{chores['due']:,}件のうち、{chores['done']:,}件を実施しました{late_note}。")
    if chores["not_done"]:
        tables.grid(f"{KEY}.chores", "実施しなかった作業", chores["not_done"], NOT_DONE)
