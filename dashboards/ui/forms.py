"""Forms: each of the service's errors is shown below its field, and what was typed stays until it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, flash
from dashboards.ui.idempotency import new_key
from dashboards.ui.text import plain

REQUIRED, REQUIRED_CHOICE = "入力してください。", "選んでください。"
CORRECT_FIELDS = "入力内容をご確認ください。赤字の項目を直して、もう一度お試しください。まだ保存されていません。"


class Form:
    """A form while it is drawn. Its state between runs is in the session under `form.<key>.`.

    `idempotency_key` is the same for every attempt until one succeeds: an attempt whose answer was lost and
    its repeat are stored once. A user who changes something in between is told that the first attempt is stored, and
    may then send another.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.submitted = False
        self._slots: dict[str, DeltaGenerator] = {}
        self._required: dict[str, tuple[str, str]] = {}
        self._summary: DeltaGenerator | None = None
        self._state = st.session_state.setdefault(
            f"form.{key}", {"errors": {}, "round": 0, "idempotency_key": new_key()}
        )
        if self._state.get("in") is not dialogs.pending():  # Opened again: the old summary does not apply.
            self._state |= {"in": dialogs.pending(), "summary": ""}

    @property
    def idempotency_key(self) -> str:
        key: str = self._state["idempotency_key"]
        return key

    def name(self, field: str) -> str:
        """The widget key of a field; a new one after each success, so that the form is empty again."""
        return f"{self.key}.{field}.{self._state['round']}"

    def field(
        self, field: str, widget: Callable[..., Any], label: str, *, required: bool = False, **options: Any
    ) -> Any:
        """A Streamlit widget (`st.text_input`, `st.selectbox`, …) with the field's error below it.

        `field` is the service's name of it, under which its errors come back.
        """
        with st.container(gap="xxsmall"):
            badge = " :red-badge[必須]" if required else ""
            value = widget(f"{label}{badge}", key=self.name(field), **options)
            self._slots[field] = st.empty()
        if required:
            message = REQUIRED_CHOICE if widget in (st.selectbox, st.multiselect, st.radio) else REQUIRED
            self._required[field] = (self.name(field), message)
        self._show_error(field)
        return value

    def _show_error(self, field: str) -> None:
        if message := self._state["errors"].get(field):
            self._slots[field].markdown(f":red[:material/error: {plain(message)}]")

    def send(self, call: Callable[[str], Any], *, success: str) -> Any:
        """Sends what was typed. `call` gets the idempotency key. On success it shows `success` (unless empty: a step of
        several stores nothing yet), closes the dialog around the form, and draws the page again.

        Returns a problem that belongs to no single field (for example a conflict) after showing it; None when fields
        have to be corrected.
        """
        self._show_errors({})
        missing = {
            field: message for field, (key, message) in self._required.items() if _is_blank(st.session_state.get(key))
        }
        if missing:
            self._show_errors(missing, CORRECT_FIELDS)
            return None
        own_dialog = dialogs.pending()
        try:
            call(self.idempotency_key)
        except ApiProblem as problem:
            if problem.key_reused:
                self._state["idempotency_key"] = new_key()
            return self._handle_problem(problem)
        self._state |= {"errors": {}, "summary": "", "round": self._state["round"] + 1, "idempotency_key": new_key()}
        if dialogs.pending() is own_dialog:
            dialogs.close()
        if success:
            flash.add(success)
        st.rerun()

    def _handle_problem(self, problem: ApiProblem) -> ApiProblem | None:
        if problem.status == 401 and session.has_ended():
            st.rerun()
        errors = {error["field"]: error["message"] for error in problem.errors}
        own = {field: message for field, message in errors.items() if field in self._slots}
        others = [message for field, message in errors.items() if field not in own]
        if own:
            self._show_errors(own, "\n\n".join([CORRECT_FIELDS, *map(plain, others)]))
            return None
        self._show_errors({}, "\n\n".join([feedback.problem_text(problem), *map(plain, others)]))
        return problem

    def _show_errors(self, errors: Mapping[str, str], summary: str = "") -> None:
        self._state |= {"errors": dict(errors), "summary": summary}
        for field, slot in self._slots.items():
            slot.empty()
            self._show_error(field)
        self._show_summary()

    def _show_summary(self) -> None:
        """The summary stays while the page around it is drawn again, as the errors at the fields do."""
        if self._summary is None:
            return
        self._summary.empty()
        if summary := self._state.get("summary"):
            self._summary.error(summary, icon=":material/error:")


@contextmanager
def form(key: str, *, submit: str, icon: str | None = None, width: int | None = None) -> Iterator[Form]:
    """`with form("shop", submit="登録する") as shop:` the fields; then `if shop.submitted: shop.send(…)`.

    `width` in pixels, for forms with short fields; on a phone the form is as wide as the page.
    """
    new_form = Form(key)
    with st.form(f"{key}.form", enter_to_submit=False, width=width or "stretch"):
        new_form._summary = st.empty()
        new_form._show_summary()
        yield new_form
        new_form.submitted = st.form_submit_button(submit, type="primary", icon=icon, key=f"{key}.submit")


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], ())
