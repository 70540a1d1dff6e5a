"""店舗順序シミュレーション: would a shop be found sooner if the calls were made in another order?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import ScoreItem, Simulation, SimulationShopItem
from dashboards.reservations import choices, words
from dashboards.reservations.order_buttons import order_buttons
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, feedback, figures, heading, live, times
from dashboards.ui.figures import Figure, Good
from dashboards.ui.text import Markdown, plain, small

KEY, PATH = "reservations.simulation", "/api/reservations/simulation"
MONTHS = {3: "直近3か月", 6: "直近6か月", 12: "直近12か月", 24: "直近24か月"}
TRUST = {
    "good": ":green-badge[:material/check_circle: 十分なデータがあります]",
    "fair": ":orange-badge[:material/info: 参考値です]",
    "poor": ":red-badge[:material/warning: データが少なく、判断には使えません]",
}
# Smaller differences of the success rate and of the minutes are not reported.
NEGLIGIBLE_SHARE, NEGLIGIBLE_MINUTES = 0.005, 0.1


@dataclass
class Trial:
    """The order that is tried for a service, as shop ids."""

    service_id: int
    present: list[int]
    shops: list[int]


def page() -> None:
    heading.page("順序シミュレーション")
    services = choices.required_services(KEY, "順番を試せます")
    if not services:
        return
    with st.container(horizontal=True):
        service_id = choices.service(services)
        months = st.selectbox("対象の期間", [*MONTHS], 2, format_func=lambda key: MONTHS[key], key="months", width=200)
    stored: Trial | None = st.session_state.get(KEY)
    trial = stored if stored is not None and stored.service_id == service_id else None
    query: dict[str, Any] = {"months": months}
    if trial is not None and trial.shops != trial.present:
        query["order"] = ",".join(map(str, trial.shops))
    try:
        result: Simulation = live.fetch(f"{PATH}/{service_id}", **query)
    except ApiProblem as problem:
        if problem.status == 422:
            # The shops of the service have changed: the tried order is not valid any more.
            st.session_state.pop(KEY, None)
        feedback.failed(problem, key=KEY)
        return
    present = [shop["id"] for shop in result["shops"]]
    if trial is None or trial.present != present:
        trial = st.session_state[KEY] = Trial(service_id, present, [*result["order"]])
    _draw(result, trial)


def _draw(result: Simulation, trial: Trial) -> None:
    shops = {shop["id"]: shop for shop in result["shops"]}
    st.markdown(_sentence(result, trial, shops))
    if not result["reservations"]:
        feedback.empty(
            "この期間に、電話をかけた予約がありません", "期間を長くするか、予約がたまってからお試しください。"
        )
    else:
        _compare(result, trial)
    left, right = st.columns((3, 2), gap="large")
    with left:
        _order_list(result, trial, shops)
    with right:
        _explanation(result)


def _sentence(result: Simulation, trial: Trial, shops: dict[int, SimulationShopItem]) -> str:
    service = plain(result["service_name"])
    if not result["reservations"]:
        return f"{service}には、この期間に店舗へ電話をかけた予約がありません。"
    if trial.shops != trial.present:
        effect = verdict(result["tried"], result["present"], is_certain=result["is_certain"])
        return f"{_names(trial.shops, shops)} の順に電話をかけていたら、{effect}"
    if result["suggested"] == trial.present:
        return f"{service}の{result['reservations']:,}件の予約では、**現在の順序よりよい順序は見つかりませんでした**。"
    gain = _describe_gain(result["suggested_score"], result["present"])
    return (
        f"{service}の{result['reservations']:,}件の予約では、**{_names(result['suggested'], shops)}** の順にすると"
        f"{gain}見込みです。"
    )


def _names(order: Sequence[int], shops: dict[int, SimulationShopItem]) -> str:
    return " → ".join(plain(shops[key]["name"]) for key in order)


def verdict(score: ScoreItem, present: ScoreItem, *, is_certain: bool) -> str:
    """The result of an order, compared with the present one."""
    gain = score["success"] - present["success"]
    saved = _minutes_saved(score, present)
    if abs(gain) < NEGLIGIBLE_SHARE and abs(saved) < NEGLIGIBLE_MINUTES:
        return "**結果は現在の順序とほぼ同じ**でした。"
    text = f"{_describe_gain(score, present)}見込みでした。"
    if abs(gain) >= NEGLIGIBLE_SHARE and not is_certain:
        text += "ただし、成功率の差は推定の誤差の範囲です。"
    return text


def _minutes_saved(score: ScoreItem, present: ScoreItem) -> float:
    return float(present["median_minutes"] or 0) - float(score["median_minutes"] or 0)


def _describe_gain(score: ScoreItem, present: ScoreItem) -> str:
    gain, saved = score["success"] - present["success"], _minutes_saved(score, present)
    parts = []
    if abs(gain) >= NEGLIGIBLE_SHARE:
        parts.append(f"予約成功率が{abs(gain) * 100:.1f}ポイント{'上がる' if gain > 0 else '下がる'}")
    if abs(saved) >= NEGLIGIBLE_MINUTES:
        parts.append(f"OKまでの中央値が{_minutes(abs(saved))}{'短くなる' if saved > 0 else '長くなる'}")
    fewer_calls = present["calls"] - score["calls"]
    if not parts or abs(fewer_calls) >= 0.05:
        parts.append(f"電話が1件あたり{abs(fewer_calls):.2f}回{'減る' if fewer_calls >= 0 else '増える'}")
    return f"**{'、'.join(parts)}**"


def _minutes(minutes: float | None) -> str:
    """Minutes with a decimal, or hours for searches that waited for the night to end."""
    if minutes is None:
        return "-"
    if minutes >= 60:
        return f"{int(minutes) // 60}時間{int(minutes) % 60}分"
    return f"{minutes:.1f}分"


def _compare(result: Simulation, trial: Trial) -> None:
    score, present = result["tried"], result["present"]
    is_changed = trial.shops != trial.present

    def card(label: str, shown: Callable[[ScoreItem], str], change: float, unit: str, good: Good) -> Figure:
        note = f"現在の順序 {shown(present)}　実績 {shown(result['actual'])}"
        return Figure(label, shown(score), note, change if is_changed else None, unit, "現在の順序との差", good)

    median_change = -_minutes_saved(score, present)
    mean_change = (score["mean_minutes"] or 0) - (present["mean_minutes"] or 0)
    gain = round((score["success"] - present["success"]) * 100, 1)
    calls = round(score["calls"] - present["calls"], 2)
    figures.row(
        [
            card("予約成功率", lambda score: f"{score['success'] * 100:.1f}%", gain, "ポイント", "up"),
            card("OKまでの平均", lambda score: _minutes(score["mean_minutes"]), round(mean_change, 1), "分", "down"),
            card(
                "OKまでの中央値", lambda score: _minutes(score["median_minutes"]), round(median_change, 1), "分", "down"
            ),
            card("1件あたりの電話", lambda score: f"{score['calls']:.2f}回", calls, "回", "down"),
        ]
    )


def _order_list(result: Simulation, trial: Trial, shops: dict[int, SimulationShopItem]) -> None:
    st.subheader("試す順序", anchor=False)
    with st.container(border=True, gap="small", key=f"{KEY}.list"):
        for index, key in enumerate(trial.shops):
            _line(trial, index, shops[key])
    by_share = sorted(trial.present, key=lambda key: -shops[key]["likely"])
    with st.container(horizontal=True):
        for label, order, name in (
            ("提案の順序にする", result["suggested"], "suggested"),
            ("OK率の高い順に並べる", by_share, "share"),
            ("現在の順序に戻す", trial.present, "present"),
        ):
            st.button(
                label, key=f"{KEY}.{name}", on_click=_set_order, args=(trial, order), disabled=[*order] == trial.shops
            )
    if trial.shops != trial.present and has_permission("reservations:shop:update"):
        dialogs.button(
            "この順序を提携店に反映する", _apply, result, trial, shops, key=f"{KEY}.apply", icon="check", type="primary"
        )


def _line(trial: Trial, index: int, shop: SimulationShopItem) -> None:
    current = trial.present.index(shop["id"]) + 1
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"{KEY}.{shop['id']}"
    ):
        moved_note = "" if current == index + 1 else f"（現在は{current}番目）"
        text = f"**{index + 1:,}　{plain(shop['name'])}**{moved_note}"
        facts = f"OK率 {shop['likely'] * 100:.0f}%（{shop['known_ok']:,}/{shop['known_calls']:,}回）、"
        facts += f"電話受付 {words.hours(shop)}、定休日 {words.days(shop['closed_weekdays'])}"
        badge = f"　{words.SHOP['blacklisted'].badge()}" if shop["blacklisted_at"] else ""
        st.markdown(f"{text}{badge}  \n{small(plain(facts))}", width="content")
        order_buttons(KEY, trial.shops, index)


def _set_order(trial: Trial, order: Sequence[int]) -> None:
    trial.shops = [*order]


def _explanation(result: Simulation) -> None:
    """Explains what is measured and what is estimated."""
    st.subheader("結果の読み方", anchor=False)
    if result["reservations"]:
        score = result["tried"]
        st.markdown(
            f"{TRUST[result['trust']]}  \n"
            f"対象は{times.day(times.parse(result['since']).date())}以降の予約{result['reservations']:,}件です。"
            f"試した順序でかける電話のうち、**{score['measured'] * 100:.0f}%は実際の回答（実測）**、"
            f"**残りは推定**です。推定による成功率の誤差は±{score['doubt'] * 196:.1f}ポイント程度です。"
        )
    st.markdown(
        "- **実測**: その予約で実際に電話をかけた店舗は、そのときの回答と通話時間をそのまま使います。\n"
        "- **推定**: 電話をかけなかった店舗は、その店舗の過去の回答から、時間帯と平日・土日を考慮した"
        "予約OKの確率を使います（くじ引きはせず、期待値で計算します）。\n"
        "- 2周まで、店舗の電話受付時間と定休日、周の間の5分、予約日時の1時間前の締め切りも、実際と同じに扱います。\n"
        "- OKまでの時間には、夜間などの受付時間を待つ時間と、担当者による確認の時間を含みます。"
    )


def _apply(result: Simulation, trial: Trial, shops: dict[int, SimulationShopItem]) -> None:
    before, after = (_names(order, shops) for order in (trial.present, trial.shops))

    def do(_: str, _idempotency_key: str) -> None:
        path = f"{choices.SERVICES}/{result['service_id']}/shops"
        session.api().put(path, {"version": result["version"], "shops": trial.shops})
        st.session_state.pop(KEY, None)

    confirm.confirm(
        f"{KEY}.apply",
        f"{result['service_name']}の電話をかける順番を変更しますか？",
        Markdown(
            f"{before} から、{after} に変更します。これから始まる予約に使われます。手配中の予約の順番は変わりません。"
        ),
        action="反映する",
        do=do,
        success="電話をかける順番を反映しました。",
        danger=False,
    )


page()
