"""The drawer of a child next to the list: who may pick it up, and the actions on the record."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.entries import ChildItem
from dashboards.entries import choices
from dashboards.entries.records import CHILD
from dashboards.session import has_permission
from dashboards.ui import details, times
from dashboards.ui.links import link
from dashboards.ui.text import plain, small


def parents_label(child: ChildItem) -> str:
    """山田花子（母）、…"""
    names = [
        f"{parent['name']}（{parent['relation']}）" if parent["relation"] else parent["name"]
        for parent in child["parents"]
    ]
    return "、".join(names)


def drawer(row: ChildItem) -> None:
    CHILD.drawer(row, _show, icon="child_care")


def _show(child: ChildItem) -> None:
    st.markdown(f"**{_state(child)}**")
    with st.container(horizontal=True):
        query = f"?{urlencode({choices.NURSERY: child['nursery_name']})}" if choices.has_several_nurseries() else ""
        link("出欠表管理を開く", f"/attendance{query}", primary=True)
        if has_permission("entries:child:update"):
            CHILD.buttons(child)
    labels = CHILD.labels
    details.facts(
        {labels["kana"]: child["kana"], labels["class_name"]: child["class_name"], "保育園": child["nursery_name"]}
    )
    st.markdown(small("保護者"))
    if not child["parents"]:
        st.markdown("保護者が登録されていません。「保護者」のページで、この園児を保護者に結び付けてください。")
    for parent in child["parents"]:
        relation = f"　{small(plain(parent['relation']))}" if parent["relation"] else ""
        number = small(f"保護者ID {parent['id']}")
        st.markdown(f"**{plain(parent['name'])}**{relation}　{number}")


def _state(child: ChildItem) -> str:
    if child["archived_at"]:
        return f"{times.stamp(child['archived_at'])}にアーカイブされました。"
    if not child["parents"]:
        return "送り迎えをする保護者が、まだ登録されていません。"
    return f"送り迎えをする保護者は{len(child['parents']):,}人です。"
