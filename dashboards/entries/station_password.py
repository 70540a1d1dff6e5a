"""The password of a nursery's stations: set, change, switch off."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.entries import LoggedOut, NurseryItem
from dashboards.entries.records import NURSERY
from dashboards.ui import confirm, dialogs, flash, forms
from dashboards.ui.text import plain

MIN_PASSWORD_LENGTH = 8


def _save(nursery: NurseryItem, password: str | None, done: str) -> None:
    path = f"{NURSERY.path}/{nursery['id']}/station-password"
    logged_out: LoggedOut = session.api().put(path, {"password": password})
    count = logged_out["stations"]
    flash.add(done + (f"端末{count:,}台がログアウトされました。" if count else ""))


def set_password(nursery: NurseryItem) -> None:
    station_count = nursery["stations"]

    @dialogs.dialog("入退登録のパスワード", width="small", icon=":material/key:")
    def ask() -> None:
        st.markdown(
            f"{plain(nursery['name'])}の入退登録画面にログインするためのパスワードです。{MIN_PASSWORD_LENGTH}文字以上で決めてください。"
        )
        if station_count:
            st.warning(
                f"ログイン中の端末{station_count:,}台がログアウトされ、新しいパスワードでのログインが必要になります。"
                "端末に残っている未送信の記録は消えません。"
            )
        with forms.form(f"nursery.password.{nursery['id']}", submit="設定する") as form:
            password = form.field(
                "password",
                st.text_input,
                "新しいパスワード",
                required=True,
                type="password",
                max_chars=100,
                autocomplete="new-password",
                help="目のアイコンを押すと、入力した文字を確認できます。",
            )
        if form.submitted:
            form.send(lambda _: _save(nursery, password, "入退登録のパスワードを設定しました。"), success="")

    ask()


def clear_password(nursery: NurseryItem) -> None:
    station_count = nursery["stations"]
    logout_note = f"ログイン中の端末{station_count:,}台がログアウトされ、" if station_count else ""
    confirm.confirm(
        f"nursery.off.{nursery['id']}",
        f"{nursery['name']}の入退登録を無効にしますか？",
        f"{logout_note}パスワードを設定し直すまで、入退登録画面にログインできなくなります。入退ログはそのまま残ります。",
        action="無効にする",
        do=lambda _, _idempotency_key: _save(nursery, None, f"{nursery['name']}の入退登録を無効にしました。"),
        success="",
    )
