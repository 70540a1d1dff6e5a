"""A kind of record that users register, edit, archive and restore, declared once with its fields.

An edit sends only the changed fields, and a user who saves a stale edit sees both versions and decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from dashboards import session
from dashboards.ui import confirm, conflict, details, dialogs, fields, filters, forms
from dashboards.ui.columns import Row
from dashboards.ui.status import Status

Values = Mapping[str, Any]
Width = Literal["small", "medium", "large"]

# Of master data: rows of a list that become 無効, where other records are archived.
ACTIVE = {"active": Status("有効", "green", "check_circle"), "inactive": Status("無効", "gray", "archive")}
ARCHIVED = filters.Choice("archived", "表示", {"true": "無効のもの"}, otherwise="有効のもの")
DEACTIVATE = "無効に"


@dataclass(frozen=True)
class Record:
    """A kind of record. Archiving it takes the place of deleting it.

    Args:
        path: the service's list. POST there makes a record, PATCH `<path>/<id>` takes the changes and the version that
            was read, POST `<path>/<id>/archive` and `/restore` do what they say.
        name: the record's name in sentences, before を and は: 顧客「ABC商事」.
        archiving, restoring: the consequence, shown in the confirmation.
        further: what the form needs of a row besides its fields.
        archive_verb: before する, where it is not アーカイブする; `DEACTIVATE` for master data.
        save: saves all typed values, when PATCH with the changes is not enough.
    """

    key: str
    path: str
    name: Callable[[Any], str]
    fields: tuple[fields.Field, ...]
    archiving: str | Callable[[Any], str] = ""
    restoring: str = ""
    further: tuple[str, ...] = ()
    archive_verb: str = "アーカイブ"
    save: Callable[[Values, Values], Any] | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Of the fields that can be edited."""
        return {field.name: field.label for field in self.fields if field.when != "new"}

    def new(
        self,
        title: str,
        done: Callable[[Any], str],
        *,
        icon: str = "add",
        submit: str = "登録する",
        path: str = "",
        preset: Callable[[], Values | None] = dict,
        body: Callable[[Values], Values] = dict,
    ) -> None:
        """Opens the form of a new record. `done` makes the success message from what was typed. `preset` draws what
        stands above the form, and returns the values that it gives, which are sent too; None: there is no form yet.
        `body` makes what is sent from all values."""

        @dialogs.dialog(title, width="medium", icon=f":material/{icon}:")
        def ask() -> None:
            values = preset()
            if values is None:
                return
            with forms.form(".".join([self.key, "new", *map(str, values.values())]), submit=submit) as form:
                typed = fields.draw(self.fields, form, values, "new")
            if form.submitted:
                new = {**values, **typed}
                form.send(
                    lambda key: session.api().post(path or self.path, body(new), idempotency_key=key), success=done(new)
                )

        ask()

    def edit(self, row: Row) -> None:
        self._edit({name: row[name] for name in ("id", "version", *self.further, *self.labels)})

    def archive(self, row: Row) -> None:
        consequence = self.archiving if isinstance(self.archiving, str) else self.archiving(row)
        self._confirm(row, "archive", f"{self.archive_verb}し", f"{self.archive_verb}する", consequence, danger=True)

    def restore(self, row: Row) -> None:
        self._confirm(row, "restore", "元に戻し", "元に戻す", self.restoring, danger=False)

    def buttons(self, row: Row, *, may_archive: bool = True) -> None:
        """The buttons of a drawer: edit and archive, or restore."""
        if row["archived_at"]:
            dialogs.button("元に戻す", self.restore, row, key=f"{self.key}.restore", icon="unarchive")
            return
        dialogs.button("編集する", self.edit, row, key=f"{self.key}.edit", icon="edit")
        if may_archive:
            label = f"{self.archive_verb}する"
            dialogs.button(label, self.archive, row, key=f"{self.key}.archive", icon="archive")

    def drawer(self, row: Row, draw: Callable[[Any], None], *, icon: str, width: Width = "small") -> None:
        """Opens the details of a row. `draw` gets the record as it is now."""
        dialogs.drawer(row["name"], f"{self.path}/{row['id']}", draw, key=self.key, icon=icon, width=width)

    def master_drawer(
        self, title: str, row: Row, facts: Mapping[str, object], *, icon: str, may_change: bool, fixed: str = ""
    ) -> None:
        """Opens the facts of a row of master data, from the row itself: its list shows all of it. `fixed` says why the
        row cannot be deactivated, if so."""

        @dialogs.dialog(title, position="right", width="small", icon=f":material/{icon}:")
        def show() -> None:
            st.markdown(ACTIVE["inactive" if row["archived_at"] else "active"].badge())
            if may_change:
                with st.container(horizontal=True):
                    self.buttons(row, may_archive=not fixed)
            if fixed:
                st.info(fixed)
            details.facts(facts)

        show()

    def _confirm(self, row: Values, action: str, stem: str, verb: str, consequence: str, *, danger: bool) -> None:
        confirm.confirm(
            f"{self.key}.{action}.{row['id']}",
            f"{self.name(row)}を{stem}ますか？",
            consequence,
            action=verb,
            do=lambda _, key: session.api().post(f"{self.path}/{row['id']}/{action}", idempotency_key=key),
            success=f"{self.name(row)}を{stem}ました。",
            danger=danger,
        )

    def _edit(self, stored: Values, draft: Values | None = None) -> None:
        """`stored`: `id`, `version` and the stored value of each field; `draft`: what was typed before a conflict."""

        @dialogs.dialog(f"{self.name(stored)}を編集する", width="medium", icon=":material/edit:")
        def ask() -> None:
            key = f"{self.key}.edit.{stored['id']}.{stored['version']}.{bool(draft)}"
            with forms.form(key, submit="保存する") as form:
                typed = fields.draw(self.fields, form, {**stored, **(draft or {})}, "edit")
            if form.submitted:
                self._send(form, stored, typed)

        ask()

    def _send(self, form: forms.Form, stored: Values, typed: Values) -> None:
        save = self.save or self._save_changes
        problem = form.send(lambda _: save(stored, typed), success=f"{self.name({**stored, **typed})}を変更しました。")
        if problem and problem.current:
            dialogs.open(self._compare, stored, problem.yours or {}, problem.current)
            st.rerun()

    def _save_changes(self, stored: Values, typed: Values) -> Any:
        # Only the changed fields: another user may have changed the others meanwhile.
        body = {"version": stored["version"]} | {name: value for name, value in typed.items() if value != stored[name]}
        return session.api().patch(f"{self.path}/{stored['id']}", body)

    def _compare(self, stored: Values, yours: Values, current: Values) -> None:
        newest = {**stored, **current}
        conflict.conflict(
            f"{self.key}.conflict",
            self.labels,
            self._in_words({**newest, **yours}),
            self._in_words(newest),
            changed=f"{self.name(stored)}は、開いたあとにほかの人が変更しました。",
            keep=lambda: dialogs.open(self._edit, newest, yours),
            load=lambda: dialogs.open(self._edit, newest),
        )

    def _in_words(self, values: Values) -> dict[str, Any]:
        return {field.name: field.in_words(values) for field in self.fields if field.when != "new"}
