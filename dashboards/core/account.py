"""アカウント: the user's own name, password and sessions."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.core import SessionItem
from dashboards.core import password
from dashboards.core.sessions import COLUMNS
from dashboards.ui import confirm, dialogs, flash, heading, tables
from dashboards.ui.text import plain, small


def headline(user: session.User) -> None:
    heading.page("アカウント")
    st.markdown(f"**{plain(user.name)}** さん（ログインID: {plain(user.login_id)}）としてログインしています。")


def sessions() -> None:
    tables.table(
        "account.sessions",
        "ログイン中のブラウザー",
        "/api/auth/sessions",
        COLUMNS,
        actions={"終了する": end},
        row_opens=False,
        right=lambda: dialogs.button("ほかをすべて終了する", end_others, key="account.end_others"),
    )


def end_others() -> None:
    confirm.confirm(
        "account.end_others_now",
        "このブラウザー以外のログインをすべて終了しますか？",
        "ほかのブラウザーは、もう一度ログインするまで使えなくなります。入力の途中だった内容は失われます。",
        action="すべて終了する",
        do=lambda _reason, key: session.api().post("/api/auth/sessions/revoke", {}, idempotency_key=key),
        success="ほかのログインをすべて終了しました。",
    )


def end(row: SessionItem) -> None:
    if row["current"]:
        flash.add("いまお使いのログインです。終了するときは「ログアウト」を押してください。")
        st.rerun()
    confirm.confirm(
        f"account.end.{row['id']}",
        f"{row['address']} からのログインを終了しますか？",
        "そのブラウザーは、もう一度ログインするまで使えなくなります。",
        action="終了する",
        do=lambda _reason, key: session.api().post(
            "/api/auth/sessions/revoke", {"session_id": row["id"]}, idempotency_key=key
        ),
        success=f"{row['address']} からのログインを終了しました。",
    )


user = session.current_user()
if user:
    headline(user)
    sessions()
    st.subheader("パスワードの変更", anchor=False)
    st.markdown(small(f"{password.RULES}変更すると、ほかのブラウザーのログインはすべて終了します。"))
    password.change("account_password", done="パスワードを変更しました。")
