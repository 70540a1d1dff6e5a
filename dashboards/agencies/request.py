"""依頼詳細: how far is this request, what is deficient, and how is it put right?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import drafting, sending, words
from dashboards.client import ApiProblem
from dashboards.ui import details, dialogs, feedback, files, flash, forms, heading, live, times
from dashboards.ui.links import asked_id, link
from dashboards.ui.live import refreshing
from dashboards.ui.once import pressed
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import Happening, timeline

KEY = "agencies.request"
LABELS = {"remarks": "備考", "images": "追加する明細画像", "message": "修正した内容"}
UNSURE = (
    "応答を受け取れなかったため、再提出されたかどうかわかりません。上のステータスが対応中になっていれば、"
    "再提出は済んでいます。不備のままであれば、もう一度「再提出する」を押してください。"
)

Row = Mapping[str, Any]


def path(request_id: int) -> str:
    return f"{sending.PATH}/{request_id}"


@refreshing
def headline(request_id: int) -> Row | None:
    reading = live.block(f"{KEY}.{request_id}", "依頼詳細", path(request_id), headline=True)
    if reading is None:
        return None
    one: Row = reading.data
    st.markdown(sentence(one))
    with st.container(horizontal=True, key=f"{KEY}.actions"):
        link("法人情報を確認・編集する", f"/corporation?id={one['corporation_id']}")
        if one["is_open"] and not one["may_put_right"] and session.may("agencies:request:create"):
            dialogs.button("明細画像を追加する", more_images, one, key=f"{KEY}.more", icon="add_photo_alternate")
        if one["may_cancel"] and session.may("agencies:request:cancel"):
            dialogs.button("依頼をキャンセルする", sending.cancel, one, key=f"{KEY}.cancel", icon="block")
    return one


def sentence(one: Row) -> str:
    name = f"依頼 {one['id']}（**{plain(one['corporation_name'])}**）"
    badge = words.STATUS[one["status"]].badge()
    how_far = f"{words.entered_of(one)}地点が投入済です。"
    if one["status"] == "deficient":
        return f"{name}は {badge} で差し戻されています。内容を確認し、直してから「再提出する」を押してください。"
    if one["status"] == "entered" and words.unregistered(one):
        done = f"申告{one['site_count']:,}地点のうち、{one['entered_sites']:,}地点の投入が終わりました。"
        return f"{name}は {badge} です。{done}"
    if one["status"] == "entered":
        return f"{name}は {badge} です。すべての地点の投入が終わりました。"
    if one["status"] == "cancelled":
        return f"{name}は {badge} されています。"
    if not one["is_open"]:
        return f"{name}は {words.NOTHING_LEFT.badge()} です。{how_far}残りの地点はキャンセルされています。"
    return f"{name}は {badge} です。{how_far}"


@refreshing
def deficiencies(request_id: int) -> None:
    """What has to be put right, before the fields in which it is."""
    reading = live.block(f"{KEY}.deficiencies.{request_id}", "不備の内容", f"{path(request_id)}/comments")
    if reading is None:
        return
    for one in reading.data["items"]:
        if one["is_open"]:
            where = f"**{plain(one['site_name'])}**: " if one["site_name"] else ""
            when = times.full(times.parse(one["created_at"]))
            st.error(
                f"{where}{plain(one['message'])}  \n:small[{plain(one['author_name'])}　{plain(when)}]",
                icon=":material/report:",
            )


def correction(one: Row) -> None:
    """修正・再提出."""
    draft = drafting.opened("correction", str(one["id"]))
    if draft is None:
        return
    draft.begun_before()
    state = st.session_state.setdefault(f"{KEY}.correction.{one['id']}", {"problem": None, "version": one["version"]})
    problem: ApiProblem | None = state["problem"]
    errors = {error["field"]: error["message"] for error in problem.errors} if problem else {}
    name = f"{KEY}.{draft.name}"
    st.subheader("修正", anchor=False)
    st.markdown(
        f"法人情報の不備は、[法人詳細](/corporation?id={one['corporation_id']})で直してから、この画面で再提出してください。"
    )
    sent = files.upload(
        f"{name}.images",
        "**明細画像を追加する**",
        purpose=sending.PURPOSE,
        max_files=max(sending.MOST_IMAGES - one["images"], 0),
        help="撮り直した画像を追加します。前の画像もそのまま残ります。",
        sent=[files.File(**image) for image in draft.values.get("images") or []],
    )
    sending.complain(errors, "images")
    begun = str(draft.values.get("remarks", one["remarks"]))
    remarks = st.text_area("備考", begun, max_chars=4000, height=120, key=f"{name}.remarks") or ""
    sending.complain(errors, "remarks")
    message = st.text_area(
        "修正した内容（任意）",
        draft.values.get("message", ""),
        max_chars=1000,
        height=80,
        placeholder="例: 供給地点特定番号が読めるように撮り直しました。",
        key=f"{name}.message",
    )
    sending.complain(errors, "message")
    draft.keep({"images": [vars(file) for file in sent], "remarks": remarks, "message": message}, LABELS)
    body = {"images": [file.id for file in sent], "message": message}
    if remarks.strip() != one["remarks"]:
        body["remarks"] = remarks
    if problem is not None:
        _say(problem, one, state, remarks)
    waiting = files.is_waiting(f"{name}.images")
    if waiting:
        st.info("明細画像を送信しています。終わるまでお待ちください。", icon=":material/cloud_upload:")
    if st.button(
        "再提出する", key=f"{KEY}.resubmit", type="primary", icon=":material/send:", width="stretch", disabled=waiting
    ):
        resubmit(one, draft, state, body)
        st.rerun()


def _say(problem: ApiProblem, one: Row, state: dict[str, Any], remarks: str) -> None:
    if problem.stale:
        st.error(
            "この依頼は、開いたあとに変更されました。まだ再提出されていません。上の不備の内容を確認してから、"
            "もう一度「再提出する」を押してください。",
            icon=":material/difference:",
        )
        theirs = (problem.current or {}).get("remarks")
        if theirs is not None and theirs != remarks.strip():
            lines = [("備考", plain(remarks) or "–", plain(theirs) or "–")]
            details.sides(("項目", "あなたの入力", "最新の内容"), lines, key=f"{KEY}.sides")
        state["version"] = one["version"]
    elif problem.temporary and problem.was_sent:
        st.error(UNSURE, icon=":material/error:")
    elif problem.errors:
        st.error(forms.CORRECT, icon=":material/error:")
    else:
        feedback.not_done(problem)


def resubmit(one: Row, draft: drafting.Draft, state: dict[str, Any], body: Mapping[str, Any]) -> None:
    state["problem"], asked = None, f"{path(one['id'])}/resubmit"
    try:
        with pressed(asked) as once:
            session.api().post(asked, {"version": state["version"], **body}, once=once)
            draft.forget()
            st.session_state.pop(f"{KEY}.correction.{one['id']}", None)
            flash.say(f"依頼 {one['id']} を再提出しました。投入担当者が確認します。")
    except ApiProblem as problem:
        if not (problem.status == 401 and session.ended()):
            state["problem"] = problem


def more_images(one: Row) -> None:
    state = st.session_state.setdefault(f"{KEY}.more.{one['id']}", {"round": 0, "problem": None})

    @dialogs.dialog("明細画像を追加する", width="medium", icon=":material/add_photo_alternate:")
    def show() -> None:
        key = f"{KEY}.more.{one['id']}.{state['round']}"
        sent = files.upload(
            key,
            "検針票や請求書の画像を追加します。投入担当者にも表示されます。",
            purpose=sending.PURPOSE,
            max_files=max(sending.MOST_IMAGES - one["images"], 0),
        )
        if state["problem"]:
            feedback.not_done(state["problem"])
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("やめる", key=f"{KEY}.more.leave", on_click=dialogs.close)
            st.button(
                "追加する",
                key=f"{KEY}.more.add",
                type="primary",
                disabled=not sent or files.is_waiting(key),
                on_click=_add,
                args=(one, state, key),
            )

    show()


def _add(one: Row, state: dict[str, Any], key: str) -> None:
    images = [file.id for file in files.stored(key)]
    state["problem"], asked = None, f"{path(one['id'])}/images"
    try:
        with pressed(asked) as once:
            session.api().post(asked, {"images": images}, once=once)
            state["round"] += 1
            flash.say(f"明細画像を{len(images)}枚追加しました。")
            dialogs.close()
    except ApiProblem as problem:
        state["problem"] = problem


@refreshing
def images(request_id: int) -> None:
    reading = live.block(f"{KEY}.images.{request_id}", "明細画像", f"{path(request_id)}/images")
    if reading is None:
        return
    found = [
        files.File(one["file_id"], one["file_name"], one["size"], one["content_type"], f"{files.DOOR}/{one['file_id']}")
        for one in reading.data["items"]
    ]
    if found:
        files.previews(f"{KEY}.previews.{request_id}", found)
    else:
        st.markdown(small("明細画像はありません。備考の内容で投入します。"))


@refreshing
def sites(request_id: int) -> None:
    """What sales see of a site: its name, its status, what is wrong."""
    reading = live.block(f"{KEY}.sites.{request_id}", "地点", f"{path(request_id)}/sites")
    if reading is None:
        return
    if not reading.data["items"]:
        st.markdown(small("地点は、投入担当者が明細画像を見て登録します。まだ登録されていません。"))
        return
    with st.container(border=True, gap="small", key=f"{KEY}.sites"):
        for place, one in enumerate(reading.data["items"], 1):
            name = plain(one["branch_name"]) or f"地点{place}"
            line = f"{words.STATUS[one['status']].badge()} **{name}**　{words.SERVICE[one['service_type']]}"
            if one["entered_at"]:
                line += f"　{small(plain(times.day(times.parse(one['entered_at']))))}"
            if one["deficiency"]:
                line += f"  \n:red[{plain(one['deficiency'])}]"
            st.markdown(line)


@refreshing
def said(request_id: int) -> None:
    reading = live.block(f"{KEY}.comments.{request_id}", "不備・コメントの履歴", f"{path(request_id)}/comments")
    if reading is None:
        return
    found = reading.data["items"]
    timeline([happening(one) for one in found], key=f"{KEY}.timeline")
    if any(one["is_unread"] for one in found):
        _mark_read(request_id, max(one["id"] for one in found))


def happening(one: Row) -> Happening:
    where = f"{one['site_name']}: " if one["site_name"] else ""
    new = "【未読】" if one["is_unread"] else ""
    if one["type"] == "comment":
        what, kind = f"{new}{where}{one['message']}", "comment"
    elif one["is_open"]:
        what, kind = f"{new}不備: {where}{one['message']}", "alert"
    else:
        what, kind = f"{new}不備（対応済み）: {where}{one['message']}", "resolve"
    return Happening(times.parse(one["created_at"]), what, kind, one["author_name"])


def _mark_read(request_id: int, comment_id: int) -> None:
    """What is on the screen has been read; when that cannot be stored now, it is new once more."""
    try:
        session.api().post(f"{path(request_id)}/read", {"comment_id": comment_id}, once=None)
    except ApiProblem:
        return


def comment(request_id: int) -> None:
    if not session.may("agencies:request:create"):
        return
    with forms.form(f"{KEY}.comment.{request_id}", submit="コメントを送信する") as form:
        message = form.field(
            "message", st.text_area, "投入担当者へのコメント", required=True, max_chars=1000, height=80
        )
    if form.submitted:
        form.send(
            lambda once: session.api().post(f"{path(request_id)}/comments", {"message": message}, once=once),
            done="コメントを送信しました。",
        )


def facts(one: Row) -> None:
    st.subheader("依頼", anchor=False)
    details.facts(
        {
            "依頼ID": str(one["id"]),
            "法人名": one["corporation_name"],
            "地点数": f"投入済 {words.entered_of(one)}（申告 {one['site_count']:,}地点）",
            "備考": one["remarks"],
            "営業担当者": one["requested_by_name"],
            "代理店": one["agency_name"],
            "投入依頼日": times.full(times.parse(one["created_at"])),
        }
    )


def page() -> None:
    request_id = asked_id()
    if request_id is None:
        heading.page("依頼詳細")
        feedback.empty(
            "依頼が選ばれていません",
            "マイ依頼一覧から選んでください。",
            action=lambda: link("マイ依頼一覧へ", "/my-requests", primary=True),
        )
        return
    one = headline(request_id)
    if one is None:
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        if one["may_put_right"] and session.may("agencies:request:create"):
            deficiencies(request_id)
            correction(one)
        sites(request_id)
        said(request_id)
        comment(request_id)
    with right:
        facts(one)
        images(request_id)


page()
