"""ダッシュボード: what waits, this month's numbers, and the figures of each agency."""

from __future__ import annotations

import streamlit as st

from dashboards.agencies import numbers, sentences, trends, words
from dashboards.contract.agencies import Dashboard, Waiting
from dashboards.ui import feedback, figures, live, times
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

PATH = "/api/agencies/dashboard"


@refreshing
def overview() -> None:
    reading = live.block("agencies.dashboard", "ダッシュボード", PATH, headline=True)
    if reading is None:
        return
    data: Dashboard = reading.data
    if reading.problem is None:
        sentences.dashboard(data).draw()
    key_figures(data, faded=reading.problem is not None)
    waiting(data)


def key_figures(data: Dashboard, *, faded: bool) -> None:
    month, last_month, today = data["month"], data["before"], data["today"]
    figures.row(
        [
            Figure("投入待ち（対応中）", f"{data['working']:,}件", f"担当者なし {data['unclaimed']:,}件"),
            Figure("修正待ち（不備）", f"{data['deficient']:,}件", "営業担当者の再提出を待っています"),
            Figure(
                "今月の投入依頼",
                f"{month['requests']:,}件",
                f"本日 {today['requests']:,}件",
                change=month["requests"] - last_month["requests"],
                change_unit="件",
                against="前月の同じ時点との差",
            ),
            Figure(
                "今月の獲得地点",
                f"{month['acquired_sites']:,}地点",
                f"本日 {today['acquired_sites']:,}地点",
                change=month["acquired_sites"] - last_month["acquired_sites"],
                change_unit="地点",
                against="前月の同じ時点との差",
            ),
        ],
        faded=faded,
    )


def waiting(data: Dashboard) -> None:
    st.subheader("待ち時間の長い依頼", anchor=False)
    if not data["oldest"]:
        feedback.empty("待っている依頼はありません", "新しい投入依頼が届くと、ここに古い順で表示されます。")
        return
    with st.container(border=True):
        for item in data["oldest"]:
            st.markdown(line(item))
    link("投入案件一覧を開く", "/cases")


def line(item: Waiting) -> str:
    """不備 株式会社ABC (3日前), and below it the agency and the operator."""
    status = words.STATUS.get(item["status"], UNKNOWN)
    since = times.parse(item["created_at"])
    operator = f"担当 {item['claimed_by_name']}" if item["claimed_by_name"] else "担当者なし"
    details = plain(f"依頼ID {item['id']}・{item['agency_name']}・{operator}・投入依頼日 {times.full(since)}")
    title = f"**[{plain(item['corporation_name'])}](/case?id={item['id']})**"
    return f"{status.badge()} {title}（{times.ago(since)}）  \n{small(details)}"


@refreshing
def agencies() -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        reading = live.block("agencies.dashboard.figures", "代理店別数値", numbers.load_figures)
        if reading is not None and reading.data["items"]:
            st.html(numbers.table(reading.data["items"], reading.data["whole"]))
            st.markdown(small(numbers.DONE_NOTE))
            link("期間を選んで見る", "/agency-figures")
        elif reading is not None:
            feedback.empty("代理店がまだ登録されていません", "「代理店管理」で代理店を登録すると、ここに並びます。")
    with right:
        trends.trend("agencies.dashboard.series", {})


overview()
agencies()
