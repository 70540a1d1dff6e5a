"""Sample rows, and a fake service that sorts, filters and pages them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui import times
from dashboards.ui.status import Status
from dashboards.ui.text import small

STORES = ("新宿店", "渋谷店", "池袋店", "梅田店", "難波店", "三宮店", "姫路駅前店", "名古屋栄店")
COMPANIES = ("ABC商事", "XYZ商店", "田中ストア", "株式会社さくらフーズ", "個人 田中代理店")
COUNT = 2034
KINDS = {
    "online": Status("オンライン", "green", "check_circle"),
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "maintenance": Status("メンテナンス中", "gray", "build"),
}
SERVICE_DOWN = ApiProblem(
    0,
    "サービスに接続できません",
    "サービスに接続できません。しばらく待ってから、もう一度お試しください。",
    reference="5b2f90c1d7e4",
)


@contextmanager
def state(key: str, title: str, note: str = "") -> Iterator[None]:
    """A named state of a widget."""
    with st.container(key=f"gallery.{key}"):
        st.subheader(title, anchor=False, divider="gray")
        if note:
            st.markdown(small(note))
        yield


@cache
def _rows() -> list[dict[str, Any]]:
    rows = []
    for number in range(COUNT):
        # Without a visible pattern, and the same at every start.
        pseudo_random = number * 7919 % 1009
        rows.append(
            {
                "id": number + 1,
                "serial_number": f"TC200-{number + 1:06}",
                "status": "offline" if pseudo_random % 41 == 0 else "error" if pseudo_random % 37 == 0 else "online",
                "company": COMPANIES[pseudo_random % len(COMPANIES)],
                "store_name": f"{STORES[pseudo_random % len(STORES)]} レジ{pseudo_random % 4 + 1}番",
                "amount": pseudo_random * 1310,
                "count": pseudo_random * 3,
                "change": (pseudo_random % 61 - 30) / 2 if pseudo_random % 17 else None,
                "silent_minutes": pseudo_random % 900 if pseudo_random % 97 else None,
            }
        )
    return rows


def answer(
    *, limit: int, cursor: str | None = None, sort: str = "serial_number", q: str = "", **conditions: Any
) -> dict[str, Any]:
    """Like a list of the service; the cursor is the number of rows before the page."""
    matches = [
        row
        for row in _rows()
        if q.lower() in f"{row['serial_number']} {row['store_name']}".lower()
        and all(
            row[name] in (value if isinstance(value, list) else [value])
            for name, value in conditions.items()
            if name in row
        )
    ]
    name = sort.removeprefix("-")
    sorted_rows = [row for row in matches if row[name] is not None]
    sorted_rows.sort(key=lambda row: (row[name], row["id"]), reverse=sort.startswith("-"))
    matches = sorted_rows + [row for row in matches if row[name] is None]
    first = int(cursor or 0)
    page = [row | {"heard_at": _ago(row["silent_minutes"])} for row in matches[first : first + limit]]
    has_more = first + limit < len(matches)
    return {"items": page, "total": len(matches), "next_cursor": str(first + limit) if has_more else None}


def answer_without_rows(**_: Any) -> dict[str, Any]:
    return {"items": [], "total": 0, "next_cursor": None}


def fail(**_: Any) -> dict[str, Any]:
    raise SERVICE_DOWN


def restart(row: Mapping[str, Any], _values: object, _key: str) -> None:
    """One terminal in three refuses."""
    if row["id"] % 3 == 0:
        raise ApiProblem(409, "再起動できません", "この端末は応答していないため、再起動できません。")


def answer_once(**query: Any) -> dict[str, Any]:
    """Answers the first time only, like a service that goes away while a user reads its rows."""
    if st.session_state.setdefault("gallery.answered", 0) > 0:
        raise SERVICE_DOWN
    st.session_state["gallery.answered"] += 1
    return answer(**query)


def _ago(minutes: int | None) -> str | None:
    return None if minutes is None else (times.now() - timedelta(minutes=minutes)).isoformat()
