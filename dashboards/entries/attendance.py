"""出欠表管理: who is here today, since when, and what is to be known of them (6.4)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import streamlit as st

from dashboards.entries import attendance_drawer, choices
from dashboards.entries.attendance_drawer import SHOWN_AT_ONCE, history
from dashboards.entries.words import IN, NOT_SAID, OUT, PRESENCE
from dashboards.session import may
from dashboards.ui import dialogs, feedback, figures, filters, live, times
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH = "/api/entries/attendance"
KEY = "entries.attendance"
# 出席（推定） and a name stand whole on a tablet held upright.
WIDTHS = (2.2, 2.5, 2.0, 2.3, 1.3)
ROWS = 25
TODAY = f"{KEY}.today"


def day_asked() -> date | None:
    """Before the filter is drawn for the first time, from the page's address; None: today."""
    chosen = st.session_state.get("day") or st.query_params.get("day")
    if isinstance(chosen, date):
        return None if chosen == st.session_state.get("day.nothing") else chosen
    try:
        return datetime.fromisoformat(chosen).date() if chosen else None
    except ValueError:
        return None


@refreshing
def headline(day: date | None, nursery_id: int | None) -> None:
    reading = live.block(
        f"{KEY}_headline",
        "出欠表管理",
        PATH,
        headline=True,
        right=head,
        day=day.isoformat() if day else None,
        nursery_id=nursery_id,
    )
    if reading is None:
        return
    sheet = reading.data
    if day is None:
        st.session_state[TODAY] = sheet["day"]
    if not sheet["rows"]:
        return
    counts = sheet["counts"]
    there = counts["present"] + counts["late"] + counts["left_early"]
    unknown = (
        f"まだわからない園児が{counts['unknown']:,}人います。" if counts["unknown"] else "全員の出欠がわかっています。"
    )
    st.markdown(
        f"{times.day(date.fromisoformat(sheet['day']))}、{plain(sheet['nursery_name'])}の出席は**{there:,}人**、"
        f"欠席は**{counts['absent']:,}人**です。{unknown}"
    )
    figures.row(
        [
            *(Figure(kind.word, f"{counts[code]:,}人") for code, kind in PRESENCE.items()),
            Figure(NOT_SAID, f"{counts['unknown']:,}人"),
        ],
        faded=reading.problem is not None,
    )


def today() -> date:
    """By the service's clock, once it was asked."""
    told = st.session_state.get(TODAY)
    return date.fromisoformat(told) if told else times.now().date()


def head() -> None:
    link("詳細レポート", "/attendance-report", primary=True)


def conditions() -> filters.Filters:
    told = live.shown(f"{KEY}_headline")
    classes = dict.fromkeys(row["class_name"] for row in told["rows"] if row["class_name"]) if told else {}
    return filters.bar(
        filters.Day("day", "日付", today()),
        *choices.nursery_fields(told["nursery_name"] if told else "保育園"),
        filters.Choice("class_name", "組", {name: name for name in classes}),
    )


@refreshing
def listed(chosen: filters.Filters) -> None:
    reading = live.block(KEY, "", PATH, left=_hint, **chosen.query)
    if reading is None:
        return
    rows = reading.data["rows"]
    chosen.tell(len(rows), "人")
    if not rows:
        feedback.empty(
            "まだ園児が登録されていません",
            "保護者と園児のファイルを取り込むと、ここに園児が並びます。",
            action=choices.import_link,
        )
        return
    page = _page(len(rows), chosen.query)
    with st.container(border=True, gap="xsmall", key=f"{KEY}.rows"):
        for column, title in zip(st.columns(WIDTHS), ("園児名", "出席状態", "送り迎え時刻", "備考", ""), strict=True):
            column.markdown(small(title))
        for row in rows[page * ROWS : (page + 1) * ROWS]:
            _row(row, reading.data["day"])
    _pager(len(rows), page)


def _hint() -> None:
    st.markdown(
        small("「（推定）」はスキャンから推定した出席状態です。送り迎え時刻に触れると、その日の履歴が表示されます。"),
        width="content",
    )


def _row(row: Row, day: str) -> None:
    name, presence, moments, note, action = st.columns(WIDTHS, vertical_alignment="center")
    name.markdown(f"**{plain(row['child_name'])}**  \n{small(plain(row['class_name']))}")
    presence.markdown(_presence(row))
    with moments:
        _moments(row, day)
    note.markdown(plain(row["note"]))
    if may("entries:attendance:update"):
        with action:
            dialogs.button(
                "編集",
                attendance_drawer.edit,
                row,
                day,
                key=f"{KEY}.edit.{row['child_id']}",
                icon="edit",
                type="tertiary",
            )


def _presence(row: Row) -> str:
    if row["presence"] is None:
        return small(NOT_SAID)
    kind = PRESENCE[row["presence"]]
    return f":gray-badge[:material/barcode_scanner: {kind.word}（推定）]" if row["suggested"] else kind.badge()


def _moments(row: Row, day: str) -> None:
    """The newest of each way; the day's history when it is pointed at, all of it when it is clicked."""
    latest = [
        f":{kind.color}[:material/{kind.icon}: **{times.parse(row[field]):%H:%M}**]"
        for field, kind in (("latest_entry", IN), ("latest_exit", OUT))
        if row[field]
    ]
    if latest:
        st.button(
            "　".join(latest),
            key=f"{KEY}.scans.{row['child_id']}",
            type="tertiary",
            help=history(row["scans"], SHOWN_AT_ONCE),
            on_click=dialogs.open,
            args=(attendance_drawer.drawer, row, day),
        )


def _page(total: int, query: dict[str, Any]) -> int:
    """Another filter begins at the first page."""
    kept = st.session_state.setdefault(f"{KEY}.page", {"query": query, "page": 0})
    if kept["query"] != query:
        kept |= {"query": query, "page": 0}
    kept["page"] = min(int(kept["page"]), (total - 1) // ROWS)
    return int(kept["page"])


def _turn(by: int) -> None:
    st.session_state[f"{KEY}.page"]["page"] += by


def _pager(total: int, page: int) -> None:
    last = (total - 1) // ROWS
    if not last:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button("前へ", key=f"{KEY}.previous", on_click=_turn, args=(-1,), disabled=page == 0)
        st.markdown(f"{page + 1:,} / {last + 1:,}ページ", width="content")
        st.button("次へ", key=f"{KEY}.next", on_click=_turn, args=(1,), disabled=page == last)


if choices.some_nursery("出欠表管理"):
    headline(day_asked(), choices.nursery_asked())
    listed(conditions())
