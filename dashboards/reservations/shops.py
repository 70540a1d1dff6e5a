"""提携店: the shops that are called, when, and in which order."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import Summary
from dashboards.reservations import call_order, choices, shop_drawer, words
from dashboards.reservations.shop_forms import SHOP, new
from dashboards.session import has_permission
from dashboards.ui import bound, columns, dialogs, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.links import link
from dashboards.ui.live import refreshing

KEY = "reservations.shops"
PARTS = ("一覧", "電話をかける順番")
SORTS = {
    "code": "店舗コード順",
    "-code": "店舗コードの逆順",
    "name": "店舗名順",
    "-created_at": "登録の新しい順",
    "-updated_at": "変更の新しい順",
}
COLUMNS = (
    columns.text("店舗名", "name", width=160, sort="name"),
    columns.badge("状態", "state", words.SHOP, width=110),
    columns.text("サービスと順番", words.service_positions, width=216),
    columns.text("電話番号", "phone_shown", width=124),
    columns.text("電話受付", words.hours, width=110),
    columns.text("定休日", lambda row: words.days(row["closed_weekdays"]), width=80),
    columns.text("担当者", "contact_name", width=110),
    columns.text("店舗コード", "code", width=100, sort="code"),
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.summary", "提携店", f"{SHOP.path}/summary", headline=True, right=_actions)
    if reading is None:
        return
    counts: Summary = reading.data
    if not counts["shops"]:
        st.markdown("まだ提携店が登録されていません。")
        return
    active = counts["shops"] - counts["blacklisted"] - counts["unplaced"]
    call_note = "すべてに電話をかけます" if active == counts["shops"] else f"電話をかけるのは{active:,}店です"
    sentence = f"提携店は{counts['shops']:,}店で、{call_note}。"
    if counts["blacklisted"]:
        sentence += f"**利用停止は{counts['blacklisted']:,}店**です。"
    if counts["unplaced"]:
        sentence += f"**取り扱うサービスが決まっていない店舗が{counts['unplaced']:,}店**あります。"
    if counts["without_mail"]:
        sentence += f"メールアドレスのない店舗が{counts['without_mail']:,}店あり、予約の確定や取り消しが届きません。"
    st.markdown(sentence)


def _actions() -> None:
    if has_permission("core:import:create") and has_permission("reservations:shop:create"):
        link("取り込む", "/imports?kind=reservations.shops")
    if has_permission("reservations:shop:create"):
        dialogs.button("提携店を登録する", new, key=f"{KEY}.new", icon="add", type="primary")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        SHOP.path,
        COLUMNS,
        counter="店",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": shop_drawer.drawer},
        export=Export.of(SHOP.path),
        empty=tables.Empty(
            "まだ提携店が登録されていません", "「提携店を登録する」から登録するか、ファイルを取り込んでください。"
        ),
    )


def page() -> None:
    headline()
    part = bound.choose_part(PARTS)
    if part == PARTS[1]:
        call_order.section()
        return
    show_list(
        filters.bar(
            filters.Text("q", "キーワード", "店舗名・コード・電話番号"),
            filters.Choice("service_id", "サービス", choices.services()),
            filters.Choice("blacklisted", "利用停止", {"true": "利用停止のみ", "false": "利用停止を除く"}),
            filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中"),
        )
    )


page()
