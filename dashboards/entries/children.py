"""園児: which children are enrolled, in which class, and who may fetch them?"""

from __future__ import annotations

import streamlit as st

from dashboards.entries import child_drawer, choices
from dashboards.entries.child_drawer import PATH
from dashboards.session import may
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.links import link
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
    several = (columns.text("保育園名", "nursery_name", width=150),) if choices.sees_several() else ()
    return (
        columns.text("園児名", "name", width=150, sort="name"),
        columns.text("ふりがな", "kana", width=160, sort="kana"),
        columns.text("組", "class_name", width=130, sort="class_name"),
        columns.text("保護者", child_drawer.relatives, width=320),
        *several,
    )


@refreshing
def headline() -> None:
    asked = choices.nursery_asked()
    reading = live.block(
        "entries.children_headline", "園児", "/api/entries/people", headline=True, right=_right, nursery_id=asked
    )
    if reading is None:
        return
    people = reading.data
    if not people["children"]:
        st.markdown("まだ園児が登録されていません。")
        return
    said = f"登録されている園児は{people['children']:,}人"
    if people["classes"]:
        classes = "、".join(f"{plain(one['name'])} {one['children']:,}人" for one in people["classes"][:8])
        said += f"（{classes}{' ほか' if len(people['classes']) > 8 else ''}）"
    said += "です。"
    if people["without_parent"]:
        said += f"**{people['without_parent']:,}人**には、保護者が登録されていません。"
    st.markdown(said)


def _right() -> None:
    if may("core:import:create") and may("entries:parent:update"):
        link("取り込む", "/imports")
    if may("entries:child:update"):
        dialogs.button("園児を登録する", child_drawer.new, key="children.new", icon="add", type="primary")


@refreshing
def listed(chosen: filters.Filters) -> None:
    tables.table(
        "entries.children_list",
        "",
        PATH,
        shown_columns(),
        counter="人",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": child_drawer.drawer},
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ園児が登録されていません",
            "保護者と一緒にファイルで取り込むか、「園児を登録する」から登録してください。",
        ),
    )


if choices.some_nursery("園児"):
    headline()
    listed(
        filters.bar(
            filters.Text("q", "キーワード", "園児名・ふりがな"),
            *choices.nursery_fields(),
            filters.Choice("class_name", "組", choices.classes(choices.nursery_asked())),
            filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中"),
        )
    )
