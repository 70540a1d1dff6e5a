"""The drawer of a task of 手動対応: its deadline, the steps of the specification, the data, and the buttons for what
is possible now."""

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
    owner,
    reservation_timeline_event,
    time_left,
    timeline_event,
)
from dashboards.session import has_permission
from dashboards.ui import dialogs, feedback, flash, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
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
        if failure := st.session_state.pop(_PROBLEM, None):
            feedback.action_failed(failure)
        if not task["resolved_at"] and has_permission("reservations:operation:update"):
            _ownership(task)
        _steps(task)
        back = _ReopenDrawer(task)
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
        timeline_events = [timeline_event(event) for event in task["events"]]
        if task["reservation"]:
            timeline_events += [reservation_timeline_event(event) for event in task["reservation"]["timeline"]]
        timeline(timeline_events, key=f"{KEY}.history")

    show()


class _ReopenDrawer:
    """Opens the drawer again, which then shows the current state."""

    def __init__(self, task: Row) -> None:
        self.task = task

    def __call__(self) -> None:
        dialogs.open(drawer, self.task)


def _state(task: Row) -> None:
    response = RESPONSE[task["response"]]
    due_at = times.full(times.parse(task["due_at"]))
    badges = f"{PRIORITY[task['priority']].badge()} {response.badge()}"
    if task["resolved_at"]:
        st.markdown(f"{badges}　{plain(times.full(times.parse(task['resolved_at'])))}　{plain(task['resolved_by'])}")
        if task["outcome"]:
            st.info(plain(task["outcome"]), icon=":material/check_circle:")
        return
    st.markdown(f"{badges}　**{plain(time_left(task))}**　{small(plain(f'期限 {due_at}・担当 {owner(task)}'))}")
    if task["detail"]:
        st.info(plain(task["detail"]), icon=":material/chat:")


def _ownership(task: Row) -> None:
    with st.container(horizontal=True):
        if task["owner"] is None:
            _button("自分が対応する", "claim", "front_hand", task, done="担当になりました。", primary=True)
        with st.popover("引き継ぐ" if task["owner"] else "担当を決める", icon=":material/person:"):
            hand_over(KEY, task, choices.assignees(), _do)
        if task["owner"] is not None:
            _button("担当を外す", "release", "person_off", task, done="担当を外しました。")
        if task["may_resolve"]:
            with st.popover("対応を完了する", icon=":material/check_circle:"):
                _resolve(task)


def _button(label: str, action: str, icon: str, task: Row, *, done: str, primary: bool = False) -> None:
    st.button(
        label,
        key=f"{KEY}.{action}",
        type="primary" if primary else "secondary",
        icon=f":material/{icon}:",
        on_click=_do,
        args=(task, action, {"version": task["version"]}, done),
    )


def _do(task: Row, action: str, body: dict[str, Any], done: str) -> None:
    """For callbacks: an error is shown in the drawer, which stays open."""
    endpoint = f"{PATH}/{task['id']}/{action}"
    try:
        with button_idempotency_key(endpoint) as idempotency_key:
            session.api().post(endpoint, body, once=idempotency_key)
            flash.add(done)
    except ApiProblem as problem:
        st.session_state[_PROBLEM] = problem


def _resolve(task: Row) -> None:
    with forms.form(f"{KEY}.resolution.{task['id']}", submit="完了にする") as form:
        outcome = form.field("outcome", st.text_area, "対応結果", required=True, max_chars=1000, height=96)
    if form.submitted:
        body = {"version": task["version"], "outcome": outcome}
        form.send(
            lambda idempotency_key: session.api().post(f"{PATH}/{task['id']}/resolution", body, once=idempotency_key),
            done="対応を完了しました。",
        )


def _steps(task: Row) -> None:
    """The procedure of the specification."""
    estimate = f"（目安 {task['minutes']}）" if task["minutes"] else ""
    st.markdown(small(f"対応手順{estimate}"))
    with st.container(border=True, gap="small", key=f"{KEY}.steps"):
        st.markdown("\n".join(f"{number}. {plain(step)}" for number, step in enumerate(task["steps"], 1)))


def _notes(task: Row, back: operation_actions.Back) -> None:
    if task["reservation"] and has_permission("reservations:reservation:contact"):
        with st.expander("依頼者・店舗との連絡を記録する"):
            operation_actions.contact(task["reservation"], back)
