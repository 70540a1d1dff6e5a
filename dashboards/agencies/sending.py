"""What 新規投入依頼 and 既存法人に地点追加 have in common: images and remarks, 確認・送信, and what follows.

Made for a phone in a car park: one column, one clear next step, and nothing is lost whatever the connection does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.agencies.drafting import Draft
from dashboards.client import ApiProblem
from dashboards.ui import confirm, details, feedback, files, kept
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/agencies/requests"
PURPOSE = "agencies.statement"
WIDTH = 640
MOST_IMAGES = 20
LABELS = {
    "images": "明細画像",
    "remarks": "備考",
    "site_count": "地点数",
    "agency_id": "代理店",
    "requested_by": "営業担当者",
}
CORRECT = "まだ送信されていません。赤字の項目を直して、もう一度「内容を確認する」を押してください。"
UNSURE = (
    "応答を受け取れなかったため、送信されたかどうかわかりません。もう一度「投入依頼を送信」を押してください。"
    "すでに送信されていれば、二重に登録されることはありません。"
)
KEPT = "入力した内容は下書きに残っています。"

Values = Mapping[str, Any]


@dataclass
class Sending:
    """Where somebody is on the way from the form to what was sent."""

    form: str
    is_confirming: bool = False
    done: int | None = None
    problem: ApiProblem | None = None
    # An answer got lost: it may be stored.
    is_unsure: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> dict[str, str]:
        found = self.problem.errors if self.problem else []
        return {error["field"]: error["message"] for error in found}


def state(form: str) -> Sending:
    slot = f"sending.{form}"
    found: Sending = st.session_state.setdefault(slot, Sending(form))
    return found


def forget(form: str) -> None:
    st.session_state.pop(f"sending.{form}", None)


def section(title: str) -> None:
    st.markdown(f"**{title}**")


def filled(title: str, known: Values) -> None:
    """What was filled in of a section: on a phone every line counts."""
    shown = {label: value for label, value in known.items() if value}
    if shown:
        details.section(title, shown)


def on_behalf(draft: Draft, errors: Mapping[str, str], agency_id: int | None = None) -> dict[str, Any]:
    """Whose request it is: one's own, or for who sees all agencies the sales person that was chosen."""
    if not session.may("agencies:agency:read"):
        return {}
    people = kept.kept("agencies.sales_people", _sales_people)
    offered = [key for key, one in people.items() if agency_id in (None, one["agency_id"])]
    known = draft.values.get("requested_by")
    section("依頼者")
    chosen = st.selectbox(
        "営業担当者 :red-badge[必須]",
        offered,
        index=offered.index(known) if known in offered else None,
        format_func=lambda key: f"{people[key]['name']}（{people[key]['agency_name']}）",
        placeholder="代わりに提出する営業担当者を選んでください",
        filter_mode="contains",
        key=f"sending.{draft.name}.requested_by",
    )
    complain(errors, "requested_by", "agency_id")
    return {"requested_by": chosen, "agency_id": people[chosen]["agency_id"] if chosen else None}


def _sales_people() -> dict[int, dict[str, Any]]:
    return {one["id"]: one for one in kept.every("/api/agencies/sales-people")}


def images_key(draft: Draft) -> str:
    return f"sending.{draft.name}.images"


def statement(draft: Draft, errors: Mapping[str, str]) -> dict[str, Any]:
    """明細画像・備考."""
    section("明細画像")
    sent = files.upload(
        images_key(draft),
        "電気・ガスの検針票や請求書を、地点の数だけ撮影してください。",
        purpose=PURPOSE,
        max_files=MOST_IMAGES,
        help="供給地点特定番号とお客様番号が読めるように撮ってください。画像がない場合は、備考に明細の内容を入力します。",
        sent=[files.File(**one) for one in draft.values.get("images") or []],
    )
    complain(errors, "images")
    known = draft.values.get("site_count")
    count = st.number_input(
        "地点数（任意）",
        min_value=1,
        max_value=999,
        value=known,
        step=1,
        placeholder=f"未入力のときは画像の枚数（{len(sent)}）になります"
        if sent
        else "未入力のときは画像の枚数になります",
        key=f"sending.{draft.name}.site_count",
    )
    complain(errors, "site_count")
    section("備考")
    remarks = st.text_area(
        "備考",
        draft.values.get("remarks", ""),
        max_chars=4000,
        height=120,
        placeholder="例: 支払は2回に分けてください。画像がない地点の明細: お客様番号 …、使用場所 …",
        help="明細画像がない場合の明細情報や、支払方法の分割指示などを入力してください。カード番号は入力しないでください。",
        label_visibility="collapsed",
        key=f"sending.{draft.name}.remarks",
    )
    complain(errors, "remarks")
    return {"images": [vars(file) for file in sent], "remarks": remarks, "site_count": count}


def complain(errors: Mapping[str, str], *names: str) -> None:
    for name in names:
        if message := errors.get(name):
            st.markdown(f":red[:material/error: {plain(message)}]")


def body(draft: Draft, values: Values, **about: Any) -> dict[str, Any]:
    """As the service takes it."""
    found = {
        "client_id": draft.once,
        "images": [image["id"] for image in values["images"]],
        "remarks": values["remarks"],
        "site_count": values["site_count"],
        "agency_id": values.get("agency_id"),
        "requested_by": values.get("requested_by"),
        **about,
    }
    return {name: value for name, value in found.items() if value is not None}


