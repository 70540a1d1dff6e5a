"""保護者: who may bring and pick up children, and who has no card yet?"""

from __future__ import annotations

import streamlit as st

from dashboards.contract.entries import FIELDS, ParentItem, People
from dashboards.entries import card_dialogs, choices, parent_drawer
from dashboards.entries.records import PARENT, new_parent
from dashboards.entries.words import CARD
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing

SORTS = {
    "kana": "ふりがな順",
    "-kana": "ふりがなの逆順",
    "name": "氏名順",
    "id": "保護者IDの小さい順",
    "-id": "保護者IDの大きい順",
}


def shown_columns() -> tuple[columns.Column, ...]:
    return (
        columns.text(FIELDS["parent_name"], "name", width=124, sort="name"),
        columns.text(FIELDS["kana"], "kana", width=112, sort="kana"),
        columns.text("保護者ID", lambda row: str(row["id"]), width=100, alignment="right", sort="id"),
        columns.text(FIELDS["children"], lambda row: "、".join(child["name"] for child in row["children"]), width=156),
        *choices.nursery_column(120),
        columns.badge("カード", card_state, CARD, width=104),
        columns.text(FIELDS["phone_number"], "phone_number", width=124),
        columns.ago("最後の入退", "last_scanned_at", missing="まだありません"),
    )


def card_state(row: ParentItem) -> str:
    return "issued" if row["card_issued_at"] else "none"


@refreshing
def headline() -> None:
    nursery_id = choices.selected_nursery_id()
    reading = live.block(
        "entries.parents_headline",
        "保護者",
        "/api/entries/people",
        headline=True,
        right=_actions,
        nursery_id=nursery_id,
    )
    if reading is None:
        return
    counts: People = reading.data
    if not counts["parents"]:
        st.markdown("まだ保護者が登録されていません。")
        return
    sentence = f"登録されている保護者は{counts['parents']:,}人です。"
    if counts["without_card"] == counts["parents"]:
        sentence += "まだ誰にも保護者カードを発行していません。"
    elif counts["without_card"]:
        sentence += f"うち**{counts['without_card']:,}人**には、まだ保護者カードを発行していません。"
    else:
        sentence += "全員に保護者カードを発行しています。"
    if counts["without_mail"]:
        sentence += f"メールアドレスが未登録の保護者は{counts['without_mail']:,}人です。"
    st.markdown(sentence)


def _actions() -> None:
    choices.head_import_link()
    if has_permission("entries:card:issue"):
        dialogs.button("カードをまとめて用意する", card_dialogs.open_bulk_dialog, key="parents.cards", icon="badge")
    if has_permission("entries:parent:update"):
        dialogs.button("保護者を登録する", new_parent, key="parents.new", icon="person_add", type="primary")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "entries.parents_list",
        "",
        PARENT.path,
        shown_columns(),
        counter="人",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": parent_drawer.drawer},
        export=Export.of(PARENT.path),
        empty=tables.Empty(
            "まだ保護者が登録されていません",
            "ファイルを取り込むか、「保護者を登録する」から登録してください。",
            action=choices.import_link,
        ),
    )


if choices.require_nursery("保護者"):
    headline()
    show_list(
        filters.bar(
            filters.Text("q", "キーワード", "氏名・ふりがな・保護者ID", 250),
            *choices.nursery_fields(),
            filters.Choice("class_name", "園児の組", choices.classes(choices.selected_nursery_id()), width=150),
            filters.Choice("card", "カード", CARD, width=130),
            filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中", width=150),
        )
    )
