"""Dialogs of a report: write its texts, refresh the figures, finish, send, and make it a draft again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations.report_words import KIND, TEXTS, name
from dashboards.ui import confirm, dialogs, editing, feedback, forms
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/reports", "reservations.report"
Back = Callable[[], None]
_HINTS = {
    "findings": "数字からわかること、よかったこと",
    "issues": "対応が必要なこと、うまくいかなかったこと",
    "next_steps": "いつまでに、誰が、何をするか",
}


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        field: form.field(
            field, st.text_area, label, value=initial[field], max_chars=4000, height=150, placeholder=_HINTS[field]
        )
        for field, label in TEXTS.items()
    }


TEXT_RECORD = editing.Record(
    key=KEY,
    path=PATH,
    labels=TEXTS,
    name=lambda report: f"{KIND[report['kind']]}の本文",
    fields=_fields,
    in_words=lambda values: {field: values[field] for field in TEXTS},
)


def new() -> None:
    @dialogs.dialog("下書きを作成する", width="medium", icon=":material/note_add:")
    def ask() -> None:
        st.info(
            "下書きは、毎週金曜日と毎月第5営業日の8:00に自動で作成されます。"
            "まだ作成されていないときは、ここで、終わった最新の期間のものを作成できます。"
        )
        with forms.form(f"{KEY}.new", submit="作成する") as form:
            kind = form.field(
                "kind", st.radio, "種類", required=True, options=[*KIND], format_func=lambda code: KIND[code]
            )
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, {"kind": kind}, once=idempotency_key),
                done=f"{KIND[kind]}の下書きを作成しました。",
            )

    ask()


def refresh(report: Row, back: Back) -> None:
    confirm.confirm(
        f"{KEY}.refresh.{report['id']}.{report['version']}",
        f"{name(report)}の数字を取り直しますか？",
        "期間の数字を、今わかっている内容に置き換えます。所見・課題・次の対応は変わりません。",
        action="取り直す",
        do=lambda _, idempotency_key: _post(report, "refresh", {}, back, idempotency_key),
        done="数字を取り直しました。",
        danger=False,
    )


def finish(report: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{name(report)}を完成させる"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        missing = [label for field, label in TEXTS.items() if not report[field].strip()]
        if missing:
            st.warning(
                f"{'・'.join(missing)}が書かれていません。このまま完成させることもできます。",
                icon=":material/edit_note:",
            )
        st.markdown("完成させると、経営とカスタマーサポートの利用者も読めるようになり、内容は変更できなくなります。")
        with forms.form(f"{KEY}.finish.{report['id']}.{report['version']}", submit="完成させる") as form:
            check_off = report["open_chore"] is not None and form.field(
                "check_off", st.checkbox, f"定期作業「{KIND[report['kind']]}作成」も完了にする", value=True
            )
            codes = "、".join(report["unshared"])
            share = bool(codes) and form.field(
                "share", st.checkbox, f"インシデント {codes} の「週次報告で共有」も完了にする", value=True
            )
        if form.submitted:
            body = {"check_off": check_off, "share": share}
            form.send(
                lambda idempotency_key: _post(report, "finish", body, back, idempotency_key),
                done=f"{name(report)}を完成させました。",
            )

    ask()


def reopen(report: Row, back: Back) -> None:
    confirm.confirm(
        f"{KEY}.reopen.{report['id']}.{report['version']}",
        f"{name(report)}を下書きに戻しますか？",
        "もう一度完成させるまで、経営とカスタマーサポートの利用者には表示されません。すでに送信したメールは取り消せません。",
        action="下書きに戻す",
        do=lambda reason, idempotency_key: _post(report, "reopen", {"reason": reason}, back, idempotency_key),
        done="下書きに戻しました。",
        reason="required",
    )


def send(report: Row, back: Back) -> None:
    """First asks for the recipients, then for a confirmation."""

    @dialogs.dialog(plain(f"{name(report)}をメールで送信する"), width="medium", icon=":material/send:")
    def ask() -> None:
        try:
            managers = session.api().get(f"{PATH}/managers")
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


def _confirm_send(report: Row, recipients: list[str], back: Back) -> None:
    confirm.confirm(
        f"{KEY}.really.{report['id']}.{report['version']}",
        f"{name(report)}を{len(recipients):,}件の宛先に送信しますか？",
        plain(f"PDFを添付したメールを、{'、'.join(recipients)} に1通ずつ送ります。送信後は取り消せません。"),
        action=f"{len(recipients):,}件に送信する",
        do=lambda _, idempotency_key: _post(report, "send", {"to": recipients}, back, idempotency_key),
        done=f"{len(recipients):,}件への送信を受け付けました。",
        danger=False,
    )


def _post(report: Row, action: str, body: Mapping[str, Any], back: Back, idempotency_key: str) -> None:
    session.api().post(f"{PATH}/{report['id']}/{action}", {"version": report["version"], **body}, once=idempotency_key)
    back()
