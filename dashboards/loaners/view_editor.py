"""データタイプ: the definitions of the lists, edited in the format of the specification. A part of マスタ管理."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.loaners import words
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, editing, filters, forms, masters, tables
from dashboards.ui.columns import Row
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

PATH = "/api/loaners/views"
KEY = "loaners.views"
USED = Status("有効", "green", "check_circle")
SORTS = {"position": "表示順", "name": "名前順", "key": "ID順"}
LABELS = {
    "name": "データタイプ名",
    "description": "説明",
    "position": "表示順序",
    "filter": "フィルタ条件",
    "source": "データソース設定",
    "columns": "表示列設定",
}
HELP = {
    "filter": '絞り込まないときは空欄にします。例: {"status": "active", "機器種別": ["端末"]}',
    "source": "データの取得元と列の対応（JSON）。保存するときに内容を確認します。",
    "columns": "表示する列（JSON）。ステータス連動では baseColumns と columnFilterRules を使います。",
}
COLUMNS = (
    columns.number("表示順序", "position", width=84, sort="position"),
    columns.text("データタイプID", "key", width=150, sort="key"),
    columns.text("データタイプ名", "name", width=150, sort="name"),
    columns.text("説明", "description", width=360),
    columns.badge(
        "ステータス",
        lambda row: "archived" if row["archived_at"] else "used",
        {"used": USED, "archived": words.ARCHIVED},
    ),
    columns.text("更新日", lambda row: words.timestamp(row["updated_at"]), width=160),
)


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": form.field(
            "name", st.text_input, LABELS["name"], required=True, value=initial.get("name", ""), max_chars=50
        ).strip(),
        "description": form.field(
            "description", st.text_input, LABELS["description"], value=initial.get("description", ""), max_chars=200
        ).strip(),
        "position": form.field(
            "position", st.number_input, LABELS["position"], value=initial.get("position", 1), min_value=1, step=1
        ),
    }
    for name, height in (("filter", 68), ("source", 260), ("columns", 260)):
        text = form.field(
            name,
            st.text_area,
            LABELS[name],
            required=name != "filter",
            value=initial.get(name) or "",
            height=height,
            help=HELP[name],
        )
        values[name] = text.strip() or None
    return values


RECORD = editing.Record(
    key="loaners.view",
    path=PATH,
    labels=LABELS,
    name=lambda view: f"データタイプ「{view['name']}」",
    fields=_fields,
    in_words=lambda _: {},
    putting_away=masters.ARCHIVE_VERB,
)


def edit(view: Row) -> None:
    RECORD.edit({name: view[name] for name in ("id", "version", *LABELS)})


def copy(view: Row) -> None:
    """A new view starts as a copy, because such a definition is not written from scratch."""

    @dialogs.dialog(f"「{view['name']}」をもとに登録する", width="large", icon=":material/library_add:")
    def ask() -> None:
        with forms.form(f"{KEY}.new.{view['id']}", submit="登録する") as form:
            key = form.field(
                "key",
                st.text_input,
                "データタイプID",
                required=True,
                max_chars=30,
                placeholder="PRINTERS",
                help="英語の大文字とアンダースコア（_）で入力してください。登録したあとは変えられません。",
            ).strip()
            values = _fields(form, {name: view[name] for name in ("description", "filter", "source", "columns")})
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, {"key": key} | values, once=idempotency_key),
                done=f"データタイプ「{values['name']}」を登録しました。",
            )

    ask()


def archive(view: Row) -> None:
    RECORD.archive(view, "機器一覧のデータタイプから選べなくなります。あとで元に戻せます。")


def restore(view: Row) -> None:
    RECORD.restore(view, "機器一覧のデータタイプから、もう一度選べるようになります。")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    actions: dict[str, Any] = {}
    if has_permission("loaners:view:update"):
        archived = bool(chosen.query.get("archived"))
        actions = {"元に戻す": restore} if archived else {"編集": edit, "複製": copy, "無効にする": archive}
    tables.table(
        KEY,
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        sort_name="view_sort",
        filters=chosen,
        actions=actions or None,
        empty=tables.Empty("無効なデータタイプはありません", "無効にしたデータタイプは、ここから元に戻せます。"),
    )


def section() -> None:
    """For the tab of マスタ管理."""
    show_list(
        filters.bar(
            filters.Choice("archived", "表示", {"true": "無効のもの"}, 140, otherwise="有効のもの"),
            prefix="view_",
        )
    )
