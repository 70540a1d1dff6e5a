"""ラベル印刷: select the devices that get a label, and the label on the sheet to start with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.core import LABEL_STOCK
from dashboards.contract.loaners import KIND, DeviceItem
from dashboards.loaners import choices
from dashboards.session import has_permission
from dashboards.ui import columns, filters, heading, live, tables
from dashboards.ui.links import link, public_url
from dashboards.ui.text import small

PATH = "/api/loaners/devices"
KEY = "loaners.labels"
MAX_LABELS = 1_000
SORTS = {"number": "拠点管理番号順", "-created_at": "登録の新しい順", "model_name": "機種名順"}
COLUMNS = (
    columns.text("拠点管理番号", "number", width=360, sort="number"),
    columns.text("機種名", "model_name", width=200, sort="model_name"),
    columns.text("機器種別", lambda row: KIND[row["kind"]], width=100),
    columns.text("現在の拠点", "site_name", width=120),
    columns.text("製造番号", "serial", width=150),
)


def print_box(query: dict[str, Any], total: int) -> None:
    """What is printed: the selected devices, or all devices that match the filters."""
    selected: list[str] = st.session_state.get(f"{KEY}.chosen", [])
    with st.container(border=True):
        left, middle, right = st.columns([2, 1, 2], vertical_alignment="bottom")
        stock = left.selectbox("用紙（A4）", [*LABEL_STOCK], format_func=LABEL_STOCK.__getitem__, key=f"{KEY}.stock")
        # The key of a stock is its number of labels.
        labels_per_sheet = int(stock)
        start = middle.number_input(
            "開始位置",
            min_value=1,
            max_value=labels_per_sheet,
            value=1,
            key=f"{KEY}.start.{stock}",
            help="使いかけの用紙は、左上から数えて最初に空いているラベルの番号を指定します。",
        )
        count = len(selected) or total
        sheets = -(-(count + int(start) - 1) // labels_per_sheet)
        selection = {"number": selected} if selected else query
        href = (
            f"{DOWNLOAD}{PATH}/labels.pdf?{urlencode(selection | {'layout': stock, 'start': int(start)}, doseq=True)}"
        )
        with right:
            if 0 < count <= MAX_LABELS:
                link(f"{count:,}枚のラベルを作成する（PDF）", href, primary=True, download=True)
        if count > MAX_LABELS:
            st.warning(f"一度に印刷できるのは{MAX_LABELS:,}枚までです。条件で絞り込んでください。")
        else:
            st.markdown(
                small(
                    f"A4用紙{sheets:,}枚に印刷します。QRコードは`{public_url('/d/')}…`を開きます。"
                    "印刷のときは倍率を100%にしてください。"
                )
            )


def choose(devices: Sequence[DeviceItem]) -> None:
    """Adds devices to those that get a label, before their field is drawn the next time."""
    st.session_state[f"{KEY}.added"] = [device["number"] for device in devices]
    tables.clear_selection()
    st.rerun()


def device_selector() -> None:
    numbers = [*st.session_state.get(f"{KEY}.chosen", []), *st.session_state.pop(f"{KEY}.added", [])]
    st.session_state[f"{KEY}.chosen"] = numbers = list(dict.fromkeys(numbers))
    listed = [row["number"] for row in live.last_answer(f"{KEY}.list")["items"]]
    options = list(dict.fromkeys([*numbers, *listed]))
    if options:
        st.multiselect(
            "印刷する機器", options, key=f"{KEY}.chosen", placeholder="選ばないときは、下の一覧のすべてを印刷します"
        )


def page() -> None:
    heading.page("ラベル印刷")
    st.markdown(
        "機器に貼るQRコードのラベルを作成します。スマートフォンで読み取ると、その機器のステータス登録が開きます。"
    )
    if not has_permission("loaners:device:read"):
        return
    chosen = filters.bar(
        filters.Text("q", "キーワード", "拠点管理番号・製造番号・機種名"),
        filters.Choice("site_id", "拠点", choices.sites()),
        filters.Choice("kind", "機器種別", KIND),
    )
    above = st.container()
    reading = tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        counter="台",
        sorts=SORTS,
        filters=chosen,
        bulk={"ラベルを印刷する機器に加える": choose},
        empty=tables.Empty("まだ機器が登録されていません", "「機器一覧」の「機器を登録する」から登録してください。"),
    )
    if reading is not None and reading.data["items"]:
        with above:
            device_selector()
            print_box(dict(chosen.query), reading.data["total"])


page()
