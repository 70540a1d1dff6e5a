"""棚卸: is every device where it should be? The list of stocktakes; the page of one is in `stocktake_count`."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboards import session
from dashboards.contract.loaners import FIELDS, Created, StocktakeItem
from dashboards.loaners import lists, stocktake_count, words
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, forms, live, tables
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

PATH = "/api/loaners/stocktakes"
KEY = "loaners.stocktakes"
SORTS = {"-started_at": "開始の新しい順", "started_at": "開始の古い順", "site": "拠点順"}
STATE = {"open": Status("実施中", "blue", "qr_code_scanner"), "closed": Status("終了", "gray", "task_alt")}


def location(row: StocktakeItem) -> str:
    return f"{row['site_name']} {row['room']}".strip()


COLUMNS = (
    columns.text("拠点・部屋", location, width=150, sort="site"),
    columns.badge("状態", lambda row: "closed" if row["closed_at"] else "open", STATE, width=84),
    columns.number("対象", "expected", width=56),
    columns.number("確認済み", "found", width=74),
    columns.number("未確認", "missing", width=64),
    columns.number("対象外の機器", "misplaced", width=98),
    columns.number("未登録の番号", "unknown", width=98),
    columns.text("開始", lambda row: words.timestamp(row["started_at"]), width=142, sort="started_at"),
    columns.text("開始した人", "started_by", width=86),
    columns.text("終了", lambda row: words.timestamp(row["closed_at"]) if row["closed_at"] else "", width=142),
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}_headline", "棚卸", PATH, headline=True, right=_start_button, is_open=True, limit=10)
    if reading is None:
        return
    stocktakes: list[StocktakeItem] = reading.data["items"]
    if not stocktakes:
        st.markdown("実施中の棚卸はありません。")
        return
    missing = sum(row["missing"] for row in stocktakes)
    st.markdown(f"実施中の棚卸は{reading.data['total']:,}件です。まだ確認していない機器が**{missing:,}台**あります。")
    with st.container(horizontal=True):
        for row in stocktakes:
            label = f"{location(row)}（残り{row['missing']:,}台）を続ける"
            link(label, f"/stocktakes?stocktake={row['id']}", primary=row is stocktakes[0])


def _start_button() -> None:
    if has_permission("loaners:stocktake:update"):
        # While a stocktake is open, continuing it is the primary action.
        shown = live.last_answer(f"{KEY}_headline")
        kind: Literal["primary", "secondary"] = "secondary" if shown and shown["items"] else "primary"
        dialogs.button("棚卸を始める", start, key=f"{KEY}.start", icon="qr_code_scanner", type=kind)


def start() -> None:
    @dialogs.dialog("棚卸を始める", width="small", icon=":material/qr_code_scanner:")
    def ask() -> None:
        st.markdown("選んだ拠点の社内にある（貸出中でない）機器が、棚卸の対象になります。")
        options = lists.sites()
        with forms.form(f"{KEY}.new", submit="始める") as form:
            site = form.field(
                "site_id",
                st.selectbox,
                "拠点",
                required=True,
                options=[*options],
                index=None,
                format_func=lambda key: options[key],
                placeholder="選んでください",
            )
            room = form.field("room", st.text_input, FIELDS["room"], max_chars=100, placeholder="倉庫A（任意）")
        if form.submitted:

            def send(idempotency_key: str) -> None:
                body = {"site_id": site, "room": room.strip()}
                stocktake: Created = session.api().post(PATH, body, idempotency_key=idempotency_key)
                st.query_params["stocktake"] = str(stocktake["id"])

            form.send(send, success="棚卸を始めました。ラベルのQRコードをスキャンしてください。")

    ask()


def drawer(row: StocktakeItem) -> None:
    @dialogs.dialog(f"{location(row)}の棚卸", position="right", width="small", icon=":material/fact_check:")
    def show() -> None:
        st.markdown(STATE["closed" if row["closed_at"] else "open"].badge())
        st.markdown(
            f"対象{row['expected']:,}台のうち{row['found']:,}台を確認しました。未確認{row['missing']:,}台、"
            f"対象外の機器{row['misplaced']:,}台、未登録の番号{row['unknown']:,}件。"
        )
        link("棚卸を開く", f"/stocktakes?stocktake={row['id']}", primary=True)

    show()


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        KEY,
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"開く": drawer},
        empty=tables.Empty(
            "まだ棚卸がありません", "「棚卸を始める」から拠点を選ぶと、機器のラベルをスキャンして確認できます。"
        ),
    )


if stocktake_id := st.query_params.get("stocktake"):
    stocktake_count.page(stocktake_id)
else:
    headline()
    show_list(
        filters.bar(
            lists.site_field(),
            filters.Choice("is_open", "状態", {"true": STATE["open"], "false": STATE["closed"]}, 140),
        )
    )
