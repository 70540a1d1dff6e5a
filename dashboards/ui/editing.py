"""Editing, archiving and restoring a record.

An edit sends only the changed fields, and a user who saves a stale edit sees both versions and decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.ui import confirm, conflict, dialogs, forms

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A kind of record that users edit in a form of its own, and archive instead of deleting it.

    Args:
        path: the service's list; PATCH `<path>/<id>` takes the changes and their version, and POST
            `<path>/<id>/archive` and `/restore` do what they say.
        labels: the form's fields in order, with their labels.
        name: the record's name in sentences, before を and は: 顧客「ABC商事」.
        fields: draws the form's fields with these values, and returns their values.
        in_words: formats the values for display, to compare two versions.
        putting_away: the verb of `archive`, before する.
        save: saves all typed values, when PATCH `<path>/<id>` with the changes is not enough.
    """

    key: str
    path: str
    labels: Mapping[str, str]
    name: Callable[[Any], str]
    fields: Callable[[forms.Form, Values], dict[str, Any]]
    in_words: Callable[[Any], Values]
    putting_away: str = "アーカイブ"
    save: Callable[[Values, Values], Any] | None = None

    def edit(self, stored: Values, draft: Values | None = None) -> None:
        """Opens the form. `stored`: `id`, `version` and the stored value of each field; `draft`: what was typed before
        a conflict."""

        @dialogs.dialog(f"{self.name(stored)}を編集する", width="medium", icon=":material/edit:")
        def ask() -> None:
            key = f"{self.key}.edit.{stored['id']}.{stored['version']}.{bool(draft)}"
            with forms.form(key, submit="保存する") as form:
                typed = self.fields(form, {**stored, **(draft or {})})
            if form.submitted:
                self._send(form, stored, typed)

        ask()

    def archive(self, record: Values, consequence: str) -> None:
        confirm.confirm(
            f"{self.key}.archive.{record['id']}",
            f"{self.name(record)}を{self.putting_away}しますか？",
            consequence,
            action=f"{self.putting_away}する",
            do=lambda _, once: session.api().post(f"{self.path}/{record['id']}/archive", once=once),
            done=f"{self.name(record)}を{self.putting_away}しました。",
        )

    def restore(self, record: Values, consequence: str) -> None:
        confirm.confirm(
            f"{self.key}.restore.{record['id']}",
            f"{self.name(record)}を元に戻しますか？",
            consequence,
            action="元に戻す",
            do=lambda _, once: session.api().post(f"{self.path}/{record['id']}/restore", once=once),
            done=f"{self.name(record)}を元に戻しました。",
            danger=False,
        )

    def _send(self, form: forms.Form, stored: Values, typed: Values) -> None:
        save = self.save or self._save_changes
        problem = form.send(
            lambda _: save(stored, typed),
            done=f"{self.name({**stored, **typed})}を変更しました。",
        )
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
            self._side({**newest, **yours}),
            self._side(newest),
            changed=f"{self.name(stored)}は、開いたあとにほかの人が変更しました。",
            keep=lambda: dialogs.open(self.edit, newest, yours),
            load=lambda: dialogs.open(self.edit, newest),
        )

    def _side(self, values: Values) -> dict[str, Any]:
        formatted = self.in_words(values)
        return {name: formatted.get(name, values[name]) for name in self.labels}
