"""Forms: each of the service's complaints stands below its field, and what was typed stays until it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, flash
from dashboards.ui.once import new_key
from dashboards.ui.text import plain

REQUIRED, REQUIRED_CHOICE = "入力してください。", "選んでください。"
CORRECT = "入力内容をご確認ください。赤字の項目を直して、もう一度お試しください。まだ保存されていません。"


class Form:
    """A form while it is being drawn. What it remembers between runs is in the session under `form.<key>.`.

    `once` is the same for every attempt until one succeeds, so that an attempt whose answer got lost and its repeat
    are stored once. Who corrects something in between is told that the first is stored, and may then send another.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.submitted = False
        self._slots: dict[str, DeltaGenerator] = {}
        self._required: dict[str, tuple[str, str]] = {}
        self._summary: DeltaGenerator | None = None
        self._kept = st.session_state.setdefault(f"form.{key}", {"errors": {}, "round": 0, "once": new_key()})
        if self._kept.get("in") is not dialogs.noted():  # Opened anew: what was said as a whole was of another time.
            self._kept |= {"in": dialogs.noted(), "summary": ""}

    @property
    def once(self) -> str:
        once: str = self._kept["once"]
        return once

    def name(self, field: str) -> str:
        """The key of a field's widget; another one after each success, so that the form is empty again."""
        return f"{self.key}.{field}.{self._kept['round']}"

    def field(
        self, field: str, widget: Callable[..., Any], label: str, *, required: bool = False, **options: Any
    ) -> Any:
        """One of Streamlit's widgets (`st.text_input`, `st.selectbox`, …), and below it what is wrong with it.

        `field` is the service's name of it, which its errors come back with.
        """
        with st.container(gap="xxsmall"):
            mark = " :red-badge[必須]" if required else ""
            value = widget(f"{label}{mark}", key=self.name(field), **options)
            self._slots[field] = st.empty()
        if required:
            words = REQUIRED_CHOICE if widget in (st.selectbox, st.multiselect, st.radio) else REQUIRED
            self._required[field] = (self.name(field), words)
        self._complain(field)
        return value

    def _complain(self, field: str) -> None:
        if message := self._kept["errors"].get(field):
            self._slots[field].markdown(f":red[:material/error: {plain(message)}]")

    def send(self, call: Callable[[str], Any], *, done: str) -> Any:
        """Sends what was typed. `call` gets `once`; when it was stored, `done` is said (unless empty: a step of several
        stores nothing yet), the dialog around the form closed, and the page drawn anew.

        Returns the problem when it is none of single fields (a conflict, say), after it was said; None when fields
        have to be corrected.
        """
        self._show_errors({})
        missing = {
            field: words for field, (key, words) in self._required.items() if _is_blank(st.session_state.get(key))
        }
        if missing:
            self._show_errors(missing, CORRECT)
            return None
        mine = dialogs.noted()
        try:
            call(self.once)
        except ApiProblem as problem:
            if problem.sent_before:
                self._kept["once"] = new_key()
            return self._refused(problem)
        self._kept |= {"errors": {}, "summary": "", "round": self._kept["round"] + 1, "once": new_key()}
        if dialogs.noted() is mine:
            dialogs.close()
        if done:
            flash.say(done)
        st.rerun()

    def _refused(self, problem: ApiProblem) -> ApiProblem | None:
        if problem.status == 401 and session.ended():
            st.rerun()
        errors = {error["field"]: error["message"] for error in problem.errors}
        own = {field: message for field, message in errors.items() if field in self._slots}
        others = [message for field, message in errors.items() if field not in own]
        if own:
            self._show_errors(own, "\n\n".join([CORRECT, *map(plain, others)]))
            return None
        self._show_errors({}, "\n\n".join([feedback.in_words(problem), *map(plain, others)]))
        return problem

    def _show_errors(self, errors: Mapping[str, str], summary: str = "") -> None:
        self._kept |= {"errors": dict(errors), "summary": summary}
        for field, slot in self._slots.items():
            slot.empty()
            self._complain(field)
        self._summarise()

    def _summarise(self) -> None:
        """It stays while the page around it is drawn anew, as what is said at the fields does."""
        if self._summary is None:
            return
        self._summary.empty()
        if summary := self._kept.get("summary"):
            self._summary.error(summary, icon=":material/error:")


@contextmanager
def form(key: str, *, submit: str, icon: str | None = None, width: int | None = None) -> Iterator[Form]:
    """`with form("shop", submit="登録する") as shop:` the fields; then `if shop.submitted: shop.send(…)`.

    `width` in pixels, when short fields would look lost in the whole page; on a phone it is that of the page.
    """
    drawn = Form(key)
    with st.form(f"{key}.form", enter_to_submit=False, width=width or "stretch"):
        drawn._summary = st.empty()
        drawn._summarise()
        yield drawn
        drawn.submitted = st.form_submit_button(submit, type="primary", icon=icon, key=f"{key}.submit")


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], ())
