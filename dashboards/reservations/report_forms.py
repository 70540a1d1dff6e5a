"""The texts of a report, and its actions: refresh the figures, finish, send, and make it a draft again."""

from __future__ import annotations

import re

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import FIELDS, REPORT_KIND, Manager, ReportDetail
from dashboards.reservations.actions import Back, Target, ask, with_reason
from dashboards.reservations.report_words import name, written
from dashboards.ui import dialogs, feedback, forms
from dashboards.ui.fields import Checkbox, Field, Radio, Text
from dashboards.ui.records import Record
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/reports", "reservations.report"
TEXT_RECORD = Record(
    key=KEY,
    path=PATH,
    name=lambda report: f"{REPORT_KIND[report['kind']]}の本文",
    fields=(
        Text("findings", FIELDS["findings"], 4000, height=150, placeholder="数字からわかること、よかったこと"),
        Text("issues", FIELDS["issues"], 4000, height=150, placeholder="対応が必要なこと、うまくいかなかったこと"),
        Text("next_steps", FIELDS["next_steps"], 4000, height=150, placeholder="いつまでに、誰が、何をするか"),
    ),
    further=("kind",),
)


def new() -> None:
    ask(
        f"{KEY}.new",
        "下書きを作成する",
        (Radio("kind", FIELDS["kind"], lambda: REPORT_KIND, required=True, default="weekly"),),
        lambda body, key: session.api().post(PATH, body, idempotency_key=key),
        icon="note_add",
        submit="作成する",
        done=lambda body: f"{REPORT_KIND[body['kind']]}の下書きを作成しました。",
        intro="下書きは、毎週金曜日と毎月第5営業日の8:00に自動で作成されます。"
        "まだ作成されていないときは、ここで、終わった最新の期間のものを作成できます。",
    )


def _target(report: ReportDetail, back: Back) -> Target:
    return Target(KEY, PATH, report["id"], back, report["version"])


def refresh(report: ReportDetail, back: Back) -> None:
    _target(report, back).confirm(
        "refresh",
        f"{name(report)}の数字を取り直しますか？",
        "期間の数字を、今わかっている内容に置き換えます。所見・課題・次の対応は変わりません。",
        body=lambda _: {},
        action="取り直す",
        success="数字を取り直しました。",
        danger=False,
    )


def finish(report: ReportDetail, back: Back) -> None:
    def intro() -> None:
        missing = [label for label, text in written(report) if not text.strip()]
        if missing:
            st.warning(
                f"{'・'.join(missing)}が書かれていません。このまま完成させることもできます。",
                icon=":material/edit_note:",
            )
        st.markdown("完成させると、経営とカスタマーサポートの利用者も読めるようになり、内容は変更できなくなります。")

    chore = f"定期作業「{REPORT_KIND[report['kind']]}作成」も完了にする"
    incidents = f"インシデント {'、'.join(report['unshared'])} の「週次報告で共有」も完了にする"
    options: list[Field] = []
    if report["open_chore"] is not None:
        options.append(Checkbox("check_off", chore, default=True))
    if report["unshared"]:
        options.append(Checkbox("share", incidents, default=True))
    _target(report, back).ask(
        "finish",
        f"{name(report)}を完成させる",
        tuple(options),
        body=lambda typed: {"check_off": False, "share": False, **typed},
        icon="check_circle",
        submit="完成させる",
        done=f"{name(report)}を完成させました。",
        intro=intro,
    )


def reopen(report: ReportDetail, back: Back) -> None:
    _target(report, back).confirm(
        "reopen",
        f"{name(report)}を下書きに戻しますか？",
        "もう一度完成させるまで、経営とカスタマーサポートの利用者には表示されません。すでに送信したメールは取り消せません。",
        body=with_reason,
        action="下書きに戻す",
        success="下書きに戻しました。",
        reason="required",
    )


def send(report: ReportDetail, back: Back) -> None:
    """First asks for the recipients, then for a confirmation."""

    @dialogs.dialog(f"{name(report)}をメールで送信する", width="medium", icon=":material/send:")
    def ask() -> None:
        try:
            managers: list[Manager] = session.api().get(f"{PATH}/managers")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.send")
            return
        options = {manager["mail"]: f"{manager['name']}（{manager['mail']}）" for manager in managers}
        with forms.form(f"{KEY}.send.{report['id']}.{report['version']}", submit="送信先を確認する") as form:
            chosen = []
            if options:
                chosen = form.field(
                    "managers",
                    st.multiselect,
                    "経営の利用者",
                    options=[*options],
                    default=[*options],
                    format_func=lambda mail: options[mail],
                    placeholder="選ぶ",
                )
            else:
                st.markdown(small("メールアドレスのある経営の利用者はいません。"))
            text = form.field(
                "to",
                st.text_area,
                "そのほかの送信先",
                height=80,
                placeholder="taro@example.com",
                help="メールアドレスを、1行に1つずつ入力してください。",
            )
        if form.submitted:
            recipients = list(
                dict.fromkeys([*chosen, *(address for address in re.split(r"[\s,、;]+", text) if address)])
            )
            if not recipients:
                st.error("送信先を選ぶか、入力してください。", icon=":material/error:")
            else:
                dialogs.open(_confirm_send, report, recipients, back)
                st.rerun()

    ask()


def _confirm_send(report: ReportDetail, recipients: list[str], back: Back) -> None:
    _target(report, back).confirm(
        "send",
        f"{name(report)}を{len(recipients):,}件の宛先に送信しますか？",
        plain(f"PDFを添付したメールを、{'、'.join(recipients)} に1通ずつ送ります。送信後は取り消せません。"),
        body=lambda _: {"to": recipients},
        action=f"{len(recipients):,}件に送信する",
        success=f"{len(recipients):,}件への送信を受け付けました。",
        danger=False,
    )
