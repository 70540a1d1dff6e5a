"""法人詳細: what is known of this corporation, how does it pay, and what was asked for it?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import card_dialogs, corporation_edit, corporation_form, words
from dashboards.agencies.corporation_words import BY_CARD, PATH, facts, link_to
from dashboards.client import ApiProblem
from dashboards.session import may
from dashboards.ui import columns, details, dialogs, feedback, heading, live, tables, times
from dashboards.ui.links import asked_id, link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

KEY = "agencies.corporation"
Row = Mapping[str, Any]
SAME = {"corporation_number": "法人番号", "name": "法人名", "kana": "カナ", "phone": "電話番号"}


@refreshing
def shown(corporation_id: int) -> bool:
    """Whether there is one."""
    reading = live.block(f"{KEY}.{corporation_id}", "法人詳細", f"{PATH}/{corporation_id}", headline=True)
    if reading is None:
        return False
    one = reading.data
    st.markdown(sentence(one))
    _actions(one)
    try:
        known = facts(one, corporation_form.masters())
    except ApiProblem as problem:
        feedback.failed(problem, key=f"{KEY}.masters")
        return True
    left, right = st.columns(2, gap="large")
    for place, (section, lines) in enumerate(known.items()):
        with left if place < len(known) / 2 else right:
            details.section(section, lines)
    with right:
        if one["payment_type"] == BY_CARD or one["card"]:
            card_dialogs.block(one)
        st.markdown("**登録**")
        details.facts(
            {
                "法人ID": str(one["id"]),
                **({"代理店": one["agency_name"]} if may("agencies:case:read") else {}),
                "作成日時": times.full(times.parse(one["created_at"])),
                "更新日時": times.full(times.parse(one["updated_at"])),
            }
        )
    return True


def sentence(one: Row) -> str:
    said = f"**{plain(one['name'])}** の投入依頼は{one['requests']:,}件、地点は{one['sites']:,}地点です。"
    if one["open_requests"]:
        said += f"対応中または不備の依頼が**{one['open_requests']:,}件**あります。"
    if one["needs_card"]:
        gone = "削除されています" if one["card"] else "登録されていません"
        said += f":red[カード番号が{gone}。次の依頼の前に、カード情報を登録してください。]"
    return said


def _actions(one: Row) -> None:
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        if may("agencies:corporation:update"):
            st.button(
                "編集する", key=f"{KEY}.edit", icon=":material/edit:", type="primary",
                on_click=corporation_edit.begin, args=(one,),
            )  # fmt: skip
        if may("agencies:request:create"):
            link("この法人に地点を追加する", f"/add-site?corporation_id={one['id']}")


@refreshing
def requests(corporation_id: int) -> None:
    page = "/request" if may("agencies:request:read") else "/case"
    tables.table(
        f"{KEY}.requests.{corporation_id}",
        "投入依頼",
        f"{PATH}/{corporation_id}/requests",
        (
            columns.badge("ステータス", words.status_of, words.SHOWN, width=110),
            columns.text("依頼ID", lambda row: str(row["id"]), width=80, alignment="right"),
            columns.text("地点数", words.entered_of, width=76, alignment="right"),
            columns.text("店舗名", lambda row: "、".join(row["site_names"]), width=300),
            columns.text("営業担当者", "requested_by_name", width=140),
            columns.stamp("投入依頼日", "created_at"),
        ),
        actions={"開く": partial(_open, page)},
        empty=tables.Empty("この法人の投入依頼はまだありません", "「この法人に地点を追加する」から依頼できます。"),
    )


def _open(page: str, row: Row) -> None:
    @dialogs.dialog(f"依頼 {row['id']}", position="right", width="small", icon=":material/assignment:")
    def show() -> None:
        link("依頼を開く", f"{page}?id={row['id']}", primary=True)
        details.facts(
            {
                "ステータス": words.SHOWN[words.status_of(row)].word,
                "地点数": f"投入済 {words.entered_of(row)}",
                "店舗名": "、".join(row["site_names"]),
                "営業担当者": row["requested_by_name"],
                "投入依頼日": times.full(times.parse(row["created_at"])),
            }
        )

    show()


def duplicates(corporation_id: int) -> None:
    """Whoever sees all agencies is told of the same corporation at another one."""
    if not may("agencies:case:read"):
        return
    one = live.shown(f"{KEY}.{corporation_id}")
    if one is None:
        return
    try:
        sought = {"corporation_number": one["corporation_number"], "name": one["name"], "except_id": one["id"]}
        found = session.api().post(f"{PATH}/duplicates", sought | {"phone": one["phone1"]}, once=None)["items"]
    except ApiProblem:
        return  # the block above says what is wrong
    if found:
        with st.expander(f"同じ可能性のある法人（{len(found):,}件）", icon=":material/content_copy:"):
            for other in found:
                same = "・".join(SAME[name] for name in other["same"])
                link(f"{other['name']}（{other['agency_name']}）: {same}が同じ", link_to(other["id"]))


def page() -> None:
    corporation_id = asked_id()
    if corporation_id is None:
        heading.page("法人詳細")
        feedback.empty(
            "法人が選ばれていません",
            "法人検索から選んでください。",
            action=lambda: link("法人検索を開く", "/corporations"),
        )
        return
    if corporation_edit.is_open(corporation_id):
        corporation_edit.page(corporation_id)
        return
    if shown(corporation_id):
        requests(corporation_id)
        duplicates(corporation_id)


page()
