"""Master data: rows of a list that users add, edit in a form of their own, deactivate and restore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.ui import details, dialogs, editing, filters, forms
from dashboards.ui.columns import Row
from dashboards.ui.records import Record
from dashboards.ui.status import Status
from dashboards.ui.text import plain

ACTIVE = {"active": Status("有効", "green", "check_circle"), "inactive": Status("無効", "gray", "archive")}
ARCHIVED = filters.Choice("archived", "表示", {"true": "無効のもの"}, otherwise="有効のもの")
# The verb of `editing.Record.archive` for rows that become 無効.
ARCHIVE_VERB = "無効に"


@dataclass(frozen=True)
class Master:
    """The actions on a row.

    Args:
        further: fields of the row that its form needs besides those that it edits.
        archiving, restoring: the consequence, shown in the confirmation.
    """

    record: editing.Record
    archiving: str
    restoring: str
    further: tuple[str, ...] = ()

    def edit(self, row: Row) -> None:
        names = ("id", "version", *self.further, *self.record.labels)
        self.record.edit({name: row[name] for name in names})

    def archive(self, row: Row) -> None:
        self.record.archive(row, self.archiving)

    def restore(self, row: Row) -> None:
        self.record.restore(row, self.restoring)


def text(form: forms.Form, name: str, label: str, values: Mapping[str, Any], most: int, **options: Any) -> str:
    """A text field of a form, stripped; at most `most` characters."""
    typed: str = form.field(name, st.text_input, label, value=values.get(name, ""), max_chars=most, **options)
    return typed.strip()


def new(
    master: Master,
    title: str,
    fields: Callable[[forms.Form], dict[str, Any]],
    done: Callable[[Any], str],
    *,
    submit: str,
) -> None:
    """Opens the form for a new row. `done` makes the success message from the typed values."""

    @dialogs.dialog(title, width="medium", icon=":material/add:")
    def show_form() -> None:
        with forms.form(f"{master.record.key}.new", submit=submit) as form:
            typed = fields(form)
        if form.submitted:
            form.send(
                lambda once: session.api().post(master.record.path, typed, once=once),
                done=done(typed),
            )

    show_form()


def drawer(
    title: str,
    row: Row,
    master: Master | Record,
    facts: Mapping[str, object],
    *,
    key: str,
    icon: str,
    may_change: bool,
    fixed: str = "",
) -> None:
    """Details of a row, with its actions. `key` begins the buttons' keys; `fixed` says why the row cannot be
    deactivated, if so."""

    @dialogs.dialog(plain(title), position="right", width="small", icon=f":material/{icon}:")
    def show() -> None:
        st.markdown(ACTIVE["inactive" if row["archived_at"] else "active"].badge())
        if may_change:
            with st.container(horizontal=True):
                if row["archived_at"]:
                    dialogs.button("元に戻す", master.restore, row, key=f"{key}.restore", icon="unarchive")
                else:
                    dialogs.button("編集する", master.edit, row, key=f"{key}.edit", icon="edit")
                    if not fixed:
                        dialogs.button("無効にする", master.archive, row, key=f"{key}.archive", icon="archive")
        if fixed:
            st.info(fixed)
        details.facts(facts)

    show()
