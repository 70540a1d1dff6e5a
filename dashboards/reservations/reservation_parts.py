"""The data of a reservation, shown next to a task of 手動対応 and on its own page."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import CallItem, ReservationDetail
from dashboards.reservations import operation_actions
from dashboards.reservations.actions import Back
from dashboards.reservations.operation_words import ANSWERS
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, times
from dashboards.ui.links import mail, telephone
from dashboards.ui.text import plain, small

# A longer conversation scrolls in a box: every line of it can be read, above all the one that decided.
LINES_SHOWN, BOX_HEIGHT = 40, 480
CALL = ":material/call: 電話をかける"


def facts(reservation: ReservationDetail) -> None:
    awaited_shop = {"回答待ちの店舗": reservation["asked_name"]} if reservation["asked_name"] else {}
    payment_note = f"（決済 ¥{reservation['paid']:,}）" if reservation["paid"] else "（未決済）"
    details.facts(
        {
            "予約ID": details.Code(reservation["code"]),
            "ステータス": reservation["state_title"],
            "依頼者": reservation["customer_name"],
            "電話番号": details.Code(reservation["phone_shown"], telephone(reservation["phone_shown"], CALL)),
            "メールアドレス": mail(reservation["mail"]),
            "内容": f"{reservation['service_name']} {reservation['plan_name']}",
            "予約日時": times.stamp(reservation["starts_at"]),
            "料金": f"¥{reservation['price']:,}{payment_note}",
            "要望": reservation["wishes"],
            **awaited_shop,
            "店舗": reservation["shop_name"],
            "キャンセル期限": times.stamp(reservation["cancel_until"]),
        }
    )


def calls(reservation: ReservationDetail, back: Back, *, key: str) -> None:
    """The conversations with shops, newest first. The sentence that the answer was read from is marked."""
    for index, call in enumerate(reservation["calls"]):
        answer = call["answer_title"] or "通話中・結果待ち"
        title = f"{call['number']:,}回目　{plain(call['shop_name'])}　**{plain(answer)}**"
        with st.expander(title, expanded=index == 0):
            _call(call)
            if call["may_overrule"] and has_permission("reservations:reservation:operate"):
                dialogs.button(
                    "判定を訂正する",
                    operation_actions.correct,
                    reservation,
                    call,
                    back,
                    key=f"{key}.correct.{call['number']}",
                    icon="edit",
                )


def _call(call: CallItem) -> None:
    time = times.stamp(call["placed_at"] or call["planned_at"])
    duration = [f"{call['seconds']:,}秒"] if call["seconds"] else []
    st.markdown(small("　".join((plain(time), telephone(call["phone_shown"]), *map(plain, duration)))))
    if call["overruled_at"]:
        read_answer = ANSWERS.get(call["read_answer"] or "", "なし")
        st.markdown(small(plain(f"{call['overruled_by']}が訂正しました（自動の判定: {read_answer}）")))
    elif call["why"]:
        st.markdown(f"判定の理由: {plain(call['why'])}")
    if call["change"]:
        st.markdown(f"変更の要望: **{plain(call['change'])}**")
    if call["staff"]:
        st.markdown(f"応対者: {plain(call['staff'])}")
    is_long = len(call["transcript"]) > LINES_SHOWN
    with st.container(height=BOX_HEIGHT if is_long else "content", border=is_long):
        for line in call["transcript"]:
            speaker = "店舗" if line["is_shop"] else "AI"
            text = plain(line["text"])
            is_quote = bool(call["quote"]) and line["is_shop"] and call["quote"] in line["text"]
            st.markdown(f"{small(speaker)}　" + (f":orange-background[**{text}**]" if is_quote else text))
