"""経過をたどる: the reservation after each event, computed again by the service from its timeline."""

from __future__ import annotations

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.contract.reservations import StepItem
from dashboards.reservations import words
from dashboards.reservations.operation_actions import PATH
from dashboards.ui import details, feedback, live, times
from dashboards.ui.text import plain, small

KEY = "reservations.replay"


@st.fragment
def replay(code: str) -> None:
    """A fragment of its own that loads only when the user moves: what the user is reading must not change."""
    st.subheader("経過をたどる", anchor=False)
    try:
        steps: list[StepItem] = live.fetch(f"{PATH}/{code}/steps")["items"]
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY, again=live.clear_failure)
        return
    different = [step for step in steps if not step["agrees"]]
    if different:
        st.warning(
            f"記録された経過のうち{len(different):,}件は、今の規則で計算し直すと当時と違う結果になります。"
            "該当する時点には、そのことを表示しています。",
            icon=":material/rule:",
        )
    step = _select_step(code, steps)
    _step(step, len(steps))


def _select_step(code: str, steps: list[StepItem]) -> StepItem:
    """Steps count from 1; the last one is the default."""
    if len(steps) == 1:
        return steps[0]
    slot, last = f"{KEY}.{code}", len(steps)
    number: int = min(st.session_state.get(slot, last), last)
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{KEY}.bar"):
        _step_button("前へ", "previous", "chevron_left", slot, number - 1, enabled=number > 1)
        _step_button("次へ", "next", "chevron_right", slot, number + 1, enabled=number < last)
        st.session_state[slot] = number
        st.slider("時点", 1, last, key=slot, format=f"%d / {last}")
    return steps[number - 1]


def _step_button(label: str, name: str, icon: str, slot: str, number: int, *, enabled: bool) -> None:
    st.button(
        label, key=f"{KEY}.{name}", icon=f":material/{icon}:", disabled=not enabled, on_click=_move, args=(slot, number)
    )


def _move(slot: str, number: int) -> None:
    st.session_state[slot] = number


def _step(step: StepItem, count: int) -> None:
    step_time = times.parse(step["at"])
    with st.container(border=True, key=f"{KEY}.step"):
        before = words.STATE.get(step["state_before"] or "")
        previous = f"{before.badge()} → " if before and step["state_before"] != step["state"] else ""
        st.markdown(f"{previous}{words.DISPLAY_STATE[words.display_state(step)].badge()}　**{plain(step['title'])}**")
        actor = step["by"] or step["source_title"]
        st.markdown(small(f"{step['number']:,} / {count:,}　{plain(times.full(step_time))}　{plain(actor)}"))
        if step["ignored"]:
            st.markdown(f"この出来事では予約は変わりませんでした。{plain(step['ignored'])}")
        if not step["agrees"]:
            st.markdown(":orange[:material/rule: 今の規則で計算し直した結果です。当時の判断とは異なります。]")
        st.markdown(plain(step["progress"]))
        left, right = st.columns(2, gap="large")
        with left:
            details.facts(
                {
                    "店舗": step["shop_name"] or step["asked_name"],
                    "電話": f"{step['calls']:,}回（{step['round']:,}巡目）",
                    "次に動く時刻": times.stamp(step["next_action_at"]),
                    "決済期限": times.stamp(step["pay_until"]),
                }
            )
        with right:
            details.facts(
                {
                    "予約日時": times.stamp(step["starts_at"]),
                    "料金": words.yen(step["price"]),
                    "決済額・返金額": f"{words.yen(step['paid'])}・{words.yen(step['refunded'])}",
                    "行ったこと": "、".join(step["led_to"]),
                }
            )
