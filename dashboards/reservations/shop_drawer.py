"""The drawer of a partner shop: whether it can be called now, its data, and its history."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import ShopsShopItem
from dashboards.reservations import history, shop_forms, shop_manual, words
from dashboards.reservations.shop_forms import SHOP
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, times
from dashboards.ui.links import mail, telephone
from dashboards.ui.text import plain

KEY = SHOP.key


def drawer(row: ShopsShopItem) -> None:
    SHOP.drawer(row, _show, icon="storefront", width="medium")


def _show(shop: ShopsShopItem) -> None:
    st.markdown(f"{words.SHOP[shop['state']].badge()}　**{plain(state_sentence(shop))}**")
    _buttons(shop)
    _facts(shop)
    shop_manual.show(shop)
    history.show(f"{SHOP.path}/{shop['id']}", key=f"{KEY}.history")


def state_sentence(shop: ShopsShopItem) -> str:
    if shop["archived_at"]:
        return f"{times.stamp(shop['archived_at'])}にアーカイブされました。電話をかけません。"
    if shop["blacklisted_at"]:
        since = times.stamp(shop["blacklisted_at"])
        return f"{since}から利用停止です。電話をかけません。"
    if not shop["services"]:
        return "取り扱うサービスがないため、電話をかけません。"
    now = times.now()
    current_time = now.time().isoformat()
    if now.isoweekday() in shop["closed_weekdays"]:
        return "今日は定休日のため、電話をかけません。"
    if current_time < shop["opens_at"]:
        return f"今日は{words.clock(shop['opens_at'])}から電話をかけられます。"
    if current_time >= shop["closes_at"]:
        return "今日の電話受付は終了しました。"
    return f"今は電話をかけられる時間帯です（{words.clock(shop['closes_at'])}まで）。"


def _buttons(shop: ShopsShopItem) -> None:
    if not has_permission("reservations:shop:update"):
        return
    with st.container(horizontal=True):
        if shop["state"] == "archived":
            dialogs.button("元に戻す", SHOP.restore, shop, key=f"{KEY}.restore", icon="unarchive")
            return
        dialogs.button("編集する", shop_forms.edit, shop, key=f"{KEY}.edit", icon="edit")
        if shop["state"] == "blacklisted":
            dialogs.button("利用停止を解除する", shop_forms.lift, shop, key=f"{KEY}.lift", icon="check_circle")
        else:
            dialogs.button("利用停止にする", shop_forms.blacklist, shop, key=f"{KEY}.blacklist", icon="block")
        dialogs.button("アーカイブする", SHOP.archive, shop, key=f"{KEY}.archive", icon="archive")


def _facts(shop: ShopsShopItem) -> None:
    labels = SHOP.labels
    blacklist_facts = {"利用停止の理由": shop["blacklist_reason"]} if shop["blacklist_reason"] else {}
    details.facts(
        blacklist_facts
        | {
            labels["phone"]: telephone(shop["phone_shown"]),
            "電話受付": words.hours(shop),
            labels["closed_weekdays"]: words.days(shop["closed_weekdays"]),
            labels["contact_name"]: shop["contact_name"],
            labels["mail"]: mail(shop["mail"]),
            "サービスと順番": words.service_positions(shop),
            labels["code"]: shop["code"],
            labels["note"]: shop["note"],
            "登録日時": times.stamp(shop["created_at"]),
        }
    )
