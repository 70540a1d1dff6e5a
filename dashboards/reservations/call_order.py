"""電話をかける順番: the shops of a service from the first to the last, moved about and stored as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import choices, words
from dashboards.session import may
from dashboards.ui import conflict, dialogs, feedback, flash, live
from dashboards.ui.columns import Row
from dashboards.ui.text import plain, small

KEY = "reservations.order"
NAMED = 5


@dataclass
class Draft:
    """What a person has made of the order: ids, and the version it was made of."""

    service_id: int
    version: int
    shops: list[int]
    stored: list[int]
    problem: ApiProblem | None = None

    @property
    def changed(self) -> bool:
        return self.shops != self.stored


def section() -> None:
    offered = choices.services()
    if not offered:
        feedback.empty(
            "まだサービスが登録されていません", "「サービス・料金」でサービスを登録すると、順番を決められます。"
        )
        return
    chosen = choices.service(offered)
    path = f"{choices.SERVICES}/{chosen}/shops"
    try:
        found = live.ask(path)
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    draft = _draft(found)
    shops = {shop["id"]: shop for shop in found["items"]}
    if not shops:
        feedback.empty(
            f"{plain(found['service_name'])}を取り扱う提携店がありません",
            "提携店の「編集する」でこのサービスを選ぶと、ここに並びます。",
        )
        return
    st.markdown(_sentence(found["service_name"], [shops[key] for key in draft.shops if key in shops]))
    with st.container(border=True, gap="small", key=f"{KEY}.list"):
        for place, key in enumerate(draft.shops):
            _line(draft, place, shops.get(key, {"id": key, "name": "（外れた店舗）"}))
    _save_bar(draft, path, {key: shop["name"] for key, shop in shops.items()})


def _draft(found: Row) -> Draft:
    """The one that is being worked on, as long as it is about this service and differs from what is stored."""
    stored = [shop["id"] for shop in found["items"]]
    kept: Draft | None = st.session_state.get(KEY)
    if kept is None or kept.service_id != found["service_id"] or not kept.changed:
        kept = st.session_state[KEY] = Draft(found["service_id"], found["version"], [*stored], stored)
    return kept


def _sentence(service: str, shops: list[Row]) -> str:
    called = [shop for shop in shops if not shop["blacklisted_at"]]
    if not called:
        nobody = f"**{plain(service)}には、電話をかけられる提携店がありません**。"
        return f"{nobody}利用停止を解除するか、店舗を加えてください。"
    names = " → ".join(plain(shop["name"]) for shop in called[:NAMED])
    more = f" → ほか{len(called) - NAMED:,}店" if len(called) > NAMED else ""
    return f"{plain(service)}の予約では、{names}{more} の順に電話をかけます（2周まで）。"


def _line(draft: Draft, place: int, shop: Row) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"{KEY}.{shop['id']}"
    ):
        said = f"**{place + 1:,}　{plain(shop['name'])}**"
        if "opens_at" in shop:
            when = f"電話受付 {words.hours(shop)}、定休日 {words.days(shop['closed_weekdays'])}"
            said += f"　{small(plain(when))}"
            if shop["blacklisted_at"]:
                said += f"　{words.SHOP['blacklisted'].badge()}"
        st.markdown(said, width="content")
        if not may("reservations:shop:update"):
            return
        with st.container(horizontal=True, width="content", gap="small"):
            for word, to, icon in (
                ("先頭へ", 0, "vertical_align_top"),
                ("上へ", place - 1, "arrow_upward"),
                ("下へ", place + 1, "arrow_downward"),
            ):
                st.button(
                    word, key=f"{KEY}.{shop['id']}.{icon}", type="tertiary", icon=f":material/{icon}:",
                    disabled=not 0 <= to < len(draft.shops) or to == place, on_click=_move, args=(draft, place, to),
                )  # fmt: skip


def _move(draft: Draft, place: int, to: int) -> None:
    draft.shops.insert(to, draft.shops.pop(place))
    draft.problem = None


def _save_bar(draft: Draft, path: str, names: dict[int, str]) -> None:
    if not draft.changed:
        return
    with st.container(border=True, key=f"{KEY}.save"):
        st.markdown(":orange[:material/edit:] **順番を変更しました。まだ保存されていません。**")
        if draft.problem:
            feedback.not_done(draft.problem)
        with st.container(horizontal=True):
            st.button(
                "この順番で保存する", key=f"{KEY}.store", type="primary", on_click=_store, args=(draft, path, names)
            )
            st.button("変更を取り消す", key=f"{KEY}.undo", on_click=_forget)


def _forget() -> None:
    st.session_state.pop(KEY, None)


def _store(draft: Draft, path: str, names: dict[int, str]) -> None:
    try:
        session.api().put(path, {"version": draft.version, "shops": draft.shops})
    except ApiProblem as problem:
        if problem.current:
            dialogs.open(_compare, draft, problem.current, names)
        else:
            draft.problem = problem
        return
    _forget()
    flash.say("電話をかける順番を保存しました。これから始まる予約に使われます。")


def _compare(draft: Draft, newest: dict[str, Any], names: dict[int, str]) -> None:
    sides = [_places(shops, names) for shops in (draft.shops, newest["shops"])]
    longest = max(map(len, sides))
    conflict.conflict(
        f"{KEY}.conflict",
        {str(place): f"{place}番目" for place in range(1, longest + 1)},
        *sides,
        changed="この順番は、開いたあとにほかの人が変更しました。",
        keep=lambda: _keep(draft, newest),
        load=_forget,
    )


def _places(shops: list[int], names: dict[int, str]) -> dict[str, str]:
    return {str(place): names.get(key, "（ほかの店舗）") for place, key in enumerate(shops, 1)}


def _keep(draft: Draft, newest: dict[str, Any]) -> None:
    """The own order of those who are still there; who came meanwhile is called last."""
    own = [key for key in draft.shops if key in newest["shops"]]
    draft.version, draft.stored = newest["version"], newest["shops"]
    draft.shops = [*own, *(key for key in newest["shops"] if key not in own)]
