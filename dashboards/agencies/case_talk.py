"""What is said and settled about a case: deficiencies, comments, who works on it, who has it open just now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import case_words, site_shown
from dashboards.client import ApiProblem
from dashboards.ui import confirm, dialogs, feedback, flash, forms, kept, times
from dashboards.ui.once import pressed
from dashboards.ui.text import plain, small

Row = Mapping[str, Any]
WHOLE = "依頼全体"


def attempt(call: Callable[[], object], done: str) -> None:
    """In a callback: what went wrong is said at the top of the page."""
    try:
        call()
    except ApiProblem as problem:
        st.session_state["case.problem"] = feedback.in_words(problem)
    else:
        flash.say(done)


def _post(path: str, body: Row | None = None) -> None:
    with pressed(path) as once:
        session.api().post(path, body, once=once)


@st.fragment(run_every=30)
def viewers(path: str, version: int) -> None:
    """Says that this person has the case open. Nothing is edited in here."""
    dialogs.leave()
    try:
        seen = session.api(patience=5).post(f"{path}/viewing", once=None)
    except ApiProblem:
        return  # the page's own blocks say what is wrong
    if seen["names"]:
        names = "、".join(f"{plain(name)}さん" for name in seen["names"])
        st.markdown(f":orange-badge[:material/visibility: {names}もこの案件を開いています]")
    if seen["version"] != version:
        st.markdown(":blue-badge[:material/sync: ほかの人がこの案件を更新しました]")
        if st.button("最新を読み込む", key="case.reload", icon=":material/refresh:"):
            st.rerun()


def claim(case: Row, path: str) -> None:
    """The buttons of who works on it."""
    if case["is_claimed_by_me"]:
        dialogs.button("引き渡す", hand_over, path, key="case.hand_over", icon="swap_horiz")
        leave = partial(_post, f"{path}/release"), "担当を外しました。"
        st.button("担当を外す", key="case.release", type="tertiary", on_click=attempt, args=leave)
    elif case["claimed_by_id"] is None:
        take = partial(_post, f"{path}/claim", {}), "この案件を担当します。"
        st.button("担当する", key="case.claim", icon=":material/front_hand:", on_click=attempt, args=take)
    else:
        dialogs.button("担当を引き継ぐ", take_over, case, path, key="case.take_over", icon="front_hand")


def take_over(case: Row, path: str) -> None:
    confirm.confirm(
        "case.take_over.ask",
        f"{case['claimed_by_name']}さんから担当を引き継ぎますか？",
        f"{case['claimed_by_name']}さんが入力中の場合があります。先に声をかけてください。",
        action="引き継ぐ",
        do=lambda _, once: session.api().post(f"{path}/claim", {"take_over": True}, once=once),
        done="担当を引き継ぎました。",
        danger=False,
    )


def hand_over(path: str) -> None:
    people = kept.kept(
        "agencies.operators",
        lambda: {one["id"]: one["name"] for one in session.api().get("/api/agencies/cases/operators")["items"]},
    )

    @dialogs.dialog("担当を引き渡す", width="small", icon=":material/swap_horiz:")
    def ask() -> None:
        with forms.form("case.hand_over.form", submit="引き渡す") as form:
            chosen = form.field(
                "user_id",
                st.selectbox,
                "引き渡す相手",
                required=True,
                options=[*people],
                index=None,
                format_func=people.__getitem__,
                placeholder="選んでください",
            )
        if form.submitted:
            form.send(
                lambda once: session.api().post(f"{path}/hand-over", {"user_id": chosen}, once=once),
                done=f"{people.get(chosen, '')}さんに引き渡しました。",
            )

    ask()


def report(case: Row, path: str, sites: Sequence[Row]) -> None:
    """不備あり: of chosen sites, or of the request as a whole, with the reason."""
    now = site_shown.now()
    names = {
        one["id"]: case_words.name(one, place)
        for place, one in enumerate(sites, 1)
        if one["status"] in ("working", "deficient")
    }
    typed = f"case.deficiency.{case['id']}"

    @dialogs.dialog("不備として差し戻す", width="medium", icon=":material/report:")
    def ask() -> None:
        st.markdown("営業担当者に通知され、依頼のステータスが「不備」になります。営業担当者が修正して再提出します。")
        chosen = st.multiselect(
            "不備のある地点",
            [*names],
            default=[now] if now in names else [],
            format_func=names.__getitem__,
            placeholder=f"選ばないときは{WHOLE}の不備になります",
            key="case.deficiency.sites",
        )
        with forms.form("case.deficiency.form", submit="差し戻す") as form:
            message = form.field(
                "message",
                st.text_area,
                "不備の理由",
                required=True,
                value=st.session_state.get(typed, ""),
                max_chars=1000,
                height=120,
                placeholder="例: 2枚目の明細が不鮮明で、供給地点特定番号が読めません。撮り直してください。",
            )
        if form.submitted:
            body = {"message": message, "site_ids": chosen, "version": case["version"]}
            about = "、".join(names[one] for one in chosen) or WHOLE
            st.session_state[typed] = message

            def send(once: str) -> None:
                session.api().post(f"{path}/deficiency", body, once=once)
                st.session_state.pop(typed, None)

            problem = form.send(send, done=f"{about}を不備として差し戻しました。")
            if problem is not None and problem.stale:
                # The reason stays; the page behind shows what is there now.
                dialogs.close()
                st.session_state["case.problem"] = plain(
                    f"{problem.detail}「不備あり」をもう一度押すと、入力した理由から続けられます。"
                )
                st.rerun()

    ask()


def put_right(path: str, version: int) -> None:
    confirm.confirm(
        "case.put_right.ask",
        "不備を解決済みにしますか？",
        "電話などで確認が取れたときに使います。不備のすべての地点が対応中に戻り、内容はコメントに残ります。",
        action="解決済みにする",
        do=lambda reason, once: session.api().post(
            f"{path}/put-right", {"message": reason, "version": version}, once=once
        ),
        done="不備を解決済みにしました。",
        reason="required",
        danger=False,
    )


def comments(path: str, listed: Sequence[Row], sites: Sequence[Row], may_update: bool) -> None:
    """The newest first."""
    names = {one["id"]: case_words.name(one, place) for place, one in enumerate(sites, 1)}
    unread = sum(one["is_unread"] for one in listed)
    if unread:
        newest = listed[0]["id"]
        st.button(
            f"未読{unread:,}件を既読にする",
            key="case.read",
            icon=":material/mark_chat_read:",
            on_click=attempt,
            args=(partial(_post, f"{path}/read", {"comment_id": newest}), "既読にしました。"),
        )
    if may_update:
        _say(path, names)
    if not listed:
        feedback.empty("コメントはまだありません", "不備の連絡と再提出も、ここに新しい順に並びます。")
    for one in listed:
        with st.container(border=True, gap="xxsmall"):
            st.markdown(_head(one, names))
            st.markdown("  \n".join(plain(line) for line in one["message"].splitlines()))


def _head(one: Row, names: Mapping[int, str]) -> str:
    kind = ":gray-badge[:material/chat: コメント]"
    if one["type"] == "deficiency":
        solved = one["resolved_at"]
        kind = ":green-badge[:material/check: 不備（解決済み）]" if solved else ":red-badge[:material/report: 不備]"
    about = names.get(one["site_id"], WHOLE)
    mark = " :blue-badge[未読]" if one["is_unread"] else ""
    at = times.full(times.parse(one["created_at"]))
    return f"{kind}{mark} **{plain(one['author_name'])}** " + small(f"{plain(about)}　{plain(at)}")


def _say(path: str, names: Mapping[int, str]) -> None:
    with forms.form("case.comment", submit="コメントする") as form:
        about = form.field(
            "site_id",
            st.selectbox,
            "対象",
            options=[None, *names],
            format_func=lambda site_id: names[site_id] if site_id else WHOLE,
        )
        message = form.field("message", st.text_area, "コメント", required=True, max_chars=1000, height=80)
    if form.submitted:
        form.send(
            lambda once: session.api().post(f"{path}/comments", {"message": message, "site_id": about}, once=once),
            done="コメントを送信しました。",
        )
