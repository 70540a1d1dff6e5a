"""ステータス登録: what happened to this device? Made for a phone that has just scanned its label."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any
from urllib.parse import quote, urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.loaners import Candidates, Expected, FormToFill, Stored
from dashboards.loaners import begun, questions, words
from dashboards.ui import dialogs, feedback, heading, times
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

KEY = "loaners.status_form"
WIDTH = 640
UNSURE = (
    "応答を受け取れなかったため、登録されたかどうかわかりません。もう一度「内容を確認する」を押してください。"
    "すでに登録されていれば、二重に登録されることはなく、登録した内容が表示されます。"
)
CORRECT = "入力内容をご確認ください。赤字の項目を直して、もう一度お試しください。まだ登録されていません。"


def path(number: str) -> str:
    return f"/api/loaners/devices/{quote(number, safe='')}"


def detail_url(number: str) -> str:
    return f"/loaners-device?{urlencode({'number': number})}"


def search() -> None:
    """By a label's address, a number, or a part of a number."""
    st.markdown("機器のラベルのQRコードを読み取るか、拠点管理番号・製造番号・資産管理番号の一部を入力してください。")
    text = st.text_input(
        "機器を探す",
        key=f"{KEY}.q",
        placeholder="例: OSAKA_SV_… または ABC12345",
        icon=":material/qr_code_scanner:",
        max_chars=300,
    ).strip()
    if len(text) < 2:
        return
    try:
        matches: Candidates = session.api().get("/api/loaners/scanned", q=text)
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    if matches["exact"]:
        choose(matches["items"][0]["number"])
        st.rerun()
    if not matches["items"]:
        st.warning(f"「{plain(text)}」に当てはまる機器はありません。ラベルの番号を確認してください。")
        return
    st.markdown(
        "登録する機器を選んでください。"
        + ("ほかにもあるため、番号をもう少し入力してください。" if matches["more"] else "")
    )
    for device in matches["items"]:
        label = (
            f"**{plain(device['number'])}**  \n"
            f"{plain(device['model_name'])}・{plain(device['site_name'])}・{device['status_word']}"
        )
        st.button(label, key=f"{KEY}.{device['number']}", width="stretch", on_click=choose, args=(device["number"],))


def choose(number: str) -> None:
    st.query_params["number"] = number
    st.session_state.pop(KEY, None)


def leave() -> None:
    st.query_params.pop("number", None)
    st.session_state.pop(KEY, None)
    st.session_state.pop(f"{KEY}.q", None)


def reload() -> None:
    st.session_state.pop(KEY, None)


def load_state(number: str) -> dict[str, Any] | None:
    """The form as it was when it was opened: a newer one would contain what another user has registered meanwhile
    and this user has not seen. `client_id` stays the same for the device until the user sees the success, even when
    the form is loaded again, because an answer may have been lost. `draft` is a part of the fields' widget keys."""
    state: dict[str, Any] | None = st.session_state.get(KEY)
    if state and state["number"] == number:
        return state
    try:
        form: FormToFill = session.api().get(f"{path(number)}/status-form")
    except ApiProblem as problem:
        if problem.status == 404:
            st.warning(plain(problem.detail), icon=":material/search_off:")
            st.button("別の機器を探す", key=f"{KEY}.other", icon=":material/search:", on_click=leave)
        else:
            feedback.failed(problem, key=KEY)
        return None
    times.use_service_clock(times.parse(form["as_of"]))
    client_id = unconfirmed_ids().setdefault(form["number"], uuid.uuid4().hex)
    new_state: dict[str, Any] = {"number": number, "form": form, "client_id": client_id, "draft": uuid.uuid4().hex}
    new_state |= {"problem": None, "done": None, "unsure": False, "opened": times.now()}
    new_state |= {"begun": begun.find_draft(form), "first": None, "kept": False}
    st.session_state[KEY] = new_state
    return new_state


def unconfirmed_ids() -> dict[str, str]:
    """By device, the client id of what was sent, or will be, and is not known to be stored."""
    ids: dict[str, str] = st.session_state.setdefault(f"{KEY}.unseen", {})
    return ids


