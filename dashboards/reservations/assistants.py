"""アシスタント連携: the assistants that may make reservations, and whether they are used."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import PageAssistantItem
from dashboards.reservations import assistant_dialogs
from dashboards.reservations.assistant_dialogs import PATH
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

KEY = "reservations.assistants"
KINDS = {"own": Status("専用", "gray", "person"), "shared": Status("共用", "blue", "group")}
COLUMNS = (
    columns.text("名前", "name", width=240, sort="name"),
    columns.badge(
        "使い方",
        lambda row: "shared" if row["is_shared"] else "own",
        KINDS,
        width=100,
        help="共用のトークンでは、予約の確認とキャンセルに予約時の電話番号も必要です。",
    ),
    columns.number("予約", "reservations", width=80, help="このトークンで受け付けた予約の件数です。"),
    columns.ago("最終利用", "last_used_at", missing="まだ使われていません"),
    columns.stamp("発行日時", "created_at", sort="created_at"),
)
REVOKED = (*COLUMNS, columns.stamp("失効日時", "revoked_at"))


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.summary", "アシスタント連携", PATH, headline=True, right=_actions, limit=100)
    if reading is None:
        return
    page: PageAssistantItem = reading.data
    items, total = page["items"], page["total"]
    if not total:
        st.markdown("有効なトークンがありません。**AIアシスタントからの予約は受け付けられません**。")
        return
    sentence = f"有効なトークンは{total:,}個です。"
    if unused := sum(1 for row in items if row["last_used_at"] is None):
        sentence += f"そのうち{unused:,}個は、まだ使われていません。"
    st.markdown(sentence)


def _actions() -> None:
    if has_permission("reservations:assistant:create"):
        dialogs.button("トークンを発行する", assistant_dialogs.issue, key=f"{KEY}.new", icon="add", type="primary")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    is_revoked = chosen.query.get("revoked") == "true"
    may_revoke = has_permission("reservations:assistant:revoke") and not is_revoked
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        REVOKED if is_revoked else COLUMNS,
        counter="個",
        sorts={"-created_at": "発行の新しい順", "created_at": "発行の古い順", "name": "名前順"},
        filters=chosen,
        actions={"失効させる": assistant_dialogs.revoke} if may_revoke else None,
        row_opens=False,
        empty=tables.Empty(
            "有効なトークンがありません",
            "「トークンを発行する」から発行し、お客様のアシスタントに登録してください。",
        ),
    )


headline()
show_list(
    filters.bar(
        filters.Text("q", "キーワード", "名前"),
        filters.Choice("revoked", "表示", {"true": "失効済み"}, otherwise="有効"),
    )
)
