"""The form to change one's own password: on the account page, and as the only page after login with a one-time
password."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.addresses import LOGOUT
from dashboards.client import ApiProblem
from dashboards.ui import forms, heading, links
from dashboards.ui.text import plain

RULES = "10文字以上で、推測されにくいものにしてください。長い語句（日本語も可）が覚えやすく安全です。"
WIDTH = 480
DIFFERENT = "新しいパスワードと同じものを、もう一度入力してください。"


def change(key: str, *, done: str, old_label: str = "現在のパスワード") -> None:
    """The form. A new password ends the user's other sessions."""
    with forms.form(key, submit="パスワードを変更する", icon=":material/key:", width=WIDTH) as form:
        old = field(form, "current_password", old_label, "current-password")
        new = field(form, "new_password", "新しいパスワード", "new-password")
        repeated = field(form, "again", "新しいパスワード（確認）", "new-password")
    if form.submitted:
        form.send(lambda _key: _send(old, new, repeated), success=done)


def field(form: forms.Form, name: str, label: str, autocomplete: str) -> str:
    typed: str = form.field(name, st.text_input, label, required=True, type="password", autocomplete=autocomplete)
    return typed


def _send(old: str, new: str, repeated: str) -> None:
    if new != repeated:
        raise ApiProblem(422, "", DIFFERENT, [{"field": "again", "message": DIFFERENT}])
    session.api().post("/api/auth/password", {"current_password": old, "new_password": new}, idempotency_key=None)
    if own_token := session.token():
        session.sessions.forget(own_token)  # The cached user has just changed.


def first(user: session.User) -> None:
    """Shown instead of every page until the password is changed."""
    heading.page("新しいパスワードを設定してください")
    st.markdown(
        f"{plain(user.name)}さん、ようこそ。管理者から受け取った仮のパスワードは、発行から72時間だけ使えます。"
        "ご自分だけが知っているパスワードに変更すると、利用を始められます。"
    )
    st.info(RULES, icon=":material/info:")
    change("first_password", done="パスワードを設定しました。", old_label="仮のパスワード")
    links.link("ログアウト", LOGOUT)
