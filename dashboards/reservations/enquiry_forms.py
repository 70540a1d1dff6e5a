"""The record of an enquiry with its fields, the form of a new one, and the actions."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.reservations import CATEGORY, FIELDS, EnquiryDetail
from dashboards.reservations.actions import REASON, Back, Body, Target, ask
from dashboards.reservations.enquiry_words import FAQ, METHOD, PARTY, methods
from dashboards.reservations.incident_words import LEVEL
from dashboards.ui import details, forms
from dashboards.ui.fields import Checkbox, Choice, Custom, Moment, Radio, Text
from dashboards.ui.links import telephone
from dashboards.ui.records import Record
from dashboards.ui.text import plain

PATH, KEY = "/api/reservations/enquiries", "reservations.enquiry"
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
_NAME = Text("sender_name", FIELDS["sender_name"], 100, required=True)
_PHONE = Text("phone", FIELDS["phone"], 30, placeholder="090-1234-5678", half="left")
_MAIL = Text("mail", FIELDS["mail"], 254, half="right")
_REFERENCES = (
    Text("reservation", FIELDS["reservation"], 30, placeholder="QRV-XXXXXX", half="left"),
    Text("shop", FIELDS["shop"], 30, placeholder="S001", half="right"),
)
_TOPIC = Text("topic", "件名", 200, required=True)
_FOR_FAQ = Checkbox("faq", "FAQに追加すべき内容として、週次レビューに出す")
_WAITS = Radio(
    "waits",
    "このあと",
    lambda: {False: "対応中のままにする", True: "相手の回答を待つ"},
    default=False,
    horizontal=True,
)


def _phone_field(form: forms.Form, enquiry: Body) -> Any:
    """The stored form of the number, when it was not changed."""
    shown = enquiry["phone_shown"]
    typed = _PHONE.draw(form, {"phone": shown})
    return enquiry["phone"] if typed == shown else typed


RECORD = Record(
    key=KEY,
    path=PATH,
    name=lambda enquiry: f"問い合わせ「{enquiry['topic']}」",
    fields=(
        _NAME,
        Custom("phone", FIELDS["phone"], _phone_field, lambda enquiry: enquiry["phone"], half="left"),
        _MAIL,
        _TOPIC,
        Choice("category", FIELDS["category"], lambda: CATEGORY),
        Choice(
            "level",
            FIELDS["level"],
            lambda: {code: LEVEL[code].label for code in LEVELS},
            words=lambda code, _: LEVELS[code],
        ),
        Choice("faq", FIELDS["faq"], lambda: {code: status.label for code, status in FAQ.items()}),
        *_REFERENCES,
    ),
    further=("phone_shown",),
)


def edit(enquiry: EnquiryDetail) -> None:
    RECORD.edit(
        {
            **enquiry,
            "reservation": enquiry["reservation_given"],
            "shop": enquiry["shop_given"],
        }
    )


def new() -> None:
    ask(
        f"{KEY}.create",
        "問い合わせを登録する",
        (
            Custom("party", FIELDS["party"], _party_field, lambda enquiry: enquiry["party"], half="left"),
            Choice("channel", FIELDS["channel"], lambda: CHANNELS, required=True, placeholder="選ぶ", half="right"),
            _NAME,
            _PHONE,
            _MAIL,
            *_REFERENCES,
            _TOPIC,
            Text("content", "内容（状況のヒアリング）", 4000, required=True, height=112),
            Choice("category", FIELDS["category"], lambda: CATEGORY, required=True, placeholder="選ぶ", half="left"),
            Choice("level", FIELDS["level"], lambda: LEVELS, default="low", half="right"),
            Moment(
                "received_at",
                "受付日",
                time_title="受付時刻",
                note="メールが届いた時刻など、今でないときだけ入力します。",
            ),
            Custom("resolution", "解決", _resolution_fields, lambda enquiry: enquiry["outcome"]),
        ),
        lambda body, key: session.api().post(PATH, body, idempotency_key=key),
        body=_new_enquiry,
        width="large",
        icon="add_comment",
        submit="登録する",
        done="問い合わせを登録しました。",
    )


def _party_field(form: forms.Form, _: Body) -> Any:
    return form.field(
        "party",
        st.segmented_control,
        FIELDS["party"],
        options=[*PARTY],
        default="customer",
        required=True,
        format_func=lambda code: PARTY[code].label,
    )


def _resolution_fields(form: forms.Form, values: Body) -> Body:
    with st.container(border=True):
        st.markdown(":gray[:small[その場で解決したときだけ入力します。登録と同時に「解決」になります。]]")
        way = Choice("way", FIELDS["way"], lambda: METHOD, placeholder="まだ解決していない").draw(form, values)
        outcome = Text("outcome", "対応内容", 2000, height=80).draw(form, values)
        for_faq = _FOR_FAQ.draw(form, values)
    return {"way": way, "outcome": outcome, "faq": "wanted" if for_faq else "none"}


def _new_enquiry(typed: Body) -> Body:
    channel = typed["channel"]
    others = {name: value for name, value in typed.items() if name != "resolution"}
    reached = {"channel": "phone" if channel == "missed" else channel, "was_answered": channel != "missed"}
    return {**others, **typed["resolution"], **reached}


def target(enquiry: EnquiryDetail, back: Back) -> Target:
    return Target(KEY, PATH, enquiry["id"], back, enquiry["version"])


def answer(enquiry: EnquiryDetail, back: Back) -> None:
    def intro() -> None:
        st.info(
            f"{plain(enquiry['mail'])} に送ります。本文の下に、元の問い合わせを引用します。", icon=":material/mail:"
        )
        with st.expander("問い合わせの内容", expanded=True):
            details.letter(enquiry["content"])

    target(enquiry, back).ask(
        "answers",
        f"{enquiry['code']}にメールで回答する",
        (
            Text("subject", "件名", 200, required=True),
            Text("text", FIELDS["text"], 6000, required=True, height=280),
            _WAITS,
        ),
        values={"subject": enquiry["answer_subject"], "text": enquiry["answer_body"]},
        width="large",
        icon="reply",
        submit="送信する",
        submit_icon=":material/send:",
        done="メールで回答しました。",
        intro=intro,
    )


def call(enquiry: EnquiryDetail, back: Back) -> None:
    number = telephone(enquiry["phone_shown"])
    intro = f"電話番号: {number}" if number else "電話番号は登録されていません。"
    target(enquiry, back).ask(
        "calls",
        f"{enquiry['code']}の電話を記録する",
        (
            Radio(
                "reached",
                "結果",
                lambda: {True: "話せた", False: "つながらなかった"},
                default=True,
                horizontal=True,
            ),
            Text("text", "内容", 2000, required=True, height=112),
            _WAITS,
        ),
        body=lambda typed: {**typed, "waits": typed["waits"] and typed["reached"]},
        icon="call",
        submit="記録する",
        done="電話を記録しました。",
        intro=partial(st.markdown, intro),
    )


def to_operations(enquiry: EnquiryDetail, back: Back) -> None:
    options: dict[int | None, str] = {None: "新しい手動対応を作る（優先度 低）"}
    options |= {task["id"]: f"すでにある「{task['title']}」に加える" for task in enquiry["operations"]}
    target(enquiry, back).ask(
        "operation",
        f"{enquiry['code']}を手動対応にする",
        (Radio("operation_id", FIELDS["operation_id"], lambda: options),),
        icon="support_agent",
        submit="手動対応にする",
        done="手動対応にしました。",
        intro=f"予約 {enquiry['reservation_code'] or ''} の手動対応として、運営担当者に引き継ぎます。"
        "新しく作ると、Slackに通知します。",
    )


def resolve(enquiry: EnquiryDetail, back: Back) -> None:
    def intro() -> None:
        if enquiry["first_response_at"] is None:
            st.warning("まだ一度も回答していません。回答が不要な場合（重複など）だけ、このまま解決にしてください。")

    other_faq = enquiry["faq"] if enquiry["faq"] != "wanted" else "none"
    target(enquiry, back).ask(
        "resolution",
        f"{enquiry['code']}を解決にする",
        (
            Radio("way", FIELDS["way"], lambda: methods(enquiry), required=True),
            Text("outcome", "対応内容", 2000, required=True, height=112),
            _FOR_FAQ,
        ),
        values={
            "way": "manual" if enquiry["operation"] else None,
            "outcome": enquiry["outcome"],
            "faq": enquiry["faq"] == "wanted",
        },
        body=lambda typed: {**typed, "faq": "wanted" if typed["faq"] else other_faq},
        icon="check_circle",
        submit="解決にする",
        done="解決にしました。",
        intro=intro,
    )


def reopen(enquiry: EnquiryDetail, back: Back) -> None:
    target(enquiry, back).ask(
        "reopening",
        f"{enquiry['code']}の対応を再開する",
        (REASON,),
        icon="restart_alt",
        submit="再開する",
        done="対応を再開しました。",
        intro="「対応中」に戻します。解決の目標時間は、最初の受付から数えたままです。",
    )
