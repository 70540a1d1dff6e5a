"""マニュアルの送付: whether a shop has received its guides, and the button that sends them again."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import Manual, ShopsShopItem
from dashboards.reservations.shop_forms import SHOP
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, feedback, times
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

KEY = "reservations.shop.manual"
STATE = {
    "none": Status("未送付", "gray", "block"),
    "due": Status("まもなく送付", "blue", "schedule_send"),
    "waiting": Status("送信待ち", "blue", "schedule_send"),
    "sent": Status("送付済み", "green", "mark_email_read"),
    "failed": Status("送信失敗", "red", "error"),
}


def show(shop: ShopsShopItem) -> None:
    st.markdown(small("提携店向けマニュアルの送付"))
    try:
        manual: Manual = session.api().get(f"{SHOP.path}/{shop['id']}/manual")
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    st.markdown(f"{STATE[manual['state']].badge()}　{plain(sentence(shop, manual))}")
    if manual["error"]:
        st.error(plain(manual["error"]), icon=":material/error:")
    if manual["sent_at"] and shop["mail"] and shop["state"] == "active" and has_permission("reservations:shop:update"):
        dialogs.button("マニュアルを再送する", send_again, shop, manual, key=f"{KEY}.again", icon="forward_to_inbox")


def sentence(shop: ShopsShopItem, manual: Manual) -> str:
    if manual["state"] == "none":
        if not shop["mail"]:
            return "メールアドレスがないため、送っていません。登録すると、自動で送ります。"
        return "電話をかけない店舗のため、送っていません。"
    if manual["state"] == "due":
        return f"1分ほどで{shop['mail']}に送ります。"
    sent_at = times.stamp(manual["sent_at"])
    recipient = f" {manual['sent_to']} 宛" if manual["sent_to"] else ""
    return f"{sent_at}{recipient}"


def send_again(shop: ShopsShopItem, manual: Manual) -> None:
    confirm.confirm(
        f"{KEY}.{shop['id']}.{shop['version']}",
        f"提携店「{shop['name']}」にマニュアルを再送しますか？",
        f"{shop['mail']} 宛に、{'、'.join(manual['titles'])}（PDF）を最新の内容でメールします。",
        action="再送する",
        do=lambda _, idempotency_key: session.api().post(
            f"{SHOP.path}/{shop['id']}/manual", {"version": shop["version"]}, idempotency_key=idempotency_key
        ),
        success=f"{shop['name']}にマニュアルを再送します。1分ほどで送信します。",
        danger=False,
    )
