"""端末一覧: all terminals, filtered by customer, state, name and more."""

from __future__ import annotations

import streamlit as st

from dashboards.fleet import terminal_forms
from dashboards.fleet.choices import customers, firmware_versions, tags
from dashboards.fleet.terminals_table import terminals_table
from dashboards.fleet.words import TERMINAL
from dashboards.session import has_permission
from dashboards.ui import dialogs, filters, live
from dashboards.ui.links import link
from dashboards.ui.live import refreshing

LIST_KEY = "fleet.all_terminals"
PROBLEM_STATES = ("offline", "error")


def filter_bar() -> filters.Filters:
    fields: list[filters.Field] = [
        filters.Text("q", "キーワード", "シリアル番号・設置店舗名"),
        filters.Choice("status", "状態", TERMINAL),
    ]
    if customer_names := customers():
        fields.append(filters.Choice("customer_id", "顧客", customer_names, width=240))
    more: list[filters.Field] = [
        filters.Choice("tag", "タグ", tags(), width=240),
        filters.Choice("firmware_version", "ファームウェア", firmware_versions(), width=240),
        filters.Text("store", "店舗名", "新宿店", width=240),
        filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, width=240, otherwise="使用中"),
    ]
    return filters.bar(*fields, more=more)


def _title_buttons() -> None:
    if has_permission("core:import:create"):
        link("取り込む", "/imports")
    if has_permission("fleet:terminal:create"):
        dialogs.button("端末を登録する", terminal_forms.register, key="terminals.new", icon="add", type="primary")


@refreshing
def headline() -> None:
    reading = live.block(
        "fleet.terminals_headline", "端末一覧", "/api/fleet/summary", headline=True, right=_title_buttons
    )
    if reading is None:
        return
    counts = reading.data["terminals"]
    problem_texts = [
        f"{status.label} {counts[code]:,}台"
        for code, status in TERMINAL.items()
        if code in PROBLEM_STATES and counts[code]
    ]
    total = f"登録されている端末は{counts['total']:,}台です。"
    if not problem_texts:
        st.markdown(f"{total}対応が必要な端末はありません。")
    else:
        st.markdown(f"{total}対応が必要な端末は、{'、'.join(problem_texts)}です。")


def tag_button(chosen: filters.Filters) -> None:
    """For all terminals that match the filters, with the number that was shown last."""
    last_answer = live.last_answer(LIST_KEY)
    if (
        has_permission("fleet:terminal:update")
        and last_answer
        and last_answer["total"]
        and "archived" not in chosen.query
    ):
        dialogs.button(
            "タグをまとめて変更する",
            terminal_forms.retag,
            chosen.query,
            last_answer["total"],
            key="terminals.retag.open",
            icon="sell",
        )


@refreshing
def draw_list(chosen: filters.Filters) -> None:
    terminals_table(LIST_KEY, "", filters=chosen)
    tag_button(chosen)


headline()
draw_list(filter_bar())
