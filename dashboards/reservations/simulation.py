"""店舗順序シミュレーション: would we find a shop sooner if we called them in another order?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import choices, words
from dashboards.session import may
from dashboards.ui import confirm, dialogs, feedback, figures, heading, live, times
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure, Good
from dashboards.ui.text import plain, small

KEY, PATH = "reservations.simulation", "/api/reservations/simulation"
MONTHS = {3: "直近3か月", 6: "直近6か月", 12: "直近12か月", 24: "直近24か月"}
TRUST = {
    "good": ":green-badge[:material/check_circle: 十分なデータがあります]",
    "fair": ":orange-badge[:material/info: 参考値です]",
    "poor": ":red-badge[:material/warning: データが少なく、判断には使えません]",
}
# In share of success and in minutes: what is less is no difference.
SAME, SAME_MINUTES = 0.005, 0.1


@dataclass
class Tried:
    """The order that is tried for a service, as ids."""

    service_id: int
    present: list[int]
    shops: list[int]


def page() -> None:
    heading.page("順序シミュレーション")
    offered = choices.services()
    if not offered:
        feedback.empty("まだサービスが登録されていません", "「サービス・料金」でサービスを登録すると、順番を試せます。")
        return
    with st.container(horizontal=True):
        service = choices.service(offered)
        months = st.selectbox("対象の期間", [*MONTHS], 2, format_func=lambda key: MONTHS[key], key="months", width=200)
    kept: Tried | None = st.session_state.get(KEY)
    known = kept if kept is not None and kept.service_id == service else None
    query: dict[str, Any] = {"months": months}
    if known is not None and known.shops != known.present:
        query["order"] = ",".join(map(str, known.shops))
    try:
        found = live.ask(f"{PATH}/{service}", **query)
    except ApiProblem as problem:
        if problem.status == 422:
            # The service has other shops by now: the order that was tried is none of its any more.
            st.session_state.pop(KEY, None)
        feedback.failed(problem, key=KEY)
        return
    present = [shop["id"] for shop in found["shops"]]
    if known is None or known.present != present:
        known = st.session_state[KEY] = Tried(service, present, [*found["order"]])
    _draw(found, known)


def _draw(found: Row, tried: Tried) -> None:
    shops = {shop["id"]: shop for shop in found["shops"]}
    st.markdown(_sentence(found, tried, shops))
    if not found["reservations"]:
        feedback.empty(
            "この期間に、電話をかけた予約がありません", "期間を長くするか、予約がたまってからお試しください。"
        )
    else:
        _compare(found, tried)
    left, right = st.columns((3, 2), gap="large")
    with left:
        _order(found, tried, shops)
    with right:
        _reading(found)


def _sentence(found: Row, tried: Tried, shops: dict[int, Row]) -> str:
    service = plain(found["service_name"])
    if not found["reservations"]:
        return f"{service}には、この期間に店舗へ電話をかけた予約がありません。"
    if tried.shops != tried.present:
        return f"{_names(tried.shops, shops)} の順に電話をかけていたら、{verdict(found['tried'], found)}"
    if found["suggested"] == tried.present:
        return f"{service}の{found['reservations']:,}件の予約では、**現在の順序よりよい順序は見つかりませんでした**。"
    better = _gain(found["suggested_score"], found["present"])
    return (
        f"{service}の{found['reservations']:,}件の予約では、**{_names(found['suggested'], shops)}** の順にすると"
        f"{better}見込みです。"
    )


def _names(order: Sequence[int], shops: dict[int, Row]) -> str:
    return " → ".join(plain(shops[key]["name"]) for key in order)


def verdict(score: Row, found: Row) -> str:
    """How an order would have done, against the present one."""
    present = found["present"]
    gained = score["success"] - present["success"]
    sooner = _sooner(score, present)
    if abs(gained) < SAME and abs(sooner) < SAME_MINUTES:
        return "**結果は現在の順序とほぼ同じ**でした。"
    said = f"{_gain(score, present)}見込みでした。"
    if abs(gained) >= SAME and not found["is_certain"]:
        said += "ただし、成功率の差は推定の誤差の範囲です。"
    return said


def _sooner(score: Row, present: Row) -> float:
    return float(present["median_minutes"] or 0) - float(score["median_minutes"] or 0)


def _gain(score: Row, present: Row) -> str:
    gained, sooner = score["success"] - present["success"], _sooner(score, present)
    parts = []
    if abs(gained) >= SAME:
        parts.append(f"予約成功率が{abs(gained) * 100:.1f}ポイント{'上がる' if gained > 0 else '下がる'}")
    if abs(sooner) >= SAME_MINUTES:
        parts.append(f"OKまでの中央値が{_minutes(abs(sooner))}{'短くなる' if sooner > 0 else '長くなる'}")
    fewer = present["calls"] - score["calls"]
    if not parts or abs(fewer) >= 0.05:
        parts.append(f"電話が1件あたり{abs(fewer):.2f}回{'減る' if fewer >= 0 else '増える'}")
    return f"**{'、'.join(parts)}**"


def _minutes(minutes: float | None) -> str:
    """As long as a search takes: seconds of a short one, hours of one that waited for the night to end."""
    if minutes is None:
        return "-"
    if minutes >= 60:
        return f"{int(minutes) // 60}時間{int(minutes) % 60}分"
    return f"{minutes:.1f}分"


def _compare(found: Row, tried: Tried) -> None:
    score, present = found["tried"], found["present"]
    is_other = tried.shops != tried.present

    def card(label: str, value: str, name: str, change: float | None, unit: str, good: Good) -> Figure:
        note = f"現在の順序 {_shown(name, present)}　実績 {_shown(name, found['actual'])}"
        return Figure(label, value, note, change if is_other else None, unit, "現在の順序との差", good)

    median = -_sooner(score, present)
    longer = (score["mean_minutes"] or 0) - (present["mean_minutes"] or 0)
    gained = round((score["success"] - present["success"]) * 100, 1)
    calls = round(score["calls"] - present["calls"], 2)
    figures.row(
        [
            card("予約成功率", _shown("success", score), "success", gained, "ポイント", "up"),
            card(
                "OKまでの平均", _shown("mean_minutes", score), "mean_minutes", round(longer, 1), "分", "down"
            ),
            card(
                "OKまでの中央値", _shown("median_minutes", score), "median_minutes", round(median, 1), "分", "down"
            ),
            card("1件あたりの電話", _shown("calls", score), "calls", calls, "回", "down"),
        ]
    )  # fmt: skip


def _shown(name: str, score: Row) -> str:
    if name == "success":
        return f"{score[name] * 100:.1f}%"
    return f"{score[name]:.2f}回" if name == "calls" else _minutes(score[name])


def _order(found: Row, tried: Tried, shops: dict[int, Row]) -> None:
    st.subheader("試す順序", anchor=False)
    with st.container(border=True, gap="small", key=f"{KEY}.list"):
        for place, key in enumerate(tried.shops):
            _line(tried, place, shops[key])
    by_share = sorted(tried.present, key=lambda key: -shops[key]["likely"])
    with st.container(horizontal=True):
        for word, order, name in (
            ("提案の順序にする", found["suggested"], "suggested"),
            ("OK率の高い順に並べる", by_share, "share"),
            ("現在の順序に戻す", tried.present, "present"),
        ):
            st.button(word, key=f"{KEY}.{name}", on_click=_take, args=(tried, order), disabled=[*order] == tried.shops)
    if tried.shops != tried.present and may("reservations:shop:update"):
        dialogs.button(
            "この順序を提携店に反映する", _apply, found, tried, shops, key=f"{KEY}.apply", icon="check", type="primary"
        )


def _line(tried: Tried, place: int, shop: Row) -> None:
    now = tried.present.index(shop["id"]) + 1
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"{KEY}.{shop['id']}"
    ):
        moved = "" if now == place + 1 else f"（現在は{now}番目）"
        said = f"**{place + 1:,}　{plain(shop['name'])}**{moved}"
        facts = f"OK率 {shop['likely'] * 100:.0f}%（{shop['known_ok']:,}/{shop['known_calls']:,}回）、"
        facts += f"電話受付 {words.hours(shop)}、定休日 {words.days(shop['closed_weekdays'])}"
        badge = f"　{words.SHOP['blacklisted'].badge()}" if shop["blacklisted_at"] else ""
        st.markdown(f"{said}{badge}  \n{small(plain(facts))}", width="content")
        with st.container(horizontal=True, width="content", gap="small"):
            for word, to, icon in (
                ("先頭へ", 0, "vertical_align_top"),
                ("上へ", place - 1, "arrow_upward"),
                ("下へ", place + 1, "arrow_downward"),
            ):
                st.button(
                    word, key=f"{KEY}.{shop['id']}.{icon}", type="tertiary", icon=f":material/{icon}:",
                    disabled=not 0 <= to < len(tried.shops) or to == place, on_click=_move, args=(tried, place, to),
                )  # fmt: skip


def _move(tried: Tried, place: int, to: int) -> None:
    tried.shops.insert(to, tried.shops.pop(place))


def _take(tried: Tried, order: Sequence[int]) -> None:
    tried.shops = [*order]


def _reading(found: Row) -> None:
    """What is measured and what is estimated."""
    st.subheader("結果の読み方", anchor=False)
    if found["reservations"]:
        score = found["tried"]
        st.markdown(
            f"{TRUST[found['trust']]}  \n"
            f"対象は{times.day(times.parse(found['since']).date())}以降の予約{found['reservations']:,}件です。"
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


def _apply(found: Row, tried: Tried, shops: dict[int, Row]) -> None:
    before, after = (_names(order, shops) for order in (tried.present, tried.shops))

    def do(_: str, _once: str) -> None:
        path = f"{choices.SERVICES}/{found['service_id']}/shops"
        session.api().put(path, {"version": found["version"], "shops": tried.shops})
        st.session_state.pop(KEY, None)

    confirm.confirm(
        f"{KEY}.apply",
        f"{found['service_name']}の電話をかける順番を変更しますか？",
        f"{before} から、{after} に変更します。これから始まる予約に使われます。手配中の予約の順番は変わりません。",
        action="反映する",
        do=do,
        done="電話をかける順番を反映しました。",
        danger=False,
    )


page()
