"""既存法人に地点追加 (3.1b): find the corporation, add its statements, and 送信."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form, corporation_words, drafting, sending
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CorporationDetail, CorporationItem, Masters
from dashboards.ui import cache, feedback, heading
from dashboards.ui.links import link, requested_id
from dashboards.ui.text import plain, small

FORM = "add_site"
PARAMETER = "corporation_id"
CORPORATIONS = "/api/agencies/corporations"
MAX_RESULTS = 20
# Shown before a search: the next site most often belongs to the corporation of the last request.
RECENT = 5

Values = Mapping[str, Any]


def page() -> None:
    corporation_id = requested_id(PARAMETER)
    if corporation_id is None:
        search()
        return
    submission = sending.state(f"{FORM}.{corporation_id}")
    if submission.done is not None:
        sending.show_sent(submission, "別の法人に地点を追加する", leave)
        return
    # Each corporation has its own draft: no statement is sent for another corporation.
    draft = drafting.open_draft(FORM, str(corporation_id))
    if draft is None:
        return
    try:
        path = f"{CORPORATIONS}/{corporation_id}"
        corporation: CorporationDetail = cache.load_cached_answer(f"agencies.add_site.{corporation_id}", path)
        masters = corporation_form.masters()
    except ApiProblem as problem:
        _not_loaded(problem)
        return
    if submission.is_confirming:
        sending.confirmation(submission, draft, draft.values, lambda: read_only(corporation, masters))
    else:
        fill_in(submission, draft, corporation, masters)


def _not_loaded(problem: ApiProblem) -> None:
    if problem.status == 401 and session.has_ended():
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
    query = {"q": text, "limit": MAX_RESULTS} if text else {"sort": "-created_at", "limit": RECENT}
    try:
        result = session.api().get(CORPORATIONS, **query)
    except ApiProblem as problem:
        feedback.failed(problem, key=f"{FORM}.search")
        return
    if not text:
        if result["items"]:
            st.markdown(small("最近登録した法人"))
            _show_results(result["items"])
        else:
            feedback.empty(
                "まだ法人が登録されていません",
                "はじめての法人は、新規投入依頼から提出してください。",
                action=lambda: link("新規投入依頼を開く", "/new-request", primary=True),
            )
        return
    if not result["items"]:
        st.warning(
            f"「{plain(text)}」に当てはまる法人はありません。新しい法人であれば、新規投入依頼から提出してください。"
        )
        link("新規投入依頼を開く", "/new-request")
        return
    more = "ほかにもあるため、条件を詳しくしてください。" if result["next_cursor"] else ""
    st.markdown(f"**{result['total']:,}件**見つかりました。法人を選んでください。{more}")
    _show_results(result["items"])


def _show_results(items: Sequence[CorporationItem]) -> None:
    for corporation in items:
        st.button(
            corporation_label(corporation),
            key=f"{FORM}.{corporation['id']}",
            width="stretch",
            on_click=choose,
            args=(corporation["id"],),
        )


def corporation_label(corporation: CorporationItem) -> str:
    number = f"　法人番号 {plain(corporation['corporation_number'])}" if corporation["corporation_number"] else ""
    agency = f"{plain(corporation['agency_name'])}・" if session.has_permission("agencies:agency:read") else ""
    address = plain(f"{corporation['prefecture']}{corporation['city']}")
    return (
        f"**{plain(corporation['name'])}**{number}  \n{agency}{address}・"
        f"{plain(corporation['phone1'])}・{corporation['sites']}地点"
    )


def choose(corporation_id: int) -> None:
    st.query_params[PARAMETER] = str(corporation_id)


def leave() -> None:
    st.query_params.pop(PARAMETER, None)
    st.session_state.pop(f"{FORM}.q", None)


def read_only(corporation: CorporationDetail, masters: Masters) -> None:
    """法人情報は表示のみ."""
    for section, facts in corporation_words.facts(corporation, masters).items():
        sending.show_filled(section, facts)


def fill_in(
    submission: sending.Sending, draft: drafting.Draft, corporation: CorporationDetail, masters: Masters
) -> None:
    draft.begun_before()
    with st.container(horizontal=True, vertical_alignment="center", key=f"{FORM}.chosen"):
        st.markdown(f"**{plain(corporation['name'])}** に地点を追加します。", width="content")
        st.button("別の法人を選ぶ", key=f"{FORM}.other", type="tertiary", on_click=leave)
    with st.expander("法人情報（表示のみ）", icon=":material/domain:"):
        read_only(corporation, masters)
        st.markdown(small("法人情報を直す場合は、法人詳細から編集してください。"))
        link("法人詳細を開く", f"/corporation?id={corporation['id']}")
    errors = submission.errors
    values = sending.requester_fields(draft, errors, corporation["agency_id"])
    values |= sending.statement_fields(draft, errors)
    draft.keep(values, sending.LABELS)
    values.pop("agency_id", None)
    payload = sending.request_body(draft, values, corporation_id=corporation["id"])
    sending.confirm_button(submission, draft, payload, sending.LABELS)


heading.page("既存法人に地点追加")
with st.container(width=sending.WIDTH):
    page()
