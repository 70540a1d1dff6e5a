"""Actions on a record that a dialog asks about first: with a form, or with a confirmation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import confirm, dialogs, feedback, fields, flash, forms
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.text import markdown

Back = Callable[[], None]
Body = Mapping[str, Any]
REASON = fields.Text("reason", "理由", 500, required=True)


def ask(
    key: str,
    title: str,
    form_fields: tuple[fields.Field, ...],
    send: Callable[[Body, str], object],
    *,
    icon: str,
    submit: str,
    submit_icon: str | None = None,
    done: str | Callable[[Body], str],
    intro: str | Callable[[], object] = "",
    values: Body | None = None,
    body: Callable[[Body], Body] = dict,
    width: Literal["medium", "large"] = "medium",
) -> None:
    """Opens a dialog with a form. `send` gets what was typed and the idempotency key.

    Args:
        done: the success message; a function makes it from what was typed.
        intro: stands above the form.
        values: those that the fields begin with.
        body: makes what is sent from what was typed.
    """

    @dialogs.dialog(title, width=width, icon=f":material/{icon}:")
    def show() -> None:
        if callable(intro):
            intro()
        elif intro:
            st.info(markdown(intro))
        with forms.form(key, submit=submit, icon=submit_icon) as form:
            typed = fields.draw(form_fields, form, values or {}, "new")
        if form.submitted:
            message = done if isinstance(done, str) else done(typed)
            form.send(lambda key: send(body(typed), key), success=message)

    show()


@dataclass(frozen=True)
class Target:
    """The record as the user saw it.

    Args:
        key: begins the dialogs' keys.
        path: the service's list. An action is posted to `<path>/<id>/<route>`, with `version` when there is one.
        back: shows the record again after the action.
    """

    key: str
    path: str
    id: int | str
    back: Back = lambda: None
    version: int | None = None

    def post(self, route: str, body: Body, idempotency_key: str) -> None:
        self._send(route, body, idempotency_key)
        self.back()

    def _send(self, route: str, body: Body, idempotency_key: str) -> None:
        version = {} if self.version is None else {"version": self.version}
        session.api().post(f"{self.path}/{self.id}/{route}", {**version, **body}, idempotency_key=idempotency_key)

    def do(self, route: str, body: Body, done: str) -> None:
        """For callbacks: the drawer stays open (`back` is not called), and `show_failure` shows an error in it."""
        try:
            with button_idempotency_key(f"{self.path}/{self.id}/{route}") as idempotency_key:
                self._send(route, body, idempotency_key)
                flash.add(done)
        except ApiProblem as problem:
            st.session_state[f"{self.key}.problem"] = problem

    def show_failure(self) -> None:
        if failure := st.session_state.pop(f"{self.key}.problem", None):
            feedback.action_failed(failure)

    def button(self, label: str, route: str, icon: str, *, done: str, primary: bool = False) -> None:
        """A button that acts at once."""
        st.button(
            label,
            key=f"{self.key}.{route}",
            type="primary" if primary else "secondary",
            icon=f":material/{icon}:",
            on_click=self.do,
            args=(route, {}, done),
        )

    def ask(self, route: str, title: str, form_fields: tuple[fields.Field, ...], **options: Any) -> None:
        """Asks with a form. The options are those of `ask`."""
        ask(self._key(route), title, form_fields, partial(self.post, route), **options)

    def confirm(
        self, route: str, question: str, consequence: str, *, body: Callable[[str], Body], **options: Any
    ) -> None:
        """Asks for a confirmation. `body` makes what is sent from the reason that was typed. The options are those of
        `confirm.confirm`."""
        confirm.confirm(
            self._key(route),
            question,
            consequence,
            do=lambda reason, key: self.post(route, body(reason), key),
            **options,
        )

    def _key(self, route: str) -> str:
        version = "" if self.version is None else f".{self.version}"
        return f"{self.key}.{route}.{self.id}{version}"


def with_reason(reason: str) -> Body:
    return {"reason": reason}
