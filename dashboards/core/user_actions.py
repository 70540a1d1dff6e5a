"""What an administrator does with a user as a whole: new password, deactivate, activate, end sessions."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.core import OneTimePassword, UserItem
from dashboards.ui import confirm, dialogs
from dashboards.ui.text import plain


def buttons(user: UserItem) -> None:
    with st.container(horizontal=True):
        admin = session.current_user()
        if admin is None or admin.login_id != user["login_id"]:  # The own password: on the account page.
            dialogs.button("仮パスワードを発行する", reset, user, key="users.reset", icon="key")
        if user["is_active"]:
            dialogs.button("無効にする", deactivate, user, key="users.deactivate", icon="block")
        else:
            dialogs.button("有効にする", activate, user, key="users.activate", icon="check_circle")


def one_time_password(name: str, login_id: str, password: str) -> None:
    @dialogs.dialog("仮パスワード", width="small", icon=":material/key:")
    def show() -> None:
        st.markdown(
            f"{plain(name)}さん（{plain(login_id)}）の仮パスワードです。本人に直接伝えてください。"
            "発行から72時間だけ使えます。最初のログインで、本人が新しいパスワードに変更します。"
        )
        st.code(password, language=None)
        st.warning("この画面を閉じると、二度と表示できません。", icon=":material/warning:")
        st.button("控えました", type="primary", key="users.noted", on_click=dialogs.close)

    show()


def reset(user: UserItem) -> None:
    def send(_reason: str, idempotency_key: str) -> None:
        created: OneTimePassword = session.api().post(
            f"/api/core/users/{user['id']}/password", idempotency_key=idempotency_key
        )
        dialogs.open(one_time_password, user["name"], user["login_id"], created["password"])

    confirm.confirm(
        "users.reset_now",
        f"{user['name']}さんに仮パスワードを発行しますか？",
        "いまのパスワードは使えなくなり、ログイン中のブラウザーはすべて終了します。",
        action="発行する",
        do=send,
        success=f"{user['name']}さんの仮パスワードを発行しました。",
    )


def _confirm(user: UserItem, action_path: str, question: str, consequence: str, action: str, done: str) -> None:
    confirm.confirm(
        f"users.{action_path.replace('/', '_')}_now",
        f"{user['name']}さん{question}",
        consequence,
        action=action,
        do=lambda _reason, key: session.api().post(
            f"/api/core/users/{user['id']}/{action_path}", {}, idempotency_key=key
        ),
        success=f"{user['name']}さん{done}",
        danger=action_path != "activate",
    )


def deactivate(user: UserItem) -> None:
    _confirm(
        user,
        "deactivate",
        "を無効にしますか？",
        "すぐにログアウトされ、ログインできなくなります。記録は残り、あとで有効に戻せます。",
        "無効にする",
        "を無効にしました。",
    )


def activate(user: UserItem) -> None:
    _confirm(
        user,
        "activate",
        "を有効にしますか？",
        "これまでのパスワードと役割で、またログインできるようになります。",
        "有効にする",
        "を有効にしました。",
    )


def end_sessions(user: UserItem) -> None:
    _confirm(
        user,
        "sessions/revoke",
        "のログインをすべて終了しますか？",
        "入力の途中だった内容は失われます。本人はすぐにログインし直せます。",
        "終了する",
        "のログインをすべて終了しました。",
    )
