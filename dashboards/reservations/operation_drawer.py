"""One task of 手動対応 beside the list: until when, what the document says to do, what is known, and the buttons for
exactly what is possible now."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import choices, customer_correction, operation_actions, reservation_parts
from dashboards.reservations.hand_over import hand_over
from dashboards.reservations.operation_words import (
    PRIORITY,
    RESPONSE,
    happened,
    happened_to_reservation,
    left,
    owner,
)
from dashboards.session import may
from dashboards.ui import dialogs, feedback, flash, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.once import pressed
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

PATH, KEY = "/api/reservations/operations", "reservations.operation"
_PROBLEM = f"{KEY}.problem"


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["title"]), position="right", width="medium", icon=":material/support_agent:")
    def show() -> None:
        try:
            task = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.drawer")
            return
        _state(task)
        if refused := st.session_state.pop(_PROBLEM, None):
            feedback.not_done(refused)
        if not task["resolved_at"] and may("reservations:operation:update"):
            _whose(task)
        _steps(task)
        back = _Back(task)
        if task["reservation"]:
            if not task["resolved_at"]:
                operation_actions.buttons(task["reservation"], back)
                if task["kind"] == "sms_failed":
                    customer_correction.button(task["reservation"], back)
            st.markdown(small("予約"))
            reservation_parts.facts(task["reservation"])
            if task["reservation"]["calls"]:
                st.markdown(small("店舗への電話"))
                reservation_parts.calls(task["reservation"], back, key=KEY)
            link("予約詳細を開く", f"/reservation?{urlencode({'code': task['reservation']['code']})}")
        _notes(task, back)
        st.markdown(small("経過"))
        told = [happened(event) for event in task["events"]]
        if task["reservation"]:
            told += [happened_to_reservation(event) for event in task["reservation"]["timeline"]]
        timeline(told, key=f"{KEY}.history")

    show()


class _Back:
    """To the drawer, which then shows what has become of it. Equal for equal tasks: dialogs are told apart by it."""

    def __init__(self, task: Row) -> None:
        self.task = task

    def __call__(self) -> None:
        dialogs.open(drawer, self.task)


def _state(task: Row) -> None:
    response = RESPONSE[task["response"]]
    due = times.full(times.parse(task["due_at"]))
    badges = f"{PRIORITY[task['priority']].badge()} {response.badge()}"
    if task["resolved_at"]:
        st.markdown(f"{badges}　{plain(times.full(times.parse(task['resolved_at'])))}　{plain(task['resolved_by'])}")
        if task["outcome"]:
            st.info(plain(task["outcome"]), icon=":material/check_circle:")
        return
    st.markdown(f"{badges}　**{plain(left(task))}**　{small(plain(f'期限 {due}・担当 {owner(task)}'))}")
    if task["detail"]:
        st.info(plain(task["detail"]), icon=":material/chat:")


def _whose(task: Row) -> None:
    with st.container(horizontal=True):
        if task["owner"] is None:
            _button("自分が対応する", "claim", "front_hand", task, done="担当になりました。", primary=True)
        with st.popover("引き継ぐ" if task["owner"] else "担当を決める", icon=":material/person:"):
            hand_over(KEY, task, choices.people(), _do)
        if task["owner"] is not None:
            _button("担当を外す", "release", "person_off", task, done="担当を外しました。")
        if task["may_resolve"]:
            with st.popover("対応を完了する", icon=":material/check_circle:"):
                _resolve(task)


def _button(word: str, what: str, icon: str, task: Row, *, done: str, primary: bool = False) -> None:
    st.button(
        word,
        key=f"{KEY}.{what}",
        type="primary" if primary else "secondary",
        icon=f":material/{icon}:",
        on_click=_do,
        args=(task, what, {"version": task["version"]}, done),
    )


def _do(task: Row, what: str, body: dict[str, Any], done: str) -> None:
    """For callbacks: what was refused is said in the drawer, which stays open."""
    asked = f"{PATH}/{task['id']}/{what}"
    try:
        with pressed(asked) as once:
            session.api().post(asked, body, once=once)
            flash.say(done)
    except ApiProblem as problem:
        st.session_state[_PROBLEM] = problem


def _resolve(task: Row) -> None:
    with forms.form(f"{KEY}.resolution.{task['id']}", submit="完了にする") as form:
        outcome = form.field("outcome", st.text_area, "対応結果", required=True, max_chars=1000, height=96)
    if form.submitted:
        body = {"version": task["version"], "outcome": outcome}
        form.send(
            lambda once: session.api().post(f"{PATH}/{task['id']}/resolution", body, once=once),
            done="対応を完了しました。",
        )


def _steps(task: Row) -> None:
    """The document's procedure."""
    estimate = f"（目安 {task['minutes']}）" if task["minutes"] else ""
    st.markdown(small(f"対応手順{estimate}"))
    with st.container(border=True, gap="small", key=f"{KEY}.steps"):
        st.markdown("\n".join(f"{place}. {plain(step)}" for place, step in enumerate(task["steps"], 1)))


def _notes(task: Row, back: operation_actions.Back) -> None:
    if task["reservation"] and may("reservations:reservation:contact"):
        with st.expander("依頼者・店舗との連絡を記録する"):
            operation_actions.contact(task["reservation"], back)
