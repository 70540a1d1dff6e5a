"""表 and its filter bar."""

from __future__ import annotations

import streamlit as st

from dashboards.gallery import samples
from dashboards.gallery.samples import state
from dashboards.ui import bulk, columns, dialogs, filters, flash, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.live import LOADING_HEIGHT, refreshing
from dashboards.ui.text import plain

SORTS = {
    "serial_number": "シリアル番号順",
    "-serial_number": "シリアル番号の逆順",
    "store_name": "店舗名順",
    "silent_minutes": "最終通信が新しい順",
    "-silent_minutes": "最終通信が古い順",
    "-amount": "売上が多い順",
    "amount": "売上が少ない順",
}
COLUMNS = (
    columns.text("シリアル番号", "serial_number", width=116, sort="serial_number"),
    columns.badge("状態", "status", samples.KINDS, width=112),
    columns.text("顧客名", "company", width=150),
    columns.text("店舗名", "store_name", width=150, sort="store_name"),
    columns.ago("最終通信", "heard_at", missing="通信なし", sort="silent_minutes"),
    columns.number("件数", "count", width=76),
    columns.money("売上", "amount", sort="amount"),
    columns.trend("前週比", "change"),
)
FEW_COLUMNS = COLUMNS[:5]


def filled() -> None:
    with state("table.filled", "2,034行の表", "見出しのクリックと「並べ替え」は、全件をサービス側で並べ替えます。"):
        chosen = filters.bar(
            filters.Text("q", "キーワード", "シリアル番号・店舗名"),
            filters.Choice("status", "状態", samples.KINDS),
            filters.Dates("heard", "最終通信日"),
            more=[
                filters.Choices("company", "顧客", {name: name for name in samples.COMPANIES}),
                filters.Day("since", "基準日", times.now().date()),
            ],
        )
        draw_list(chosen)


@refreshing
def draw_list(chosen: filters.Filters) -> None:
    tables.table(
        "gallery_table",
        "端末",
        samples.answer,
        COLUMNS,
        counter="台",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": drawer, "再起動する": restart},
        bulk={"再起動する": restart_all},
        export=Export("/app/static/samples/terminals.csv"),
        right=lambda: st.button("端末を登録する", type="primary", key="gallery_table.new"),
    )


def drawer(row: Row) -> None:
    @dialogs.dialog(row["serial_number"], position="right", icon=":material/point_of_sale:")
    def show() -> None:
        st.markdown(f"{samples.KINDS[row['status']].badge()}　**{plain(row['company'])} - {plain(row['store_name'])}**")
        st.text_input("メモ", key="gallery_table.memo", placeholder="気づいたことを入力してください")

    show()


def restart(row: Row) -> None:
    flash.add(f"{row['serial_number']} の再起動を予約しました。")
    st.rerun()


def restart_all(rows: list[Row]) -> None:
    bulk.confirm(
        "gallery_table.restart",
        rows,
        f"端末{len(rows):,}台を再起動しますか？",
        "再起動している間（約2分）は決済ができません。",
        action="再起動する",
        name=lambda row: row["serial_number"],
        do=samples.restart,
    )


def states() -> None:
    with state("table.empty", "まだ1行もないとき"):
        tables.table(
            "gallery_empty",
            "",
            samples.answer_without_rows,
            FEW_COLUMNS,
            empty=tables.Empty(
                "まだ端末が登録されていません",
                "CSVから取り込むか、1台ずつ登録してください。",
                lambda: st.button("CSVから取り込む", type="primary", key="gallery_empty.import"),
            ),
        )
    with state("table.no_hits", "条件に合う行がないとき"):
        st.session_state.setdefault("x_status", "offline")
        chosen = filters.bar(
            filters.Text("x_q", "キーワード"),
            filters.Choice("x_status", "状態", samples.KINDS),
        )
        tables.table("gallery_no_hits", "", samples.answer_without_rows, FEW_COLUMNS, filters=chosen)
    with state("table.loading", "読み込み中"):
        st.skeleton(LOADING_HEIGHT)
    with state("table.stale", "更新できていないとき", "最後に取得できた内容を表示し続けます。"):
        stale()
    with state("table.failed", "読み込めなかったとき"):
        tables.table("gallery_failed", "端末", samples.fail, FEW_COLUMNS)


@st.fragment(run_every=2)
def stale() -> None:
    tables.table("gallery_stale", "端末", samples.answer_once, FEW_COLUMNS, rows=5, headline=True)
