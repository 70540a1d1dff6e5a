"""Dialogs of a device: register, edit, aliases, transfer, archive."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.loaners import choices
from dashboards.loaners.words import KIND
from dashboards.ui import confirm, dialogs, editing, feedback, forms
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small

PATH = "/api/loaners/devices"
LABELS = {"asset_number": "資産管理番号", "software": "ソフトウェア", "os": "OS", "extra": "追加の項目"}
NEW = "loaners.device.new"


def find_device(number: str) -> Row | None:
    """The device of this number as the masters have it; None when there is none."""
    for archived in (False, True):
        rows = session.api().get(PATH, q=number, archived=archived, limit=100)["items"]
        if matches := [row for row in rows if row["number"] == number]:
            return dict(matches[0])
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
            values = _fields(form, {"kind": kind})
        if form.submitted and identity:
            _register(form, identity | values)
        elif form.submitted:
            st.error("まだ登録されていません。拠点・機種・製造番号を入力してください。", icon=":material/error:")

    ask()


def _round() -> int:
    """Changes after each registered device, so that the fields are empty again."""
    number: int = st.session_state.get(f"form.{NEW}", {}).get("round", 0)
    return number


def _identity_fields(sites: Mapping[int, str], models: Mapping[int, Mapping[str, Any]]) -> dict[str, Any] | None:
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
        preview = session.api().get(f"{PATH}/number", **identity)
    except ApiProblem as problem:
        feedback.action_failed(problem)
        return "terminal"
    st.markdown(f"拠点管理番号: **{plain(preview['number'])}**（{KIND[preview['kind']]}マスタ）")
    if preview["others"]:
        st.warning(
            f"同じ機種・製造番号の機器がすでに{len(preview['others']):,}台あります（{plain(preview['others'][-1])}）。"
            "同じ機器を二重に登録しようとしていないか、確認してください。"
        )
    kind: str = preview["kind"]
    return kind


def _register(form: forms.Form, body: Mapping[str, Any]) -> None:
    form.send(
        lambda idempotency_key: session.api().post(PATH, dict(body), once=idempotency_key),
        done="機器を登録しました。「ラベル印刷」でQRコードのラベルを印刷できます。",
    )


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a device of the kind in `initial`, with its values."""
    is_terminal = initial["kind"] == "terminal"
    values: dict[str, Any] = {}
    if is_terminal or initial.get("asset_number"):
        values["asset_number"] = form.field(
            "asset_number",
            st.text_input,
            LABELS["asset_number"],
            required=is_terminal,
            max_chars=50,
            value=initial.get("asset_number", ""),
            placeholder="ASSET_001",
        ).strip()
    if is_terminal:
        for name, example in (("software", "Office 2021"), ("os", "Windows 11")):
            values[name] = form.field(
                name, st.text_input, LABELS[name], value=initial.get(name, ""), max_chars=100, placeholder=example
            ).strip()
    extra: dict[str, str] = dict(initial.get("extra") or {})
    for column in choices.extra_columns(initial["kind"]):
        extra[str(column["id"])] = _extra_field(form, column, extra.get(str(column["id"]), ""))
    values["extra"] = {key: value for key, value in extra.items() if value}
    return values


def _extra_field(form: forms.Form, column: Mapping[str, Any], value: str) -> str:
    name, title, required = f"extra.{column['id']}", column["title"], column["required"]
    if column["value_type"] == "choice":
        index = column["choices"].index(value) if value in column["choices"] else None
        return form.field(name, st.selectbox, title, required=required, options=column["choices"], index=index) or ""
    if column["value_type"] == "date":
        chosen = form.field(
            name,
            st.date_input,
            title,
            required=required,
            value=date.fromisoformat(value) if value else None,
            format="YYYY/MM/DD",
        )
        return chosen.isoformat() if chosen else ""
    text: str = form.field(name, st.text_input, title, required=required, value=value, max_chars=200)
    return text.strip()


def _display_values(device: Mapping[str, Any]) -> dict[str, Any]:
    titles = {str(column["id"]): column["title"] for column in choices.extra_columns(device["kind"])}
    return {"extra": "、".join(f"{titles.get(key, key)}: {value}" for key, value in device["extra"].items())}


RECORD = editing.Record(
    key="loaners.device",
    path=PATH,
    labels=LABELS,
    name=lambda device: f"機器「{device['number']}」",
    fields=_fields,
    in_words=_display_values,
)


def edit(device: Row) -> None:
    """`device`: a row of GET /api/loaners/devices, as in every function here."""
    RECORD.edit({name: device[name] for name in ("id", "version", "number", "kind", *LABELS)})


def _reason_dialog(device: Row, key: str, title: str, consequence: str, submit: str, done: str) -> None:
    @dialogs.dialog(title, icon=":material/help:")
    def ask() -> None:
        st.markdown(f"**{plain(device['number'])}**")
        st.markdown(consequence)
        with forms.form(f"loaners.device.{key}.{device['id']}", submit=submit) as form:
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=200)
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(
                    f"{PATH}/{device['id']}/{key}", {"reason": reason.strip()}, once=idempotency_key
                ),
                done=done,
            )

    ask()


def archive(device: Row) -> None:
    _reason_dialog(
        device,
        "archive",
        "機器を無効にしますか？",
        "一覧とサマリーに表示されなくなります。履歴は残り、あとで元に戻せます。",
        "無効にする",
        f"{device['number']}を無効にしました。",
    )


def restore(device: Row) -> None:
    _reason_dialog(
        device,
        "restore",
        "機器を元に戻しますか？",
        "一覧とサマリーに、もう一度表示されます。",
        "元に戻す",
        f"{device['number']}を元に戻しました。",
    )


def transfer(device: Row) -> None:
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
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=200)
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(
                    f"{PATH}/{device['id']}/transfer", {"site_id": site, "reason": reason.strip()}, once=idempotency_key
                ),
                done=f"{device['number']}を{sites.get(site, '')}へ移管しました。",
            )

    ask()


def aliases(device: Row) -> None:
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
                    f"{PATH}/{device['id']}/aliases", {"alias": alias_text.strip()}, once=idempotency_key
                ),
                done="別名を追加しました。",
            )

    show()


def _remove_alias(device: Row, alias: str) -> None:
    confirm.confirm(
        f"loaners.alias.{uuid.uuid5(uuid.NAMESPACE_OID, alias)}",
        f"別名「{alias}」を削除しますか？",
        f"この番号では、{device['number']}を探せなくなります。",
        action="削除する",
        do=lambda _, _idempotency_key: session.api().delete(
            f"{PATH}/{device['id']}/aliases?{urlencode({'alias': alias})}"
        ),
        done="別名を削除しました。",
    )
