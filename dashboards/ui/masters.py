"""Master data: rows of a list that become 無効 instead of being deleted."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards.ui import details, dialogs, filters
from dashboards.ui.columns import Row
from dashboards.ui.records import Record
from dashboards.ui.status import Status
from dashboards.ui.text import plain

ACTIVE = {"active": Status("有効", "green", "check_circle"), "inactive": Status("無効", "gray", "archive")}
ARCHIVED = filters.Choice("archived", "表示", {"true": "無効のもの"}, otherwise="有効のもの")
# `Record.archive_verb` of such rows.
ARCHIVE_VERB = "無効に"


def drawer(
    title: str, row: Row, record: Record, facts: Mapping[str, object], *, icon: str, may_change: bool, fixed: str = ""
) -> None:
    """Details of a row, with its actions. `fixed` says why the row cannot be deactivated, if so."""

    @dialogs.dialog(plain(title), position="right", width="small", icon=f":material/{icon}:")
    def show() -> None:
        st.markdown(ACTIVE["inactive" if row["archived_at"] else "active"].badge())
        if may_change:
            with st.container(horizontal=True):
                record.buttons(row, may_archive=not fixed)
        if fixed:
            st.info(fixed)
        details.facts(facts)

    show()