def state_sentence(form: FormToFill) -> None:
    st.markdown(f"**{plain(form['number'])}**  \n{plain(form['model_name'])}・{plain(form['site_name'])}")
    badge = words.status(form["status"]).badge()
    since = f"（{words.timestamp(form['changed_at'])}から）" if form["changed_at"] else ""
    st.markdown(f"現在のステータスは {badge} です{since}。")


def fill_in(state: dict[str, Any]) -> None:
    form = state["form"]
    state_sentence(form)
    if form["refusal"]:
        st.warning(plain(form["refusal"]), icon=":material/archive:")
        link("機器詳細を開く", detail_url(form["number"]))
        return
    errors = {error["field"]: error["message"] for error in state["problem"].errors} if state["problem"] else {}
    question_errors = {field.removeprefix("answers."): message for field, message in errors.items()}
    draft: begun.Draft | None = state["begun"]
    if draft:
        draft_notice(draft)
    initial = draft.answers if draft else form["answers"]
    answers = questions.fill_in(f"{KEY}.{state['draft']}", form["questions"], initial, question_errors)
    effective_at = effective_at_field(state, errors.get("effective_at"))
    save_draft(state, answers, effective_at)
    payload = {"form": form["form"], "based_on": form["based_on"], "answers": answers, "effective_at": effective_at}
    if state["problem"]:
        show_problem(state)
    with st.container(horizontal=True):
        # Not in a callback: it would get the answers of the previous run, without the field that this click leaves.
        pressed = st.button("内容を確認する", key=f"{KEY}.check", type="primary", icon=":material/fact_check:")
        st.button("別の機器を選ぶ", key=f"{KEY}.leave", type="tertiary", on_click=leave)
    if pressed:
        check(state, payload)
        st.rerun()


def draft_notice(draft: begun.Draft) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"{KEY}.continued"):
        saved_at = words.timestamp(draft.at)
        st.markdown(f":material/history: 前回の入力の続きです（{saved_at}）。まだ登録されていません。", width="content")
        st.button("破棄して最初から入力する", key=f"{KEY}.begin", type="tertiary", on_click=discard)


def discard() -> None:
    begun.delete_draft(st.session_state[KEY]["form"]["number"])
    reload()


def save_draft(state: dict[str, Any], answers: dict[str, str], effective_at: str | None) -> None:
    """What differs from the form as it was opened is kept as a draft until it is stored: a phone may reload the
    page."""
    current = (answers, effective_at)
    if state["first"] is None and state["begun"] is None:
        state["first"] = current
    if current != state["first"]:
        begun.save_draft(state["form"], answers, effective_at)
        state["kept"] = True
    elif state["kept"]:  # Another tab may have saved a draft, too.
        begun.delete_draft(state["form"]["number"])


def effective_at_field(state: Mapping[str, Any], error: str | None) -> str | None:
    """When it happened, if not now."""
    key = f"{KEY}.{state['draft']}.late"
    draft: begun.Draft | None = state["begun"]
    draft_at = times.parse(draft.effective_at) if draft and draft.effective_at else None
    if not st.toggle("あとから登録する（発生日時を指定する）", draft_at is not None, key=key):
        return None
    opened_at = state["opened"]
    initial = draft_at or opened_at.replace(minute=0)
    with st.container(horizontal=True):
        day = st.date_input(
            "発生日", initial.date(), key=f"{key}.day", format="YYYY/MM/DD", max_value=opened_at.date(), width=150
        )
        clock_time = st.time_input(
            "発生時刻", time(initial.hour, initial.minute), key=f"{key}.time", step=300, width=150
        )
    if error:
        st.markdown(f":red[:material/error: {plain(error)}]")
    return datetime.combine(day, clock_time, times.TOKYO).isoformat()


def show_problem(state: Mapping[str, Any]) -> None:
    problem = state["problem"]
    if state["unsure"]:
        st.error(UNSURE, icon=":material/error:")
        st.markdown(small(plain(problem.title)))
        return
    if problem.errors:
        st.error(CORRECT, icon=":material/error:")
        return
    feedback.action_failed(problem)
    if problem.status == 409:
        st.button("最新の内容を読み込む", key=f"{KEY}.again", icon=":material/refresh:", on_click=reload)


