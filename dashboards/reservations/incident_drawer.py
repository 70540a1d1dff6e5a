"""The drawer of an incident: its steps with their targets, its record, and the buttons for the next step."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import incident_forms
from dashboards.reservations.incident_forms import KEY, LABELS, PATH, RECORD, REPORT
from dashboards.reservations.incident_words import LEVEL, STATUS, countdown, timeline_event
from dashboards.reservations.operation_words import RESPONSE
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, feedback, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline


def drawer(row: Row) -> None:
    @dialogs.dialog(
        plain(f"{row['code']} {row['title']}"), position="right", width="medium", icon=":material/emergency_home:"
    )
    def show() -> None:
        try:
            incident = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.drawer")
            return
        back = _ReopenDrawer(row)
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

    show()


class _ReopenDrawer:
    """Opens the drawer again, which then shows the current state."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def __call__(self) -> None:
        dialogs.open(drawer, self.row)


def _state(incident: Row) -> None:
    badges = f"{LEVEL[incident['level']].badge()} {STATUS[incident['status']].badge()}"
    since = f"発生 {times.full(times.parse(incident['detected_at']))}"
    recovered = f"　復旧 {times.full(times.parse(incident['recovered_at']))}" if incident["recovered_at"] else ""
    st.markdown(f"{badges}　{small(plain(since + recovered))}")


def _buttons(incident: Row, back: _ReopenDrawer) -> None:
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


def _steps(incident: Row, back: _ReopenDrawer) -> None:
    """The steps of its level (5.2)."""
    st.markdown(small("対応手順"))
    with st.container(border=True, gap="small", key=f"{KEY}.steps"):
        for step in incident["marks"]:
            _step(incident, step, back)


def _step(incident: Row, step: Row, back: _ReopenDrawer) -> None:
    due_at = times.full(times.parse(step["due_at"]))
    if step["done_at"]:
        done = f"{times.full(times.parse(step['done_at']))}　{step['done_by']}"
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


def _record(incident: Row) -> None:
    """インシデント記録 (5.3.1)."""
    st.markdown(small("インシデント記録"))
    values = dict(incident) | {
        name: times.full(times.parse(incident[name])) if incident[name] else ""
        for name in ("detected_at", "recovered_at")
    }
    notified = f"{incident['told_customers']:,}人" if incident["told_customers"] else ""
    details.facts(
        {LABELS["detected_at"]: values["detected_at"], "レベル": LEVEL[incident["level"]].word}
        | {LABELS[name]: values[name] for name in ("impact", "cause", "response", "recovered_at", "prevention")}
        | {"登録した人": incident["opened_by"], "状況説明SMS": notified}
    )


def _report(incident: Row) -> None:
    due_note = f"（期限 {times.full(times.parse(incident['report_due_at']))}）" if incident["report_due_at"] else ""
    st.markdown(small(plain(f"報告書{due_note}")))
    if incident["report"]:
        with st.expander("報告書を読む"):
            st.text(incident["report"])
    if has_permission("reservations:incident:update"):
        label = "報告書を編集する" if incident["report"] else "ひな形から報告書を書く"
        dialogs.button(label, REPORT.edit, incident, key=f"{KEY}.report", icon="description")
    elif not incident["report"]:
        st.markdown("まだ書かれていません。")


def _note(incident: Row, back: _ReopenDrawer) -> None:
    def post(idempotency_key: str) -> None:
        session.api().post(f"{PATH}/{incident['id']}/notes", {"text": text}, once=idempotency_key)
        back()

    with st.expander("メモを残す"), forms.form(f"{KEY}.note.{incident['id']}", submit="残す") as form:
        text = form.field("text", st.text_area, "メモ", required=True, max_chars=1000, height=80)
    if form.submitted:
        form.send(post, done="メモを残しました。")
