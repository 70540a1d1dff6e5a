"""An incident next to the list: its facts, its history, and the buttons for the next steps."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.fleet import FIELDS, IncidentDetail, StepItem
from dashboards.fleet.choices import responders
from dashboards.fleet.incident_words import (
    INCIDENT_STATES,
    Incident,
    impact_text,
    place_text,
    state_key,
    timeline_event,
)
from dashboards.fleet.words import ALERT
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, feedback, flash, forms, targets, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

PATH = "/api/fleet/incidents"
MEMBERS_SHOWN = 10
SNOOZES = {30: "30分", 60: "1時間", 4 * 60: "4時間", 24 * 60: "24時間"}
MORNING = "明日の9:00まで"
SNOOZE_CONSEQUENCE = "終了するまで通知を止め、一覧の下に並べます。アラートは閉じません。"
_PROBLEM = "fleet.incident_problem"


def incident_url(incident_id: int) -> str:
    """アラート一覧 with this incident open."""
    return f"/alerts?id={incident_id}"


def drawer(row: Incident) -> None:
    @dialogs.dialog(place_text(row), position="right", width="medium", icon=":material/notifications_active:")
    def show() -> None:
        try:
            incident: IncidentDetail = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="incident.drawer")
            return
        _draw_state(incident)
        if action_problem := st.session_state.pop(_PROBLEM, None):
            feedback.action_failed(action_problem)
        if not incident["resolved_at"]:
            _first_actions(incident)
        _draw_steps(incident)
        _draw_members(incident)
        if has_permission("fleet:incident:note"):
            _note_form(incident)
        st.markdown(small("経過"))
        timeline(map(timeline_event, incident["events"]), key="incident.history")

    show()


def _draw_state(incident: IncidentDetail) -> None:
    due = ""
    if incident["due_at"] and incident["response"] and not incident["resolved_at"]:
        due = targets.countdown(times.parse(incident["due_at"]), incident["response"])
    kind = ALERT.get(incident["alert_type"], UNKNOWN)
    st.markdown(f"{INCIDENT_STATES[state_key(incident)].badge()} {kind.badge()} {due}")
    facts = {
        "発生": times.stamp(incident["opened_at"]),
        "内容": incident["message"],
        "影響": impact_text(incident),
        "復旧待ち": f"{incident['members_open']:,}台（対象 {incident['members']:,}台、"
        f"店舗の端末 {incident['store_terminals']:,}台）",
        "回線": incident["network"],
        "担当": incident["assignee"]["name"] if incident["assignee"] else "未割り当て",
        "スヌーズ": times.stamp(incident["snoozed_until"]) and f"{times.stamp(incident['snoozed_until'])}まで",
        "解決": incident["resolved_at"] and f"{times.stamp(incident['resolved_at'])}　{incident['resolved_by']}",
        FIELDS["resolution"]: incident["resolution"],
    }
    details.facts({label: value for label, value in facts.items() if value})


def _first_actions(incident: IncidentDetail) -> None:
    with st.container(horizontal=True):
        if has_permission("fleet:incident:operate") and not incident["acknowledged_at"]:
            _button(
                "確認する", "acknowledge", "visibility", incident, "acknowledge", "確認しました。担当になりました。"
            )
        if has_permission("fleet:incident:assign"):
            with st.popover("担当を決める", icon=":material/person:"):
                _assign_form(incident)
        if has_permission("fleet:incident:snooze"):
            with st.popover("スヌーズする", icon=":material/snooze:"):
                _snooze_buttons(incident)
        if has_permission("fleet:incident:resolve"):
            with st.popover("解決する", icon=":material/check_circle:"):
                _resolve_form(incident)


def _button(label: str, key: str, icon: str, incident: IncidentDetail, path: str, done: str) -> None:
    st.button(
        label,
        key=f"incident.{key}",
        type="primary",
        icon=f":material/{icon}:",
        on_click=_send_action,
        args=(incident, path, None, done),
    )


def _send_action(incident: IncidentDetail, path: str, body: dict[str, Any] | None, done: str) -> None:
    """For callbacks: sends the action and shows the message; a refusal is shown in the drawer, which stays open."""
    url = f"{PATH}/{incident['id']}/{path}"
    try:
        with button_idempotency_key(url) as idempotency_key:
            session.api().post(url, body, idempotency_key=idempotency_key)
            flash.add(done)
    except ApiProblem as problem:
        st.session_state[_PROBLEM] = problem


def _assign_form(incident: IncidentDetail) -> None:
    users = responders()
    assignee_id = str(incident["assignee"]["id"]) if incident["assignee"] else None
    key = f"incident.assignee.{incident['id']}.{incident['version']}"
    st.selectbox(
        "担当者",
        [*users],
        index=[*users].index(assignee_id) if assignee_id in users else None,
        format_func=lambda user_id: users[user_id],
        placeholder="未割り当て",
        key=key,
    )
    st.button("担当を決める", key="incident.assign", on_click=_save_assignment, args=(incident, key, users))


def _save_assignment(incident: IncidentDetail, key: str, users: dict[str, str]) -> None:
    """For callbacks, like `_finish_step`: the choice may be newer than what was drawn last."""
    assignee_id = st.session_state.get(key)
    body = {"version": incident["version"], "user_id": int(assignee_id) if assignee_id else None}
    _send_action(incident, "assignment", body, f"担当を{users.get(assignee_id or '', '未割り当て')}にしました。")


def snooze_ends() -> dict[str, str]:
    """Label → when a snooze that begins now ends."""
    now = times.now()
    morning = datetime.combine(now.date() + timedelta(days=1), time(9), now.tzinfo)
    ends = {label: now + timedelta(minutes=minutes) for minutes, label in SNOOZES.items()} | {MORNING: morning}
    return {label: end.isoformat() for label, end in ends.items()}


def _snooze_buttons(incident: IncidentDetail) -> None:
    st.markdown(small(SNOOZE_CONSEQUENCE))
    for label, until in snooze_ends().items():
        st.button(
            label,
            key=f"incident.snooze.{label}",
            width="stretch",
            on_click=_send_action,
            args=(incident, "snooze", {"version": incident["version"], "until": until}, f"{label}スヌーズします。"),
        )
    if incident["snoozed_until"]:
        st.button(
            "スヌーズを終了する",
            key="incident.wake",
            width="stretch",
            on_click=_send_action,
            args=(incident, "snooze", {"version": incident["version"], "until": None}, "スヌーズを終了しました。"),
        )


def _resolve_form(incident: IncidentDetail) -> None:
    st.markdown(small("復旧した端末のアラートは自動で閉じます。ここでは、復旧の確認ができたものを閉じます。"))
    with forms.form(f"incident.resolution.{incident['id']}", submit="解決済みにする") as form:
        resolution = form.field(
            "resolution", st.text_area, FIELDS["resolution"], required=True, max_chars=500, height=96
        )
    if form.submitted:
        body = {"version": incident["version"], "resolution": resolution}
        form.send(
            lambda key: session.api().post(f"{PATH}/{incident['id']}/resolution", body, idempotency_key=key),
            success="解決済みにしました。",
        )


def _draw_steps(incident: IncidentDetail) -> None:
    """The six steps of the requirement document: finished ones with time and user, open ones with the remaining
    time."""
    st.markdown(small("対応手順"))
    with st.container(border=True, gap="small", key="incident.steps"):
        for step in incident["steps"]:
            left, right = st.columns([3, 1], vertical_alignment="center")
            left.markdown(_step_lines(step, incident))
            if step["may"] and not step["done_at"] and not step["waits_for"]:
                with right.popover("完了にする", icon=":material/done:", width="stretch"):
                    _finish_form(incident, step)


def _step_lines(step: StepItem, incident: IncidentDetail) -> str:
    title = f"**{step['step']}. {plain(step['title'])}**　{small(step['team'])}"
    if step["done_at"]:
        late = step["response"] == "missed"
        icon = ":orange[:material/check_circle:]" if late else ":green[:material/check_circle:]"
        done_text = f"{times.stamp(step['done_at'])}　{step['done_by']}" + ("　目標時間を過ぎて完了" if late else "")
        note = f"  \n{plain(step['note'])}" if step["note"] else ""
        return f"{icon} {title}  \n{small(plain(done_text))}{note}"
    if step["waits_for"]:
        waiting_text = f"「{step['waits_for']}」の完了後10分以内。先に「{step['waits_for']}」を完了にします"
        return f":gray[:material/radio_button_unchecked:] {title}  \n{small(plain(waiting_text))}"
    if incident["resolved_at"]:
        return f":gray[:material/radio_button_unchecked:] {title}  \n{small('記録なし')}"
    due = (
        targets.countdown(times.parse(step["due_at"]), step["response"]) if step["due_at"] and step["response"] else ""
    )
    return f":gray[:material/radio_button_unchecked:] {title}  \n{due}"


def _finish_form(incident: IncidentDetail, step: StepItem) -> None:
    key = f"incident.step.{incident['id']}.{step['step']}"
    st.text_area("メモ（任意）", key=key, max_chars=500, height=96)
    st.button(
        f"「{step['title']}」を完了にする",
        key=f"{key}.done",
        type="primary",
        on_click=_finish_step,
        args=(incident, step, key),
    )


def _finish_step(incident: IncidentDetail, step: StepItem, key: str) -> None:
    """For callbacks: uses the note as it is now. A user who clicks from the note directly onto the button presses one
    that was drawn before the note."""
    subpath = "contacts" if step["step"] in (4, 6) else "steps"
    note = st.session_state.get(key) or ""
    _send_action(incident, f"{subpath}/{step['step']}", {"note": note}, f"「{step['title']}」を完了にしました。")


def _draw_members(incident: IncidentDetail) -> None:
    if incident["members"] == 1:
        link("端末詳細を開く", f"/terminal?id={incident['terminal_id']}")
        return
    st.markdown(small(f"対象の端末（{incident['members']:,}台のうち{incident['members_open']:,}台が復旧待ち）"))
    with st.container(border=True, gap="small", key="incident.members"):
        for member in incident["listed"][:MEMBERS_SHOWN]:
            icon = ":green[:material/check_circle:]" if member["is_resolved"] else ":red[:material/error:]"
            location = plain(f"{member['customer_name']} - {member['store_name']}")
            st.markdown(f"{icon} [{location}](/terminal?id={member['terminal_id']})　{small(member['serial_number'])}")
        if incident["members"] > MEMBERS_SHOWN:
            st.markdown(small(f"ほか{incident['members'] - MEMBERS_SHOWN:,}台"))


def _note_form(incident: IncidentDetail) -> None:
    def post(idempotency_key: str) -> None:
        session.api().post(f"{PATH}/{incident['id']}/notes", {"text": text}, idempotency_key=idempotency_key)
        dialogs.open(drawer, incident)  # A note does not close the drawer: it opens again, with the note.

    with forms.form(f"incident.note.{incident['id']}", submit="メモを残す") as form:
        text = form.field("text", st.text_area, FIELDS["note"], required=True, max_chars=2000, height=80)
    if form.submitted:
        form.send(post, success="メモを残しました。")
