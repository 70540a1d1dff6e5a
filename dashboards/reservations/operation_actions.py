"""The actions on a reservation, from 手動対応 and from its own page: a button for each action that is possible now.
Each dialog says in advance which calls, messages and payments will follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.reservations import choices
from dashboards.reservations.operation_words import ANSWERS
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/reservations", "reservations.act"
Back = Callable[[], None]
LINK = (
    "依頼者に決済リンクをSMSで送ります（メールアドレスがあればメールも送ります）。届いてから10分以内に決済がないと、"
    "予約は期限切れになります。"
)


def buttons(reservation: Row, back: Back) -> None:
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


def post(reservation: Row, action: str, back: Back, body: Mapping[str, Any], idempotency_key: str) -> None:
    session.api().post(
        f"{PATH}/{reservation['code']}/{action}", {"version": reservation["version"], **body}, once=idempotency_key
    )
    back()


def reservation_label(reservation: Row) -> str:
    return f"{reservation['code']}（{reservation['customer_name']}様）"


def _confirm(
    reservation: Row, back: Back, name: str, route: str, question: str, consequence: str, **options: Any
) -> None:
    confirm.confirm(
        f"{KEY}.{name}.{reservation['code']}.{reservation['version']}",
        question,
        consequence,
        do=lambda note, idempotency_key: post(reservation, route, back, {"note": note}, idempotency_key),
        reason="optional",
        **options,
    )


def form_key(reservation: Row, name: str) -> str:
    return f"{KEY}.{name}.{reservation['code']}.{reservation['version']}"


def shop_ok(reservation: Row, back: Back) -> None:
    @dialogs.dialog(
        plain(f"{reservation_label(reservation)}の予約OKを確認"), width="medium", icon=":material/check_circle:"
    )
    def ask() -> None:
        st.info(f"{LINK}店舗には仮予約のお知らせをメールで送ります。")
        shops = choices.shops()
        with forms.form(form_key(reservation, "shop_ok"), submit="予約OKを確認した") as form:
            asked_id = reservation["asked_id"]
            shop = form.field(
                "shop_id",
                st.selectbox,
                "店舗",
                options=[*shops],
                index=[*shops].index(asked_id) if asked_id in shops else None,
                format_func=lambda key: shops[key],
                placeholder="登録済みの店舗から選ぶ",
            )
            unlisted = form.field(
                "unlisted",
                st.text_input,
                "一覧にない店舗の名前と電話番号",
                max_chars=300,
                placeholder="花の里 03-1234-5678",
                help="登録済みの店舗でないときに入力します。連絡は電話で行います。",
            ).strip()
            note = form.field("note", st.text_input, "メモ", max_chars=500, placeholder="佐藤さんが確認")
        if form.submitted:
            body = {"shop_id": None if unlisted else shop, "unlisted": unlisted, "note": note}
            form.send(
                lambda idempotency_key: post(reservation, "shop-agreed", back, body, idempotency_key),
                done="予約OKを記録しました。決済リンクを準備しています。",
            )

    ask()


def shop_refused(reservation: Row, back: Back) -> None:
    shop = reservation["asked_name"] or "提携店"
    _confirm(
        reservation,
        back,
        "shop_refused",
        "shop-refused",
        f"{reservation_label(reservation)}について、{shop}の予約NGを確認しましたか？",
        "次の提携店への電話を再開します。依頼者への連絡はありません。",
        action="予約NGを確認した",
        done="予約NGを記録しました。次の提携店に電話します。",
        danger=False,
    )


def time_fields(form: forms.Form, initial: datetime) -> str:
    """The reservation's time, as the service expects it."""
    left, right = st.columns(2)
    with left:
        day = form.field("starts_at", st.date_input, "予約日", value=initial.date(), format="YYYY/MM/DD")
    with right:
        clock_time = form.field("time", st.time_input, "予約時刻", value=initial.time(), step=900)
    return datetime.combine(day or initial.date(), clock_time or initial.time(), initial.tzinfo).isoformat()


def _plan(form: forms.Form, reservation: Row) -> str:
    plans = choices.plans(reservation["service_id"])
    current = reservation["plan_code"]
    plans = plans if current in plans else {current: f"{reservation['plan_name']} ¥{reservation['price']:,}"} | plans
    chosen: str = form.field(
        "plan",
        st.selectbox,
        "サイズ・料金",
        options=[*plans],
        index=[*plans].index(current),
        format_func=lambda code: plans[code],
    )
    return chosen


