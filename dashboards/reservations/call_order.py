"""電話をかける順番: the shops of a service in their calling order, rearranged and stored as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import Called, Order
from dashboards.reservations import choices, words
from dashboards.reservations.order_buttons import order_buttons
from dashboards.session import has_permission
from dashboards.ui import conflict, dialogs, feedback, flash, live
from dashboards.ui.text import plain, small

KEY = "reservations.order"
MAX_NAMES = 5


@dataclass
class Draft:
    """The order as the user has changed it: shop ids, and the version that it is based on."""

    service_id: int
    version: int
    shops: list[int]
    stored: list[int]
    problem: ApiProblem | None = None

    def forget_problem(self) -> None:
        self.problem = None

    @property
    def changed(self) -> bool:
        return self.shops != self.stored


def section() -> None:
    services = choices.required_services(KEY, "順番を決められます")
    if not services:
        return
    service_id = choices.service(services)
    path = f"{choices.SERVICES}/{service_id}/shops"
    try:
        order: Order = live.fetch(path)
    except ApiProblem as problem:
        feedback.failed(problem, key=KEY)
        return
    draft = _draft(order)
    shops = {shop["id"]: shop for shop in order["items"]}
    if not shops:
        feedback.empty(
            f"{order['service_name']}を取り扱う提携店がありません",
            "提携店の「編集する」でこのサービスを選ぶと、ここに並びます。",
        )
        return
    st.markdown(_sentence(order["service_name"], [shops[key] for key in draft.shops if key in shops]))
    with st.container(border=True, gap="small", key=f"{KEY}.list"):
        for index, key in enumerate(draft.shops):
            _line(draft, index, shops.get(key))
    _save_bar(draft, path, {key: shop["name"] for key, shop in shops.items()})


def _draft(order: Order) -> Draft:
    """The current draft, as long as it is for this service and differs from the stored order."""
    stored = [shop["id"] for shop in order["items"]]
    draft: Draft | None = st.session_state.get(KEY)
    if draft is None or draft.service_id != order["service_id"] or not draft.changed:
        draft = st.session_state[KEY] = Draft(order["service_id"], order["version"], [*stored], stored)
    return draft


def _sentence(service: str, shops: list[Called]) -> str:
    active = [shop for shop in shops if not shop["blacklisted_at"]]
    if not active:
        warning = f"**{plain(service)}には、電話をかけられる提携店がありません**。"
        return f"{warning}利用停止を解除するか、店舗を加えてください。"
    names = " → ".join(plain(shop["name"]) for shop in active[:MAX_NAMES])
    more = f" → ほか{len(active) - MAX_NAMES:,}店" if len(active) > MAX_NAMES else ""
    return f"{plain(service)}の予約では、{names}{more} の順に電話をかけます（2周まで）。"


def _line(draft: Draft, index: int, shop: Called | None) -> None:
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key=f"{KEY}.{draft.shops[index]}",
    ):
        text = f"**{index + 1:,}　{plain(shop['name'] if shop else '（外れた店舗）')}**"
        if shop:
            hours_text = f"電話受付 {words.hours(shop)}、定休日 {words.days(shop['closed_weekdays'])}"
            text += f"　{small(plain(hours_text))}"
            if shop["blacklisted_at"]:
                text += f"　{words.SHOP['blacklisted'].badge()}"
        st.markdown(text, width="content")
        if not has_permission("reservations:shop:update"):
            return
        order_buttons(KEY, draft.shops, index, draft.forget_problem)


def _save_bar(draft: Draft, path: str, names: dict[int, str]) -> None:
    if not draft.changed:
        return
    with st.container(border=True, key=f"{KEY}.save"):
        st.markdown(":orange[:material/edit:] **順番を変更しました。まだ保存されていません。**")
        if draft.problem:
            feedback.action_failed(draft.problem)
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
    flash.add("電話をかける順番を保存しました。これから始まる予約に使われます。")


def _compare(draft: Draft, newest: dict[str, Any], names: dict[int, str]) -> None:
    sides = [_positions(shops, names) for shops in (draft.shops, newest["shops"])]
    longest = max(map(len, sides))
    conflict.conflict(
        f"{KEY}.conflict",
        {str(position): f"{position}番目" for position in range(1, longest + 1)},
        *sides,
        changed="この順番は、開いたあとにほかの人が変更しました。",
        keep=lambda: _keep_own(draft, newest),
        load=_forget,
    )


def _positions(shops: list[int], names: dict[int, str]) -> dict[str, str]:
    return {str(position): names.get(key, "（ほかの店舗）") for position, key in enumerate(shops, 1)}


def _keep_own(draft: Draft, newest: dict[str, Any]) -> None:
    """The user's own order of the shops that still exist; shops added meanwhile are called last."""
    own = [key for key in draft.shops if key in newest["shops"]]
    draft.version, draft.stored = newest["version"], newest["shops"]
    draft.shops = [*own, *(key for key in newest["shops"] if key not in own)]
