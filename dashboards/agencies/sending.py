"""What 新規投入依頼 and 既存法人に地点追加 share: images and remarks, 確認・送信, and the page after sending.

Made for a phone in a car park: one column, one clear next step, and nothing is lost when the connection fails.
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
from dashboards.contract.agencies import FIELDS, RequestDetail, RequestItem, SalesPerson
from dashboards.ui import cache, confirm, details, feedback, files
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/agencies/requests"
PURPOSE = "agencies.statement"
WIDTH = 640
MAX_IMAGES = 20
LABELS = {
    "images": "明細画像",
    "remarks": FIELDS["remarks"],
    "site_count": FIELDS["site_count"],
    "agency_id": "代理店",
    "requested_by": FIELDS["requested_by"],
}
CORRECT = "まだ送信されていません。赤字の項目を直して、もう一度「内容を確認する」を押してください。"
UNSURE = (
    "応答を受け取れなかったため、送信されたかどうかわかりません。もう一度「投入依頼を送信」を押してください。"
    "すでに送信されていれば、二重に登録されることはありません。"
)
DRAFT_KEPT = "入力した内容は下書きに残っています。"

Values = Mapping[str, Any]


@dataclass
class Sending:
    """The state of a submission, from the form to the stored request."""

    form: str
    is_confirming: bool = False
    done: int | None = None
    problem: ApiProblem | None = None
    # An answer was lost: it may be stored.
    is_unsure: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> dict[str, str]:
        errors = self.problem.errors if self.problem else []
        return {error["field"]: error["message"] for error in errors}


def state(form: str) -> Sending:
    slot = f"sending.{form}"
    submission: Sending = st.session_state.setdefault(slot, Sending(form))
    return submission


def forget(form: str) -> None:
    st.session_state.pop(f"sending.{form}", None)


def section(title: str) -> None:
    st.markdown(f"**{title}**")


def show_filled(title: str, facts: Values) -> None:
    """The filled fields of a section. Empty ones are left out, because space on a phone is short."""
    shown = {label: value for label, value in facts.items() if value}
    if shown:
        details.section(title, shown)


def requester_fields(draft: Draft, errors: Mapping[str, str], agency_id: int | None = None) -> dict[str, Any]:
    """Whose request it is: the user's own, or, for users who see all agencies, the selected sales person's."""
    if not session.has_permission("agencies:agency:read"):
        return {}
    sales_people = cache.load_cached("agencies.sales_people", _sales_people)
    options = [key for key, person in sales_people.items() if agency_id in (None, person["agency_id"])]
    current = draft.values.get("requested_by")
    section("依頼者")
    chosen = st.selectbox(
        "営業担当者 :red-badge[必須]",
        options,
        index=options.index(current) if current in options else None,
        format_func=lambda key: f"{sales_people[key]['name']}（{sales_people[key]['agency_name']}）",
        placeholder="代わりに提出する営業担当者を選んでください",
        filter_mode="contains",
        key=f"sending.{draft.name}.requested_by",
    )
    show_errors(errors, "requested_by", "agency_id")
    return {"requested_by": chosen, "agency_id": sales_people[chosen]["agency_id"] if chosen else None}


def _sales_people() -> dict[int, SalesPerson]:
    return {person["id"]: person for person in cache.fetch_all("/api/agencies/sales-people")}


def images_key(draft: Draft) -> str:
    return f"sending.{draft.name}.images"


def statement_fields(draft: Draft, errors: Mapping[str, str]) -> dict[str, Any]:
    """明細画像・備考."""
    section("明細画像")
    images = files.upload(
        images_key(draft),
        "電気・ガスの検針票や請求書を、地点の数だけ撮影してください。",
        purpose=PURPOSE,
        max_files=MAX_IMAGES,
        help="供給地点特定番号とお客様番号が読めるように撮ってください。画像がない場合は、備考に明細の内容を入力します。",
        sent=[files.File(**image) for image in draft.values.get("images") or []],
    )
    show_errors(errors, "images")
    initial_count = draft.values.get("site_count")
    count = st.number_input(
        "地点数（任意）",
        min_value=1,
        max_value=999,
        value=initial_count,
        step=1,
        placeholder=f"未入力のときは画像の枚数（{len(images)}）になります"
        if images
        else "未入力のときは画像の枚数になります",
        key=f"sending.{draft.name}.site_count",
    )
    show_errors(errors, "site_count")
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
    show_errors(errors, "remarks")
    return {"images": [vars(file) for file in images], "remarks": remarks, "site_count": count}


def show_errors(errors: Mapping[str, str], *names: str) -> None:
    for name in names:
        if message := errors.get(name):
            st.markdown(f":red[:material/error: {plain(message)}]")


def request_body(draft: Draft, values: Values, **extra: Any) -> dict[str, Any]:
    """The request as the service expects it."""
    fields = {
        "client_id": draft.client_id,
        "images": [image["id"] for image in values["images"]],
        "remarks": values["remarks"],
        "site_count": values["site_count"],
        "agency_id": values.get("agency_id"),
        "requested_by": values.get("requested_by"),
        **extra,
    }
    return {name: value for name, value in fields.items() if value is not None}


def confirm_button(sending: Sending, draft: Draft, payload: dict[str, Any], labels: Mapping[str, str]) -> None:
    """The form's next step. `labels`: the fields whose messages stand at the field, with their labels: they are
    named here too, because on a phone they are far above. Messages of other fields are shown here."""
    if sending.problem is not None:
        _show_refusal(sending, labels)
    if files.is_uploading(images_key(draft)):
        st.info("明細画像を送信しています。終わるまでお待ちください。", icon=":material/cloud_upload:")
    # Not in a callback: it would get the values of the previous run, without the field that this click leaves.
    if st.button(
        "内容を確認する",
        key=f"sending.{sending.form}.check",
        type="primary",
        icon=":material/fact_check:",
        width="stretch",
        disabled=files.is_uploading(images_key(draft)),
    ):
        _check(sending, payload)
        st.rerun()


def _show_refusal(sending: Sending, labels: Mapping[str, str]) -> None:
    assert sending.problem is not None
    if not sending.errors:
        feedback.action_failed(sending.problem)
        st.markdown(small(DRAFT_KEPT))
        return
    others = [message for name, message in sending.errors.items() if name not in labels]
    field_names = "、".join(dict.fromkeys(label for name, label in labels.items() if name in sending.errors))
    hints = [f"直す項目: **{field_names}**"] if field_names else []
    st.error("\n\n".join([CORRECT, *hints, *map(plain, others)]), icon=":material/error:")


def _check(sending: Sending, payload: dict[str, Any]) -> None:
    sending.problem = None
    try:
        session.api().post(f"{PATH}/check", payload, idempotency_key=None, reads=True)
    except ApiProblem as problem:
        _record_failure(sending, problem)
        return
    sending.is_confirming, sending.body = True, payload


def _record_failure(sending: Sending, problem: ApiProblem) -> None:
    if problem.status == 401 and session.has_ended():
        return  # The frame shows it in the next run; the draft is stored.
    sending.problem = problem


def confirmation(
    sending: Sending,
    draft: Draft,
    values: Values,
    facts: Callable[[], None],
    on_sent: Callable[[], None] = lambda: None,
) -> None:
    """確認・送信: shows all values again, and the button that sends them. `on_sent` is called after the request is
    stored, to forget what is not needed any more."""
    st.markdown("**内容を確認して、「投入依頼を送信」を押してください**。まだ送信されていません。")
    with st.container(border=True, key=f"sending.{sending.form}.facts"):
        facts()
        section("明細画像・備考")
        images = [files.File(**image) for image in values["images"]]
        declared = values["site_count"] or max(len(images), 1)
        details.facts({"明細画像": f"{len(images)}枚", "地点数": declared})
        if values["remarks"].strip():
            details.facts({"備考": values["remarks"].strip()})
        if images:
            files.previews(f"sending.{draft.name}.previews", images)
    if sending.problem is not None:
        st.error(UNSURE if sending.is_unsure else feedback.problem_text(sending.problem), icon=":material/error:")
        st.markdown(small(DRAFT_KEPT))
    st.button(
        "投入依頼を送信",
        key=f"sending.{sending.form}.send",
        type="primary",
        icon=":material/send:",
        width="stretch",
        on_click=_send,
        args=(sending, draft, on_sent),
    )
    st.button("戻って直す", key=f"sending.{sending.form}.back", width="stretch", on_click=_back, args=(sending,))


def _back(sending: Sending) -> None:
    sending.is_confirming, sending.problem = False, None


def _send(sending: Sending, draft: Draft, on_sent: Callable[[], None]) -> None:
    """In a callback, so that a second click finds it done."""
    if sending.done is not None:
        return
    sending.problem = None
    try:
        answer = session.api().post(PATH, sending.body, idempotency_key=None)
    except ApiProblem as problem:
        _record_failure(sending, problem)
        sending.is_unsure = (sending.is_unsure or problem.was_sent) and problem.temporary
        # A field error is corrected in the form.
        sending.is_confirming = not sending.errors
        return
    sending.done, sending.body = answer["id"], {}
    draft.forget()
    on_sent()


def show_sent(sending: Sending, again: str, then: Callable[[], None] = lambda: None) -> None:
    """The page after the request is stored. The button `again` starts another one, after `then`."""

    def start_another() -> None:
        forget(sending.form)
        then()

    st.success(f"投入依頼を送信しました。依頼IDは **{sending.done}** です。", icon=":material/check_circle:")
    st.markdown("投入担当者が明細画像を確認します。不備があれば、マイ依頼一覧とメールでお知らせします。")
    with st.container(horizontal=True):
        link("マイ依頼一覧へ", "/my-requests", primary=True)
        link("依頼を開く", request_url(sending.done or 0))
        st.button(again, key=f"sending.{sending.form}.again", on_click=start_another)


def request_url(request_id: int) -> str:
    return f"/request?{urlencode({'id': request_id})}"


def cancel(row: RequestItem | RequestDetail) -> None:
    entered_note = f"投入済の{row['entered_sites']:,}地点はそのまま残ります。" if row["entered_sites"] else ""
    confirm.confirm(
        f"agencies.cancel.{row['id']}",
        f"依頼 {row['id']}（{row['corporation_name']}）をキャンセルしますか？",
        f"まだ投入されていない地点はすべてキャンセルになり、元に戻せません。{entered_note}",
        action="キャンセルする",
        do=lambda reason, idempotency_key: session.api().post(
            f"{PATH}/{row['id']}/cancel", {"reason": reason}, idempotency_key=idempotency_key
        ),
        success=f"依頼 {row['id']} をキャンセルしました。",
        reason="required",
    )
