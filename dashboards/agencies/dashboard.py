"""ダッシュボード: what waits, how does this month go, and how is each agency doing?"""

from __future__ import annotations

import streamlit as st

from dashboards.agencies import numbers, trends, words
from dashboards.ui import feedback, figures, live, times
from dashboards.ui.columns import Row
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
    found = reading.data
    if reading.problem is None:
        sentence(found)
    key_figures(found, faded=reading.problem is not None)
    waiting(found)


def sentence(found: Row) -> None:
    if not found["deficient"] and not found["working"]:
        st.success("現在、投入を待っている依頼はありません。", icon=":material/check_circle:")
        return
    oldest = times.parse(found["oldest"][0]["created_at"])
    said = (
        f"現在、投入を待っている依頼が**{found['working']:,}件**、不備で営業担当者の修正を待っている依頼が"
        f"**{found['deficient']:,}件**あります。最も古いものは{times.ago(oldest)}の依頼です。"
    )
    if found["unclaimed"]:
        said += f"投入待ちのうち{found['unclaimed']:,}件は、担当者が決まっていません。"
    st.warning(said, icon=":material/pending_actions:")


def key_figures(found: Row, *, faded: bool) -> None:
    month, before, today = found["month"], found["before"], found["today"]
    figures.row(
        [
            Figure("投入待ち（対応中）", f"{found['working']:,}件", f"担当者なし {found['unclaimed']:,}件"),
            Figure("修正待ち（不備）", f"{found['deficient']:,}件", "営業担当者の再提出を待っています"),
            Figure(
                "今月の投入依頼",
                f"{month['requests']:,}件",
                f"本日 {today['requests']:,}件",
                change=month["requests"] - before["requests"],
                change_unit="件",
                against="前月の同じ時点との差",
            ),
            Figure(
                "今月の獲得地点",
                f"{month['acquired_sites']:,}地点",
                f"本日 {today['acquired_sites']:,}地点",
                change=month["acquired_sites"] - before["acquired_sites"],
                change_unit="地点",
                against="前月の同じ時点との差",
            ),
        ],
        faded=faded,
    )


def waiting(found: Row) -> None:
    st.subheader("待ち時間の長い依頼", anchor=False)
    if not found["oldest"]:
        feedback.empty("待っている依頼はありません", "新しい投入依頼が届くと、ここに古い順で表示されます。")
        return
    with st.container(border=True):
        for one in found["oldest"]:
            st.markdown(line(one))
    link("投入案件一覧を開く", "/cases")


def line(one: Row) -> str:
    """不備 株式会社ABC (3日前), and below it whose it is and who has it."""
    status = words.STATUS.get(one["status"], UNKNOWN)
    since = times.parse(one["created_at"])
    who = f"担当 {one['claimed_by_name']}" if one["claimed_by_name"] else "担当者なし"
    more = plain(f"依頼ID {one['id']}・{one['agency_name']}・{who}・投入依頼日 {times.full(since)}")
    title = f"**[{plain(one['corporation_name'])}](/case?id={one['id']})**"
    return f"{status.badge()} {title}（{times.ago(since)}）  \n{small(more)}"


@refreshing
def agencies() -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        reading = live.block("agencies.dashboard.figures", "代理店別数値", numbers.everything)
        if reading is not None and reading.data["items"]:
            st.html(numbers.table(reading.data["items"], reading.data["whole"]))
            st.markdown(small(numbers.DONE_TOO))
            link("期間を選んで見る", "/agency-figures")
        elif reading is not None:
            feedback.empty("代理店がまだ登録されていません", "「代理店管理」で代理店を登録すると、ここに並びます。")
    with right:
        trends.trend("agencies.dashboard.series", {})


overview()
agencies()
