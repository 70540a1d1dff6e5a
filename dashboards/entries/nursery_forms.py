"""Forms and dialogs of a nursery: register, edit, archive, and its stations' password."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.ui import confirm, dialogs, editing, flash, forms
from dashboards.ui.columns import Row
from dashboards.ui.text import plain

PATH = "/api/entries/nurseries"
LABELS = {
    "name": "保育園名",
    "code": "保育園コード",
    "opens_at": "開園時刻",
    "closes_at": "閉園時刻",
    "offline_cap": "オフラインで保存できる件数",
}
DEFAULTS = {"opens_at": "07:00:00", "closes_at": "18:00:00", "offline_cap": 100}
MIN_PASSWORD_LENGTH = 8


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": form.field(
            "name", st.text_input, LABELS["name"], required=True, value=initial.get("name", ""), max_chars=100,
            placeholder="さくら保育園",
        ).strip(),
        "code": form.field(
            "code", st.text_input, LABELS["code"], required=True, value=initial.get("code", ""), max_chars=50,
            placeholder="ABC123",
            help="入退登録画面のログインに使います。半角の英数字・ハイフン・下線で、4文字以上。",
        ).strip(),
    }  # fmt: skip
    for name in ("opens_at", "closes_at"):
        chosen = form.field(
            name, st.time_input, LABELS[name], value=time.fromisoformat(initial.get(name, DEFAULTS[name])), step=900
        )
        values[name] = chosen.isoformat()
    values["offline_cap"] = form.field(
        "offline_cap", st.number_input, LABELS["offline_cap"],
        value=initial.get("offline_cap", DEFAULTS["offline_cap"]), min_value=1, max_value=5000, step=10,
        help="通信できないあいだに、端末1台が保存しておける入退の記録の数です。超えるときは、紙の入退台帳に記入します。",
    )  # fmt: skip
    return values


def new() -> None:
    @dialogs.dialog("保育園を登録する", width="medium", icon=":material/add_home:")
    def ask() -> None:
        with forms.form("nursery.new", submit="登録する") as form:
            values = _fields(form, {})
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, values, once=idempotency_key),
                done=f"{values['name']}を登録しました。「園情報」で入退登録のパスワードを設定してください。",
            )

    ask()


RECORD = editing.Record(
    key="nursery",
    path=PATH,
    labels=LABELS,
    name=lambda nursery: f"保育園「{nursery['name']}」",
    fields=_fields,
    in_words=lambda nursery: {name: nursery[name][:5] for name in ("opens_at", "closes_at")},
)


def edit(nursery: Row) -> None:
    RECORD.edit({name: nursery[name] for name in ("id", "version", *LABELS)})


def archive(nursery: Row) -> None:
    RECORD.archive(
        nursery,
        f"入退登録端末{nursery['stations']:,}台がログアウトされ、新しい記録ができなくなります。"
        "この園だけを担当する園管理者と園職員は、すぐにログアウトされ、ログインできなくなります。"
        "保護者・園児・入退ログは残り、あとで元に戻せます。",
    )


def restore(nursery: Row) -> None:
    RECORD.restore(
        nursery,
        "入退登録をもう一度利用できるようになります。端末はログインし直してください。"
        "園管理者と園職員も、これまでのパスワードでまたログインできるようになります。",
    )


def _logged_out_message(stations: int) -> str:
    return f"端末{stations:,}台がログアウトされました。" if stations else ""


def set_password(nursery: Row) -> None:
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

            def send(_: str) -> None:
                result = session.api().put(f"{PATH}/{nursery['id']}/station-password", {"password": password})
                flash.add(f"入退登録のパスワードを設定しました。{_logged_out_message(result['stations'])}")

            form.send(send, done="")

    ask()


def clear_password(nursery: Row) -> None:
    station_count = nursery["stations"]
    logout_note = f"ログイン中の端末{station_count:,}台がログアウトされ、" if station_count else ""

    def clear(_: str, _idempotency_key: str) -> None:
        result = session.api().put(f"{PATH}/{nursery['id']}/station-password", {"password": None})
        flash.add(f"{nursery['name']}の入退登録を無効にしました。{_logged_out_message(result['stations'])}")

    confirm.confirm(
        f"nursery.off.{nursery['id']}",
        f"{nursery['name']}の入退登録を無効にしますか？",
        f"{logout_note}パスワードを設定し直すまで、入退登録画面にログインできなくなります。入退ログはそのまま残ります。",
        action="無効にする",
        do=clear,
        done="",
    )
