"""法人詳細: the data of a corporation, how it pays, and its requests."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboards import session
from dashboards.agencies import card_dialogs, corporation_edit, corporation_form, words
from dashboards.agencies.corporation_words import BY_CARD, PATH, corporation_url, facts
from dashboards.client import ApiProblem
from dashboards.contract.agencies import FIELDS, CorporationDetail, Duplicates, RequestOf
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, feedback, heading, live, recent, tables, times
from dashboards.ui.links import link, requested_id
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

KEY = "agencies.corporation"
MATCH_LABELS = {
    "corporation_number": FIELDS["corporation_number"],
    "name": "法人名",
    "kana": "カナ",
    "phone": FIELDS["phone"],
}


@refreshing
def show_corporation(corporation_id: int) -> bool:
    """Returns False when the corporation does not exist."""
    reading = live.block(f"{KEY}.{corporation_id}", "法人詳細", f"{PATH}/{corporation_id}", headline=True)
    if reading is None:
        return False
    corporation: CorporationDetail = reading.data
    recent.remember(f"法人 {corporation['name']}", f"/corporation?id={corporation_id}")
    st.markdown(sentence(corporation))
    _actions(corporation)
    try:
        sections = facts(corporation, corporation_form.masters())
    except ApiProblem as problem:
        feedback.failed(problem, key=f"{KEY}.masters")
        return True
    left, right = st.columns(2, gap="large")
    for index, (section, lines) in enumerate(sections.items()):
        with left if index < len(sections) / 2 else right:
            details.section(section, lines)
    with right:
        if corporation["payment_type"] == BY_CARD or corporation["card"]:
            card_dialogs.card_section(corporation)
        st.markdown("**登録**")
        details.facts(
            {
                "法人ID": str(corporation["id"]),
                **({"代理店": corporation["agency_name"]} if has_permission("agencies:case:read") else {}),
                "作成日時": times.stamp(corporation["created_at"]),
                "更新日時": times.stamp(corporation["updated_at"]),
            }
        )
    return True


def sentence(corporation: CorporationDetail) -> str:
    text = (
        f"**{plain(corporation['name'])}** の投入依頼は{corporation['requests']:,}件、"
        f"地点は{corporation['sites']:,}地点です。"
    )
    if corporation["open_requests"]:
        text += f"対応中または不備の依頼が**{corporation['open_requests']:,}件**あります。"
    if corporation["needs_card"]:
        card_state = "削除されています" if corporation["card"] else "登録されていません"
        text += f":red[カード番号が{card_state}。次の依頼の前に、カード情報を登録してください。]"
    return text


def _actions(corporation: CorporationDetail) -> None:
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        if has_permission("agencies:corporation:update"):
            st.button(
                "編集する",
                key=f"{KEY}.edit",
                icon=":material/edit:",
                type="primary",
                on_click=corporation_edit.start_editing,
                args=(corporation,),
            )
        if has_permission("agencies:request:create"):
            link("この法人に地点を追加する", f"/add-site?corporation_id={corporation['id']}")


@refreshing
def requests(corporation_id: int) -> None:
    page = "/request" if has_permission("agencies:request:read") else "/case"
    tables.table(
        f"{KEY}.requests.{corporation_id}",
        "投入依頼",
        f"{PATH}/{corporation_id}/requests",
        (
            columns.text("依頼ID", lambda row: str(row["id"]), width=80),
            columns.badge("ステータス", words.list_status, words.LIST_STATUS, width=110),
            columns.text("地点数", words.entered_ratio, width=76, alignment="right"),
            columns.text("店舗名", lambda row: "、".join(row["site_names"]), width=300),
            columns.text("営業担当者", "requested_by_name", width=140),
            columns.stamp("投入依頼日", "created_at"),
        ),
        actions={"開く": partial(_open, page)},
        empty=tables.Empty("この法人の投入依頼はまだありません", "「この法人に地点を追加する」から依頼できます。"),
    )


def _open(page: str, row: RequestOf) -> None:
    @dialogs.dialog(f"依頼 {row['id']}", position="right", width="small", icon=":material/assignment:")
    def show() -> None:
        link("依頼を開く", f"{page}?id={row['id']}", primary=True)
        details.facts(
            {
                "ステータス": words.LIST_STATUS[words.list_status(row)].label,
                "地点数": f"投入済 {words.entered_ratio(row)}",
                "店舗名": "、".join(row["site_names"]),
                "営業担当者": row["requested_by_name"],
                "投入依頼日": times.stamp(row["created_at"]),
            }
        )

    show()


def duplicates(corporation_id: int) -> None:
    """For users who see all agencies: corporations that may be the same one at another agency."""
    if not has_permission("agencies:case:read"):
        return
    corporation: CorporationDetail | None = live.last_answer(f"{KEY}.{corporation_id}")
    if corporation is None:
        return
    try:
        query = {
            "corporation_number": corporation["corporation_number"],
            "name": corporation["name"],
            "except_id": corporation["id"],
        }
        answer: Duplicates = session.api().post(
            f"{PATH}/duplicates", query | {"phone": corporation["phone1"]}, idempotency_key=None
        )
    except ApiProblem:
        return  # the block above shows the problem
    if matches := answer["items"]:
        with st.expander(f"同じ可能性のある法人（{len(matches):,}件）", icon=":material/content_copy:"):
            for match in matches:
                fields = "・".join(MATCH_LABELS[name] for name in match["same"])
                link(f"{match['name']}（{match['agency_name']}）: {fields}が同じ", corporation_url(match["id"]))


def page() -> None:
    corporation_id = requested_id()
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
    if show_corporation(corporation_id):
        requests(corporation_id)
        duplicates(corporation_id)


page()
