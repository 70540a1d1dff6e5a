"""The drawer of a parent next to the list: children, the card, and the actions on the record."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.entries import ParentItem
from dashboards.entries import card_dialogs
from dashboards.entries.records import PARENT
from dashboards.session import has_permission
from dashboards.ui import details, times
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.text import plain, small


def drawer(row: ParentItem) -> None:
    PARENT.drawer(row, _show, icon="person", width="medium")


def _show(parent: ParentItem) -> None:
    st.markdown(f"**{_state(parent)}**")
    with st.container(horizontal=True):
        query = urlencode({"parent_name": parent["name"]})
        link("入退管理ログを開く", f"/entry-exit-logs?{query}", primary=True)
        if has_permission("entries:parent:update"):
            PARENT.buttons(parent)
    labels = PARENT.labels
    details.facts(
        {"保護者ID": parent["id"]}
        | {
            labels["kana"]: parent["kana"],
            labels["phone_number"]: telephone(parent["phone_number"]),
            labels["mail"]: mail(parent["mail"]),
            "保育園": parent["nursery_name"],
        }
    )
    if not parent["archived_at"]:
        card_dialogs.card_section(parent, drawer)
    _children(parent)


def _state(parent: ParentItem) -> str:
    if parent["archived_at"]:
        return f"{times.stamp(parent['archived_at'])}にアーカイブされました。"
    if not parent["last_scanned_at"]:
        return "まだ一度も入退登録をしていません。"
    last = times.parse(parent["last_scanned_at"])
    return f"最後の入退登録は{times.full(last)}（{times.ago(last)}）です。"


def _children(parent: ParentItem) -> None:
    st.markdown(small("園児"))
    if not parent["children"]:
        st.markdown("園児が登録されていません。「編集する」から選んでください。")
        return
    with st.container(border=True, gap="small", key="parent.children"):
        for child in parent["children"]:
            relation = f"　{small(plain(child['relation']))}" if child["relation"] else ""
            st.markdown(f"**{plain(child['name'])}**{relation}")
