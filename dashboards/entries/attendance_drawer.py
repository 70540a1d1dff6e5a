"""The drawer of a child's day in 出欠表管理: all scans, what the staff entered, and the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.contract.entries import FIELDS, Presence, Scanned, SheetRow
from dashboards.entries import choices
from dashboards.entries.words import DIRECTION_LABELS, ENTRY_LABELS, NOT_ENTERED, PRESENCE, arrow
from dashboards.session import has_permission
from dashboards.ui import bulk, details, dialogs, forms, times
from dashboards.ui.fields import Custom, Text
from dashboards.ui.links import link
from dashboards.ui.records import Record
from dashboards.ui.text import plain, small

# As many scans as are shown at the pointer (UI-AD-003).
HINT_SCANS = 5
# A SheetRow with `id` and `day`.
DayRow = Mapping[str, Any]


def day_row(row: SheetRow, day: str) -> DayRow:
    """The row as a record: a child's day."""
    return {**row, "id": row["child_id"], "day": day}


def history(scans: Sequence[Scanned]) -> str:
    """6.4.2: the newest scans in order of time, grouped by parent."""
    shown = list(scans)[-HINT_SCANS:]
    lines = ["送り迎え履歴"]
    parent = ""
    for scan in shown:
        if scan["parent_name"] != parent:
            parent = scan["parent_name"]
            lines.append(f"保護者: {parent}")
        lines.append(f"{times.parse(scan['timestamp']):%H:%M:%S} {ENTRY_LABELS[scan['entry_type']]}")
    if len(scans) > len(shown):
        lines.append(f"ほか{len(scans) - len(shown)}件（クリックするとすべて表示します）")
    return "\n".join(lines)


def drawer(row: DayRow) -> None:
    title = f"{plain(row['child_name'])}　{times.day(date.fromisoformat(row['day']))}"

    @dialogs.dialog(title, position="right", width="medium", icon=":material/child_care:")
    def show() -> None:
        with st.container(horizontal=True):
            if has_permission("entries:attendance:update"):
                dialogs.button("出欠を編集する", edit, row, key="attendance.drawer.edit", icon="edit", type="primary")
            child = choices.child_label(row["child_name"], row["class_name"])
            query = urlencode({"child_id": child, "month": times.month(row["day"])})
            link("詳細レポート", f"/attendance-report?{query}")
        details.facts(
            {
                FIELDS["class_name"]: row["class_name"],
                FIELDS["presence"]: presence_text(row["presence"], row["suggested"]),
                FIELDS["note"]: row["note"],
                "入力した人": row["updated_by"],
            }
        )
        st.markdown(small("送り迎え履歴"))
        if not row["scans"]:
            st.markdown("この日の入退の記録はありません。")
            return
        with st.container(border=True, gap="small", key="attendance.scans"):
            for scan in reversed(row["scans"]):
                time = f"{times.parse(scan['timestamp']):%H:%M:%S}"
                description = small(f"{DIRECTION_LABELS[scan['entry_type']]}　保護者: {plain(scan['parent_name'])}")
                st.markdown(f"{arrow(scan['entry_type'])} **{time}**　{description}")

    show()


def presence_text(presence: Presence | None, suggested: bool) -> str:
    if presence is None:
        return NOT_ENTERED
    return PRESENCE[presence].label + ("（スキャンからの推定。まだ入力されていません）" if suggested else "")


def _presence_field(form: forms.Form, day: Mapping[str, Any]) -> Any:
    options = [*PRESENCE, None]
    return form.field(
        "presence",
        st.radio,
        FIELDS["presence"],
        options=options,
        index=options.index(day["presence"]),
        format_func=_presence_label,
        horizontal=True,
    )


def _presence_label(presence: str | None) -> str:
    return PRESENCE[presence].label if presence else NOT_ENTERED


def _save(record: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    path = f"/api/entries/children/{record['id']}/attendance/{record['day']}"
    session.api().put(path, {"version": record["version"], **values})


RECORD = Record(
    key="attendance",
    path="",
    name=lambda day: f"{day['child_name']}さんの{times.day(date.fromisoformat(day['day']))}の出欠",
    fields=(
        Custom("presence", FIELDS["presence"], _presence_field, lambda day: _presence_label(day["presence"])),
        Text("note", FIELDS["note"], 500, height=96),
    ),
    further=("child_name", "day"),
    save=_save,
)


def enter_all(rows: Sequence[DayRow]) -> None:
    """Enters the same presence for several children."""

    def presence() -> dict[str, Any] | None:
        chosen = st.radio(
            FIELDS["presence"],
            [*PRESENCE],
            index=None,
            format_func=_presence_label,
            horizontal=True,
            key="attendance.all.presence",
        )
        return {"presence": chosen} if chosen else None

    def save(row: DayRow, chosen: Mapping[str, Any], _: str) -> None:
        _save(row, {"note": row["note"], **chosen})

    day = times.day(date.fromisoformat(rows[0]["day"]))
    bulk.confirm(
        "attendance.all",
        rows,
        f"{len(rows):,}人の{day}の出欠を入力しますか？",
        "備考はそのままです。あとから1人ずつ直せます。",
        action="入力する",
        name=lambda row: row["child_name"],
        ask=presence,
        do=save,
    )


def edit(row: DayRow) -> None:
    """What the scans suggest is not stored yet. Saving the form stores it."""
    RECORD.edit(row)
