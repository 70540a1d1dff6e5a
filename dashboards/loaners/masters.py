"""マスタ管理: the sites, models and extra columns, and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.loaners import KIND, VALUE_TYPE, ColumnItem, ModelItem, SiteItem
from dashboards.loaners import choices, records, view_editor, words
from dashboards.session import has_permission
from dashboards.ui import bound, columns, dialogs, feedback, filters, heading, tables
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.links import link, mail
from dashboards.ui.records import ARCHIVED, Record
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

KEY = "loaners.masters"
PARTS = ("拠点", "機種", "カテゴリ", "データタイプ", "追加の列")
NOTIFIES = {"on": Status("ON", "blue", "notifications_active"), "off": Status("OFF", "gray", "notifications_off")}
NEW = {
    "拠点": ("拠点を登録する", records.SITE, "site"),
    "機種": ("機種を登録する", records.MODEL, "model"),
    "追加の列": ("列を追加する", records.COLUMN, "column"),
}


def may_change() -> bool:
    return has_permission("loaners:master:update")


SITE_COLUMNS = (
    columns.text("拠点名", "name", width=130, sort="name"),
    columns.text("拠点ID", "key", width=90, sort="key"),
    columns.text("拠点コード", "code", width=110, sort="code"),
    columns.text("管轄", "jurisdiction", width=80, sort="jurisdiction"),
    columns.number("機器", "devices", width=70),
    columns.badge("変更通知", lambda row: "on" if row["notifies"] else "off", NOTIFIES, width=100),
    columns.text("グループメールアドレス", "group_mail", width=210),
    columns.text("更新日", lambda row: words.timestamp(row["updated_at"]), width=170),
)
MODEL_COLUMNS = (
    columns.text("機種名", "name", width=220, sort="name"),
    columns.text("機種ID", "code", width=110, sort="id"),
    columns.text("メーカー", "maker", width=130, sort="maker"),
    columns.text("カテゴリ", lambda row: choices.category(row["category"]), width=130, sort="category"),
    columns.number("機器", "devices", width=80),
    columns.text("備考", "note", width=150),
    columns.text("更新日", lambda row: words.timestamp(row["updated_at"]), width=170),
)
EXTRA_COLUMNS = (
    columns.text("項目名", "title", width=200, sort="title"),
    columns.text("マスタ", lambda row: KIND[row["kind"]], width=110),
    columns.text("形式", lambda row: VALUE_TYPE[row["value_type"]], width=90),
    columns.text("選択肢", lambda row: "、".join(row["choices"]), width=240),
    columns.text("必須", lambda row: "必須" if row["required"] else "", width=80),
    columns.number("表示順序", "position", width=90),
)


def headline() -> None:
    heading.page("マスタ管理", right=_actions)
    try:
        client = session.api()
        sites = client.get(records.SITE.path, limit=100)
        inactive: list[SiteItem] = client.get(records.SITE.path, limit=100, archived=True)["items"]
        models = client.get(records.MODEL.path, limit=1)["total"]
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    with_devices = [row["name"] for row in inactive if row["devices"]]
    without_notification = [row["name"] for row in sites["items"] if not row["notifies"]]
    sentence = f"有効な拠点は{sites['total']:,}か所、機種は{models:,}種類です。"
    if with_devices:
        sentence += f"**無効の拠点に機器が残っています（{'、'.join(map(plain, with_devices))}）。移管してください。**"
    elif without_notification:
        sentence += f"{'、'.join(map(plain, without_notification[:5]))}は、ステータス変更通知がOFFです。"
    else:
        sentence += "すべての拠点で、ステータス変更通知がONです。"
    st.markdown(sentence)


def _actions() -> None:
    """The open part decides the primary button."""
    link("取込・出力", "/loaners-transfer")
    part = st.session_state.get("part") or st.query_params.get("part") or PARTS[0]
    if part in NEW and may_change():
        label, record, key = NEW[part]
        dialogs.button(label, records.new, record, label, key=f"{KEY}.{key}.new", icon="add", type="primary")


def sites(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.sites",
        "",
        records.SITE.path,
        SITE_COLUMNS,
        counter="か所",
        sorts={"key": "拠点ID順", "name": "拠点名順", "code": "拠点コード順", "jurisdiction": "管轄順"},
        filters=chosen,
        actions={"詳細": site_drawer},
        export=Export.of(records.SITE.path),
        empty=tables.Empty("拠点がありません", "「拠点を登録する」から登録してください。"),
    )


def models(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.models",
        "",
        records.MODEL.path,
        MODEL_COLUMNS,
        counter="種類",
        sorts={"name": "機種名順", "maker": "メーカー順", "category": "カテゴリ順", "-id": "新しい順"},
        filters=chosen,
        actions={"詳細": model_drawer},
        export=Export.of(records.MODEL.path),
        empty=tables.Empty("機種がありません", "「機種を登録する」から登録してください。"),
    )


def extra_columns(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.columns",
        "",
        records.COLUMN.path,
        EXTRA_COLUMNS,
        counter="列",
        sorts={"position": "表示順", "title": "項目名順"},
        filters=chosen,
        actions={"詳細": column_drawer},
        empty=tables.Empty("追加の列はありません", "マスタに記録したい項目を「列を追加する」から追加できます。"),
    )


def categories() -> None:
    st.markdown(small("カテゴリは決められた8種類です。略称は拠点管理番号に使われます。"))
    try:
        items = session.api().get(choices.CATEGORIES)["items"]
    except ApiProblem as problem:
        feedback.failed(problem, key=f"{KEY}.categories")
        return
    tables.grid(
        f"{KEY}.categories",
        "カテゴリの一覧",
        items,
        (
            columns.text("カテゴリ（日本語）", "title", width=160),
            columns.text("カテゴリ（英語）", "key", width=140),
            columns.text("略称", "abbreviation", width=100),
            columns.text("説明", "description", width=240),
            columns.text("機器種別", lambda row: KIND[row["kind"]], width=110),
            columns.text("デバイスタイプ", "group", width=130),
        ),
    )


def _open_drawer(title: str, icon: str, facts: Mapping[str, object], row: Row, record: Record) -> None:
    record.master_drawer(title, row, facts, icon=icon, may_change=may_change())


def site_drawer(row: SiteItem) -> None:
    facts = {
        "拠点ID": row["key"],
        "拠点コード": row["code"],
        "管轄": row["jurisdiction"],
        "グループメールアドレス": mail(row["group_mail"]),
        "ステータス変更通知": "ON" if row["notifies"] else "OFF",
        "機器": f"{row['devices']:,}台",
        "作成日": words.timestamp(row["created_at"]),
        "更新日": words.timestamp(row["updated_at"]),
    }
    _open_drawer(row["name"], "apartment", facts, row, records.SITE)


def model_drawer(row: ModelItem) -> None:
    facts = {
        "機種ID": row["code"],
        "メーカー": row["maker"],
        "カテゴリ": choices.category(row["category"]),
        "機器": f"{row['devices']:,}台",
        "備考": row["note"] or "–",
        "作成日": words.timestamp(row["created_at"]),
        "更新日": words.timestamp(row["updated_at"]),
    }
    _open_drawer(row["name"], "devices_other", facts, row, records.MODEL)


def column_drawer(row: ColumnItem) -> None:
    facts = {
        "マスタ": KIND[row["kind"]],
        "形式": VALUE_TYPE[row["value_type"]],
        "選択肢": "、".join(row["choices"]) or "–",
        "必須": "必須" if row["required"] else "任意",
        "表示順序": row["position"],
    }
    _open_drawer(row["title"], "view_column", facts, row, records.COLUMN)


def page() -> None:
    headline()
    part = bound.choose_part(PARTS, "マスタ")
    if part == "拠点":
        sites(filters.bar(filters.Text("q", "キーワード", "拠点名・ID・コード"), _jurisdiction(), ARCHIVED))
    elif part == "機種":
        category = filters.Choice("category", "カテゴリ", choices.categories())
        models(filters.bar(filters.Text("q", "キーワード", "機種名・メーカー"), category, ARCHIVED))
    elif part == "カテゴリ":
        categories()
    elif part == "データタイプ":
        view_editor.section()
    else:
        extra_columns(filters.bar(filters.Choice("kind", "マスタ", KIND), ARCHIVED))


def _jurisdiction() -> filters.Choice:
    return filters.Choice("jurisdiction", "管轄", choices.jurisdictions())


page()
