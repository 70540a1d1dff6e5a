"""園児: which children are enrolled, in which class, and who may pick them up?"""

from __future__ import annotations

import streamlit as st

from dashboards.contract.entries import FIELDS, People
from dashboards.entries import child_drawer, choices
from dashboards.entries.records import CHILD, new_child
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

SORTS = {
    "kana": "ふりがな順",
    "-kana": "ふりがなの逆順",
    "name": "園児名順",
    "class_name": "組の順",
    "-class_name": "組の逆順",
}


def shown_columns() -> tuple[columns.Column, ...]:
    return (
        columns.text(FIELDS["child_name"], "name", width=150, sort="name"),
        columns.text(FIELDS["kana"], "kana", width=160, sort="kana"),
        columns.text(FIELDS["class_name"], "class_name", width=130, sort="class_name"),
        columns.text(FIELDS["parents"], child_drawer.parents_label, width=320),
        *choices.nursery_column(150),
    )


@refreshing
def headline() -> None:
    nursery_id = choices.selected_nursery_id()
    reading = live.block(
        "entries.children_headline", "園児", "/api/entries/people", headline=True, right=_actions, nursery_id=nursery_id
    )
    if reading is None:
        return
    counts: People = reading.data
    if not counts["children"]:
        st.markdown("まだ園児が登録されていません。")
        return
    sentence = f"登録されている園児は{counts['children']:,}人"
    if counts["classes"]:
        classes = "、".join(f"{plain(group['name'])} {group['children']:,}人" for group in counts["classes"][:8])
        sentence += f"（{classes}{' ほか' if len(counts['classes']) > 8 else ''}）"
    sentence += "です。"
    if counts["without_parent"]:
        sentence += f"**{counts['without_parent']:,}人**には、保護者が登録されていません。"
    st.markdown(sentence)


def _actions() -> None:
    choices.head_import_link()
    if has_permission("entries:child:update"):
        dialogs.button("園児を登録する", new_child, key="children.new", icon="add", type="primary")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "entries.children_list",
        "",
        CHILD.path,
        shown_columns(),
        counter="人",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": child_drawer.drawer},
        export=Export.of(CHILD.path),
        empty=tables.Empty(
            "まだ園児が登録されていません",
            "保護者と一緒にファイルで取り込むか、「園児を登録する」から登録してください。",
        ),
    )


if choices.require_nursery("園児"):
    headline()
    show_list(
        filters.bar(
            filters.Text("q", "キーワード", "園児名・ふりがな"),
            *choices.nursery_fields(),
            filters.Choice("class_name", "組", choices.classes(choices.selected_nursery_id())),
            filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中"),
        )
    )
