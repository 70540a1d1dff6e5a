"""ユーザー管理: who can log in, and with which roles."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.core import AreaChoice, Summary
from dashboards.core import user_drawer
from dashboards.core.roles import choices, roles_text
from dashboards.core.user_drawer import USER
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.live import refreshing


@refreshing
def headline() -> None:
    reading = live.block(
        "core.users_headline", "ユーザー管理", "/api/core/users/summary", headline=True, right=register_button
    )
    if reading is None:
        return
    counts: Summary = reading.data
    sentence = f"ログインできるユーザーは**{counts['active']:,}人**です。"
    if counts["one_time_password"]:
        sentence += f"うち{counts['one_time_password']:,}人は、仮のパスワードをまだ変更していません。"
    if counts["inactive"]:
        sentence += f"ほかに、無効にしたユーザーが{counts['inactive']:,}人います。"
    st.markdown(sentence)


def register_button() -> None:
    if has_permission("core:user:update"):
        dialogs.button("ユーザーを登録する", user_drawer.register, key="users.new", icon="person_add", type="primary")


def filter_bar(areas: list[AreaChoice]) -> filters.Filters:
    roles = {role["role"]: role["title"] for area in areas for role in area["roles"]}
    fields: list[filters.Field] = [filters.Text("q", "キーワード", "ログインID・氏名・メール")]
    if len(areas) > 1:
        fields.append(filters.Choice("area", "業務", {area["area"]: area["title"] for area in areas}))
    fields.append(filters.Choice("role", "役割", roles))
    fields.append(filters.Choice("active", "状態", {"true": "有効", "false": "無効"}))
    return filters.bar(*fields)


@refreshing
def draw_list(chosen: filters.Filters, areas: list[AreaChoice]) -> None:
    tables.table(
        "core.users",
        "",
        "/api/core/users",
        (
            columns.text("ログインID", "login_id", width=148),
            columns.text("氏名", "name", width=96),
            columns.badge("状態", "state", USER, width=104),
            columns.text("業務と役割", lambda user: roles_text(user, areas), width=332),
            columns.text("メールアドレス", "mail", width=164),
            columns.ago("最後のログイン", "last_signed_in_at", missing="まだありません"),
        ),
        counter="人",
        filters=chosen,
        actions={"詳細": user_drawer.drawer},
        empty=tables.Empty("表示できるユーザーはいません", "「ユーザーを登録する」から登録してください。"),
    )


headline()
all_areas = choices()
draw_list(filter_bar(all_areas), all_areas)
