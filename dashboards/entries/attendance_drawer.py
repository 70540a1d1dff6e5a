"""One child's day beside 出欠表管理: everything that was scanned, what staff wrote down, and the form for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.entries import choices
from dashboards.entries.words import ENTRY_WORDS, NOT_SAID, PRESENCE, WAYS, arrow
from dashboards.session import may
from dashboards.ui import details, dialogs, editing, forms, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

# What a tooltip holds (UI-AD-003).
SHOWN_AT_ONCE = 5
LONGEST_NOTE = 500
LABELS = {"presence": "出席状態", "note": "備考"}


def history(scans: Sequence[Row], most: int | None = None) -> str:
    """6.4.2 as Markdown: for each parent the newest scans, in the order they happened."""
    shown = list(scans)[-most:] if most else list(scans)
    lines = ["**送り迎え履歴**"]
    parent = ""
    for scan in shown:
        if scan["parent_name"] != parent:
            parent = scan["parent_name"]
            lines.append(f"保護者: {plain(parent)}")
        lines.append(f"{times.parse(scan['timestamp']):%H:%M:%S} {ENTRY_WORDS[scan['entry_type']]}")
    if len(scans) > len(shown):
        lines.append(f"ほか{len(scans) - len(shown)}件（クリックするとすべて表示します）")
    return "  \n".join(lines)


def drawer(row: Row, day: str) -> None:
    title = f"{plain(row['child_name'])}　{times.day(date.fromisoformat(day))}"

    @dialogs.dialog(title, position="right", width="medium", icon=":material/child_care:")
    def show() -> None:
        with st.container(horizontal=True):
            if may("entries:attendance:update"):
                dialogs.button(
                    "出欠を編集する", edit, row, day, key="attendance.drawer.edit", icon="edit", type="primary"
                )
            child = choices.child_words(row["child_name"], row["class_name"])
            query = urlencode({"child_id": child, "month": f"{int(day[:4])}年{int(day[5:7])}月"})
            link("詳細レポート", f"/attendance-report?{query}")
        details.facts(
            {
                "組": row["class_name"],
                "出席状態": presence_words(row["presence"], row["suggested"]),
                "備考": row["note"],
                "入力した人": row["updated_by"],
            }
        )
        st.markdown(small("送り迎え履歴"))
        if not row["scans"]:
            st.markdown("この日の入退の記録はありません。")
            return
        with st.container(border=True, gap="small", key="attendance.scans"):
            for scan in reversed(row["scans"]):
                when = f"{times.parse(scan['timestamp']):%H:%M:%S}"
                said = small(f"{WAYS[scan['entry_type']]}　保護者: {plain(scan['parent_name'])}")
                st.markdown(f"{arrow(scan['entry_type'])} **{when}**　{said}")

    show()


def presence_words(presence: str | None, suggested: bool) -> str:
    if presence is None:
        return NOT_SAID
    return PRESENCE[presence].word + ("（スキャンからの推定。まだ入力されていません）" if suggested else "")


def _fields(form: forms.Form, known: Mapping[str, Any]) -> dict[str, Any]:
    options = [*PRESENCE, None]
    presence = form.field(
        "presence",
        st.radio,
        LABELS["presence"],
        options=options,
        index=options.index(known["presence"]),
        format_func=_word,
        horizontal=True,
    )
    note = form.field("note", st.text_area, LABELS["note"], value=known["note"], max_chars=LONGEST_NOTE, height=96)
    return {"presence": presence, "note": note.strip()}


def _word(presence: str | None) -> str:
    return PRESENCE[presence].word if presence else NOT_SAID


def _save(known: Mapping[str, Any], typed: Mapping[str, Any]) -> None:
    path = f"/api/entries/children/{known['id']}/attendance/{known['day']}"
    session.api().put(path, {"version": known["version"], **typed})


RECORD = editing.Record(
    key="attendance",
    path="",
    labels=LABELS,
    name=lambda day: f"{day['child_name']}さんの{times.day(date.fromisoformat(day['day']))}の出欠",
    fields=_fields,
    in_words=lambda day: {"presence": _word(day["presence"])},
    save=_save,
)


def edit(row: Row, day: str) -> None:
    """What the scans suggest is not written down yet: whoever saves says so."""
    RECORD.edit(
        {
            "id": row["child_id"],
            "version": row["version"],
            "child_name": row["child_name"],
            "day": day,
            "presence": row["presence"],
            "note": row["note"],
        }
    )