def check(state: dict[str, Any], payload: Mapping[str, Any]) -> None:
    """Shows what would change, before it is stored."""
    try:
        preview: Expected = session.api().post(
            f"{path(state['number'])}/status/check",
            {**payload, "client_id": state["client_id"]},
            idempotency_key=None,
            reads=True,
        )
    except ApiProblem as problem:
        state["problem"] = problem
        # A refusal means that the service has checked whether it is stored.
        state["unsure"] = state["unsure"] and problem.temporary
        return
    state["problem"], state["unsure"] = None, False
    if preview["stored"]:
        succeed(state, preview["stored"])
        return
    dialogs.open(confirm, state, payload, preview)


def confirm(state: dict[str, Any], payload: Mapping[str, Any], preview: Expected) -> None:
    @dialogs.dialog("この内容で登録しますか？", width="medium", icon=":material/fact_check:")
    def ask() -> None:
        effective_at = words.timestamp(preview["effective_at"]) if preview["effective_at"] else "今"
        st.markdown(f"**{plain(state['form']['number'])}**（発生日時: {effective_at}）")
        with st.container(border=True, gap="small", key=f"{KEY}.changes"):
            for line in words.changes(preview["changes"]):
                st.markdown(line)
            for warning in preview["warnings"]:
                st.markdown(f":orange[:material/info: {plain(warning)}]")
        for sentence in consequences(preview):
            st.markdown(small(sentence))
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("戻って直す", key=f"{KEY}.back", on_click=dialogs.close)
            st.button("登録する", key=f"{KEY}.send", type="primary", on_click=send, args=(state, payload))

    ask()


def consequences(preview: Expected) -> list[str]:
    sentences = []
    if preview["cleared"]:
        sentences.append(f"{plain(preview['cleared'])}、「預り機のステータス」はクリアされます。")
    if preview["mail_to"]:
        sentences.append(f"ステータスが変わるため、{plain(preview['mail_to'])} にメールで通知します。")
    return sentences


def send(state: dict[str, Any], payload: Mapping[str, Any]) -> None:
    dialogs.close()
    if state["done"]:
        return
    try:
        done: Stored = session.api().post(
            f"{path(state['number'])}/status", {**payload, "client_id": state["client_id"]}, idempotency_key=None
        )
    except ApiProblem as problem:
        state["problem"] = problem
        state["unsure"] = (state["unsure"] or problem.was_sent) and problem.temporary
    else:
        succeed(state, done)


def succeed(state: dict[str, Any], done: Stored) -> None:
    state["done"] = done
    unconfirmed_ids().pop(done["number"], None)
    begun.delete_draft(done["number"])


def show_stored(state: dict[str, Any]) -> None:
    done = state["done"]
    st.success(f"登録しました（{words.timestamp(done['recorded_at'])}）。", icon=":material/check_circle:")
    badge = words.status(done["status"]).badge()
    st.markdown(f"**{plain(done['number'])}** の現在のステータスは {badge} です。")
    with st.container(border=True, gap="small", key=f"{KEY}.done"):
        for line in words.changes(done["changes"]):
            st.markdown(line)
        if not done["changes"]:
            st.markdown("前回の登録から変わった項目はありません。")
    if done["cleared"]:
        st.markdown(small(f"{plain(done['cleared'])}、「預り機のステータス」はクリアされました。"))
    if done["mail_to"]:
        st.markdown(small(f"{plain(done['mail_to'])} にメールで通知します。"))
    with st.container(horizontal=True):
        link("機器詳細を開く", detail_url(done["number"]), primary=True)
        st.button("別の機器を登録する", key=f"{KEY}.next", icon=":material/qr_code_scanner:", on_click=leave)
        st.button("この機器をもう一度登録する", key=f"{KEY}.same", type="tertiary", on_click=reload)


def page() -> None:
    number = st.query_params.get("number", "").strip()
    if not number:
        search()
        return
    state = load_state(number)
    if state is None:
        return
    show_stored(state) if state["done"] else fill_in(state)


heading.page("ステータス登録")
with st.container(width=WIDTH):
    page()
