"""既存法人に地点追加 (3.1b): find the corporation, add its statements, and 送信."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form, corporation_words, drafting, sending
from dashboards.client import ApiProblem
from dashboards.ui import feedback, heading, kept
from dashboards.ui.links import asked_id, link
from dashboards.ui.text import plain, small

FORM = "add_site"
PARAMETER = "corporation_id"
CORPORATIONS = "/api/agencies/corporations"
OFFERED = 20
# Shown before anything is sought: the corporation of the last request gets its next site most often.
RECENT = 5

Values = Mapping[str, Any]


def page() -> None:
    corporation_id = asked_id(PARAMETER)
    if corporation_id is None:
        search()
        return
    under_way = sending.state(f"{FORM}.{corporation_id}")
    if under_way.done is not None:
        sending.sent(under_way, "別の法人に地点を追加する", leave)
        return
    # Each corporation has a draft of its own: no statement of one is sent for another.
    draft = drafting.opened(FORM, str(corporation_id))
    if draft is None:
        return
    try:
        corporation = kept.held(f"agencies.add_site.{corporation_id}", f"{CORPORATIONS}/{corporation_id}")
        masters = corporation_form.masters()
    except ApiProblem as problem:
        _not_loaded(problem)
        return
    if under_way.is_confirming:
        sending.confirmation(under_way, draft, draft.values, lambda: read_only(corporation, masters))
    else:
        fill_in(under_way, draft, corporation, masters)


def _not_loaded(problem: ApiProblem) -> None:
    if problem.status == 401 and session.ended():
        st.rerun()
    if problem.status == 404:
        st.warning(plain(problem.detail), icon=":material/search_off:")
    else:
        feedback.failed(problem, key=FORM)
    st.button("別の法人を選ぶ", key=f"{FORM}.other", icon=":material/search:", on_click=leave)


def search() -> None:
    st.markdown("地点を追加する法人を、法人名・カナ・法人番号・電話番号で検索してください。")
    text = st.text_input(
        "法人を検索",
        key=f"{FORM}.q",
        placeholder="例: 株式会社青空 または 03-1234-5678",
        icon=":material/search:",
        max_chars=100,
    ).strip()
    query = {"q": text, "limit": OFFERED} if text else {"sort": "-created_at", "limit": RECENT}
    try:
        found = session.api().get(CORPORATIONS, **query)
    except ApiProblem as problem:
        feedback.failed(problem, key=f"{FORM}.search")
        return
    if not text:
        if found["items"]:
            st.markdown(small("最近登録した法人"))
            _offer(found["items"])
        else:
            feedback.empty(
                "まだ法人が登録されていません",
                "はじめての法人は、新規投入依頼から提出してください。",
                action=lambda: link("新規投入依頼を開く", "/new-request", primary=True),
            )
        return
    if not found["items"]:
        st.warning(
            f"「{plain(text)}」に当てはまる法人はありません。新しい法人であれば、新規投入依頼から提出してください。"
        )
        link("新規投入依頼を開く", "/new-request")
        return
    more = "ほかにもあるため、条件を詳しくしてください。" if found["next_cursor"] else ""
    st.markdown(f"**{found['total']:,}件**見つかりました。法人を選んでください。{more}")
    _offer(found["items"])


def _offer(items: Sequence[Values]) -> None:
    for one in items:
        st.button(in_words(one), key=f"{FORM}.{one['id']}", width="stretch", on_click=choose, args=(one["id"],))


def in_words(one: Values) -> str:
    number = f"　法人番号 {plain(one['corporation_number'])}" if one["corporation_number"] else ""
    agency = f"{plain(one['agency_name'])}・" if session.may("agencies:agency:read") else ""
    where = plain(f"{one['prefecture']}{one['city']}")
    return f"**{plain(one['name'])}**{number}  \n{agency}{where}・{plain(one['phone1'])}・{one['sites']}地点"


def choose(corporation_id: int) -> None:
    st.query_params[PARAMETER] = str(corporation_id)


def leave() -> None:
    st.query_params.pop(PARAMETER, None)
    st.session_state.pop(f"{FORM}.q", None)


def read_only(corporation: Values, masters: Values) -> None:
    """法人情報は表示のみ."""
    for section, known in corporation_words.facts(corporation, masters).items():
        sending.filled(section, known)


def fill_in(under_way: sending.Sending, draft: drafting.Draft, corporation: Values, masters: Values) -> None:
    draft.begun_before()
    with st.container(horizontal=True, vertical_alignment="center", key=f"{FORM}.chosen"):
        st.markdown(f"**{plain(corporation['name'])}** に地点を追加します。", width="content")
        st.button("別の法人を選ぶ", key=f"{FORM}.other", type="tertiary", on_click=leave)
    with st.expander("法人情報（表示のみ）", icon=":material/domain:"):
        read_only(corporation, masters)
        st.markdown(small("法人情報を直す場合は、法人詳細から編集してください。"))
        link("法人詳細を開く", f"/corporation?id={corporation['id']}")
    errors = under_way.errors
    values = sending.on_behalf(draft, errors, corporation["agency_id"])
    values |= sending.statement(draft, errors)
    draft.keep(values, sending.LABELS)
    values.pop("agency_id", None)
    sent = sending.body(draft, values, corporation_id=corporation["id"])
    sending.to_confirm(under_way, draft, sent, sending.LABELS)


heading.page("既存法人に地点追加")
with st.container(width=sending.WIDTH):
    page()
