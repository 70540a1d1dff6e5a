"""法人検索: is a corporation registered already, and where?"""

from __future__ import annotations

import streamlit as st

from dashboards.agencies import corporation_form, numbers
from dashboards.agencies.corporation_words import PATH, corporation_url
from dashboards.agencies.words import titles
from dashboards.contract.agencies import CorporationItem
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, filters, heading, tables, times
from dashboards.ui.cache import load_cached
from dashboards.ui.exports import Export
from dashboards.ui.links import link, telephone
from dashboards.ui.live import refreshing

KEY = "agencies.corporations"
SORTS = {
    "kana": "カナ順",
    "-kana": "カナの逆順",
    "name": "法人名順",
    "-created_at": "登録が新しい順",
    "created_at": "登録が古い順",
}


def customer_types() -> dict[str, str]:
    return load_cached("agencies.customer_types", lambda: titles(corporation_form.masters(), "customer_type"))


def sees_all_agencies() -> bool:
    """True for users who see the requests of all agencies."""
    return has_permission("agencies:case:read")


def shown_columns() -> tuple[columns.Column, ...]:
    agency_column = (columns.text("代理店", "agency_name", width=140),) if sees_all_agencies() else ()
    type_names = customer_types()
    return (
        columns.text("法人名", "name", width=190, sort="name"),
        columns.text("カナ", "reading", width=140, sort="kana"),
        *agency_column,
        # 屋号（個人事業主等） is shortened to 屋号.
        columns.text("契約者区分", lambda row: type_names.get(row["customer_type"], "").partition("（")[0], width=84),
        columns.text("法人番号", "corporation_number", width=116),
        columns.text("連絡先", "phone1", width=112),
        columns.text("住所", lambda row: f"{row['prefecture']}{row['city']}", width=130),
        columns.number("依頼", "requests", width=52),
        columns.number("地点", "sites", width=52),
    )


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        KEY,
        "",
        PATH,
        shown_columns(),
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": drawer},
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ法人が登録されていません",
            "新規投入依頼で法人情報を入力すると、ここに表示されます。",
            first_request_link,
        ),
    )


def first_request_link() -> None:
    if has_permission("agencies:request:create"):
        link("新規投入依頼を開く", "/new-request", primary=True)


def drawer(row: CorporationItem) -> None:
    @dialogs.dialog(row["name"], position="right", width="small", icon=":material/domain:")
    def show() -> None:
        with st.container(horizontal=True):
            link("法人詳細を開く", corporation_url(row["id"]), primary=True)
            if has_permission("agencies:request:create"):
                link("地点を追加する", f"/add-site?corporation_id={row['id']}")
        details.facts(
            {
                "法人ID": str(row["id"]),
                "カナ": row["kana"],
                **({"代理店": row["agency_name"]} if sees_all_agencies() else {}),
                "契約者区分": customer_types().get(row["customer_type"], row["customer_type"]),
                "法人番号": row["corporation_number"],
                "連絡先番号1": telephone(row["phone1"]),
                "住所": f"{row['prefecture']}{row['city']}",
                "依頼": f"{row['requests']:,}件",
                "地点": f"{row['sites']:,}地点",
                "登録": times.stamp(row["created_at"]),
            }
        )

    show()


def page() -> None:
    heading.page("法人検索")
    st.markdown("法人名・カナ・法人番号・電話番号の一部で検索できます。")
    fields: list[filters.Field] = [filters.Text("q", "キーワード", "法人名・カナ・法人番号・電話番号", 300)]
    if sees_all_agencies():
        fields.append(filters.Choice("agency_id", "代理店", numbers.agencies(), width=220))
    show_list(filters.bar(*fields))


page()
