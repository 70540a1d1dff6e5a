"""Deficiencies and comments of a case, who works on it, and who has it open now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import case_words, site_shown
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CaseDetail, CommentItem, SitesSiteItem, Viewers
from dashboards.ui import cache, confirm, details, dialogs, feedback, flash, forms, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.text import plain, small

Row = Mapping[str, Any]
WHOLE_REQUEST = "依頼全体"


def attempt(call: Callable[[], object], done: str) -> None:
    """In a callback: an error is shown at the top of the page."""
    try:
        call()
    except ApiProblem as problem:
        st.session_state["case.problem"] = feedback.problem_text(problem)
    else:
        flash.add(done)


def _post(path: str, body: Row | None = None) -> None:
    with button_idempotency_key(path) as idempotency_key:
        session.api().post(path, body, idempotency_key=idempotency_key)


@st.fragment(run_every=30)
def viewers(path: str, version: int) -> None:
    """Reports that this user has the case open. Nothing is edited in this fragment."""
    dialogs.rerun_if_changed()
    try:
        viewing: Viewers = session.api(patience=5).post(f"{path}/viewing", idempotency_key=None)
    except ApiProblem:
        return  # the page's own blocks show the problem
    if viewing["names"]:
        names = "、".join(f"{plain(name)}さん" for name in viewing["names"])
        st.markdown(f":orange-badge[:material/visibility: {names}もこの案件を開いています]")
    if viewing["version"] != version:
        st.markdown(":blue-badge[:material/sync: ほかの人がこの案件を更新しました]")
        if st.button("最新を読み込む", key="case.reload", icon=":material/refresh:"):
            st.rerun()


def claim(case: CaseDetail, path: str) -> None:
    """The buttons for claiming and releasing the case."""
    if case["is_claimed_by_me"]:
        dialogs.button("引き渡す", hand_over, path, key="case.hand_over", icon="swap_horiz")
        release_args = partial(_post, f"{path}/release"), "担当を外しました。"
        st.button("担当を外す", key="case.release", type="tertiary", on_click=attempt, args=release_args)
    elif case["claimed_by_id"] is None:
        claim_args = partial(_post, f"{path}/claim", {}), "この案件を担当します。"
        st.button("担当する", key="case.claim", icon=":material/front_hand:", on_click=attempt, args=claim_args)
    else:
        dialogs.button("担当を引き継ぐ", take_over, case, path, key="case.take_over", icon="front_hand")


def take_over(case: CaseDetail, path: str) -> None:
    confirm.confirm(
        "case.take_over.ask",
        f"{case['claimed_by_name']}さんから担当を引き継ぎますか？",
        f"{case['claimed_by_name']}さんが入力中の場合があります。先に声をかけてください。",
        action="引き継ぐ",
        do=lambda _, idempotency_key: session.api().post(
            f"{path}/claim", {"take_over": True}, idempotency_key=idempotency_key
        ),
        success="担当を引き継ぎました。",
        danger=False,
    )


def hand_over(path: str) -> None:
    operators = cache.load_cached(
        "agencies.operators",
        lambda: {
            operator["id"]: operator["name"] for operator in session.api().get("/api/agencies/cases/operators")["items"]
        },
    )

    @dialogs.dialog("担当を引き渡す", width="small", icon=":material/swap_horiz:")
    def ask() -> None:
        with forms.form("case.hand_over.form", submit="引き渡す") as form:
            chosen = form.field(
                "user_id",
                st.selectbox,
                "引き渡す相手",
                required=True,
                options=[*operators],
                index=None,
                format_func=operators.__getitem__,
                placeholder="選んでください",
            )
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(
                    f"{path}/hand-over", {"user_id": chosen}, idempotency_key=idempotency_key
                ),
                success=f"{operators.get(chosen, '')}さんに引き渡しました。",
            )

    ask()


def report(case: CaseDetail, path: str, sites: Sequence[SitesSiteItem]) -> None:
    """不備あり: of selected sites, or of the request as a whole, with the reason."""
    current_id = site_shown.selected_site_id()
    names = {
        site["id"]: case_words.name(site, number)
        for number, site in enumerate(sites, 1)
        if site["status"] in ("working", "deficient")
    }
    message_key = f"case.deficiency.{case['id']}"

    @dialogs.dialog("不備として差し戻す", width="medium", icon=":material/report:")
    def ask() -> None:
        st.markdown("営業担当者に通知され、依頼のステータスが「不備」になります。営業担当者が修正して再提出します。")
        chosen = st.multiselect(
            "不備のある地点",
            [*names],
            default=[current_id] if current_id in names else [],
            format_func=names.__getitem__,
            placeholder=f"選ばないときは{WHOLE_REQUEST}の不備になります",
            key="case.deficiency.sites",
        )
        with forms.form("case.deficiency.form", submit="差し戻す") as form:
            message = form.field(
                "message",
                st.text_area,
                "不備の理由",
                required=True,
                value=st.session_state.get(message_key, ""),
                max_chars=1000,
                height=120,
                placeholder="例: 2枚目の明細が不鮮明で、供給地点特定番号が読めません。撮り直してください。",
            )
        if form.submitted:
            body = {"message": message, "site_ids": chosen, "version": case["version"]}
            subject = "、".join(names[site] for site in chosen) or WHOLE_REQUEST
            st.session_state[message_key] = message

            def send(idempotency_key: str) -> None:
                session.api().post(f"{path}/deficiency", body, idempotency_key=idempotency_key)
                st.session_state.pop(message_key, None)

            problem = form.send(send, success=f"{subject}を不備として差し戻しました。")
            if problem is not None and problem.stale:
                # The reason is kept; the page behind shows the current state.
                dialogs.close()
                st.session_state["case.problem"] = plain(
                    f"{problem.detail}「不備あり」をもう一度押すと、入力した理由から続けられます。"
                )
                st.rerun()

    ask()


def resolve_deficiency(path: str, version: int) -> None:
    confirm.confirm(
        "case.put_right.ask",
        "不備を解決済みにしますか？",
        "電話などで確認が取れたときに使います。不備のすべての地点が対応中に戻り、内容はコメントに残ります。",
        action="解決済みにする",
        do=lambda reason, idempotency_key: session.api().post(
            f"{path}/put-right", {"message": reason, "version": version}, idempotency_key=idempotency_key
        ),
        success="不備を解決済みにしました。",
        reason="required",
        danger=False,
    )


def comments(path: str, rows: Sequence[CommentItem], sites: Sequence[SitesSiteItem], may_update: bool) -> None:
    """The newest first."""
    names = {site["id"]: case_words.name(site, number) for number, site in enumerate(sites, 1)}
    unread = sum(row["is_unread"] for row in rows)
    if unread:
        newest = rows[0]["id"]
        st.button(
            f"未読{unread:,}件を既読にする",
            key="case.read",
            icon=":material/mark_chat_read:",
            on_click=attempt,
            args=(partial(_post, f"{path}/read", {"comment_id": newest}), "既読にしました。"),
        )
    if may_update:
        _comment_form(path, names)
    if not rows:
        feedback.empty("コメントはまだありません", "不備の連絡と再提出も、ここに新しい順に並びます。")
    for row in rows:
        with st.container(border=True, gap="xxsmall"):
            st.markdown(_comment_head(row, names))
            details.free_text(row["message"])


def _comment_head(comment: CommentItem, names: Mapping[int, str]) -> str:
    badge = ":gray-badge[:material/chat: コメント]"
    if comment["type"] == "deficiency":
        resolved_at = comment["resolved_at"]
        badge = (
            ":green-badge[:material/check: 不備（解決済み）]" if resolved_at else ":red-badge[:material/report: 不備]"
        )
    subject = names.get(comment["site_id"] or 0, WHOLE_REQUEST)
    unread_mark = " :blue-badge[未読]" if comment["is_unread"] else ""
    created_at = times.stamp(comment["created_at"])
    return f"{badge}{unread_mark} **{plain(comment['author_name'])}** " + small(
        f"{plain(subject)}　{plain(created_at)}"
    )


def _comment_form(path: str, names: Mapping[int, str]) -> None:
    with forms.form("case.comment", submit="コメントする") as form:
        subject_id = form.field(
            "site_id",
            st.selectbox,
            "対象",
            options=[None, *names],
            format_func=lambda site_id: names[site_id] if site_id else WHOLE_REQUEST,
        )
        message = form.field("message", st.text_area, "コメント", required=True, max_chars=1000, height=80)
    if form.submitted:
        form.send(
            lambda idempotency_key: session.api().post(
                f"{path}/comments", {"message": message, "site_id": subject_id}, idempotency_key=idempotency_key
            ),
            success="コメントを送信しました。",
        )
