"""依頼詳細: the progress of a request, its deficiencies, and their correction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import drafting, sending, words
from dashboards.client import ApiProblem
from dashboards.contract.agencies import FIELDS, SERVICE, CommentItem, RequestDetail
from dashboards.ui import details, dialogs, feedback, files, flash, forms, heading, live, recent, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link, requested_id
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import TimelineEvent, timeline

KEY = "agencies.request"
LABELS = {"remarks": FIELDS["remarks"], "images": "追加する明細画像", "message": "修正した内容"}
UNSURE = (
    "応答を受け取れなかったため、再提出されたかどうかわかりません。上のステータスが対応中になっていれば、"
    "再提出は済んでいます。不備のままであれば、もう一度「再提出する」を押してください。"
)


def path(request_id: int) -> str:
    return f"{sending.PATH}/{request_id}"


@refreshing
def headline(request_id: int) -> RequestDetail | None:
    reading = live.block(f"{KEY}.{request_id}", "依頼詳細", path(request_id), headline=True)
    if reading is None:
        return None
    request: RequestDetail = reading.data
    recent.remember(f"依頼 {request_id}（{request['corporation_name']}）", f"/request?id={request_id}")
    st.markdown(sentence(request))
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        link("法人情報を確認・編集する", f"/corporation?id={request['corporation_id']}")
        if request["is_open"] and not request["may_put_right"] and session.has_permission("agencies:request:create"):
            dialogs.button("明細画像を追加する", more_images, request, key=f"{KEY}.more", icon="add_photo_alternate")
        if request["may_cancel"] and session.has_permission("agencies:request:cancel"):
            dialogs.button("依頼をキャンセルする", sending.cancel, request, key=f"{KEY}.cancel", icon="block")
    return request


def sentence(request: RequestDetail) -> str:
    name = f"依頼 {request['id']}（**{plain(request['corporation_name'])}**）"
    badge = words.STATUS[request["status"]].badge()
    progress = f"{words.entered_ratio(request)}地点が投入済です。"
    if request["status"] == "deficient":
        return f"{name}は {badge} で差し戻されています。内容を確認し、直してから「再提出する」を押してください。"
    if request["status"] == "entered" and words.unregistered(request):
        text = f"申告{request['site_count']:,}地点のうち、{request['entered_sites']:,}地点の投入が終わりました。"
        return f"{name}は {badge} です。{text}"
    if request["status"] == "entered":
        return f"{name}は {badge} です。すべての地点の投入が終わりました。"
    if request["status"] == "cancelled":
        return f"{name}は {badge} されています。"
    if not request["is_open"]:
        return f"{name}は {words.NOTHING_REMAINING.badge()} です。{progress}残りの地点はキャンセルされています。"
    return f"{name}は {badge} です。{progress}"


@refreshing
def deficiencies(request_id: int) -> None:
    """The open deficiencies, above the form that corrects them."""
    reading = live.block(f"{KEY}.deficiencies.{request_id}", "不備の内容", f"{path(request_id)}/comments")
    if reading is None:
        return
    for item in reading.data["items"]:
        if item["is_open"]:
            site = f"**{plain(item['site_name'])}**: " if item["site_name"] else ""
            created_at = times.stamp(item["created_at"])
            st.error(
                f"{site}{plain(item['message'])}  \n:small[{plain(item['author_name'])}　{plain(created_at)}]",
                icon=":material/report:",
            )


def correction(request: RequestDetail) -> None:
    """修正・再提出."""
    draft = drafting.open_draft("correction", str(request["id"]))
    if draft is None:
        return
    draft.begun_before()
    state = st.session_state.setdefault(
        f"{KEY}.correction.{request['id']}", {"problem": None, "version": request["version"]}
    )
    problem: ApiProblem | None = state["problem"]
    errors = {error["field"]: error["message"] for error in problem.errors} if problem else {}
    name = f"{KEY}.{draft.name}"
    st.subheader("修正", anchor=False)
    st.markdown(
        f"法人情報の不備は、[法人詳細](/corporation?id={request['corporation_id']})で直してから、この画面で再提出してください。"
    )
    uploaded = files.upload(
        f"{name}.images",
        "**明細画像を追加する**",
        purpose=sending.PURPOSE,
        max_files=max(sending.MAX_IMAGES - request["images"], 0),
        help="撮り直した画像を追加します。前の画像もそのまま残ります。",
        sent=[files.File(**image) for image in draft.values.get("images") or []],
    )
    sending.show_errors(errors, "images")
    initial_remarks = str(draft.values.get("remarks", request["remarks"]))
    remarks = st.text_area("備考", initial_remarks, max_chars=4000, height=120, key=f"{name}.remarks") or ""
    sending.show_errors(errors, "remarks")
    message = st.text_area(
        "修正した内容（任意）",
        draft.values.get("message", ""),
        max_chars=1000,
        height=80,
        placeholder="例: 供給地点特定番号が読めるように撮り直しました。",
        key=f"{name}.message",
    )
    sending.show_errors(errors, "message")
    draft.keep({"images": [vars(file) for file in uploaded], "remarks": remarks, "message": message}, LABELS)
    body = {"images": [file.id for file in uploaded], "message": message}
    if remarks.strip() != request["remarks"]:
        body["remarks"] = remarks
    if problem is not None:
        _show_problem(problem, request, state, remarks)
    is_waiting = files.is_uploading(f"{name}.images")
    if is_waiting:
        st.info("明細画像を送信しています。終わるまでお待ちください。", icon=":material/cloud_upload:")
    if st.button(
        "再提出する",
        key=f"{KEY}.resubmit",
        type="primary",
        icon=":material/send:",
        width="stretch",
        disabled=is_waiting,
    ):
        resubmit(request, draft, state, body)
        st.rerun()


def _show_problem(problem: ApiProblem, request: RequestDetail, state: dict[str, Any], remarks: str) -> None:
    if problem.stale:
        st.error(
            "この依頼は、開いたあとに変更されました。まだ再提出されていません。上の不備の内容を確認してから、"
            "もう一度「再提出する」を押してください。",
            icon=":material/difference:",
        )
        stored_remarks = (problem.current or {}).get("remarks")
        if stored_remarks is not None and stored_remarks != remarks.strip():
            lines = [("備考", plain(remarks) or "–", plain(stored_remarks) or "–")]
            details.sides(("項目", "あなたの入力", "最新の内容"), lines, key=f"{KEY}.sides")
        state["version"] = request["version"]
    elif problem.temporary and problem.was_sent:
        st.error(UNSURE, icon=":material/error:")
    elif problem.errors:
        st.error(forms.CORRECT_FIELDS, icon=":material/error:")
    else:
        feedback.action_failed(problem)


def resubmit(request: RequestDetail, draft: drafting.Draft, state: dict[str, Any], body: Mapping[str, Any]) -> None:
    state["problem"], endpoint = None, f"{path(request['id'])}/resubmit"
    try:
        with button_idempotency_key(endpoint) as idempotency_key:
            session.api().post(endpoint, {"version": state["version"], **body}, idempotency_key=idempotency_key)
            draft.forget()
            st.session_state.pop(f"{KEY}.correction.{request['id']}", None)
            flash.add(f"依頼 {request['id']} を再提出しました。投入担当者が確認します。")
    except ApiProblem as problem:
        if not (problem.status == 401 and session.has_ended()):
            state["problem"] = problem


def more_images(request: RequestDetail) -> None:
    state = st.session_state.setdefault(f"{KEY}.more.{request['id']}", {"round": 0, "problem": None})

    @dialogs.dialog("明細画像を追加する", width="medium", icon=":material/add_photo_alternate:")
    def show() -> None:
        key = f"{KEY}.more.{request['id']}.{state['round']}"
        uploaded = files.upload(
            key,
            "検針票や請求書の画像を追加します。投入担当者にも表示されます。",
            purpose=sending.PURPOSE,
            max_files=max(sending.MAX_IMAGES - request["images"], 0),
        )
        if state["problem"]:
            feedback.action_failed(state["problem"])
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("やめる", key=f"{KEY}.more.leave", on_click=dialogs.close)
            st.button(
                "追加する",
                key=f"{KEY}.more.add",
                type="primary",
                disabled=not uploaded or files.is_uploading(key),
                on_click=_add,
                args=(request, state, key),
            )

    show()


def _add(request: RequestDetail, state: dict[str, Any], key: str) -> None:
    image_ids = [file.id for file in files.stored(key)]
    state["problem"], endpoint = None, f"{path(request['id'])}/images"
    try:
        with button_idempotency_key(endpoint) as idempotency_key:
            session.api().post(endpoint, {"images": image_ids}, idempotency_key=idempotency_key)
            state["round"] += 1
            flash.add(f"明細画像を{len(image_ids)}枚追加しました。")
            dialogs.close()
    except ApiProblem as problem:
        state["problem"] = problem


@refreshing
def images(request_id: int) -> None:
    reading = live.block(f"{KEY}.images.{request_id}", "明細画像", f"{path(request_id)}/images")
    if reading is None:
        return
    image_files = [
        files.File(
            image["file_id"],
            image["file_name"],
            image["size"],
            image["content_type"],
            f"{files.FILES_PATH}/{image['file_id']}",
        )
        for image in reading.data["items"]
    ]
    if image_files:
        files.previews(f"{KEY}.previews.{request_id}", image_files)
    else:
        st.markdown(small("明細画像はありません。備考の内容で投入します。"))


@refreshing
def sites(request_id: int) -> None:
    """What sales see of a site: its name, its status, its deficiency."""
    reading = live.block(f"{KEY}.sites.{request_id}", "地点", f"{path(request_id)}/sites")
    if reading is None:
        return
    if not reading.data["items"]:
        st.markdown(small("地点は、投入担当者が明細画像を見て登録します。まだ登録されていません。"))
        return
    with st.container(border=True, gap="small", key=f"{KEY}.sites"):
        for number, site in enumerate(reading.data["items"], 1):
            name = plain(site["branch_name"]) or f"地点{number}"
            line = f"{words.STATUS[site['status']].badge()} **{name}**　{SERVICE[site['service_type']]}"
            if site["entered_at"]:
                line += f"　{small(plain(times.day(times.parse(site['entered_at']))))}"
            if site["deficiency"]:
                line += f"  \n:red[{plain(site['deficiency'])}]"
            st.markdown(line)


@refreshing
def history(request_id: int) -> None:
    reading = live.block(f"{KEY}.comments.{request_id}", "不備・コメントの履歴", f"{path(request_id)}/comments")
    if reading is None:
        return
    rows = reading.data["items"]
    timeline([timeline_event(row) for row in rows], key=f"{KEY}.timeline")
    if any(row["is_unread"] for row in rows):
        _mark_read(request_id, max(row["id"] for row in rows))


def timeline_event(row: CommentItem) -> TimelineEvent:
    site = f"{row['site_name']}: " if row["site_name"] else ""
    unread_mark = "【未読】" if row["is_unread"] else ""
    if row["type"] == "comment":
        text, kind = f"{unread_mark}{site}{row['message']}", "comment"
    elif row["is_open"]:
        text, kind = f"{unread_mark}不備: {site}{row['message']}", "alert"
    else:
        text, kind = f"{unread_mark}不備（対応済み）: {site}{row['message']}", "resolve"
    return TimelineEvent(times.parse(row["created_at"]), text, kind, row["author_name"])


def _mark_read(request_id: int, comment_id: int) -> None:
    """What is on the screen is marked as read. When that fails now, it stays unread."""
    try:
        session.api().post(f"{path(request_id)}/read", {"comment_id": comment_id}, idempotency_key=None)
    except ApiProblem:
        return


def comment(request_id: int) -> None:
    if not session.has_permission("agencies:request:create"):
        return
    with forms.form(f"{KEY}.comment.{request_id}", submit="コメントを送信する") as form:
        message = form.field(
            "message", st.text_area, "投入担当者へのコメント", required=True, max_chars=1000, height=80
        )
    if form.submitted:
        form.send(
            lambda idempotency_key: session.api().post(
                f"{path(request_id)}/comments", {"message": message}, idempotency_key=idempotency_key
            ),
            success="コメントを送信しました。",
        )


def facts(request: RequestDetail) -> None:
    st.subheader("依頼", anchor=False)
    details.facts(
        {
            "依頼ID": str(request["id"]),
            "法人名": request["corporation_name"],
            "地点数": f"投入済 {words.entered_ratio(request)}（申告 {request['site_count']:,}地点）",
            "備考": request["remarks"],
            "営業担当者": request["requested_by_name"],
            "代理店": request["agency_name"],
            "投入依頼日": times.stamp(request["created_at"]),
        }
    )


def page() -> None:
    request_id = requested_id()
    if request_id is None:
        heading.page("依頼詳細")
        feedback.empty(
            "依頼が選ばれていません",
            "マイ依頼一覧から選んでください。",
            action=lambda: link("マイ依頼一覧へ", "/my-requests", primary=True),
        )
        return
    request = headline(request_id)
    if request is None:
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        if request["may_put_right"] and session.has_permission("agencies:request:create"):
            deficiencies(request_id)
            correction(request)
        sites(request_id)
        history(request_id)
        comment(request_id)
    with right:
        facts(request)
        images(request_id)


page()
