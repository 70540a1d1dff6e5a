"""One dialog at a time, from anywhere: it is stored as pending, and the frame draws it after the page.

Streamlit does not let a dialog open another. A dialog opened inside a fragment that refreshes itself loses its place in
the browser and breaks the page, and a dialog that the page draws only once disappears with the next full run. A pending
dialog is drawn outside of all fragments, in every run, until it is closed or replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.ui import feedback
from dashboards.ui.links import requested_id
from dashboards.ui.text import markdown

_PAGE, _PENDING, _OPENED = "dialogs.page", "dialogs.pending", "dialogs.opened"
_RERUN, _DRAWING = "dialogs.rerun", "dialogs.drawing"

Draw = Callable[..., None]


def dialog(title: str, **options: Any) -> Callable[[Draw], Draw]:
    """Decorates a function that draws the inside of a dialog; the options are those of `st.dialog`. Calling the
    function opens the dialog."""

    def decorated(body: Draw) -> Draw:
        def draw_inside() -> None:
            rerun_if_changed()
            st.session_state.pop(_DRAWING, None)
            body()
            if session.is_over():  # No button outside of an open dialog can be pressed.
                feedback.session_over("dialog")

        def open_dialog() -> None:
            drawing = st.session_state.get(_DRAWING)
            if drawing is None:
                open(open_dialog)
                st.rerun()
            st.session_state[_PENDING] = st.session_state[_OPENED] = drawing
            st.dialog(markdown(title), on_dismiss=close, **options)(draw_inside)()

        return open_dialog

    return decorated


def drawer(
    title: str,
    path: str,
    draw: Callable[[Any], None],
    *,
    key: str,
    icon: str,
    width: Literal["small", "medium", "large"] = "medium",
    **query: Any,
) -> None:
    """Opens the details of the record at `path`, at the right. `draw` gets the record as it is now."""

    @dialog(title, position="right", width=width, icon=f":material/{icon}:")
    def show() -> None:
        try:
            record = session.api().get(path, **query)
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{key}.drawer")
            return
        draw(record)

    show()


def open_requested(path: str, draw: Callable[[Any], None]) -> None:
    """Opens `draw` for the record at `path` whose id is in the page's URL, once: after closing it stays closed."""
    record_id = requested_id()
    st.query_params.pop("id", None)
    if record_id is None:
        return
    try:
        draw(session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{path}/{record_id}"))
    except ApiProblem as problem:
        feedback.action_failed(problem)


def open(draw: Draw, *args: Any) -> None:
    """Stores that `draw(*args)` is to open a dialog, or to do something once. For callbacks: it draws nothing yet."""
    st.session_state[_PENDING] = partial(draw, *args)
    st.session_state[_RERUN] = True


def button(
    label: str,
    draw: Draw,
    *args: Any,
    key: str,
    icon: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
) -> None:
    """A button that opens `draw(*args)`; `icon` is the name of a Material symbol."""
    symbol = f":material/{icon}:" if icon else None
    st.button(label, key=key, type=type, icon=symbol, on_click=open, args=(draw, *args))


def close() -> None:
    st.session_state.pop(_PENDING, None)
    st.session_state[_RERUN] = True


def pending() -> Callable[[], None] | None:
    """The dialog that is open or will be opened: shows whether an action has replaced it."""
    stored: Callable[[], None] | None = st.session_state.get(_PENDING)
    return stored


def rerun_if_changed() -> None:
    """Reruns the whole page when a click in this fragment or dialog has opened or closed a dialog."""
    if st.session_state.pop(_RERUN, False):
        st.rerun()


@contextmanager
def draw_after(page: str) -> Iterator[None]:
    """For the frame: wraps the drawing of the page at this address."""
    st.session_state.pop(_RERUN, None)
    if st.session_state.get(_PAGE) != page:
        st.session_state.pop(_PENDING, None)  # The user left with the browser's back or forward button.
    st.session_state[_PAGE] = page
    yield
    draw = pending()
    if draw is None:
        return
    # An open dialog stays pending meanwhile: a click in it may cut this run short anywhere.
    is_open = st.session_state.get(_OPENED) is draw
    if not is_open:
        st.session_state.pop(_PENDING)
    st.session_state[_DRAWING] = draw
    try:
        draw()
    finally:
        undrawn = st.session_state.pop(_DRAWING, None)
    if undrawn and pending() is draw:  # This time it has opened no dialog.
        st.session_state.pop(_PENDING)
