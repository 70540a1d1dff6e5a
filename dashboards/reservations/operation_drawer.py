"""The drawer of a task of 手動対応: its deadline, the steps of the specification, the data, and the buttons for what
is possible now."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

import streamlit as st

from dashboards.contract.reservations import OperationDetail, OperationItem
from dashboards.reservations import choices, customer_correction, operation_actions, reservation_parts
from dashboards.reservations.actions import Back, Target
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
from dashboards.ui import details, dialogs, forms, times
from dashboards.ui.links import link
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

PATH, KEY = "/api/reservations/operations", "reservations.operation"


def drawer(row: OperationItem) -> None:
    dialogs.drawer(row["title"], f"{PATH}/{row['id']}", _show, key=KEY, icon="support_agent")


def _show(task: OperationDetail) -> None:
    back = partial(dialogs.open, drawer, task)
    target = Target(KEY, PATH, task["id"], version=task["version"])
    _state(task)
    target.show_failure()
    if not task["resolved_at"] and has_permission("reservations:operation:update"):
        _ownership(task, target)
    _steps(task)
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


def _state(task: OperationDetail) -> None:
    response = RESPONSE[task["response"]]
    due_at = times.stamp(task["due_at"])
    badges = f"{PRIORITY[task['priority']].badge()} {response.badge()}"
    if task["resolved_at"]:
        st.markdown(f"{badges}　{plain(times.stamp(task['resolved_at']))}　{plain(task['resolved_by'] or '')}")
        if task["outcome"]:
            st.info(plain(task["outcome"]), icon=":material/check_circle:")
            details.copies(task["outcome"])
        return
    st.markdown(f"{badges}　**{plain(time_left(task))}**　{small(plain(f'期限 {due_at}・担当 {owner(task)}'))}")
    if task["detail"]:
        st.info(plain(task["detail"]), icon=":material/chat:")
        details.copies(task["detail"])


def _ownership(task: OperationDetail, target: Target) -> None:
    with st.container(horizontal=True):
        if task["owner"] is None:
            target.button("自分が対応する", "claim", "front_hand", done="担当になりました。", primary=True)
        with st.popover("引き継ぐ" if task["owner"] else "担当を決める", icon=":material/person:"):
            hand_over(target, choices.assignees())
        if task["owner"] is not None:
            target.button("担当を外す", "release", "person_off", done="担当を外しました。")
        if task["may_resolve"]:
            with st.popover("対応を完了する", icon=":material/check_circle:"):
                _resolve(target)


def _resolve(target: Target) -> None:
    with forms.form(f"{KEY}.resolution.{target.id}", submit="完了にする") as form:
        outcome = form.field("outcome", st.text_area, "対応結果", required=True, max_chars=1000, height=96)
    if form.submitted:
        form.send(
            lambda key: target.post("resolution", {"outcome": outcome}, key),
            success="対応を完了しました。",
        )


def _steps(task: OperationDetail) -> None:
    """The procedure of the specification."""
    estimate = f"（目安 {task['minutes']}）" if task["minutes"] else ""
    st.markdown(small(f"対応手順{estimate}"))
    with st.container(border=True, gap="small", key=f"{KEY}.steps"):
        st.markdown("\n".join(f"{number}. {plain(step)}" for number, step in enumerate(task["steps"], 1)))


def _notes(task: OperationDetail, back: Back) -> None:
    if task["reservation"] and has_permission("reservations:reservation:contact"):
        with st.expander("依頼者・店舗との連絡を記録する"):
            operation_actions.contact(task["reservation"], back)
