"""The actions on a reservation, from 手動対応 and from its own page: a button for each action that is possible now.
Each dialog says in advance which calls, messages and payments will follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards.contract.reservations import CallItem, ReservationDetail
from dashboards.reservations import choices
from dashboards.reservations.actions import Back, Target
from dashboards.reservations.operation_words import ANSWERS
from dashboards.session import has_permission
from dashboards.ui import dialogs, forms, times
from dashboards.ui.fields import Checkbox, Choice, Moment, Number, Text
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/reservations", "reservations.act"
LINK = (
    "依頼者に決済リンクをSMSで送ります（メールアドレスがあればメールも送ります）。届いてから10分以内に決済がないと、"
    "予約は期限切れになります。"
)
_NOTE = Text("note", "メモ", 500)


def buttons(reservation: ReservationDetail, back: Back) -> None:
    """The actions that are possible now and that the user may do."""
    names = [name for name in reservation["actions"] if name in _BUTTONS and has_permission(_permission(name))]
    if not names:
        return
    st.markdown(small("予約を進める"))
    with st.container(horizontal=True, key=f"{KEY}.buttons"):
        for name in names:
            label, icon, draw = _BUTTONS[name]
            dialogs.button(label, draw, reservation, back, key=f"{KEY}.{name}", icon=icon)


def _permission(name: str) -> str:
    refunds = ("retry_refund", "refunded_otherwise")
    return "reservations:reservation:refund" if name in refunds else "reservations:reservation:operate"


def target(reservation: ReservationDetail, back: Back) -> Target:
    return Target(KEY, PATH, reservation["code"], back, reservation["version"])


def reservation_label(reservation: ReservationDetail) -> str:
    return f"{reservation['code']}（{reservation['customer_name']}様）"


def _confirm(
    reservation: ReservationDetail, back: Back, route: str, question: str, consequence: str, **options: Any
) -> None:
    target(reservation, back).confirm(
        route,
        f"{reservation_label(reservation)}{question}",
        consequence,
        body=lambda note: {"note": note},
        reason="optional",
        **options,
    )


def shop_ok(reservation: ReservationDetail, back: Back) -> None:
    target(reservation, back).ask(
        "shop-agreed",
        f"{reservation_label(reservation)}の予約OKを確認",
        (
            Choice("shop_id", "店舗", choices.shops, placeholder="登録済みの店舗から選ぶ"),
            Text(
                "unlisted",
                "一覧にない店舗の名前と電話番号",
                300,
                placeholder="花の里 03-1234-5678",
                help="登録済みの店舗でないときに入力します。連絡は電話で行います。",
            ),
            Text("note", "メモ", 500, placeholder="佐藤さんが確認"),
        ),
        values={"shop_id": reservation["asked_id"]},
        body=lambda typed: {**typed, "shop_id": None if typed["unlisted"] else typed["shop_id"]},
        icon="check_circle",
        submit="予約OKを確認した",
        done="予約OKを記録しました。決済リンクを準備しています。",
        intro=f"{LINK}店舗には仮予約のお知らせをメールで送ります。",
    )


def shop_refused(reservation: ReservationDetail, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "shop-refused",
        f"について、{reservation['asked_name'] or '提携店'}の予約NGを確認しましたか？",
        "次の提携店への電話を再開します。依頼者への連絡はありません。",
        action="予約NGを確認した",
        success="予約NGを記録しました。次の提携店に電話します。",
        danger=False,
    )


STARTS_AT = Moment("starts_at", "予約日", time_title="予約時刻", step=900)


def _plan_and_date(reservation: ReservationDetail) -> tuple[Moment, Choice]:
    def plans() -> dict[str, str]:
        offered, current = choices.plans(reservation["service_id"]), reservation["plan_code"]
        if current in offered:
            return offered
        return {current: f"{reservation['plan_name']} ¥{reservation['price']:,}"} | offered

    return STARTS_AT, Choice("plan", "サイズ・料金", plans, default=reservation["plan_code"])


def accept_change(reservation: ReservationDetail, back: Back) -> None:
    def intro() -> None:
        requested_change = next((call["change"] for call in reservation["calls"] if call["change"]), "")
        if requested_change:
            st.markdown(f"店舗の要望: **{plain(requested_change)}**")
        st.info(f"変更後の内容で予約を進めます。{LINK}店舗には仮予約のお知らせをメールで送ります。")

    target(reservation, back).ask(
        "change-accepted",
        f"{reservation_label(reservation)}の変更を反映",
        (
            *_plan_and_date(reservation),
            Number(
                "price",
                "料金（円）",
                50,
                9_999_999,
                step=100,
                placeholder="サイズの料金のまま",
                help="店舗と別の料金で合意したときだけ入力します。",
            ),
            Checkbox("consented", "依頼者に電話で説明し、承諾を得ました"),
            _NOTE,
        ),
        values={"starts_at": reservation["starts_at"]},
        icon="edit_calendar",
        submit="変更を反映する",
        done="変更を反映しました。決済リンクを準備しています。",
        intro=intro,
    )


def refuse_change(reservation: ReservationDetail, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "change-refused",
        "の変更は、依頼者の承諾を得られませんでしたか？",
        f"{reservation['asked_name'] or '提携店'}に見送りのメールを送り、次の提携店への電話を再開します。",
        action="承諾なし",
        success="承諾なしを記録しました。次の提携店に電話します。",
        danger=False,
    )


def rearrange(reservation: ReservationDetail, back: Back) -> None:
    mail_note = f"{reservation['asked_name']}には見送りのメールを送ります。" if reservation["asked_name"] else ""
    target(reservation, back).ask(
        "rearrange",
        f"{reservation_label(reservation)}を別の日時で探し直す",
        (*_plan_and_date(reservation), _NOTE),
        values={"starts_at": reservation["starts_at"]},
        icon="restart_alt",
        submit="探し直す",
        done="新しい日時で、提携店に電話をかけ直します。",
        intro=f"新しい日時で、最初の提携店から順番に電話をかけ直します。{mail_note}",
    )


def send_link(reservation: ReservationDetail, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "link",
        "の決済リンクを再作成しますか？",
        f"今の決済ページを閉じ、新しい決済ページを用意します。{LINK}",
        action="再作成する",
        success="決済リンクを作り直しています。",
        danger=False,
    )


def mail_link(reservation: ReservationDetail, back: Back) -> None:
    target(reservation, back).ask(
        "link-by-mail",
        f"{reservation_label(reservation)}の決済リンクをメールで送る",
        (Text("mail", "メールアドレス", 254, required=True), _NOTE),
        values={"mail": reservation["mail"]},
        icon="mail",
        submit="メールで送る",
        done="決済リンクをメールで送ります。",
        intro=f"新しい決済ページ（¥{reservation['price']:,}）を用意し、リンクをメールだけで送ります。"
        "送信から10分以内に決済がないと、予約は期限切れになります。依頼者に電話で伝えてから送ってください。",
    )


def cancel(reservation: ReservationDetail, back: Back, *, late: bool = False) -> None:
    def intro() -> None:
        paid = reservation["paid"]
        refund_note = f"決済済みの¥{paid:,}を全額返金します。" if paid else "決済はまだないため、返金はありません。"
        st.warning(f"{refund_note}依頼者にSMSで、店舗にメールで知らせます。この操作は取り消せません。")
        if late:
            deadline = times.stamp(reservation["cancel_until"])
            st.markdown(f"キャンセル期限（{plain(deadline)}）を過ぎています。特別な事情と、提携店の承諾が必要です。")

    consent = (Checkbox("shop_agreed", "提携店の承諾を得ました"),) if late else ()
    target(reservation, back).ask(
        "cancel",
        f"{reservation_label(reservation)}をキャンセルしますか？",
        (Text("reason", "理由", 500, required=True, height=80), *consent),
        body=lambda typed: {"shop_agreed": False, **typed},
        icon="warning",
        submit="キャンセルする",
        done="キャンセルしました。",
        intro=intro,
    )


def cancel_late(reservation: ReservationDetail, back: Back) -> None:
    cancel(reservation, back, late=True)


def retry_refund(reservation: ReservationDetail, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "refund",
        "の返金をやり直しますか？",
        f"Stripeに¥{reservation['paid']:,}の返金をもう一度依頼します。返金が終わると、依頼者にSMSで知らせます。",
        action="返金をやり直す",
        success="返金をやり直します。",
    )


def refunded_otherwise(reservation: ReservationDetail, back: Back) -> None:
    def intro() -> None:
        st.warning(
            f"¥{reservation['paid']:,}を、Stripeの管理画面や振込などで返金し終えたときに記録します。振込の前に、Stripeでは返金されて"
            "いないことを確かめてください。予約は返金済みになり、依頼者にSMSは送りません。この操作は取り消せません。"
        )

    target(reservation, back).ask(
        "refunded-otherwise",
        f"{reservation_label(reservation)}を別の方法で返金しましたか？",
        (Text("how", "返金の方法", 500, required=True, height=80, placeholder="例: 2026/11/23 に依頼者の口座へ振込"),),
        icon="currency_yen",
        submit="返金済みにする",
        done="返金済みにしました。",
        intro=intro,
    )


def correct(reservation: ReservationDetail, call: CallItem, back: Back) -> None:
    options = {code: label for code, label in ANSWERS.items() if code != call["answer"]}
    target(reservation, back).ask(
        f"calls/{call['number']}/answer",
        f"{call['number']}回目の電話（{call['shop_name']}）の判定を訂正",
        (
            Choice("answer", "正しい判定", lambda: options, required=True, placeholder="選ぶ"),
            Text("note", "訂正の理由", 500),
        ),
        icon="edit",
        submit="訂正する",
        done="判定を訂正しました。",
        intro=f"今の判定は「{call['answer_title']}」です。予約OKにすると、ほかの店舗が決まっていなければ決済リンクを送ります。"
        "予約がすでに先へ進んでいるときは、判定の記録だけを訂正します。",
    )


def contact(reservation: ReservationDetail, back: Back) -> None:
    parties = {"customer": "依頼者", "shop": "店舗"}
    with forms.form(f"{KEY}.contact.{reservation['code']}", submit="記録する") as form:
        party = form.field(
            "party",
            st.segmented_control,
            "相手",
            options=[*parties],
            default="customer",
            format_func=lambda code: parties[code],
        )
        text = form.field("text", st.text_area, "内容", required=True, max_chars=1000, height=80)
    if form.submitted:
        unversioned = Target(KEY, PATH, reservation["code"], back)
        form.send(
            lambda key: unversioned.post("contacts", {"party": party, "text": text}, key),
            success="連絡を記録しました。",
        )


_BUTTONS: Mapping[str, tuple[str, str, Callable[[ReservationDetail, Back], None]]] = {
    "shop_ok": ("予約OKを確認", "check_circle", shop_ok),
    "shop_refused": ("予約NGを確認", "do_not_disturb_on", shop_refused),
    "accept_change": ("変更を反映", "edit_calendar", accept_change),
    "refuse_change": ("承諾なし", "thumb_down", refuse_change),
    "rearrange": ("別の日時で探し直す", "restart_alt", rearrange),
    "send_link": ("決済リンクを再作成", "sms", send_link),
    "mail_link": ("決済リンクをメールで送る", "mail", mail_link),
    "retry_refund": ("返金をやり直す", "currency_yen", retry_refund),
    "refunded_otherwise": ("別の方法で返金した", "account_balance", refunded_otherwise),
    "cancel": ("キャンセルする", "cancel", cancel),
    "cancel_late": ("キャンセルする", "cancel", cancel_late),
}
