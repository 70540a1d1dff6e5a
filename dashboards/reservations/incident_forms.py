"""Forms of an incident: register, record, report, and the text to customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations.incident_words import DEFINITIONS, LEVEL
from dashboards.ui import dialogs, editing, feedback, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.text import plain

PATH, KEY = "/api/reservations/incidents", "reservations.incident"
PROPOSALS, PROPOSAL = "/api/reservations/alarms/proposals", "reservations.proposal"
Back = Callable[[], None]
LABELS = {
    "title": "件名",
    "detected_at": "発生日時",
    "impact": "影響範囲",
    "cause": "原因",
    "response": "対応内容",
    "recovered_at": "復旧日時",
    "prevention": "再発防止策",
    "report": "報告書",
}
_HINTS = {
    "impact": "影響を受けた機能、ユーザー数",
    "cause": "根本原因の特定",
    "response": "実施した対応の詳細",
    "prevention": "今後の対策",
}
MAX_SMS_LENGTH = 400


def new(proposal: Row | None = None) -> None:
    """Empty, or with the values of a proposal, which is then accepted."""
    key = f"{KEY}.create" if proposal is None else f"{PROPOSAL}.{proposal['id']}"
    initial: Row = proposal or {"title": "", "impact": "", "found_at": None}

    @dialogs.dialog("インシデントを登録する", width="medium", icon=":material/add_alert:")
    def ask() -> None:
        st.info(
            "登録すると、Slackに通知し、目標時間のカウントを始めます。Criticalは、すぐに経営陣に報告し、"
            "営業時間外はオンコール当番にSMSを送ります。"
        )
        with forms.form(key, submit="登録する") as form:
            level = form.field(
                "level",
                st.radio,
                "レベル",
                required=True,
                options=[*DEFINITIONS],
                index=None if proposal is None else [*DEFINITIONS].index("medium"),
                format_func=lambda code: DEFINITIONS[code],
            )
            title = form.field("title", st.text_input, "件名", required=True, value=initial["title"], max_chars=200)
            detected_at = _time_field(form, "detected_at", initial["found_at"])
            impact = form.field(
                "impact",
                st.text_area,
                "影響範囲",
                value=initial["impact"],
                max_chars=2000,
                height=96,
                placeholder=_HINTS["impact"],
            )
            st.markdown(":gray[:small[発生日時は、時刻が空欄のときは今の日時になります。]]")
        if form.submitted:
            body = {"level": level, "title": title, "impact": impact, "detected_at": detected_at}
            form.send(
                lambda idempotency_key: _create(proposal, body, idempotency_key), done="インシデントを登録しました。"
            )

    ask()


def _create(proposal: Row | None, body: dict[str, Any], idempotency_key: str) -> None:
    if proposal is None:
        session.api().post(PATH, body, once=idempotency_key)
    else:
        session.api().post(f"{PROPOSALS}/{proposal['id']}/incident", {"incident": body}, once=idempotency_key)


def dismiss(proposal: Row) -> None:
    @dialogs.dialog("提案を見送る", width="medium", icon=":material/do_not_disturb_on:")
    def ask() -> None:
        st.info(f"「{plain(proposal['title'])}」をインシデントとして登録しません。理由は、Slackのスレッドに残ります。")
        with forms.form(f"{PROPOSAL}.dismiss.{proposal['id']}", submit="見送る") as form:
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=500)
        if form.submitted:
            path = f"{PROPOSALS}/{proposal['id']}/dismissal"
            form.send(
                lambda idempotency_key: session.api().post(path, {"reason": reason}, once=idempotency_key),
                done="提案を見送りました。",
            )

    ask()


def _time_field(form: forms.Form, name: str, initial: str | None) -> str | None:
    """None while no time is chosen. Without a day it is today."""
    # The form has no seconds: an unchanged time keeps its seconds.
    initial_time = times.parse(initial).replace(second=0, microsecond=0) if initial else None
    left, right = st.columns(2)
    with left:
        day = form.field(
            name, st.date_input, LABELS[name], value=initial_time.date() if initial_time else None, format="YYYY/MM/DD"
        )
    with right:
        clock_time = form.field(
            f"{name}_time", st.time_input, "時刻", value=initial_time.time() if initial_time else None, step=60
        )
    if clock_time is None:
        return None
    chosen = datetime.combine(day or times.now().date(), clock_time, times.TOKYO)
    return initial if chosen == initial_time else chosen.isoformat()


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "title": form.field(
            "title", st.text_input, LABELS["title"], required=True, value=initial["title"], max_chars=200
        ),
        "detected_at": _time_field(form, "detected_at", initial["detected_at"]),
    }
    for name in ("impact", "cause", "response"):
        values[name] = _text_area(form, name, initial)
    values["recovered_at"] = _time_field(form, "recovered_at", initial["recovered_at"])
    values["prevention"] = _text_area(form, "prevention", initial)
    return values


def _text_area(form: forms.Form, name: str, initial: Mapping[str, Any]) -> Any:
    return form.field(
        name, st.text_area, LABELS[name], value=initial[name], max_chars=2000, height=96, placeholder=_HINTS[name]
    )


def _report(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    text = initial["report"] or initial.get("report_template", "")
    return {"report": form.field("report", st.text_area, "報告書（Markdown）", value=text, max_chars=20000, height=420)}


def _display_values(values: Mapping[str, Any]) -> dict[str, Any]:
    timestamps = {name: values.get(name) for name in ("detected_at", "recovered_at")}
    return {name: times.full(times.parse(value)) if value else "" for name, value in timestamps.items()}


def _name(values: Mapping[str, Any]) -> str:
    return f"インシデント「{values['title']}」"


_RECORD_FIELDS = [name for name in LABELS if name != "report"]
RECORD = editing.Record(KEY, PATH, {name: LABELS[name] for name in _RECORD_FIELDS}, _name, _fields, _display_values)
REPORT = editing.Record(
    f"{KEY}.report", PATH, {"report": LABELS["report"]}, _name, _report, lambda values: {"report": values["report"]}
)


def change_level(incident: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{incident['code']}のレベルを変更する"), width="medium", icon=":material/sync_alt:")
    def ask() -> None:
        st.info(
            f"今のレベルは{LEVEL[incident['level']].word}です。完了していない対応の目標時間を、発生日時から数え直します。"
            "変更はSlackに通知します。Criticalにすると、まだ報告していなければ、すぐに経営陣に報告します。"
        )
        options = [code for code in DEFINITIONS if code != incident["level"]]
        with forms.form(f"{KEY}.level.{incident['id']}.{incident['version']}", submit="変更する") as form:
            level = form.field(
                "level",
                st.radio,
                "新しいレベル",
                required=True,
                options=options,
                index=None,
                format_func=lambda code: DEFINITIONS[code],
            )
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=500)
        if form.submitted:
            body = {"version": incident["version"], "level": level, "reason": reason}
            form.send(
                lambda idempotency_key: _post(incident, "level", body, back, idempotency_key),
                done="レベルを変更しました。",
            )

    ask()


def finish(incident: Row, step: Row, back: Back) -> None:
    """Completes a step, with an optional note."""

    @dialogs.dialog(plain(f"{incident['code']} {step['title']}"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        if step["tells"]:
            st.info("Slackと、経営の利用者のメールアドレスに、今の記録の内容で報告します。")
        with forms.form(
            f"{KEY}.finish.{incident['id']}.{step['mark']}", submit="報告する" if step["tells"] else "完了にする"
        ) as form:
            note = form.field("note", st.text_area, "メモ", max_chars=1000, height=80)
        if form.submitted:
            path = f"marks/{step['mark']}"
            form.send(
                lambda idempotency_key: _post(incident, path, {"note": note}, back, idempotency_key),
                done=f"{step['title']}の完了を記録しました。",
            )

    ask()


def resolve(incident: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{incident['code']}を解決済みにする"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        st.info("サービスが復旧したことを記録します。報告や報告書の作成など、事後対応の目標時間は続きます。")
        with forms.form(f"{KEY}.resolution.{incident['id']}.{incident['version']}", submit="解決済みにする") as form:
            recovered_at = _time_field(form, "recovered_at", incident["recovered_at"])
            st.markdown(":gray[:small[復旧日時は、時刻が空欄のときは今の日時になります。]]")
        if form.submitted:
            body = {"version": incident["version"], "recovered_at": recovered_at}
            form.send(
                lambda idempotency_key: _post(incident, "resolution", body, back, idempotency_key),
                done="解決済みにしました。",
            )

    ask()


def notify_customers(incident: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{incident['code']} 状況説明SMSを送る"), width="medium", icon=":material/sms:")
    def ask() -> None:
        try:
            status = session.api().get(f"{PATH}/{incident['id']}/status-text")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.customers")
            return
        already_sent = (
            f"このインシデントではすでに{status['told']:,}人に送りました（送信先に含みません）。"
            if status["told"]
            else ""
        )
        include_confirmed = st.checkbox(
            f"予約確定済みの依頼者（{status['confirmed']:,}人）にも送る", key=f"{KEY}.confirmed.{incident['id']}"
        )
        count = status["waiting"] + (status["confirmed"] if include_confirmed else 0)
        if not count:
            st.info(f"手続きを待っている依頼者はいません。{already_sent}", icon=":material/info:")
            return
        st.warning(
            f"**{count:,}人**の依頼者にSMSを1通ずつ送ります。送信は取り消せません。{already_sent}",
            icon=":material/sms:",
        )
        with forms.form(f"{KEY}.customers.{incident['id']}", submit=f"{count:,}人に送信する") as form:
            text = form.field(
                "text", st.text_area, "本文", required=True, value=status["text"], max_chars=MAX_SMS_LENGTH, height=160
            )
        if form.submitted:
            body = {"text": text, "include_confirmed": include_confirmed, "recipients": count}
            form.send(
                lambda idempotency_key: _post(incident, "status-text", body, back, idempotency_key),
                done=f"{count:,}人にSMSを送ります。",
            )

    ask()


def _post(incident: Row, action: str, body: Mapping[str, Any], back: Back, idempotency_key: str) -> None:
    session.api().post(f"{PATH}/{incident['id']}/{action}", dict(body), once=idempotency_key)
    back()
