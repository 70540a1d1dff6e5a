"""マスタ管理: the choices of the forms, and the fields of the carrier's screen that they belong to."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import records
from dashboards.client import ApiProblem
from dashboards.contract.agencies import (
    CARRIER_RECORD,
    CHOICE_LIST,
    FIELD_PART,
    CarrierFieldItem,
    ChoiceItem,
    Masters,
    OptionItem,
)
from dashboards.session import has_permission
from dashboards.ui import bound, cache, columns, dialogs, feedback, filters, heading, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.records import ARCHIVED, Record
from dashboards.ui.status import Status
from dashboards.ui.text import small

KEY = "agencies.masters"
PARTS_OF_PAGE = ("選択肢", "オプションサービス", "元フィールド")
EXAMPLE = {"example": Status("例", "orange", "help")}
FIXED = "入力画面の動きと結びついた一覧です。名称と表示順は変更できますが、追加・無効化はできません。"
PACK = {"pack": Status("対象", "blue", "inventory_2")}

CHOICE_COLUMNS = (
    columns.text("名称", "name", width=280, sort="name"),
    columns.text("選択肢の種類", lambda row: CHOICE_LIST[row["list"]], width=230),
    columns.text("コード", "code", width=110, sort="code"),
    columns.badges("例", lambda row: ["example"] if row["is_example"] else [], EXAMPLE, width=80),
    columns.number("表示順", "position", width=80),
)
OPTION_COLUMNS = (
    columns.text("オプション名", "name", width=360, sort="name"),
    columns.text("コード", "code", width=120, sort="code"),
    columns.text("料金", "price", width=170),
    columns.badges("サポートパック", lambda row: ["pack"] if row["is_support_pack"] else [], PACK, width=120),
    columns.number("表示順", "position", width=80),
)
FIELD_COLUMNS = (
    columns.text("元フィールド", "carrier_field", width=260, sort="carrier_field"),
    columns.text("ページ", "page", width=80),
    columns.text("対象", lambda row: CARRIER_RECORD[row["record"]], width=100),
    columns.text("項目", "title", width=250),
    columns.text("部分", lambda row: FIELD_PART[row["part"]], width=110),
    columns.number("表示順", "position", width=80),
)


def selected_part() -> str:
    part: str = st.session_state.get("part") or st.query_params.get("part") or PARTS_OF_PAGE[0]
    return part


def selected_list() -> str | None:
    name = st.session_state.get("list") or st.query_params.get("list")
    return name if name in CHOICE_LIST else None


def headline() -> None:
    heading.page("マスタ管理", right=_new_button)
    try:
        masters: Masters = session.api().get("/api/agencies/masters")
        cache.cache_answer("agencies.masters", masters)
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    in_use = {name: [row for row in rows if row["in_use"]] for name, rows in masters["choices"].items()}
    examples = [CHOICE_LIST[name] for name, rows in in_use.items() if any(row["is_example"] for row in rows)]
    options = sum(row["in_use"] for row in masters["options"])
    sentence = (
        f"選択肢は{len(in_use):,}種類・{sum(map(len, in_use.values())):,}件、オプションサービスは{options:,}件です。"
    )
    if examples:
        more = f"など{len(examples):,}種類" if len(examples) > 3 else ""
        sentence += f"**{'・'.join(examples[:3])}{more}には「例」の値があります**。実際に使う値を確認してください。"
    st.markdown(sentence)


def _new_button() -> None:
    """The open part decides the primary button."""
    if not has_permission("agencies:master:update"):
        return
    part, name = selected_part(), selected_list()
    if part == "オプションサービス":
        label, draw = "オプションを追加する", records.new_option
    elif part == "元フィールド":
        label, draw = "元フィールドを追加する", records.new_carrier_field
    elif name:
        label, draw = "選択肢を追加する", partial(records.new_choice, name)
    else:
        label, draw = "選択肢を追加する", choose_list
    dialogs.button(label, draw, key=f"{KEY}.new", icon="add", type="primary")


def choose_list() -> None:
    @dialogs.dialog("どの一覧に追加しますか？", width="small", icon=":material/list:")
    def ask() -> None:
        name = st.selectbox(
            "選択肢の種類",
            [*CHOICE_LIST],
            index=None,
            format_func=CHOICE_LIST.__getitem__,
            key=f"{KEY}.which",
            placeholder="選んでください",
        )
        # Not in a callback: it would get the arguments of the previous run, which miss a choice made just now.
        if name and st.button("次へ", key=f"{KEY}.which.next", type="primary"):
            dialogs.open(records.new_choice, name)
            dialogs.rerun_if_changed()

    ask()


def _show_table(
    key: str, record: Record, table_columns: Any, sorts: dict[str, str], chosen: filters.Filters, drawer: Any
) -> None:
    tables.table(
        f"{KEY}.{key}",
        "",
        record.path,
        table_columns,
        sorts=sorts,
        filters=chosen,
        actions={"詳細": drawer},
        export=Export.of(record.path),
        empty=tables.Empty("登録がありません", "右上の「追加する」から登録してください。"),
    )


def _open_drawer(title: str, row: Row, record: Record, facts: dict[str, object], *, fixed: str = "") -> None:
    updated = {"更新日時": times.stamp(row["updated_at"])}
    may_change = has_permission("agencies:master:update")
    record.master_drawer(title, row, facts | updated, icon="category", may_change=may_change, fixed=fixed)


def choice_drawer(row: ChoiceItem) -> None:
    facts: dict[str, object] = {
        "選択肢の種類": CHOICE_LIST[row["list"]],
        "コード": row["code"],
        "名称": row["name"],
        "例": "例（要件定義書に値の記載がありません）" if row["is_example"] else "",
        "表示順": row["position"],
    }
    _open_drawer(row["name"], row, records.CHOICE, facts, fixed=FIXED if row["is_fixed"] else "")


def option_drawer(row: OptionItem) -> None:
    facts: dict[str, object] = {
        "コード": row["code"],
        "料金": row["price"],
        "サポートパック": "対象" if row["is_support_pack"] else "対象外",
        "表示順": row["position"],
    }
    _open_drawer(row["name"], row, records.OPTION, facts)


def field_drawer(row: CarrierFieldItem) -> None:
    facts: dict[str, object] = {
        "ページ": row["page"],
        "元フィールド": row["carrier_field"],
        "対象": CARRIER_RECORD[row["record"]],
        "カラム名": row["field"],
        "部分": FIELD_PART[row["part"]],
        "表示順": row["position"],
    }
    _open_drawer(row["title"], row, records.CARRIER_FIELD, facts)


def page() -> None:
    headline()
    part = bound.choose_part(PARTS_OF_PAGE, "マスタ")
    if part == "オプションサービス":
        chosen = filters.bar(filters.Text("q", "キーワード", "コード・オプション名"), ARCHIVED)
        sorts = {"position": "表示順", "code": "コード順", "name": "名前順"}
        _show_table("options", records.OPTION, OPTION_COLUMNS, sorts, chosen, option_drawer)
    elif part == "元フィールド":
        record = filters.Choice("record", "対象", CARRIER_RECORD)
        page_filter = filters.Choice("page", "ページ", dict(zip(records.PAGES, records.PAGES, strict=True)), width=140)
        chosen = filters.bar(filters.Text("q", "キーワード", "元フィールド・項目"), record, page_filter, ARCHIVED)
        st.markdown(small("法人・地点などの項目を、キャリア管理画面のどの入力欄へ入れるかの対応表です。"))
        sorts = {"position": "画面の順", "carrier_field": "元フィールド順"}
        _show_table("fields", records.CARRIER_FIELD, FIELD_COLUMNS, sorts, chosen, field_drawer)
    else:
        name = filters.Choice("list", "選択肢の種類", CHOICE_LIST, width=260)
        chosen = filters.bar(name, filters.Text("q", "キーワード", "コード・名称", width=200), ARCHIVED)
        sorts = {"list": "一覧の順", "code": "コード順", "name": "名称順"}
        _show_table("choices", records.CHOICE, CHOICE_COLUMNS, sorts, chosen, choice_drawer)


page()
