"""Sample rows, and an answerer that sorts, filters and cuts pages as the service does."""

from __future__ import annotations

from collections.abc import Iterator
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
AWAY = ApiProblem(
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
        # A pattern without a visible period, the same at every start.
        mixed = number * 7919 % 1009
        rows.append(
            {
                "id": number + 1,
                "serial_number": f"TC200-{number + 1:06}",
                "status": "offline" if mixed % 41 == 0 else "error" if mixed % 37 == 0 else "online",
                "company": COMPANIES[mixed % len(COMPANIES)],
                "store_name": f"{STORES[mixed % len(STORES)]} レジ{mixed % 4 + 1}番",
                "amount": mixed * 1310,
                "count": mixed * 3,
                "change": (mixed % 61 - 30) / 2 if mixed % 17 else None,
                "silent_minutes": mixed % 900 if mixed % 97 else None,
            }
        )
    return rows


def answer(
    *, limit: int, cursor: str | None = None, sort: str = "serial_number", q: str = "", **conditions: Any
) -> dict[str, Any]:
    """As a list of the service; the cursor is the number of rows before the page."""
    found = [
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
    known = [row for row in found if row[name] is not None]
    known.sort(key=lambda row: (row[name], row["id"]), reverse=sort.startswith("-"))
    found = known + [row for row in found if row[name] is None]
    first = int(cursor or 0)
    page = [row | {"heard_at": _ago(row["silent_minutes"])} for row in found[first : first + limit]]
    more = first + limit < len(found)
    return {"items": page, "total": len(found), "next_cursor": str(first + limit) if more else None}


def nothing(**_: Any) -> dict[str, Any]:
    return {"items": [], "total": 0, "next_cursor": None}


def failing(**_: Any) -> dict[str, Any]:
    raise AWAY


def once(**query: Any) -> dict[str, Any]:
    """Answers the first time only, as a service that goes away while one looks at its rows."""
    if st.session_state.setdefault("gallery.answered", 0) > 0:
        raise AWAY
    st.session_state["gallery.answered"] += 1
    return answer(**query)


def _ago(minutes: int | None) -> str | None:
    return None if minutes is None else (times.now() - timedelta(minutes=minutes)).isoformat()
