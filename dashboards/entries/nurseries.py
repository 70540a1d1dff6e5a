"""保育園一覧: which nurseries use 入退管理, and do their stations work?"""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.entries import FIELDS, SUBJECTS, NurseryItem, PageNurseryItem
from dashboards.entries.records import NURSERY, new_nursery
from dashboards.entries.words import NURSERIES
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, filters, live, tables
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

SORTS = {"name": "保育園名順", "-name": "保育園名の逆順", "code": "保育園コード順"}


def state(row: NurseryItem) -> str:
    if row["archived_at"]:
        return "archived"
    return "running" if row["has_station_password"] else "off"


def opening_hours(row: NurseryItem) -> str:
    return f"{row['opens_at'][:5]}〜{row['closes_at'][:5]}"


COLUMNS = (
    columns.text("保育園名", "name", width=200, sort="name"),
    columns.text(FIELDS["code"], "code", width=130, sort="code"),
    columns.badge("入退登録", state, NURSERIES, width=150),
    columns.number("保護者数", "parents", width=90),
    columns.number("園児数", "children", width=90),
    columns.number("端末数", "stations", width=90),
    columns.number("応答なし", "silent_stations", width=90),
    columns.text("開園時間", opening_hours, width=120),
)


@refreshing
def headline() -> None:
    reading = live.block(
        "entries.nurseries_headline", "保育園一覧", NURSERY.path, headline=True, right=_new_button, limit=100
    )
    if reading is None:
        return
    nurseries: PageNurseryItem = reading.data
    items, total = nurseries["items"], nurseries["total"]
    if not total:
        st.markdown("まだ保育園が登録されていません。")
        return
    silent = sum(row["silent_stations"] for row in items)
    without_password = [row["name"] for row in items if not row["has_station_password"]]
    sentence = f"入退管理を利用している保育園は{total:,}園です。"
    sentence += f"**{silent:,}台**の入退登録端末から応答がありません。" if silent else "応答のない端末はありません。"
    if without_password:
        more = f"ほか{len(without_password) - 3:,}園" if len(without_password) > 3 else ""
        sentence += f"{'、'.join(map(plain, without_password[:3]))}{more}は、入退登録のパスワードが未設定です。"
    st.markdown(sentence)


def _new_button() -> None:
    if has_permission("entries:nursery:create"):
        dialogs.button("保育園を登録する", new_nursery, key="nurseries.new", icon="add", type="primary")


def drawer(row: NurseryItem) -> None:
    @dialogs.dialog(row["name"], position="right", width="small", icon=":material/apartment:")
    def show() -> None:
        st.markdown(NURSERIES[state(row)].badge())
        with st.container(horizontal=True):
            link("園情報を開く", f"/nursery?{urlencode({'nursery_id': row['name']})}", primary=True)
            NURSERY.buttons(row)
        details.facts(
            {
                FIELDS["code"]: row["code"],
                "開園時間": opening_hours(row),
                FIELDS["parents"]: f"{row['parents']:,}人",
                FIELDS["children"]: f"{row['children']:,}人",
                SUBJECTS["station"]: f"{row['stations']:,}台（応答なし {row['silent_stations']:,}台）",
            }
        )

    show()


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "entries.nurseries_list",
        "",
        NURSERY.path,
        COLUMNS,
        counter="園",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": drawer},
        empty=tables.Empty("まだ保育園が登録されていません", "「保育園を登録する」から登録してください。"),
    )


headline()
show_list(
    filters.bar(
        filters.Text("q", "キーワード", "保育園名・保育園コード"),
        filters.Choice("archived", "表示", {"true": "アーカイブ済み"}, otherwise="使用中"),
    )
)
