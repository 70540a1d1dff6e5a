"""登録コード: the codes that still enrol an agent; issuing and revoking codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import EnrolmentCodeAnswer, EnrolmentCodeItem, PageEnrolmentCodeItem
from dashboards.fleet import enrolment
from dashboards.fleet.choices import customers
from dashboards.fleet.words import CODES
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, fields, forms, live, tables, times
from dashboards.ui.fields import Choice, Number
from dashboards.ui.live import refreshing

PATH = "/api/fleet/enrolment-codes"
MAX_ROWS = 100
HOURS = {24: "24時間", 72: "3日間", 168: "7日間", 720: "30日間", 2160: "90日間"}
NEW_CODE = (
    Choice("customer_id", "顧客", customers, placeholder="登録済みのすべての端末"),
    Number("maximum_uses", "使える台数", 1, 20_000, default=1),
    Choice("valid_hours", "有効期間", lambda: HOURS, default=72),
)
COLUMNS = (
    columns.text("対象", lambda code: code["customer_name"] or "登録済みのすべての端末", width=220),
    columns.badge("状態", "state", CODES, width=104),
    columns.text("使用", lambda code: f"{code['uses']:,} / {code['maximum_uses']:,}台", width=110),
    columns.stamp("有効期限", "expires_at"),
    columns.ago("発行", "created_at"),
    columns.text("発行者", "created_by", width=120),
)


@refreshing
def headline() -> None:
    reading = live.block("fleet.codes_headline", "登録コード", PATH, headline=True, right=_issue_button, limit=MAX_ROWS)
    if reading is None:
        return
    page: PageEnrolmentCodeItem = reading.data
    valid = [code for code in page["items"] if code["state"] == "valid"]
    if not valid:
        st.markdown("使える登録コードはありません。店舗PCを新しく登録するときに発行してください。")
        return
    remaining = sum(code["maximum_uses"] - code["uses"] for code in valid)
    first_expiry = min(times.parse(code["expires_at"]) for code in valid)
    st.markdown(
        f"使える登録コードは{len(valid):,}件で、あと{remaining:,}台を登録できます。"
        f"最も早い有効期限は{times.full(first_expiry)}です。"
    )


def _issue_button() -> None:
    if has_permission("fleet:enrolment:create"):
        dialogs.button("登録コードを発行する", issue, key="enrolments.issue", icon="key", type="primary")


@refreshing
def draw_list() -> None:
    tables.table(
        "fleet.codes",
        "",
        PATH,
        COLUMNS,
        actions={"失効させる": revoke} if has_permission("fleet:enrolment:revoke") else None,
        row_opens=False,
        empty=tables.Empty("まだ登録コードはありません", "「登録コードを発行する」から発行してください。"),
    )


def issue() -> None:
    """The code is only in this answer, and shown once."""

    @dialogs.dialog("登録コードを発行する", width="medium", icon=":material/key:")
    def show_form() -> None:
        st.markdown(
            "顧客を選ぶと、その顧客の端末を新規も含めて登録できます。選ばない場合は、登録済みの端末だけを登録できます。"
        )
        with forms.form("enrolments.new", submit="発行する") as form:
            typed = fields.draw(NEW_CODE, form, {}, "new")
        if form.submitted:
            form.send(lambda key: _issue_and_show(typed, key), success="登録コードを発行しました。")

    show_form()


def _issue_and_show(body: Mapping[str, Any], idempotency_key: str) -> None:
    created: EnrolmentCodeAnswer = session.api().post(PATH, body, idempotency_key=idempotency_key)
    until = times.stamp(created["expires_at"])
    customer = customers().get(body["customer_id"])
    target = f"{customer}の端末" if customer else "登録済みの端末"
    dialogs.open(
        enrolment.show_code_once,
        "発行した登録コード",
        f"{target}を{created['maximum_uses']:,}台まで、{until}まで登録できます。"
        "店舗PCにエージェントを導入し、次のどちらかのコマンドを実行してください。",
        created["code"],
    )


def revoke(code: EnrolmentCodeItem) -> None:
    target = code["customer_name"] or "登録済みのすべての端末"
    issued_at = times.stamp(code["created_at"])
    confirm.confirm(
        f"enrolments.revoke.{code['id']}",
        f"{issued_at}に発行した登録コード（{target}）を失効させますか？",
        "このコードではすぐに登録できなくなります。登録済みの店舗PCはそのまま使えます。元には戻せません。",
        action="失効させる",
        do=lambda _, _key: session.api().delete(f"{PATH}/{code['id']}"),
        success="登録コードを失効させました。",
    )


headline()
draw_list()
