"""What people write about an incident: that there is one, its record, its report, and the text to customers."""

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
SMS_LONGEST = 400


def new(proposal: Row | None = None) -> None:
    """From nothing, or with what a proposal says: then it is that one which is decided."""
    key = f"{KEY}.create" if proposal is None else f"{PROPOSAL}.{proposal['id']}"
    begun: Row = proposal or {"title": "", "impact": "", "found_at": None}

    @dialogs.dialog("インシデントを登録する", width="medium", icon=":material/add_alert:")
    def ask() -> None:
        st.info(
            "登録すると、Slackに通知し、目標時間のカウントを始めます。Criticalは、すぐに経営陣に報告し、"
            "営業時間外はオンコール当番にSMSを送ります。"
        )
        with forms.form(key, submit="登録する") as form:
            level = form.field(
                "level", st.radio, "レベル", required=True, options=[*DEFINITIONS],
                index=None if proposal is None else [*DEFINITIONS].index("medium"),
                format_func=lambda code: DEFINITIONS[code],
            )  # fmt: skip
            title = form.field("title", st.text_input, "件名", required=True, value=begun["title"], max_chars=200)
            detected_at = _moment(form, "detected_at", begun["found_at"])
            impact = form.field(
                "impact", st.text_area, "影響範囲", value=begun["impact"], max_chars=2000, height=96,
                placeholder=_HINTS["impact"],
            )  # fmt: skip
            st.markdown(":gray[:small[発生日時は、時刻が空欄のときは今の日時になります。]]")
        if form.submitted:
            body = {"level": level, "title": title, "impact": impact, "detected_at": detected_at}
            form.send(lambda once: _create(proposal, body, once), done="インシデントを登録しました。")

    ask()


def _create(proposal: Row | None, body: dict[str, Any], once: str) -> None:
    if proposal is None:
        session.api().post(PATH, body, once=once)
    else:
        session.api().post(f"{PROPOSALS}/{proposal['id']}/incident", {"incident": body}, once=once)


def dismiss(proposal: Row) -> None:
    @dialogs.dialog("提案を見送る", width="medium", icon=":material/do_not_disturb_on:")
    def ask() -> None:
        st.info(f"「{plain(proposal['title'])}」をインシデントとして登録しません。理由は、Slackのスレッドに残ります。")
        with forms.form(f"{PROPOSAL}.dismiss.{proposal['id']}", submit="見送る") as form:
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=500)
        if form.submitted:
            path = f"{PROPOSALS}/{proposal['id']}/dismissal"
            form.send(lambda once: session.api().post(path, {"reason": reason}, once=once), done="提案を見送りました。")

    ask()


def _moment(form: forms.Form, name: str, known: str | None) -> str | None:
    """None while no time is chosen; without a day it is today's."""
    # The form knows no seconds: what looks the same is the same.
    shown = times.parse(known).replace(second=0, microsecond=0) if known else None
    left, right = st.columns(2)
    with left:
        day = form.field(name, st.date_input, LABELS[name], value=shown.date() if shown else None, format="YYYY/MM/DD")
    with right:
        clock = form.field(f"{name}_time", st.time_input, "時刻", value=shown.time() if shown else None, step=60)
    if clock is None:
        return None
    chosen = datetime.combine(day or times.now().date(), clock, times.TOKYO)
    return known if chosen == shown else chosen.isoformat()


def _fields(form: forms.Form, known: Mapping[str, Any]) -> dict[str, Any]:
    typed: dict[str, Any] = {
        "title": form.field(
            "title", st.text_input, LABELS["title"], required=True, value=known["title"], max_chars=200
        ),
        "detected_at": _moment(form, "detected_at", known["detected_at"]),
    }
    for name in ("impact", "cause", "response"):
        typed[name] = _words(form, name, known)
    typed["recovered_at"] = _moment(form, "recovered_at", known["recovered_at"])
    typed["prevention"] = _words(form, "prevention", known)
    return typed


def _words(form: forms.Form, name: str, known: Mapping[str, Any]) -> Any:
    return form.field(
        name, st.text_area, LABELS[name], value=known[name], max_chars=2000, height=96, placeholder=_HINTS[name]
    )


def _report(form: forms.Form, known: Mapping[str, Any]) -> dict[str, Any]:
    begun = known["report"] or known.get("report_template", "")
    return {
        "report": form.field("report", st.text_area, "報告書（Markdown）", value=begun, max_chars=20000, height=420)
    }