def _starts_at(reservation: Row) -> datetime:
    return times.parse(reservation["starts_at"]).astimezone(times.now().tzinfo)


def accept_change(reservation: Row, back: Back) -> None:
    @dialogs.dialog(
        plain(f"{reservation_label(reservation)}の変更を反映"), width="medium", icon=":material/edit_calendar:"
    )
    def ask() -> None:
        requested_change = next((call["change"] for call in reservation["calls"] if call["change"]), "")
        if requested_change:
            st.markdown(f"店舗の要望: **{plain(requested_change)}**")
        st.info(f"変更後の内容で予約を進めます。{LINK}店舗には仮予約のお知らせをメールで送ります。")
        with forms.form(form_key(reservation, "accept_change"), submit="変更を反映する") as form:
            starts_at = time_fields(form, _starts_at(reservation))
            plan = _plan(form, reservation)
            price = form.field(
                "price",
                st.number_input,
                "料金（円）",
                min_value=50,
                max_value=9_999_999,
                value=None,
                step=100,
                placeholder="サイズの料金のまま",
                help="店舗と別の料金で合意したときだけ入力します。",
            )
            consented = form.field("consented", st.checkbox, "依頼者に電話で説明し、承諾を得ました")
            note = form.field("note", st.text_input, "メモ", max_chars=500)
        if form.submitted:
            body = {"consented": consented, "starts_at": starts_at, "plan": plan, "price": price, "note": note}
            form.send(
                lambda idempotency_key: post(reservation, "change-accepted", back, body, idempotency_key),
                done="変更を反映しました。決済リンクを準備しています。",
            )

    ask()


def refuse_change(reservation: Row, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "refuse_change",
        "change-refused",
        f"{reservation_label(reservation)}の変更は、依頼者の承諾を得られませんでしたか？",
        f"{reservation['asked_name'] or '提携店'}に見送りのメールを送り、次の提携店への電話を再開します。",
        action="承諾なし",
        done="承諾なしを記録しました。次の提携店に電話します。",
        danger=False,
    )


def rearrange(reservation: Row, back: Back) -> None:
    @dialogs.dialog(
        plain(f"{reservation_label(reservation)}を別の日時で探し直す"), width="medium", icon=":material/restart_alt:"
    )
    def ask() -> None:
        mail_note = f"{reservation['asked_name']}には見送りのメールを送ります。" if reservation["asked_name"] else ""
        st.info(f"新しい日時で、最初の提携店から順番に電話をかけ直します。{mail_note}")
        with forms.form(form_key(reservation, "rearrange"), submit="探し直す") as form:
            starts_at = time_fields(form, _starts_at(reservation))
            plan = _plan(form, reservation)
            note = form.field("note", st.text_input, "メモ", max_chars=500)
        if form.submitted:
            body = {"starts_at": starts_at, "plan": plan, "note": note}
            form.send(
                lambda idempotency_key: post(reservation, "rearrange", back, body, idempotency_key),
                done="新しい日時で、提携店に電話をかけ直します。",
            )

    ask()


def send_link(reservation: Row, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "send_link",
        "link",
        f"{reservation_label(reservation)}の決済リンクを再作成しますか？",
        f"今の決済ページを閉じ、新しい決済ページを用意します。{LINK}",
        action="再作成する",
        done="決済リンクを作り直しています。",
        danger=False,
    )


def mail_link(reservation: Row, back: Back) -> None:
    @dialogs.dialog(
        plain(f"{reservation_label(reservation)}の決済リンクをメールで送る"), width="medium", icon=":material/mail:"
    )
    def ask() -> None:
        st.info(
            f"新しい決済ページ（¥{reservation['price']:,}）を用意し、リンクをメールだけで送ります。"
            "送信から10分以内に決済がないと、予約は期限切れになります。依頼者に電話で伝えてから送ってください。"
        )
        with forms.form(form_key(reservation, "mail_link"), submit="メールで送る") as form:
            mail = form.field(
                "mail", st.text_input, "メールアドレス", required=True, value=reservation["mail"], max_chars=254
            ).strip()
            note = form.field("note", st.text_input, "メモ", max_chars=500)
        if form.submitted:
            form.send(
                lambda idempotency_key: post(
                    reservation, "link-by-mail", back, {"mail": mail, "note": note}, idempotency_key
                ),
                done="決済リンクをメールで送ります。",
            )

    ask()


