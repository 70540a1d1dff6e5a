"""獲得案件一覧: the corporations won, with their sites (3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from dashboards.agencies import case_words, numbers, words
from dashboards.contract.agencies import SERVICE, AcquiredCounts, AcquiredItem, AcquiredSite
from dashboards.session import has_permission
from dashboards.ui import filters, live, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH = "/api/agencies/acquired"
ROWS = 20
SORTS = {
    "-last_entered_at": "最終投入日の新しい順",
    "last_entered_at": "最終投入日の古い順",
    "-sites_count": "地点数の多い順",
}
# Title → width in percent, the same in all groups.
TITLES = {
    "店舗名": 22,
    "サービス種別": 12,
    "契約プラン": 16,
    "供給地点特定番号": 26,
    "ステータス": 11,
    "投入完了日": 13,
}
_CELL = "padding: 0.3rem 0.75rem; text-align: left; border-bottom: 1px solid #e5e7eb; white-space: nowrap"
SEES_ALL = has_permission("agencies:figure:read")


def day(at: str) -> str:
    """In the specification's format: 2026-02-10."""
    return f"{times.parse(at):%Y-%m-%d}"


@refreshing
def headline() -> None:
    reading = live.block("agencies.acquired.counts", "獲得案件一覧", f"{PATH}/counts", headline=True)
    if reading is not None:
        st.markdown(sentence(reading.data))


def sentence(counts: AcquiredCounts) -> str:
    scope = "すべての代理店の" if SEES_ALL else "あなたの依頼の"
    if counts["last_entered_at"] is None:
        return f"{scope}獲得案件は、まだありません。"
    last = times.parse(counts["last_entered_at"])
    return (
        f"{scope}獲得案件は**{counts['corporations']:,}法人・{counts['sites']:,}地点**です。"
        f"最後の投入完了は{times.day(last)}です。"
    )


def conditions() -> filters.Filters:
    scope_field: filters.Field = (
        filters.Choice("agency_id", "代理店", numbers.agencies(), width=220)
        if SEES_ALL
        else filters.Choice("mine", "範囲", {"false": "代理店全体"}, otherwise="自分の依頼")
    )
    return filters.bar(
        filters.Text("q", "キーワード", "法人名・店舗名"),
        filters.Dates("days", "投入完了日", parameters=("since", "until")),
        scope_field,
    )


@refreshing
def show_list(chosen: filters.Filters, *, is_open: bool) -> None:
    tables.table(
        "agencies.acquired",
        "",
        PATH,
        (),
        counter="法人",
        sorts=SORTS,
        filters=chosen,
        rows=ROWS,
        export=Export.of(PATH),
        empty=tables.Empty(
            "獲得案件はまだありません", "地点のステータスが「投入済」になると、ここに自動で表示されます。"
        ),
        draw=lambda items: groups(items, is_open=is_open),
    )


def groups(items: Sequence[AcquiredItem], *, is_open: bool) -> None:
    for item in items:
        agency = f"　{small(plain(item['agency_name']))}" if SEES_ALL else ""
        label = f"**{plain(item['corporation_name'])}**（{item['sites_count']:,}地点）{agency}"
        last = small(f"最終投入日 {day(item['last_entered_at'])}")
        with st.expander(f"{label}　{last}", expanded=is_open, key=f"agencies.acquired.{item['id']}.{is_open}"):
            st.html(sites(item))
            if remaining := item["sites_count"] - len(item["sites"]):
                st.markdown(small(remaining_text(len(item["sites"]), remaining)))


def remaining_text(shown: int, remaining: int) -> str:
    return (
        f"新しい順に{shown:,}地点を表示しています。ほかの{remaining:,}地点は、キーワードや投入完了日で絞り込むか、"
        "「出力する」で確認できます。"
    )


def sites(item: AcquiredItem) -> str:
    head = "".join(f'<th scope="col" style="{_CELL}; width: {share}%">{title}</th>' for title, share in TITLES.items())
    body = "".join(f"<tr>{''.join(map(_cell, cells(site)))}</tr>" for site in item["sites"])
    return (
        '<div style="overflow-x: auto"><table style="width: 100%; min-width: 720px; border-collapse: collapse; '
        'font-size: 0.875rem">'
        f"<caption hidden>{escape(item['corporation_name'])}の地点</caption><tr>{head}</tr>{body}</table></div>"
    )


def cells(site: AcquiredSite) -> tuple[str, ...]:
    return (
        site["branch_name"] or "–",
        SERVICE[site["service_type"]],
        site["power_plan_name"] or "–",
        case_words.grouped(site["location_number"]) or "–",
        words.STATUS[site["status"]].label,
        day(site["entered_at"]),
    )


def _cell(text: str) -> str:
    return f'<td style="{_CELL}">{escape(text)}</td>'


headline()
selected = conditions()
is_expanded = st.toggle("地点を開いて表示する", value=True, key="opened")
show_list(selected, is_open=is_expanded)