def _in_words(values: Mapping[str, Any]) -> dict[str, Any]:
    moments = {name: values.get(name) for name in ("detected_at", "recovered_at")}
    return {name: times.full(times.parse(value)) if value else "" for name, value in moments.items()}


def _name(values: Mapping[str, Any]) -> str:
    return f"インシデント「{values['title']}」"


_RECORD = [name for name in LABELS if name != "report"]
RECORD = editing.Record(KEY, PATH, {name: LABELS[name] for name in _RECORD}, _name, _fields, _in_words)
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
        offered = [code for code in DEFINITIONS if code != incident["level"]]
        with forms.form(f"{KEY}.level.{incident['id']}.{incident['version']}", submit="変更する") as form:
            level = form.field(
                "level", st.radio, "新しいレベル", required=True, options=offered, index=None,
                format_func=lambda code: DEFINITIONS[code],
            )  # fmt: skip
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=500)
        if form.submitted:
            body = {"version": incident["version"], "level": level, "reason": reason}
            form.send(lambda once: _post(incident, "level", body, back, once), done="レベルを変更しました。")

    ask()


def finish(incident: Row, mark: Row, back: Back) -> None:
    """A step, with a note if there is one to be made."""

    @dialogs.dialog(plain(f"{incident['code']} {mark['title']}"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        if mark["tells"]:
            st.info("Slackと、経営の利用者のメールアドレスに、今の記録の内容で報告します。")
        with forms.form(
            f"{KEY}.finish.{incident['id']}.{mark['mark']}", submit="報告する" if mark["tells"] else "完了にする"
        ) as form:
            note = form.field("note", st.text_area, "メモ", max_chars=1000, height=80)
        if form.submitted:
            path = f"marks/{mark['mark']}"
            form.send(
                lambda once: _post(incident, path, {"note": note}, back, once),
                done=f"{mark['title']}の完了を記録しました。",
            )

    ask()


def resolve(incident: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{incident['code']}を解決済みにする"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        st.info("サービスが復旧したことを記録します。報告や報告書の作成など、事後対応の目標時間は続きます。")
        with forms.form(f"{KEY}.resolution.{incident['id']}.{incident['version']}", submit="解決済みにする") as form:
            recovered_at = _moment(form, "recovered_at", incident["recovered_at"])
            st.markdown(":gray[:small[復旧日時は、時刻が空欄のときは今の日時になります。]]")
        if form.submitted:
            body = {"version": incident["version"], "recovered_at": recovered_at}
            form.send(lambda once: _post(incident, "resolution", body, back, once), done="解決済みにしました。")

    ask()


def tell_customers(incident: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{incident['code']} 状況説明SMSを送る"), width="medium", icon=":material/sms:")
    def ask() -> None:
        try:
            now = session.api().get(f"{PATH}/{incident['id']}/status-text")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.customers")
            return
        told = f"このインシデントではすでに{now['told']:,}人に送りました（送信先に含みません）。" if now["told"] else ""
        also = st.checkbox(
            f"予約確定済みの依頼者（{now['confirmed']:,}人）にも送る", key=f"{KEY}.confirmed.{incident['id']}"
        )
        count = now["waiting"] + (now["confirmed"] if also else 0)
        if not count:
            st.info(f"手続きを待っている依頼者はいません。{told}", icon=":material/info:")
            return
        st.warning(
            f"**{count:,}人**の依頼者にSMSを1通ずつ送ります。送信は取り消せません。{told}", icon=":material/sms:"
        )
        with forms.form(f"{KEY}.customers.{incident['id']}", submit=f"{count:,}人に送信する") as form:
            text = form.field(
                "text", st.text_area, "本文", required=True, value=now["text"], max_chars=SMS_LONGEST, height=160
            )
        if form.submitted:
            body = {"text": text, "include_confirmed": also, "recipients": count}
            form.send(
                lambda once: _post(incident, "status-text", body, back, once), done=f"{count:,}人にSMSを送ります。"
            )

    ask()


def _post(incident: Row, what: str, body: Mapping[str, Any], back: Back, once: str) -> None:
    session.api().post(f"{PATH}/{incident['id']}/{what}", dict(body), once=once)
    back()
