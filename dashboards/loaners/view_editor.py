"""データタイプ: the definitions of the lists, edited in the format of the specification. A part of マスタ管理."""

from __future__ import annotations

from typing import Any

from dashboards import session
from dashboards.contract.loaners import ViewItem
from dashboards.loaners import records, words
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, fields, filters, forms, tables
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

KEY = "loaners.views"
USED = Status("有効", "green", "check_circle")
SORTS = {"position": "表示順", "name": "名前順", "key": "ID順"}
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


def copy(view: ViewItem) -> None:
    """A new view starts as a copy, because such a definition is not written from scratch."""
    copied = {name: view[name] for name in ("description", "filter", "source", "columns")}

    @dialogs.dialog(f"「{view['name']}」をもとに登録する", width="large", icon=":material/library_add:")
    def ask() -> None:
        with forms.form(f"{KEY}.new.{view['id']}", submit="登録する") as form:
            values = fields.draw(records.VIEW.fields, form, copied, "new")
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(records.VIEW.path, values, idempotency_key=idempotency_key),
                success=f"{records.VIEW.name(values)}を登録しました。",
            )

    ask()


@refreshing
def show_list(chosen: filters.Filters) -> None:
    actions: dict[str, Any] = {}
    if has_permission("loaners:view:update"):
        if chosen.query.get("archived"):
            actions = {"元に戻す": records.VIEW.restore}
        else:
            actions = {"編集": records.VIEW.edit, "複製": copy, "無効にする": records.VIEW.archive}
    tables.table(
        KEY,
        "",
        records.VIEW.path,
        COLUMNS,
        sorts=SORTS,
        sort_name="view_sort",
        filters=chosen,
        actions=actions or None,
        row_opens=not chosen.query.get("archived"),
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
