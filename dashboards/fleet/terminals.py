"""端末一覧: which terminals are there, and how are those of one customer, in one state, of one name?"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.fleet.terminals_table import terminals_table
from dashboards.fleet.words import TERMINAL
from dashboards.session import may
from dashboards.ui import filters, live
from dashboards.ui.live import refreshing

CUSTOMERS_OFFERED = 1000
CUSTOMERS_KEPT_SECONDS = 60
_CUSTOMERS = "fleet.customers_offered"
TROUBLE = ("offline", "error")


def customers() -> dict[int, str]:
    """Id → name, for the filter; kept in the session for a minute."""
    until, known = st.session_state.get(_CUSTOMERS, (0.0, {}))
    if time.monotonic() < until:
        return dict(known)
    found: dict[int, str] = {}
    query: dict[str, Any] = {"limit": 100}
    while len(found) < CUSTOMERS_OFFERED:
        page = session.api(patience=PATIENCE_SECONDS).get("/api/fleet/customers", **query)
        found |= {customer["id"]: customer["company_name"] for customer in page["items"]}
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    st.session_state[_CUSTOMERS] = (time.monotonic() + CUSTOMERS_KEPT_SECONDS, found)
    return found


def conditions() -> filters.Filters:
    fields: list[filters.Field] = [
        filters.Text("q", "キーワード", "シリアル番号・設置店舗名"),
        filters.Choice("status", "状態", TERMINAL),
    ]
    if may("fleet:customer:read"):
        with suppress(ApiProblem):  # The table says what is wrong; without names there is nothing to choose from.
            fields.append(filters.Choice("customer_id", "顧客", customers(), width=240))
    return filters.bar(*fields)


@refreshing
def headline() -> None:
    reading = live.block("fleet.terminals_headline", "端末一覧", "/api/fleet/summary", headline=True)
    if reading is None:
        return
    counts = reading.data["terminals"]
    troubled = [
        f"{kind.word} {counts[code]:,}台" for code, kind in TERMINAL.items() if code in TROUBLE and counts[code]
    ]
    total = f"登録されている端末は{counts['total']:,}台です。"
    if not troubled:
        st.markdown(f"{total}対応が必要な端末はありません。")
    else:
        st.markdown(f"{total}対応が必要な端末は、{'、'.join(troubled)}です。")


@refreshing
def listed(chosen: filters.Filters) -> None:
    terminals_table("fleet.all_terminals", "", filters=chosen)


headline()
listed(conditions())
