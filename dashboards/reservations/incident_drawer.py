"""The drawer of an incident: its steps with their targets, its record, and the buttons for the next step."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboards.contract.reservations import IncidentDetail, IncidentItem, MarkItem
from dashboards.reservations import incident_forms
from dashboards.reservations.actions import Back
from dashboards.reservations.incident_forms import KEY, PATH, RECORD, REPORT
from dashboards.reservations.incident_words import LEVEL, STATUS, countdown, timeline_event
from dashboards.reservations.operation_words import RESPONSE
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, forms, times
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline


def drawer(row: IncidentItem) -> None:
    title = f"{row['code']} {row['title']}"
    dialogs.drawer(title, f"{PATH}/{row['id']}", _show, key=KEY, icon="emergency_home")


def _show(incident: IncidentDetail) -> None:
    back = partial(dialogs.open, drawer, incident)
    _state(incident)
    if has_permission("reservations:incident:update"):
        _buttons(incident, back)
    _steps(incident, back)
    _record(incident)
    _report(incident)
    if has_permission("reservations:incident:update"):
        _note(incident, back)
    st.markdown(small("経過"))
    timeline(map(timeline_event, incident["events"]), key=f"{KEY}.history")


def _state(incident: IncidentDetail) -> None:
    badges = f"{LEVEL[incident['level']].badge()} {STATUS[incident['status']].badge()}"
    since = f"発生 {times.stamp(incident['detected_at'])}"
    recovered = f"　復旧 {times.stamp(incident['recovered_at'])}" if incident["recovered_at"] else ""
    st.markdown(f"{badges}　{small(plain(since + recovered))}")


def _buttons(incident: IncidentDetail, back: Back) -> None:
    with st.container(horizontal=True):
        if not incident["resolved_at"]:
            dialogs.button(
                "解決済みにする", incident_forms.resolve, incident, back, key=f"{KEY}.resolve", icon="check_circle"
            )
        dialogs.button(
            "状況説明SMSを送る", incident_forms.notify_customers, incident, back, key=f"{KEY}.customers", icon="sms"
        )
        dialogs.button("記録を編集する", RECORD.edit, incident, key=f"{KEY}.edit", icon="edit")
        dialogs.button(
            "レベルを変更する", incident_forms.change_level, incident, back, key=f"{KEY}.level", icon="sync_alt"
        )


def _steps(incident: IncidentDetail, back: Back) -> None:
    """The steps of its level (5.2)."""
    st.markdown(small("対応手順"))
    with st.container(border=True, gap="small", key=f"{KEY}.steps"):
        for step in incident["marks"]:
            _step(incident, step, back)


def _step(incident: IncidentDetail, step: MarkItem, back: Back) -> None:
    due_at = times.stamp(step["due_at"])
    if step["done_at"]:
        done = f"{times.stamp(step['done_at'])}　{step['done_by']}"
        lines = [f"{RESPONSE[step['response']].badge()} **{plain(step['title'])}**", small(plain(done))]
        if step["note"]:
            lines.append(plain(step["note"]))
        st.markdown("  \n".join(lines))
        return
    countdown_text = countdown(incident["level"], step["title"], step["response"], step["left_seconds"], step["due_at"])
    automatic_note = "　時間になると自動で報告します" if step["tells"] else ""
    lines = [
        f"{RESPONSE[step['response']].badge()} **{plain(countdown_text)}**",
        small(plain(f"目標 {due_at}{automatic_note}")),
    ]
    st.markdown("  \n".join([*lines, *(f"・{plain(hint)}" for hint in step["hints"])]))
    if has_permission("reservations:incident:update"):
        label = "今すぐ報告する" if step["tells"] else f"{step['title']}を完了にする"
        dialogs.button(
            label, incident_forms.finish, incident, step, back, key=f"{KEY}.finish.{step['mark']}", icon="check"
        )


def _record(incident: IncidentDetail) -> None:
    """インシデント記録 (5.3.1)."""
    st.markdown(small("インシデント記録"))
    notified = f"{incident['told_customers']:,}人" if incident["told_customers"] else ""
    detected_at, *others = RECORD.fields[1:]  # The drawer's title names the incident.
    details.facts(
        {detected_at.label: detected_at.in_words(incident), "レベル": LEVEL[incident["level"]].label}
        | {field.label: field.in_words(incident) for field in others}
        | {"登録した人": incident["opened_by"], "状況説明SMS": notified}
    )


def _report(incident: IncidentDetail) -> None:
    due_note = f"（期限 {times.stamp(incident['report_due_at'])}）" if incident["report_due_at"] else ""
    st.markdown(small(plain(f"報告書{due_note}")))
    if incident["report"]:
        with st.expander("報告書を読む"):
            details.letter(incident["report"])
    if has_permission("reservations:incident:update"):
        label = "報告書を編集する" if incident["report"] else "ひな形から報告書を書く"
        dialogs.button(label, REPORT.edit, incident, key=f"{KEY}.report", icon="description")
    elif not incident["report"]:
        st.markdown("まだ書かれていません。")


def _note(incident: IncidentDetail, back: Back) -> None:
    with st.expander("メモを残す"), forms.form(f"{KEY}.note.{incident['id']}", submit="残す") as form:
        text = form.field("text", st.text_area, "メモ", required=True, max_chars=1000, height=80)
    if form.submitted:
        form.send(
            lambda key: incident_forms.target(incident, back).post("notes", {"text": text}, key),
            success="メモを残しました。",
        )
