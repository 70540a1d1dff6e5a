"""在園状況: who is in the building now, and who has not been picked up?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.entries import ChildNow, Now
from dashboards.entries import choices, sentences
from dashboards.ui import feedback, figures, live, times
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

KEY = "entries.now"
CLASS_WIDTH = 330
NO_CLASS = "組なし"
MAX_NAMES = 8


@refreshing
def page() -> None:
    nursery_id = choices.selected_nursery_id()
    reading = live.block(KEY, "在園状況", "/api/entries/now", headline=True, right=head, nursery_id=nursery_id)
    if reading is None:
        return
    now: Now = reading.data
    if not now["children"]:
        feedback.empty(
            f"{now['nursery_name']}には、まだ園児が登録されていません",
            "保護者と園児のファイルを取り込むと、ここに園児が並びます。",
            action=choices.import_link,
        )
        return
    if not reading.problem:
        sentences.now(now).draw()
    key_figures(now, faded=reading.problem is not None)
    classes(now)


def head() -> None:
    choices.nursery_selector()
    nursery_id = choices.selected_nursery_id()
    query = f"?{urlencode({choices.NURSERY: nursery_id})}" if nursery_id else ""
    link("紙の入退台帳（PDF）", f"{DOWNLOAD}/api/entries/paper-list.pdf{query}", download=True)


def key_figures(now: Now, *, faded: bool) -> None:
    counts, total = now["counts"], len(now["children"])
    absent = sum(child["absent"] for child in now["children"] if child["state"] == "not_come")
    closing = f"閉園時刻 {now['closes_at']}" + ("（閉園しました）" if now["is_closed"] else "")
    figures.row(
        [
            Figure("在園中", f"{counts['in']:,}人", f"登録されている園児 {total:,}人", share=counts["in"] / total),
            Figure("お迎え済み", f"{counts['out']:,}人", "今日登園して、降園した園児"),
            Figure("未登園", f"{counts['not_come']:,}人", f"うち欠席 {absent:,}人"),
            Figure("閉園後のお迎え待ち", f"{counts['overdue']:,}人", closing),
        ],
        faded=faded,
    )


def classes(now: Now) -> None:
    """A card for each class. The children in the building come first: they must be counted in an emergency."""
    by_class = sorted(now["children"], key=lambda child: (not child["class_name"], child["class_name"]))
    closed_at = _closed_at(now)
    cards = st.grid(3, min_column_width=CLASS_WIDTH, border=True)
    for group, members in groupby(by_class, key=lambda child: str(child["class_name"])):
        with cards.cell():
            _card(group or NO_CLASS, list(members), closed_at)


def _card(name: str, children: Sequence[ChildNow], closed_at: datetime) -> None:
    present = [child for child in children if child["state"] == "in"]
    st.markdown(f"**{plain(name)}**　在園 **{len(present):,}** / {len(children):,}人")
    if present:
        present.sort(key=lambda child: (not child["overdue"], child["since"] or ""))
        st.markdown("  \n".join(_line(child, closed_at) for child in present))
    else:
        st.markdown(small("園内にいる園児はいません。"))
    picked_up = [child for child in children if child["state"] == "out"]
    absent = [child for child in children if child["state"] == "not_come" and child["absent"]]
    expected = [child for child in children if child["state"] == "not_come" and not child["absent"]]
    others = [
        f"{label} {len(group):,}人：{_names(group)}"
        for label, group in (("お迎え済み", picked_up), ("未登園", expected), ("欠席", absent))
        if group
    ]
    if others:
        st.markdown(small("  \n".join(others)))


def _line(child: ChildNow, closed_at: datetime) -> str:
    drop_off = small(f"{_time(child)}から　送り：{plain(child['by'] or '')}")
    overdue = ""
    if child["overdue"]:
        overdue = f":red-badge[:material/warning: お迎え待ち {times.duration(times.now() - closed_at)}]  \n"
    return f":green[:material/arrow_downward:] **{plain(child['child_name'])}**　{overdue}{drop_off}"


def _names(children: Sequence[ChildNow]) -> str:
    """The children who are not in the building, the latest first. A long list is cut, so that the children in the
    building are seen at a glance."""
    latest = sorted(children, key=lambda child: child["since"] or "", reverse=True)
    more = f" ほか{len(latest) - MAX_NAMES:,}人" if len(latest) > MAX_NAMES else ""
    return "、".join(f"{plain(child['child_name'])} {_time(child)}".strip() for child in latest[:MAX_NAMES]) + more


def _time(child: ChildNow) -> str:
    return f"{times.parse(child['since']):%H:%M}" if child["since"] else ""


def _closed_at(now: Now) -> datetime:
    hour, minute = map(int, now["closes_at"].split(":"))
    return times.parse(now["as_of"]).replace(hour=hour, minute=minute, second=0, microsecond=0)


if choices.require_nursery("在園状況"):
    page()
