"""What is done to a record: edited, archived, brought back.

Of an edit only what was changed is sent, and who comes too late sees both versions and decides.
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
    """A kind of thing that people edit in a form of its own, and archive instead of deleting it.

    Args:
        path: the service's list of them; `<path>/<id>` takes the changes with the version they were made on, and
            `<path>/<id>/archive` and `/restore` do what they say.
        labels: the service's fields with their words, in the order of the form.
        name: one of them by name, as it stands before を and は: 顧客「ABC商事」.
        fields: draws the form's fields with these values, and returns what stands in them.
        in_words: the same values as people read them, for the comparison of two versions.
        putting_away: the verb of `archive`, before する.
        save: sends all that was typed for this one, when it is not the changes alone to `<path>/<id>`.
    """

    key: str
    path: str
    labels: Mapping[str, str]
    name: Callable[[Values], str]
    fields: Callable[[forms.Form, Values], dict[str, Any]]
    in_words: Callable[[Values], Values]
    putting_away: str = "アーカイブ"
    save: Callable[[Values, Values], Any] | None = None

    def edit(self, known: Values, draft: Values | None = None) -> None:
        """Opens the form. `known`: `id`, `version` and what the service had of each field; `draft`: what was typed
        before a conflict."""

        @dialogs.dialog(f"{self.name(known)}を編集する", width="medium", icon=":material/edit:")
        def ask() -> None:
            key = f"{self.key}.edit.{known['id']}.{known['version']}.{bool(draft)}"
            with forms.form(key, submit="保存する") as form:
                typed = self.fields(form, {**known, **(draft or {})})
            if form.submitted:
                self._send(form, known, typed)

        ask()

    def archive(self, one: Values, consequence: str) -> None:
        confirm.confirm(
            f"{self.key}.archive.{one['id']}",
            f"{self.name(one)}を{self.putting_away}しますか？",
            consequence,
            action=f"{self.putting_away}する",
            do=lambda _, once: session.api().post(f"{self.path}/{one['id']}/archive", once=once),
            done=f"{self.name(one)}を{self.putting_away}しました。",
        )

    def restore(self, one: Values, consequence: str) -> None:
        confirm.confirm(
            f"{self.key}.restore.{one['id']}",
            f"{self.name(one)}を元に戻しますか？",
            consequence,
            action="元に戻す",
            do=lambda _, once: session.api().post(f"{self.path}/{one['id']}/restore", once=once),
            done=f"{self.name(one)}を元に戻しました。",
            danger=False,
        )

    def _send(self, form: forms.Form, known: Values, typed: Values) -> None:
        save = self.save or self._save_changes
        problem = form.send(
            lambda _: save(known, typed),
            done=f"{self.name({**known, **typed})}を変更しました。",
        )
        if problem and problem.current:
            dialogs.open(self._compare, known, problem.yours or {}, problem.current)
            st.rerun()

    def _save_changes(self, known: Values, typed: Values) -> Any:
        # Only what was changed: the rest may meanwhile be somebody else's change.
        body = {"version": known["version"]} | {name: value for name, value in typed.items() if value != known[name]}
        return session.api().patch(f"{self.path}/{known['id']}", body)

    def _compare(self, known: Values, yours: Values, current: Values) -> None:
        newest = {**known, **current}
        conflict.conflict(
            f"{self.key}.conflict",
            self.labels,
            self._side({**newest, **yours}),
            self._side(newest),
            changed=f"{self.name(known)}は、開いたあとにほかの人が変更しました。",
            keep=lambda: dialogs.open(self.edit, newest, yours),
            load=lambda: dialogs.open(self.edit, newest),
        )

    def _side(self, values: Values) -> dict[str, Any]:
        words = self.in_words(values)
        return {name: words.get(name, values[name]) for name in self.labels}
