"""端末一覧: which terminals are there, and how are those of one customer, in one state, of one name?"""

from __future__ import annotations

import streamlit as st

from dashboards.fleet import terminal_forms
from dashboards.fleet.choices import customers, firmware_versions, tags
from dashboards.fleet.terminals_table import terminals_table
from dashboards.fleet.words import TERMINAL
from dashboards.session import may
from dashboards.ui import dialogs, filters, live
from dashboards.ui.links import link
from dashboards.ui.live import refreshing

LIST = "fleet.all_terminals"
TROUBLE = ("offline", "error")


def conditions() -> filters.Filters:
    fields: list[filters.Field] = [
        filters.Text("q", "キーワード", "シリアル番号・設置店舗名"),
        filters.Choice("status", "状態", TERMINAL),
    ]
    if offered := customers():
        fields.append(filters.Choice("customer_id", "顧客", offered, width=240))
    more: list[filters.Field] = [
        filters.Choice("tag", "タグ", tags(), width=240),
        filters.Choice("firmware_version", "ファームウェア", firmware_versions(), width=240),
        filters.Text("store", "店舗名", "新宿店", width=240),
        filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, width=240, otherwise="使用中"),
    ]
    return filters.bar(*fields, more=more)


def _right() -> None:
    if may("core:import:create"):
        link("取り込む", "/imports")
    if may("fleet:terminal:create"):
        dialogs.button("端末を登録する", terminal_forms.new, key="terminals.new", icon="add", type="primary")


@refreshing
def headline() -> None:
    reading = live.block("fleet.terminals_headline", "端末一覧", "/api/fleet/summary", headline=True, right=_right)
    if reading is None:
        return
    counts = reading.data["terminals"]
    troubled = [
        f"{kind.word} {counts[code]:,}台" for code, kind in TERMINAL.items() if code in TROUBLE and counts[code]
    ]
    total = f"登録されている端末は{counts['total']:,}台です。"
    if not troubled:
        st.markdown(f"{total}対応が必要な端末はありません。")
    else:
        st.markdown(f"{total}対応が必要な端末は、{'、'.join(troubled)}です。")


def tag_button(chosen: filters.Filters) -> None:
    """For what the conditions find, as many as were shown last."""
    shown = live.shown(LIST)
    if may("fleet:terminal:update") and shown and shown["total"] and "archived" not in chosen.query:
        dialogs.button(
            "タグをまとめて変更する",
            terminal_forms.retag,
            chosen.query,
            shown["total"],
            key="terminals.retag.open",
            icon="sell",
        )


@refreshing
def listed(chosen: filters.Filters) -> None:
    terminals_table(LIST, "", filters=chosen)
    tag_button(chosen)


headline()
listed(conditions())
