"""Dialogs of a device: register, edit, aliases, transfer, archive."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.loaners import FIELDS, KIND, DeviceItem, ModelItem, Preview
from dashboards.loaners import choices, records
from dashboards.ui import confirm, dialogs, feedback, fields, forms
from dashboards.ui.text import plain, small

PATH = records.DEVICE.path
NEW = "loaners.device.new"


def find_device(number: str) -> DeviceItem | None:
    """The device of this number as the masters have it; None when there is none."""
    for archived in (False, True):
        rows: list[DeviceItem] = session.api().get(PATH, q=number, archived=archived, limit=100)["items"]
        if matches := [row for row in rows if row["number"] == number]:
            return matches[0]
    return None


def new() -> None:
    @dialogs.dialog("機器を登録する", width="large", icon=":material/add:")
    def ask() -> None:
        sites, models = choices.sites(), choices.models()
        if not sites or not models:
            st.markdown("先に「マスタ管理」で、拠点と機種を登録してください。")
            return
        identity = _identity_fields(sites, models)
        kind = _preview(identity)
        with forms.form(NEW, submit="登録する") as form:
            values = fields.draw(records.DEVICE.fields, form, {"kind": kind}, "new")
        if form.submitted and identity:
            _register(form, identity | values)
        elif form.submitted:
            st.error("まだ登録されていません。拠点・機種・製造番号を入力してください。", icon=":material/error:")

    ask()


def _round() -> int:
    """Changes after each registered device, so that the fields are empty again."""
    number: int = st.session_state.get(f"form.{NEW}", {}).get("round", 0)
    return number


def _identity_fields(sites: Mapping[int, str], models: Mapping[int, ModelItem]) -> dict[str, Any] | None:
    """What the number consists of; None while something is missing. Outside of the form, so that the number is shown
    at once."""
    left, right = st.columns(2)
    # No site is preselected: the number begins with the site and never changes.
    site = left.selectbox(
        "拠点 :red-badge[必須]",
        [*sites],
        index=None,
        placeholder="選んでください",
        format_func=lambda key: sites[key],
        key=f"{NEW}.site",
    )
    model = right.selectbox(
        "機種 :red-badge[必須]",
        [*models],
        index=None,
        placeholder="機種名で探す",
        format_func=lambda key: f"{models[key]['name']}（{models[key]['maker']}）",
        key=f"{NEW}.model",
    )
    categories = choices.categories()
    default = models[model]["category"] if model else None
    category = left.selectbox(
        "カテゴリ",
        [*categories],
        index=[*categories].index(default) if default in categories else None,
        placeholder="機種を選ぶと決まります",
        format_func=lambda key: f"{categories[key]}（{key}）",
        key=f"{NEW}.category.{model}",
        help="機種のカテゴリと違う使い方をする機器だけ、変更してください（例: サーバーとして使うパソコン）。",
    )
    serial = right.text_input(
        "製造番号 :red-badge[必須]",
        max_chars=20,
        key=f"{NEW}.serial.{_round()}",
        placeholder="ABC12345",
        help="半角の英数字とハイフンで、20文字以内。",
    ).strip()
    if not (site and model and category and serial):
        return None
    return {"site_id": site, "model_id": model, "category": category, "serial": serial}


def _preview(identity: Mapping[str, Any] | None) -> str:
    """Shows the number that the device will get. Returns the kind of device, as far as it is known."""
    if identity is None:
        st.markdown(small("拠点・機種・製造番号を入力すると、拠点管理番号が決まります。"))
        return "terminal"
    try:
        preview: Preview = session.api().get(f"{PATH}/number", **identity)
    except ApiProblem as problem:
        feedback.action_failed(problem)
        return "terminal"
    st.markdown(f"拠点管理番号: **{plain(preview['number'])}**（{KIND[preview['kind']]}マスタ）")
    if preview["others"]:
        st.warning(
            f"同じ機種・製造番号の機器がすでに{len(preview['others']):,}台あります（{plain(preview['others'][-1])}）。"
            "同じ機器を二重に登録しようとしていないか、確認してください。"
        )
    return preview["kind"]


def _register(form: forms.Form, body: Mapping[str, Any]) -> None:
    form.send(
        lambda idempotency_key: session.api().post(PATH, dict(body), idempotency_key=idempotency_key),
        success="機器を登録しました。「ラベル印刷」でQRコードのラベルを印刷できます。",
    )


def _reason_dialog(device: DeviceItem, key: str, title: str, consequence: str, submit: str, done: str) -> None:
    @dialogs.dialog(title, icon=":material/help:")
    def ask() -> None:
        st.markdown(f"**{plain(device['number'])}**")
        st.markdown(consequence)
        with forms.form(f"loaners.device.{key}.{device['id']}", submit=submit) as form:
            reason = form.field("reason", st.text_input, FIELDS["reason"], required=True, max_chars=200)
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(
                    f"{PATH}/{device['id']}/{key}", {"reason": reason.strip()}, idempotency_key=idempotency_key
                ),
                success=done,
            )

    ask()


def archive(device: DeviceItem) -> None:
    _reason_dialog(
        device,
        "archive",
        "機器を無効にしますか？",
        "一覧とサマリーに表示されなくなります。履歴は残り、あとで元に戻せます。",
        "無効にする",
        f"{device['number']}を無効にしました。",
    )


def restore(device: DeviceItem) -> None:
    _reason_dialog(
        device,
        "restore",
        "機器を元に戻しますか？",
        "一覧とサマリーに、もう一度表示されます。",
        "元に戻す",
        f"{device['number']}を元に戻しました。",
    )


def transfer(device: DeviceItem) -> None:
    """移管."""

    @dialogs.dialog("別の拠点へ移管する", icon=":material/move_location:")
    def ask() -> None:
        st.markdown(f"**{plain(device['number'])}** は現在「{plain(device['site_name'])}」にあります。")
        st.markdown(small("拠点管理番号とラベルは変わりません。一覧には「移管」と表示されます。"))
        sites = {key: name for key, name in choices.sites().items() if key != device["site_id"]}
        with forms.form(f"loaners.device.transfer.{device['id']}", submit="移管する") as form:
            site = form.field(
                "site_id",
                st.selectbox,
                "移管先の拠点",
                required=True,
                options=[*sites],
                index=None,
                format_func=lambda key: sites[key],
            )
            reason = form.field("reason", st.text_input, FIELDS["reason"], required=True, max_chars=200)
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(
                    f"{PATH}/{device['id']}/transfer",
                    {"site_id": site, "reason": reason.strip()},
                    idempotency_key=idempotency_key,
                ),
                success=f"{device['number']}を{sites.get(site, '')}へ移管しました。",
            )

    ask()


def aliases(device: DeviceItem) -> None:
    """Other numbers that the device is known by."""

    @dialogs.dialog("別名", icon=":material/sell:")
    def show() -> None:
        st.markdown(f"**{plain(device['number'])}**")
        st.markdown(small("以前のラベルの番号など、この機器を探すときに使える別の番号です。"))
        for alias in device["aliases"]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(plain(alias))
                dialogs.button("削除する", _remove_alias, device, alias, key=f"loaners.alias.{alias}", icon="delete")
        with forms.form(f"loaners.device.alias.{device['id']}", submit="追加する") as form:
            alias_text = form.field("alias", st.text_input, "追加する番号", required=True, max_chars=100)
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(
                    f"{PATH}/{device['id']}/aliases", {"alias": alias_text.strip()}, idempotency_key=idempotency_key
                ),
                success="別名を追加しました。",
            )

    show()


def _remove_alias(device: DeviceItem, alias: str) -> None:
    confirm.confirm(
        f"loaners.alias.{uuid.uuid5(uuid.NAMESPACE_OID, alias)}",
        f"別名「{alias}」を削除しますか？",
        f"この番号では、{device['number']}を探せなくなります。",
        action="削除する",
        do=lambda _, _idempotency_key: session.api().delete(
            f"{PATH}/{device['id']}/aliases?{urlencode({'alias': alias})}"
        ),
        success="別名を削除しました。",
    )
