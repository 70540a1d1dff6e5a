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

Row = Mapping[str, Any]


def path(number: str) -> str:
    return f"/api/loaners/devices/{quote(number, safe='')}"


def detail(number: str) -> str:
    return f"/loaners-device?{urlencode({'number': number})}"


def search() -> None:
    """By a label's address, a number, or a part of one."""
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
        found = session.api().get("/api/loaners/scanned", q=text)
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    if found["exact"]:
        choose(found["items"][0]["number"])
        st.rerun()
    if not found["items"]:
        st.warning(f"「{plain(text)}」に当てはまる機器はありません。ラベルの番号を確認してください。")
        return
    st.markdown(
        "登録する機器を選んでください。"
        + ("ほかにもあるため、番号をもう少し入力してください。" if found["more"] else "")
    )
    for one in found["items"]:
        words_ = f"**{plain(one['number'])}**  \n{plain(one['model_name'])}・{one['site_name']}・{one['status_word']}"
        st.button(words_, key=f"{KEY}.{one['number']}", width="stretch", on_click=choose, args=(one["number"],))


def choose(number: str) -> None:
    st.query_params["number"] = number
    st.session_state.pop(KEY, None)


def leave() -> None:
    st.query_params.pop("number", None)
    st.session_state.pop(KEY, None)
    st.session_state.pop(f"{KEY}.q", None)


def again() -> None:
    st.session_state.pop(KEY, None)


def opened(number: str) -> dict[str, Any] | None:
    """The form as it was when it was opened: what it says now would take what somebody else has told meanwhile for
    what this person has seen. `client_id` is the same for the device until its success is seen, however often the form
    is loaded anew: an answer may have got lost. `draft` names the fields as they are drawn."""
    state: dict[str, Any] | None = st.session_state.get(KEY)
    if state and state["number"] == number:
        return state
    try:
        form = session.api().get(f"{path(number)}/status-form")
    except ApiProblem as problem:
        if problem.status == 404:
            st.warning(plain(problem.detail), icon=":material/search_off:")
            st.button("別の機器を探す", key=f"{KEY}.other", icon=":material/search:", on_click=leave)
        else:
            feedback.failed(problem, key=KEY)
        return None
    times.follow(times.parse(form["as_of"]))
    name = unseen().setdefault(form["number"], uuid.uuid4().hex)
    made = {"number": number, "form": form, "client_id": name, "draft": uuid.uuid4().hex}
    made |= {"problem": None, "done": None, "unsure": False, "opened": times.now()}
    made |= {"begun": begun.of(form), "first": None, "kept": False}
    st.session_state[KEY] = made
    return made


def unseen() -> dict[str, str]:
    """By device, the name of what was sent, or will be, and is not known to be stored."""
    names: dict[str, str] = st.session_state.setdefault(f"{KEY}.unseen", {})
    return names


def state_sentence(form: Row) -> None:
    st.markdown(f"**{plain(form['number'])}**  \n{plain(form['model_name'])}・{plain(form['site_name'])}")
    badge = words.STATUS.get(form["status"], words.NOT_YET).badge()
    since = f"（{words.stamp(form['changed_at'])}から）" if form["changed_at"] else ""
    st.markdown(f"現在のステータスは {badge} です{since}。")


def fill_in(state: dict[str, Any]) -> None:
    form = state["form"]
    state_sentence(form)
    if form["refusal"]:
        st.warning(plain(form["refusal"]), icon=":material/archive:")
        link("機器詳細を開く", detail(form["number"]))
        return
    errors = {error["field"]: error["message"] for error in state["problem"].errors} if state["problem"] else {}
    by_question = {field.removeprefix("answers."): message for field, message in errors.items()}
    before: begun.Begun | None = state["begun"]
    if before:
        continued(before)
    start = before.answers if before else form["answers"]
    answers = questions.fill_in(f"{KEY}.{state['draft']}", form["questions"], start, by_question)
    moment = happened(state, errors.get("effective_at"))
    keep(state, answers, moment)
    sent = {"form": form["form"], "based_on": form["based_on"], "answers": answers, "effective_at": moment}
    if state["problem"]:
        complain(state)
    with st.container(horizontal=True):
        # No callback: it would be given the answers of before the field that was left by this very press.
        pressed = st.button("内容を確認する", key=f"{KEY}.check", type="primary", icon=":material/fact_check:")
        st.button("別の機器を選ぶ", key=f"{KEY}.leave", type="tertiary", on_click=leave)
    if pressed:
        check(state, sent)
        st.rerun()


def continued(before: begun.Begun) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"{KEY}.continued"):
        saved = words.stamp(before.at)
        st.markdown(f":material/history: 前回の入力の続きです（{saved}）。まだ登録されていません。", width="content")
        st.button("破棄して最初から入力する", key=f"{KEY}.begin", type="tertiary", on_click=discard)


def discard() -> None:
    begun.forget(st.session_state[KEY]["form"]["number"])
    again()