def to_confirm(sending: Sending, draft: Draft, sent: dict[str, Any], known: Mapping[str, str]) -> None:
    """The form's one next step. `known` are the fields below which complaints stand, with their words: named here, on a
    phone they are far above. What is wrong with others is said here."""
    if sending.problem is not None:
        _say_refused(sending, known)
    if files.is_waiting(images_key(draft)):
        st.info("明細画像を送信しています。終わるまでお待ちください。", icon=":material/cloud_upload:")
    # No callback: it would be given the values of before the field that was left by this very press.
    if st.button(
        "内容を確認する",
        key=f"sending.{sending.form}.check",
        type="primary",
        icon=":material/fact_check:",
        width="stretch",
        disabled=files.is_waiting(images_key(draft)),
    ):
        _check(sending, sent)
        st.rerun()


def _say_refused(sending: Sending, known: Mapping[str, str]) -> None:
    assert sending.problem is not None
    if not sending.errors:
        feedback.not_done(sending.problem)
        st.markdown(small(KEPT))
        return
    others = [message for name, message in sending.errors.items() if name not in known]
    named = "、".join(dict.fromkeys(word for name, word in known.items() if name in sending.errors))
    where = [f"直す項目: **{named}**"] if named else []
    st.error("\n\n".join([CORRECT, *where, *map(plain, others)]), icon=":material/error:")


def _check(sending: Sending, sent: dict[str, Any]) -> None:
    sending.problem = None
    try:
        session.api().post(f"{PATH}/check", sent, once=None, reads=True)
    except ApiProblem as problem:
        _failed(sending, problem)
        return
    sending.is_confirming, sending.body = True, sent


def _failed(sending: Sending, problem: ApiProblem) -> None:
    if problem.status == 401 and session.ended():
        return  # The frame says it in the next run; the draft is kept.
    sending.problem = problem


def confirmation(
    sending: Sending,
    draft: Draft,
    values: Values,
    facts: Callable[[], None],
    done: Callable[[], None] = lambda: None,
) -> None:
    """確認・送信: everything once more, and the button that sends it. `done`: what is to be forgotten then."""
    st.markdown("**内容を確認して、「投入依頼を送信」を押してください**。まだ送信されていません。")
    with st.container(border=True, key=f"sending.{sending.form}.facts"):
        facts()
        section("明細画像・備考")
        images = [files.File(**one) for one in values["images"]]
        declared = values["site_count"] or max(len(images), 1)
        details.facts({"明細画像": f"{len(images)}枚", "地点数": declared})
        if values["remarks"].strip():
            details.facts({"備考": values["remarks"].strip()})
        if images:
            files.previews(f"sending.{draft.name}.previews", images)
    if sending.problem is not None:
        st.error(UNSURE if sending.is_unsure else feedback.in_words(sending.problem), icon=":material/error:")
        st.markdown(small(KEPT))
    st.button(
        "投入依頼を送信",
        key=f"sending.{sending.form}.send",
        type="primary",
        icon=":material/send:",
        width="stretch",
        on_click=_send,
        args=(sending, draft, done),
    )
    st.button("戻って直す", key=f"sending.{sending.form}.back", width="stretch", on_click=_back, args=(sending,))


def _back(sending: Sending) -> None:
    sending.is_confirming, sending.problem = False, None


def _send(sending: Sending, draft: Draft, done: Callable[[], None]) -> None:
    """In a callback, so that a second press finds it done."""
    if sending.done is not None:
        return
    sending.problem = None
    try:
        answer = session.api().post(PATH, sending.body, once=None)
    except ApiProblem as problem:
        _failed(sending, problem)
        sending.is_unsure = (sending.is_unsure or problem.was_sent) and problem.temporary
        # A complaint about a field is corrected in the form.
        sending.is_confirming = not sending.errors
        return
    sending.done, sending.body = answer["id"], {}
    draft.forget()
    done()


def sent(sending: Sending, again: str, then: Callable[[], None] = lambda: None) -> None:
    """What follows once it is stored; `again` begins another one, after `then`."""

    def begin() -> None:
        forget(sending.form)
        then()

    st.success(f"投入依頼を送信しました。依頼IDは **{sending.done}** です。", icon=":material/check_circle:")
    st.markdown("投入担当者が明細画像を確認します。不備があれば、マイ依頼一覧とメールでお知らせします。")
    with st.container(horizontal=True):
        link("マイ依頼一覧へ", "/my-requests", primary=True)
        link("依頼を開く", address(sending.done or 0))
        st.button(again, key=f"sending.{sending.form}.again", on_click=begin)


def address(request_id: int) -> str:
    return f"/request?{urlencode({'id': request_id})}"


def cancel(row: Values) -> None:
    kept = f"投入済の{row['entered_sites']:,}地点はそのまま残ります。" if row["entered_sites"] else ""
    confirm.confirm(
        f"agencies.cancel.{row['id']}",
        f"依頼 {row['id']}（{row['corporation_name']}）をキャンセルしますか？",
        f"まだ投入されていない地点はすべてキャンセルになり、元に戻せません。{kept}",
        action="キャンセルする",
        do=lambda reason, once: session.api().post(f"{PATH}/{row['id']}/cancel", {"reason": reason}, once=once),
        done=f"依頼 {row['id']} をキャンセルしました。",
        reason="required",
    )
