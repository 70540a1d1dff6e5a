"""機器一覧: which devices exist, where they are, and who has them, now or on another day."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards.loaners import device_forms, differences, lists, sentences, words
from dashboards.session import has_permission
from dashboards.ui import bound, dialogs, filters, live, tables
from dashboards.ui.links import link
from dashboards.ui.live import refreshing

LIST, DIFFERENCES = "一覧", "2つの日の差分"


@refreshing
def headline() -> None:
    reading = live.block("loaners.headline", "機器一覧", "/api/loaners/loans/counts", headline=True, right=head_actions)
    if reading is not None:
        sentences.loans(reading.data).draw()


def head_actions() -> None:
    if has_permission("loaners:device:update"):
        dialogs.button("機器を登録する", device_forms.new, key="loaners.new", icon="add")
    if has_permission("loaners:device:work"):
        link("ステータスを登録する", "/status-form", primary=True)


def conditions() -> tuple[str, filters.Filters]:
    """The selected view and the filters."""
    options = lists.options()
    deposits = {str(code): status.label for code, status in words.DEPOSIT.items()} | {"unset": "未設定"}
    nested = {choice: choice for choice in options.get("nested", ())}
    views = {key: name for key, name in lists.views().items() if key != lists.INTEGRATED}
    with st.container(border=True):
        status = st.pills(
            "ステータス",
            [*words.STATUS],
            format_func=lambda code: words.STATUS[code].label,
            key=bound.page_key("status"),
            bind="query-params",
            label_visibility="collapsed",
        )
        nested_field = (filters.Choice("nested", "社内ステータス", nested, 150),) if status == words.STORED else ()
        chosen = filters.bar(
            filters.Choice("view", "データタイプ", views, 140, otherwise="統合表示"),
            lists.site_field(110),
            lists.jurisdiction_field(),
            *nested_field,
            filters.Text("q", "キーワード", "番号・機種・貸出先", width=165),
            lists.day_field(),
            more=(
                lists.kind_field(240),
                filters.Choice("deposit", "預り機のステータス", deposits, 240),
                filters.Choice("group", "デバイスタイプ", lists.groups(), 240),
                filters.Choice("number_site_id", "管理番号の拠点", lists.sites(), 240),
                filters.Choice("moved", "移管", {"true": "移管された機器だけ"}, 240),
                filters.Choice("archived", "表示", {"true": "無効な機器"}, 240, otherwise="有効な機器"),
            ),
        )
    query: dict[str, Any] = dict(chosen.query)
    view = query.pop("view", None) or lists.INTEGRATED
    if status is not None:
        query["status"] = status
    return view, filters.Filters(query, chosen.active + (status is not None), chosen.hits)


@refreshing
def show_list(view: str, chosen: filters.Filters) -> None:
    if view == lists.SUMMARY:
        link("サマリーの集計を開く", "/loaners-summary")
    day = chosen.query.get("as_of")
    if day:
        st.info(f"{day.replace('-', '/')} の終わりの状態を表示しています。", icon=":material/history:")
    lists.show(
        "loaners.list",
        view,
        chosen,
        empty=tables.Empty(
            "まだ機器が登録されていません",
            "「マスタ管理」で拠点と機種を登録し、機器を登録するか、「取込・出力」からファイルを取り込んでください。",
            lambda: link("ファイルを取り込む", "/loaners-transfer", primary=True),
        ),
    )


headline()
shown = st.segmented_control(
    "表示",
    [LIST, DIFFERENCES],
    default=LIST,
    required=True,
    key=bound.page_key("shown"),
    bind="query-params",
    label_visibility="collapsed",
)
if shown == DIFFERENCES:
    differences.section()
else:
    show_list(*conditions())
