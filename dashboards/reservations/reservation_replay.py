"""経過をたどる: the reservation as it stood after each event, decided anew by the service from its timeline."""

from __future__ import annotations

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.reservations import words
from dashboards.reservations.operation_actions import PATH
from dashboards.ui import details, feedback, live, times
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small

KEY = "reservations.replay"


@st.fragment
def replay(code: str) -> None:
    """A block of its own that asks again only when somebody moves it: what is being looked at must not change."""
    st.subheader("経過をたどる", anchor=False)
    try:
        steps: list[Row] = live.ask(f"{PATH}/{code}/steps")["items"]
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY, again=live.forget_failure)
        return
    wrong = [one for one in steps if not one["agrees"]]
    if wrong:
        st.warning(
            f"記録された経過のうち{len(wrong):,}件は、今の規則で計算し直すと当時と違う結果になります。"
            "該当する時点には、そのことを表示しています。",
            icon=":material/rule:",
        )
    shown = _chosen(code, steps)
    _step(shown, len(steps))


def _chosen(code: str, steps: list[Row]) -> Row:
    """By its place from 1 on; the last one until somebody chooses."""
    if len(steps) == 1:
        return steps[0]
    slot, last = f"{KEY}.{code}", len(steps)
    place: int = min(st.session_state.get(slot, last), last)
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{KEY}.bar"):
        _mover("前へ", "previous", "chevron_left", slot, place - 1, enabled=place > 1)
        _mover("次へ", "next", "chevron_right", slot, place + 1, enabled=place < last)
        st.session_state[slot] = place
        st.slider("時点", 1, last, key=slot, format=f"%d / {last}")
    return steps[place - 1]


def _mover(word: str, name: str, icon: str, slot: str, place: int, *, enabled: bool) -> None:
    st.button(
        word, key=f"{KEY}.{name}", icon=f":material/{icon}:", disabled=not enabled, on_click=_move, args=(slot, place)
    )


def _move(slot: str, place: int) -> None:
    st.session_state[slot] = place


def _step(one: Row, count: int) -> None:
    at = times.parse(one["at"])
    with st.container(border=True, key=f"{KEY}.step"):
        before = words.STATE.get(one["state_before"] or "")
        moved = f"{before.badge()} → " if before and one["state_before"] != one["state"] else ""
        st.markdown(f"{moved}{words.SHOWN[words.state(one)].badge()}　**{plain(one['title'])}**")
        who = one["by"] or one["source_title"]
        st.markdown(small(f"{one['number']:,} / {count:,}　{plain(times.full(at))}　{plain(who)}"))
        if one["ignored"]:
            st.markdown(f"この出来事では予約は変わりませんでした。{plain(one['ignored'])}")
        if not one["agrees"]:
            st.markdown(":orange[:material/rule: 今の規則で計算し直した結果です。当時の判断とは異なります。]")
        st.markdown(plain(one["progress"]))
        left, right = st.columns(2, gap="large")
        with left:
            details.facts(
                {
                    "店舗": one["shop_name"] or one["asked_name"],
                    "電話": f"{one['calls']:,}回（{one['round']:,}巡目）",
                    "次に動く時刻": _moment(one["next_action_at"]),
                    "決済期限": _moment(one["pay_until"]),
                }
            )
        with right:
            details.facts(
                {
                    "予約日時": _moment(one["starts_at"]),
                    "料金": words.yen(one["price"]),
                    "決済額・返金額": f"{words.yen(one['paid'])}・{words.yen(one['refunded'])}",
                    "行ったこと": "、".join(one["led_to"]),
                }
            )


def _moment(text: str | None) -> str:
    return times.full(times.parse(text)) if text else ""
