"""フォーム, with a fake service that rejects input like the real one."""

from __future__ import annotations

import re

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.gallery.samples import SERVICE_DOWN, state
from dashboards.ui import forms

TAKEN = "TC200-000001"


def register() -> None:
    note = f"「{TAKEN}」は登録済み、「STOP」は通信の失敗、20文字を超えるか記号を含むと入力の誤りになります。"
    with state("form", "端末の登録", note):
        with forms.form("gallery_form", submit="登録する") as form:
            serial = form.field(
                "serial_number", st.text_input, "シリアル番号", required=True, placeholder="TC200-000123"
            )
            left, right = st.columns(2)
            with left:
                store = form.field(
                    "store_name", st.text_input, "設置店舗名", required=True, placeholder="新宿店 レジ1番"
                )
            with right:
                form.field("installed_date", st.date_input, "設置日", value=None, format="YYYY/MM/DD")
            plans = ["ベーシック", "スタンダード", "プレミアム"]
            form.field(
                "plan", st.selectbox, "契約", options=plans, index=None, required=True, placeholder="選択してください"
            )
            form.field("note", st.text_area, "備考", max_chars=200, height=80)
        if form.submitted:
            form.send(lambda _key: fake_service(serial, store), success=f"端末 {serial} を登録しました。")


def fake_service(serial: str, store: str) -> None:
    errors = []
    if not re.fullmatch(r"[A-Za-z0-9-]{1,20}", serial):
        errors.append(
            {"field": "serial_number", "message": "シリアル番号は20文字以内の英数字とハイフンで入力してください。"}
        )
    if "　" in store:
        errors.append({"field": "store_name", "message": "全角の空白は使えません。半角の空白を使ってください。"})
    if errors:
        raise ApiProblem(422, "入力内容を確認してください", "次の項目を直してください。", errors)
    if serial == "STOP":
        raise SERVICE_DOWN
    if serial == TAKEN:
        message = "このシリアル番号は登録済みです。番号を確認してください。"
        raise ApiProblem(409, "", message, [{"field": "serial_number", "message": message}])