def keep(state: dict[str, Any], answers: dict[str, str], moment: str | None) -> None:
    """What differs from how the form was offered is kept until it is stored: a phone may load the page anew."""
    told = (answers, moment)
    if state["first"] is None and state["begun"] is None:
        state["first"] = told
    if told != state["first"]:
        begun.keep(state["form"], answers, moment)
        state["kept"] = True
    elif state["kept"]:  # Another tab may have begun, too.
        begun.forget(state["form"]["number"])


def happened(state: Row, error: str | None) -> str | None:
    """When it happened, if not now."""
    key = f"{KEY}.{state['draft']}.late"
    before: begun.Begun | None = state["begun"]
    told = times.parse(before.effective_at) if before and before.effective_at else None
    if not st.toggle("あとから登録する（発生日時を指定する）", told is not None, key=key):
        return None
    now = state["opened"]
    began = told or now.replace(minute=0)
    with st.container(horizontal=True):
        day = st.date_input(
            "発生日", began.date(), key=f"{key}.day", format="YYYY/MM/DD", max_value=now.date(), width=150
        )
        clock = st.time_input("発生時刻", time(began.hour, began.minute), key=f"{key}.time", step=300, width=150)
    if error:
        st.markdown(f":red[:material/error: {plain(error)}]")
    return datetime.combine(day, clock, times.TOKYO).isoformat()


def complain(state: Row) -> None:
    problem = state["problem"]
    if state["unsure"]:
        st.error(UNSURE, icon=":material/error:")
        st.markdown(small(plain(problem.title)))
        return
    if problem.errors:
        st.error(CORRECT, icon=":material/error:")
        return
    feedback.not_done(problem)
    if problem.status == 409:
        st.button("最新の内容を読み込む", key=f"{KEY}.again", icon=":material/refresh:", on_click=again)


def check(state: dict[str, Any], sent: Row) -> None:
    """What it would change, before it is stored."""
    try:
        expected = session.api().post(
            f"{path(state['number'])}/status/check",
            {**sent, "client_id": state["client_id"]},
            once=None,
            reads=True,
        )
    except ApiProblem as problem:
        state["problem"] = problem
        # A refusal has looked whether it is stored.
        state["unsure"] = state["unsure"] and problem.temporary
        return
    state["problem"], state["unsure"] = None, False
    if expected["stored"]:
        succeed(state, expected["stored"])
        return
    dialogs.open(confirm, state, sent, expected)


def confirm(state: dict[str, Any], sent: Row, expected: Row) -> None:
    @dialogs.dialog("この内容で登録しますか？", width="medium", icon=":material/fact_check:")
    def ask() -> None:
        when = words.stamp(expected["effective_at"]) if expected["effective_at"] else "今"
        st.markdown(f"**{plain(state['form']['number'])}**（発生日時: {when}）")
        with st.container(border=True, gap="small", key=f"{KEY}.changes"):
            for line in words.changes(expected["changes"]):
                st.markdown(line)
            for warning in expected["warnings"]:
                st.markdown(f":orange[:material/info: {plain(warning)}]")
        for sentence in consequences(expected):
            st.markdown(small(sentence))
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("戻って直す", key=f"{KEY}.back", on_click=dialogs.close)
            st.button("登録する", key=f"{KEY}.send", type="primary", on_click=send, args=(state, sent))

    ask()


def consequences(expected: Row) -> list[str]:
    found = []
    if expected["cleared"]:
        found.append(f"{plain(expected['cleared'])}、「預り機のステータス」はクリアされます。")
    if expected["mail_to"]:
        found.append(f"ステータスが変わるため、{plain(expected['mail_to'])} にメールで通知します。")
    return found


def send(state: dict[str, Any], sent: Row) -> None:
    dialogs.close()
    if state["done"]:
        return
    try:
        done = session.api().post(
            f"{path(state['number'])}/status", {**sent, "client_id": state["client_id"]}, once=None
        )
    except ApiProblem as problem:
        state["problem"] = problem
        state["unsure"] = (state["unsure"] or problem.was_sent) and problem.temporary
    else:
        succeed(state, done)


def succeed(state: dict[str, Any], done: Row) -> None:
    state["done"] = done
    unseen().pop(done["number"], None)
    begun.forget(done["number"])


def stored(state: dict[str, Any]) -> None:
    done = state["done"]
    st.success(f"登録しました（{words.stamp(done['recorded_at'])}）。", icon=":material/check_circle:")
    badge = words.STATUS.get(done["status"], words.NOT_YET).badge()
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
        link("機器詳細を開く", detail(done["number"]), primary=True)
        st.button("別の機器を登録する", key=f"{KEY}.next", icon=":material/qr_code_scanner:", on_click=leave)
        st.button("この機器をもう一度登録する", key=f"{KEY}.same", type="tertiary", on_click=again)


def page() -> None:
    number = st.query_params.get("number", "").strip()
    if not number:
        search()
        return
    state = opened(number)
    if state is None:
        return
    stored(state) if state["done"] else fill_in(state)


heading.page("ステータス登録")
with st.container(width=WIDTH):
    page()
