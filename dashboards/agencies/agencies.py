"""代理店管理: the agencies, and which of their data is missing."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards.agencies import agency_forms
from dashboards.agencies.agency_forms import PATH
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, filters, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain

ACTIVE = {"active": Status("有効", "green", "check_circle"), "inactive": Status("無効", "gray", "block")}
SORTS = {"name": "代理店名順", "code": "代理店コード順", "-created_at": "登録の新しい順"}


def state(row: Row) -> str:
    return "active" if row["is_active"] else "inactive"


# 3.5.
COLUMNS = (
    columns.text("代理店名", "name", width=240, sort="name"),
    columns.text("代理店コード", "code", width=130, sort="code"),
    columns.text("担当者名", "contact_name", width=150),
    columns.number("所属営業担当数", "sales_count", width=130),
    columns.badge("ステータス", state, ACTIVE, width=110),
)


@refreshing
def headline() -> None:
    reading = live.block("agencies.summary", "代理店管理", f"{PATH}/summary", headline=True, right=_new_button)
    if reading is None:
        return
    counts = reading.data
    if not counts["active"] + counts["inactive"]:
        st.markdown("まだ代理店が登録されていません。")
        return
    sentence = f"有効な代理店は{counts['active']:,}件です。"
    missing = []
    if counts["without_sales"]:
        missing.append(f"営業担当者がいない代理店が**{counts['without_sales']:,}件**")
    if counts["without_shop"]:
        missing.append(f"紹介店コードが未登録の代理店が**{counts['without_shop']:,}件**")
    sentence += f"{'、'.join(missing)}あります。" if missing else "営業担当者と紹介店コードは、すべて登録されています。"
    if counts["inactive"]:
        sentence += f"ほかに無効の代理店が{counts['inactive']:,}件あります。"
    st.markdown(sentence)


def _new_button() -> None:
    if has_permission("agencies:agency:update"):
        dialogs.button("代理店を登録する", agency_forms.new, key="agencies.agency.add", icon="add", type="primary")


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["name"]), position="right", width="small", icon=":material/store:")
    def show() -> None:
        st.markdown(ACTIVE[state(row)].badge())
        with st.container(horizontal=True):
            if row["is_active"]:
                dialogs.button("編集", agency_forms.edit, row, key="agencies.agency.edit", icon="edit")
                dialogs.button("無効化", agency_forms.deactivate, row, key="agencies.agency.deactivate", icon="block")
            else:
                dialogs.button("有効に戻す", agency_forms.activate, row, key="agencies.agency.activate", icon="undo")
            if has_permission("core:user:read"):
                link("ユーザー管理", f"/users?{urlencode({'role': 'sales'})}")
        details.facts(
            {
                **{label: row[name] for name, label in agency_forms.LABELS.items() if name != "name"},
                "所属営業担当数": f"{row['sales_count']:,}人",
                "代理店ID": row["id"],
                "作成日時": times.full(times.parse(row["created_at"])),
                "更新日時": times.full(times.parse(row["updated_at"])),
            }
        )

    show()


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "agencies.agencies",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"編集": agency_forms.edit, "無効化": agency_forms.switch, "詳細": drawer},
        export=Export.of(PATH),
        empty=tables.Empty("まだ代理店が登録されていません", "「代理店を登録する」から登録してください。"),
    )


headline()
show_list(
    filters.bar(
        filters.Text("q", "キーワード", "代理店名・コード・紹介店・担当者"),
        filters.Choice("is_active", "ステータス", {"true": ACTIVE["active"], "false": ACTIVE["inactive"]}),
    )
)
