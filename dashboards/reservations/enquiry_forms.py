"""Forms of an enquiry: register, answer, record a call, resolve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.reservations.enquiry_words import CATEGORY, FAQ, METHOD, PARTY, methods
from dashboards.reservations.incident_words import LEVEL
from dashboards.ui import dialogs, editing, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.text import plain

PATH, KEY = "/api/reservations/enquiries", "reservations.enquiry"
Back = Callable[[], None]
LABELS = {
    "sender_name": "氏名",
    "phone": "電話番号",
    "mail": "メールアドレス",
    "topic": "件名",
    "category": "種別",
    "level": "レベル",
    "reservation": "予約ID",
    "shop": "提携店ID",
    "faq": "FAQへの追加",
}
LEVELS = {
    "low": "Low: 一般的な問い合わせ",
    "medium": "Medium: 予約やお支払いに影響がある",
    "high": "High: 一部の機能が使えない（インシデントとして対応）",
    "critical": "Critical: 全体が使えない（インシデントとして対応）",
}
CHANNELS = {
    "mail": "Email",
    "phone": "電話（出られた）",
    "missed": "電話（出られなかった・折り返しが必要）",
}
_AFTER = {False: "対応中のままにする", True: "相手の回答を待つ"}


def new() -> None:
    @dialogs.dialog("問い合わせを登録する", width="large", icon=":material/add_comment:")
    def ask() -> None:
        with forms.form(f"{KEY}.create", submit="登録する") as form:
            body = _new_fields(form)
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, body, once=idempotency_key),
                done="問い合わせを登録しました。",
            )

    ask()


def _new_fields(form: forms.Form) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        party = form.field(
            "party",
            st.segmented_control,
            "問い合わせ元",
            options=[*PARTY],
            default="customer",
            required=True,
            format_func=lambda code: PARTY[code].word,
        )
    with right:
        channel = form.field(
            "channel",
            st.selectbox,
            "チャネル",
            required=True,
            options=[*CHANNELS],
            index=None,
            format_func=lambda code: CHANNELS[code],
            placeholder="選ぶ",
        )
    contact = _contact(form, {})
    left, right = st.columns(2)
    with left:
        reservation = form.field(
            "reservation", st.text_input, LABELS["reservation"], max_chars=30, placeholder="QRV-XXXXXX"
        )
    with right:
        shop = form.field("shop", st.text_input, LABELS["shop"], max_chars=30, placeholder="S001")
    topic = form.field("topic", st.text_input, LABELS["topic"], required=True, max_chars=200)
    content = form.field("content", st.text_area, "内容（状況のヒアリング）", required=True, max_chars=4000, height=112)
    left, right = st.columns(2)
    with left:
        category = form.field(
            "category",
            st.selectbox,
            LABELS["category"],
            required=True,
            options=[*CATEGORY],
            index=None,
            format_func=lambda code: CATEGORY[code],
            placeholder="選ぶ",
        )
    with right:
        level = form.field(
            "level", st.selectbox, LABELS["level"], options=[*LEVELS], format_func=lambda code: LEVELS[code]
        )
    received_at = _received_at_field(form)
    with st.container(border=True):
        st.markdown(":gray[:small[その場で解決したときだけ入力します。登録と同時に「解決」になります。]]")
        method = form.field(
            "way",
            st.selectbox,
            "対応方法",
            options=[*METHOD],
            index=None,
            format_func=lambda code: METHOD[code],
            placeholder="まだ解決していない",
        )
        outcome = form.field("outcome", st.text_area, "対応内容", max_chars=2000, height=80)
        for_faq = form.field("faq", st.checkbox, "FAQに追加すべき内容として、週次レビューに出す")
    return contact | {
        "party": party,
        "channel": "phone" if channel in ("phone", "missed") else channel,
        "was_answered": channel != "missed",
        "reservation": reservation,
        "shop": shop,
        "topic": topic,
        "content": content,
        "category": category,
        "level": level,
        "received_at": received_at,
        "way": method,
        "outcome": outcome,
        "faq": "wanted" if for_faq else "none",
    }


def _contact(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    name = form.field(
        "sender_name",
        st.text_input,
        LABELS["sender_name"],
        required=True,
        max_chars=100,
        value=initial.get("sender_name", ""),
    )
    left, right = st.columns(2)
    with left:
        phone = form.field(
            "phone",
            st.text_input,
            LABELS["phone"],
            max_chars=30,
            value=initial.get("phone_shown", ""),
            placeholder="090-1234-5678",
        )
    with right:
        mail = form.field("mail", st.text_input, LABELS["mail"], max_chars=254, value=initial.get("mail", "")).strip()
    return {"sender_name": name, "phone": phone, "mail": mail}


def _received_at_field(form: forms.Form) -> str | None:
    """None: now."""
    left, right = st.columns(2)
    with left:
        day = form.field("received_at", st.date_input, "受付日", value=None, format="YYYY/MM/DD")
    with right:
        clock_time = form.field("received_time", st.time_input, "受付時刻", value=None, step=60)
    st.markdown(":gray[:small[メールが届いた時刻など、今でないときだけ入力します。]]")
    if clock_time is None:
        return None
    return datetime.combine(day or times.now().date(), clock_time, times.TOKYO).isoformat()


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    values = _contact(form, initial)
    if values["phone"] == initial["phone_shown"]:
        values["phone"] = initial["phone"]  # The stored form of the number: it was not changed.
    values["topic"] = form.field(
        "topic", st.text_input, LABELS["topic"], required=True, max_chars=200, value=initial["topic"]
    )
    for name, options in (
        ("category", CATEGORY),
        ("level", LEVELS),
        ("faq", {code: status.word for code, status in FAQ.items()}),
    ):
        values[name] = _select(form, name, options, initial[name])
    left, right = st.columns(2)
    with left:
        values["reservation"] = form.field(
            "reservation", st.text_input, LABELS["reservation"], max_chars=30, value=initial["reservation"]
        )
    with right:
        values["shop"] = form.field("shop", st.text_input, LABELS["shop"], max_chars=30, value=initial["shop"])
    return values


def _select(form: forms.Form, name: str, options: Mapping[str, str], current: str) -> Any:
    return form.field(
        name,
        st.selectbox,
        LABELS[name],
        options=[*options],
        index=[*options].index(current),
        format_func=lambda code: options[code],
    )


def _display_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "category": CATEGORY.get(values["category"], ""),
        "level": LEVEL[values["level"]].word,
        "faq": FAQ[values["faq"]].word,
    }


def _name(values: Mapping[str, Any]) -> str:
    return f"問い合わせ「{values['topic']}」"


RECORD = editing.Record(KEY, PATH, LABELS, _name, _fields, _display_values)


def edit(enquiry: Row) -> None:
    references = {"reservation": enquiry["reservation_given"], "shop": enquiry["shop_given"]}
    RECORD.edit(dict(enquiry) | references)


def answer(enquiry: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{enquiry['code']}にメールで回答する"), width="large", icon=":material/reply:")
    def ask() -> None:
        st.info(
            f"{plain(enquiry['mail'])} に送ります。本文の下に、元の問い合わせを引用します。", icon=":material/mail:"
        )
        with st.expander("問い合わせの内容", expanded=True):
            st.text(enquiry["content"])
        with forms.form(
            f"{KEY}.answer.{enquiry['id']}.{enquiry['version']}", submit="送信する", icon=":material/send:"
        ) as form:
            subject = form.field(
                "subject", st.text_input, "件名", required=True, max_chars=200, value=enquiry["answer_subject"]
            )
            text = form.field(
                "text", st.text_area, "本文", required=True, max_chars=6000, height=280, value=enquiry["answer_body"]
            )
            waits = _waits_field(form)
        if form.submitted:
            body = {"version": enquiry["version"], "subject": subject, "text": text, "waits": waits}
            form.send(
                lambda idempotency_key: _post(enquiry, "answers", body, back, idempotency_key),
                done="メールで回答しました。",
            )

    ask()


def _waits_field(form: forms.Form) -> bool:
    waits: bool = form.field(
        "waits", st.radio, "このあと", options=[*_AFTER], horizontal=True, format_func=lambda code: _AFTER[code]
    )
    return waits


def call(enquiry: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{enquiry['code']}の電話を記録する"), width="medium", icon=":material/call:")
    def ask() -> None:
        number = f"電話番号: {enquiry['phone_shown']}" if enquiry["phone_shown"] else "電話番号は登録されていません。"
        st.markdown(plain(number))
        with forms.form(f"{KEY}.call.{enquiry['id']}.{enquiry['version']}", submit="記録する") as form:
            reached = form.field(
                "reached",
                st.radio,
                "結果",
                options=[True, False],
                horizontal=True,
                format_func=lambda code: "話せた" if code else "つながらなかった",
            )
            text = form.field("text", st.text_area, "内容", required=True, max_chars=2000, height=112)
            waits = _waits_field(form)
        if form.submitted:
            body = {"version": enquiry["version"], "text": text, "reached": reached, "waits": waits and reached}
            form.send(
                lambda idempotency_key: _post(enquiry, "calls", body, back, idempotency_key),
                done="電話を記録しました。",
            )

    ask()


def to_operations(enquiry: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{enquiry['code']}を手動対応にする"), width="medium", icon=":material/support_agent:")
    def ask() -> None:
        st.info(
            f"予約 {plain(enquiry['reservation_code'])} の手動対応として、運営担当者に引き継ぎます。"
            "新しく作ると、Slackに通知します。"
        )
        open_tasks = {task["id"]: f"すでにある「{task['title']}」に加える" for task in enquiry["operations"]}
        options: dict[int | None, str] = {None: "新しい手動対応を作る（優先度 低）", **open_tasks}
        with forms.form(f"{KEY}.operation.{enquiry['id']}.{enquiry['version']}", submit="手動対応にする") as form:
            chosen = form.field(
                "operation_id", st.radio, "手動対応", options=[*options], format_func=lambda code: options[code]
            )
        if form.submitted:
            body = {"version": enquiry["version"], "operation_id": chosen}
            form.send(
                lambda idempotency_key: _post(enquiry, "operation", body, back, idempotency_key),
                done="手動対応にしました。",
            )

    ask()


def resolve(enquiry: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{enquiry['code']}を解決にする"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        if enquiry["first_response_at"] is None:
            st.warning("まだ一度も回答していません。回答が不要な場合（重複など）だけ、このまま解決にしてください。")
        method_names = methods(enquiry)
        with forms.form(f"{KEY}.resolution.{enquiry['id']}.{enquiry['version']}", submit="解決にする") as form:
            method = form.field(
                "way",
                st.radio,
                "対応方法",
                required=True,
                options=[*method_names],
                index=[*method_names].index("manual") if enquiry["operation"] else None,
                format_func=lambda code: method_names[code],
            )
            outcome = form.field(
                "outcome",
                st.text_area,
                "対応内容",
                required=True,
                max_chars=2000,
                height=112,
                value=enquiry["outcome"],
            )
            for_faq = form.field(
                "faq", st.checkbox, "FAQに追加すべき内容として、週次レビューに出す", value=enquiry["faq"] == "wanted"
            )
        if form.submitted:
            other_faq = enquiry["faq"] if enquiry["faq"] != "wanted" else "none"
            body = {
                "version": enquiry["version"],
                "way": method,
                "outcome": outcome,
                "faq": "wanted" if for_faq else other_faq,
            }
            form.send(
                lambda idempotency_key: _post(enquiry, "resolution", body, back, idempotency_key),
                done="解決にしました。",
            )

    ask()


def reopen(enquiry: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"{enquiry['code']}の対応を再開する"), width="medium", icon=":material/restart_alt:")
    def ask() -> None:
        st.info("「対応中」に戻します。解決の目標時間は、最初の受付から数えたままです。")
        with forms.form(f"{KEY}.reopening.{enquiry['id']}.{enquiry['version']}", submit="再開する") as form:
            reason = form.field("reason", st.text_input, "理由", required=True, max_chars=500)
        if form.submitted:
            body = {"version": enquiry["version"], "reason": reason}
            form.send(
                lambda idempotency_key: _post(enquiry, "reopening", body, back, idempotency_key),
                done="対応を再開しました。",
            )

    ask()


def _post(enquiry: Row, action: str, body: Mapping[str, Any], back: Back, idempotency_key: str) -> None:
    session.api().post(f"{PATH}/{enquiry['id']}/{action}", dict(body), once=idempotency_key)
    back()
