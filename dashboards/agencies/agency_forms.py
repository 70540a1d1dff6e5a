"""Forms and dialogs of an agency: register, edit, deactivate, activate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.ui import confirm, dialogs, editing, flash, forms
from dashboards.ui.columns import Row

PATH = "/api/agencies/agencies"
LABELS = {
    "name": "代理店名",
    "code": "代理店コード",
    "contact_name": "担当者名",
    "phone": "電話番号",
    "mail_address": "メールアドレス",
    "referral_shop_code": "紹介店コード",
    "referral_shop_name": "紹介店名",
}
REQUIRED = ("name", "code")
_LENGTHS = {"code": 30, "phone": 20, "mail_address": 254, "referral_shop_code": 30}
_HINTS = {
    "name": "株式会社AAA代理店",
    "code": "AAA",
    "contact_name": "佐藤 一郎",
    "phone": "03-1234-5678",
    "mail_address": "sato@example.co.jp",
    "referral_shop_code": "SHP0001",
    "referral_shop_name": "AAA紹介店",
}
_HELP = {
    "code": "代理店ごとに異なるコードです。半角の英数字・ハイフン・下線で、30文字以内。",
    "referral_shop_code": "キャリア管理画面（1page）に入力する紹介店コードです。",
    "referral_shop_name": "キャリア管理画面（1page）に入力する紹介店名です。",
}


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    """Required fields are marked 必須, the others 任意."""
    values: dict[str, Any] = {}
    for name, label in LABELS.items():
        is_required = name in REQUIRED
        text = form.field(
            name,
            st.text_input,
            label if is_required else f"{label}（任意）",
            required=is_required,
            value=initial.get(name, ""),
            max_chars=_LENGTHS.get(name, 100),
            placeholder=_HINTS[name],
            help=_HELP.get(name),
        )
        values[name] = text.strip()
    return values


def new() -> None:
    @dialogs.dialog("代理店を登録する", width="medium", icon=":material/add_business:")
    def ask() -> None:
        with forms.form("agencies.agency.new", submit="登録する") as form:
            values = _fields(form, {})
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, values, once=idempotency_key),
                done=f"代理店「{values['name']}」を登録しました。営業担当者は「ユーザー管理」で登録してください。",
            )

    ask()


RECORD = editing.Record(
    key="agencies.agency",
    path=PATH,
    labels=LABELS,
    name=lambda agency: f"代理店「{agency['name']}」",
    fields=_fields,
    in_words=lambda _: {},
)


def edit(agency: Row) -> None:
    """An inactive agency is activated first."""
    if agency["is_active"]:
        RECORD.edit({name: agency[name] for name in ("id", "version", *LABELS)})
    else:
        activate(agency)


def switch(agency: Row) -> None:
    (deactivate if agency["is_active"] else activate)(agency)


def deactivate(agency: Row) -> None:
    name, sales_count = f"代理店「{agency['name']}」", agency["sales_count"]

    def send(reason: str, idempotency_key: str) -> None:
        session_count = session.api().post(
            f"{PATH}/{agency['id']}/deactivate", {"reason": reason}, once=idempotency_key
        )["sessions_ended"]
        logout_note = f"ログイン中だった{session_count:,}件を終了しました。" if session_count else ""
        flash.add(f"{name}を無効にしました。{logout_note}")

    subject = (
        f"所属する営業担当者{sales_count:,}人は、すぐにログアウトされ、" if sales_count else "所属する営業担当者は、"
    )
    confirm.confirm(
        f"agencies.agency.deactivate.{agency['id']}",
        f"{name}を無効にしますか？",
        f"{subject}ログインできなくなります。この代理店に新しい営業担当者を登録することもできません。"
        "提出済みの投入依頼と獲得案件はそのまま残り、投入担当者は作業を続けられます。あとで有効に戻せます。",
        action="無効にする",
        do=send,
        done="",
        reason="optional",
    )


def activate(agency: Row) -> None:
    name, sales_count = f"代理店「{agency['name']}」", agency["sales_count"]
    subject = f"所属する営業担当者{sales_count:,}人が、" if sales_count else "所属する営業担当者が、"
    confirm.confirm(
        f"agencies.agency.activate.{agency['id']}",
        f"{name}は無効です。有効に戻しますか？",
        f"{subject}これまでのパスワードでまたログインできるようになります。",
        action="有効に戻す",
        do=lambda _, idempotency_key: session.api().post(f"{PATH}/{agency['id']}/activate", once=idempotency_key),
        done=f"{name}を有効に戻しました。",
        danger=False,
    )