def cancel(reservation: Row, back: Back, *, late: bool = False) -> None:
    @dialogs.dialog(
        plain(f"{reservation_label(reservation)}をキャンセルしますか？"), width="medium", icon=":material/warning:"
    )
    def ask() -> None:
        paid = reservation["paid"]
        refund_note = f"決済済みの¥{paid:,}を全額返金します。" if paid else "決済はまだないため、返金はありません。"
        st.warning(f"{refund_note}依頼者にSMSで、店舗にメールで知らせます。この操作は取り消せません。")
        if late:
            deadline = times.full(times.parse(reservation["cancel_until"]))
            st.markdown(f"キャンセル期限（{plain(deadline)}）を過ぎています。特別な事情と、提携店の承諾が必要です。")
        with forms.form(form_key(reservation, "cancel"), submit="キャンセルする") as form:
            reason = form.field("reason", st.text_area, "理由", required=True, max_chars=500, height=80)
            agreed = form.field("shop_agreed", st.checkbox, "提携店の承諾を得ました") if late else False
        if form.submitted:
            body = {"reason": reason, "shop_agreed": agreed}
            form.send(
                lambda idempotency_key: post(reservation, "cancel", back, body, idempotency_key),
                done="キャンセルしました。",
            )

    ask()


def cancel_late(reservation: Row, back: Back) -> None:
    cancel(reservation, back, late=True)


def retry_refund(reservation: Row, back: Back) -> None:
    _confirm(
        reservation,
        back,
        "retry_refund",
        "refund",
        f"{reservation_label(reservation)}の返金をやり直しますか？",
        f"Stripeに¥{reservation['paid']:,}の返金をもう一度依頼します。返金が終わると、依頼者にSMSで知らせます。",
        action="返金をやり直す",
        done="返金をやり直します。",
    )


def refunded_otherwise(reservation: Row, back: Back) -> None:
    @dialogs.dialog(
        plain(f"{reservation_label(reservation)}を別の方法で返金しましたか？"),
        width="medium",
        icon=":material/currency_yen:",
    )
    def ask() -> None:
        st.warning(
            f"¥{reservation['paid']:,}を、Stripeの管理画面や振込などで返金し終えたときに記録します。振込の前に、Stripeでは返金されて"
            "いないことを確かめてください。予約は返金済みになり、依頼者にSMSは送りません。この操作は取り消せません。"
        )
        with forms.form(form_key(reservation, "refunded_otherwise"), submit="返金済みにする") as form:
            method = form.field(
                "how",
                st.text_area,
                "返金の方法",
                required=True,
                max_chars=500,
                height=80,
                placeholder="例: 2026/11/23 に依頼者の口座へ振込",
            )
        if form.submitted:
            form.send(
                lambda idempotency_key: post(reservation, "refunded-otherwise", back, {"how": method}, idempotency_key),
                done="返金済みにしました。",
            )

    ask()


def correct(reservation: Row, call: Row, back: Back) -> None:
    @dialogs.dialog(
        plain(f"{call['number']}回目の電話（{call['shop_name']}）の判定を訂正"), width="medium", icon=":material/edit:"
    )
    def ask() -> None:
        st.info(
            f"今の判定は「{call['answer_title']}」です。予約OKにすると、ほかの店舗が決まっていなければ決済リンクを送ります。"
            "予約がすでに先へ進んでいるときは、判定の記録だけを訂正します。"
        )
        options = {code: label for code, label in ANSWERS.items() if code != call["answer"]}
        with forms.form(form_key(reservation, f"correct.{call['number']}"), submit="訂正する") as form:
            answer = form.field(
                "answer",
                st.selectbox,
                "正しい判定",
                required=True,
                options=[*options],
                index=None,
                format_func=lambda code: options[code],
                placeholder="選ぶ",
            )
            note = form.field("note", st.text_input, "訂正の理由", max_chars=500)
        if form.submitted:
            form.send(
                lambda idempotency_key: post(
                    reservation,
                    f"calls/{call['number']}/answer",
                    back,
                    {"answer": answer, "note": note},
                    idempotency_key,
                ),
                done="判定を訂正しました。",
            )

    ask()


def contact(reservation: Row, back: Back) -> None:
    parties = {"customer": "依頼者", "shop": "店舗"}

    def post(idempotency_key: str) -> None:
        session.api().post(
            f"{PATH}/{reservation['code']}/contacts", {"party": party, "text": text}, once=idempotency_key
        )
        back()

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
        form.send(post, done="連絡を記録しました。")


_BUTTONS: Mapping[str, tuple[str, str, Callable[[Row, Back], None]]] = {
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
