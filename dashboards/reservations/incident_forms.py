"""The record of an incident with its fields, the form of a new one, and the actions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import FIELDS, IncidentDetail, MarkItem, ProposalItem, Waiting
from dashboards.reservations.actions import REASON, Back, Body, Target, ask
from dashboards.reservations.incident_words import DEFINITIONS, LEVEL
from dashboards.ui import dialogs, feedback, forms
from dashboards.ui.fields import Custom, Moment, Radio, Text
from dashboards.ui.records import Record

PATH, KEY = "/api/reservations/incidents", "reservations.incident"
PROPOSALS, PROPOSAL = "/api/reservations/alarms/proposals", "reservations.proposal"
MAX_SMS_LENGTH = 400
_TITLE = Text("title", "件名", 200, required=True)
_IMPACT = Text("impact", FIELDS["impact"], 2000, height=96, placeholder="影響を受けた機能、ユーザー数")


def _report_field(form: forms.Form, incident: Mapping[str, Any]) -> Any:
    text = incident["report"] or incident["report_template"]
    return form.field("report", st.text_area, "報告書（Markdown）", value=text, max_chars=20000, height=420)


def _name(incident: Mapping[str, Any]) -> str:
    return f"インシデント「{incident['title']}」"


RECORD = Record(
    key=KEY,
    path=PATH,
    name=_name,
    fields=(
        _TITLE,
        Moment("detected_at", FIELDS["detected_at"]),
        _IMPACT,
        Text("cause", FIELDS["cause"], 2000, height=96, placeholder="根本原因の特定"),
        Text("response", FIELDS["response"], 2000, height=96, placeholder="実施した対応の詳細"),
        Moment("recovered_at", FIELDS["recovered_at"]),
        Text("prevention", FIELDS["prevention"], 2000, height=96, placeholder="今後の対策"),
    ),
)
REPORT = Record(
    key=f"{KEY}.report",
    path=PATH,
    name=_name,
    fields=(Custom("report", FIELDS["report"], _report_field, lambda incident: incident["report"]),),
    further=("title", "report_template"),
)


def new(proposal: ProposalItem | None = None) -> None:
    """Empty, or with the values of a proposal, which is then accepted."""
    values: Body = {}
    if proposal:
        values = {"level": "medium", "detected_at": proposal["found_at"], **proposal}
    ask(
        f"{PROPOSAL}.{proposal['id']}" if proposal else f"{KEY}.create",
        "インシデントを登録する",
        (
            Radio("level", FIELDS["level"], lambda: DEFINITIONS, required=True),
            _TITLE,
            Moment("detected_at", FIELDS["detected_at"], note="発生日時は、時刻が空欄のときは今の日時になります。"),
            _IMPACT,
        ),
        partial(_create, proposal),
        values=values,
        icon="add_alert",
        submit="登録する",
        done="インシデントを登録しました。",
        intro="登録すると、Slackに通知し、目標時間のカウントを始めます。Criticalは、すぐに経営陣に報告し、"
        "営業時間外はオンコール当番にSMSを送ります。",
    )


def _create(proposal: ProposalItem | None, body: Body, idempotency_key: str) -> None:
    if proposal is None:
        session.api().post(PATH, body, idempotency_key=idempotency_key)
    else:
        session.api().post(
            f"{PROPOSALS}/{proposal['id']}/incident", {"incident": body}, idempotency_key=idempotency_key
        )


def dismiss(proposal: ProposalItem) -> None:
    Target(PROPOSAL, PROPOSALS, proposal["id"]).ask(
        "dismissal",
        "提案を見送る",
        (REASON,),
        icon="do_not_disturb_on",
        submit="見送る",
        done="提案を見送りました。",
        intro=f"「{proposal['title']}」をインシデントとして登録しません。理由は、Slackのスレッドに残ります。",
    )


def target(incident: IncidentDetail, back: Back) -> Target:
    """Without the version: steps, notes and messages leave the record as it is."""
    return Target(KEY, PATH, incident["id"], back)


def _version(incident: IncidentDetail, back: Back) -> Target:
    return Target(KEY, PATH, incident["id"], back, incident["version"])


def change_level(incident: IncidentDetail, back: Back) -> None:
    options = {code: text for code, text in DEFINITIONS.items() if code != incident["level"]}
    _version(incident, back).ask(
        "level",
        f"{incident['code']}のレベルを変更する",
        (Radio("level", "新しいレベル", lambda: options, required=True), REASON),
        icon="sync_alt",
        submit="変更する",
        done="レベルを変更しました。",
        intro=f"今のレベルは{LEVEL[incident['level']].label}です。完了していない対応の目標時間を、発生日時から数え直します。"
        "変更はSlackに通知します。Criticalにすると、まだ報告していなければ、すぐに経営陣に報告します。",
    )


def finish(incident: IncidentDetail, step: MarkItem, back: Back) -> None:
    """Completes a step, with an optional note."""
    target(incident, back).ask(
        f"marks/{step['mark']}",
        f"{incident['code']} {step['title']}",
        (Text("note", "メモ", 1000, height=80),),
        icon="check_circle",
        submit="報告する" if step["tells"] else "完了にする",
        done=f"{step['title']}の完了を記録しました。",
        intro="Slackと、経営の利用者のメールアドレスに、今の記録の内容で報告します。" if step["tells"] else "",
    )


def resolve(incident: IncidentDetail, back: Back) -> None:
    note = "復旧日時は、時刻が空欄のときは今の日時になります。"
    _version(incident, back).ask(
        "resolution",
        f"{incident['code']}を解決済みにする",
        (Moment("recovered_at", FIELDS["recovered_at"], note=note),),
        values=incident,
        icon="check_circle",
        submit="解決済みにする",
        done="解決済みにしました。",
        intro="サービスが復旧したことを記録します。報告や報告書の作成など、事後対応の目標時間は続きます。",
    )


def notify_customers(incident: IncidentDetail, back: Back) -> None:
    @dialogs.dialog(f"{incident['code']} 状況説明SMSを送る", width="medium", icon=":material/sms:")
    def ask() -> None:
        try:
            status: Waiting = session.api().get(f"{PATH}/{incident['id']}/status-text")
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
                lambda key: target(incident, back).post("status-text", body, key),
                success=f"{count:,}人にSMSを送ります。",
            )

    ask()
