"""One dialog at a time, from wherever it is asked for: it is noted, and the frame draws it once the page is drawn.

Streamlit lets no dialog open another one. One that is opened inside a block which refreshes itself loses its place in
the browser and takes the page with it, and one that its page draws only once is gone with the next full run. A noted
one is drawn outside of all blocks, in every run, until it is closed or another one takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import streamlit as st

from dashboards import session
from dashboards.ui import feedback

_PAGE, _NOTED, _OPENED = "dialogs.page", "dialogs.noted", "dialogs.opened"
_LEAVING, _DRAWING = "dialogs.leaving", "dialogs.drawing"

Draw = Callable[..., None]


def dialog(title: str, **options: Any) -> Callable[[Draw], Draw]:
    """Decorates what draws a dialog's inside; options are those of `st.dialog`. A call of the function opens it."""

    def decorated(body: Draw) -> Draw:
        def inside() -> None:
            leave()
            st.session_state.pop(_DRAWING, None)
            body()
            if session.is_over():  # Nothing outside of an open dialog can be pressed.
                feedback.session_over("dialog")

        def opened() -> None:
            drawing = st.session_state.get(_DRAWING)
            if drawing is None:
                open(opened)
                st.rerun()
            st.session_state[_NOTED] = st.session_state[_OPENED] = drawing
            st.dialog(title, on_dismiss=close, **options)(inside)()

        return opened

    return decorated


def open(draw: Draw, *about: Any) -> None:
    """Notes that `draw(*about)` is to open a dialog, or to do something once. For callbacks: it draws nothing yet."""
    st.session_state[_NOTED] = partial(draw, *about)
    st.session_state[_LEAVING] = True


def button(
    label: str,
    draw: Draw,
    *about: Any,
    key: str,
    icon: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
) -> None:
    """Opens `draw(*about)`; `icon` is the name of a Material symbol."""
    symbol = f":material/{icon}:" if icon else None
    st.button(label, key=key, type=type, icon=symbol, on_click=open, args=(draw, *about))


def close() -> None:
    st.session_state.pop(_NOTED, None)
    st.session_state[_LEAVING] = True


def noted() -> Callable[[], None] | None:
    """What is open or about to be. To see whether an action has put something else into its place."""
    found: Callable[[], None] | None = st.session_state.get(_NOTED)
    return found


def leave() -> None:
    """Draws the whole page anew when a click in this block or dialog has opened or closed one."""
    if st.session_state.pop(_LEAVING, False):
        st.rerun()


@contextmanager
def after(page: str) -> Iterator[None]:
    """Around the drawing of the page at this address, for the frame."""
    st.session_state.pop(_LEAVING, None)
    if st.session_state.get(_PAGE) != page:
        st.session_state.pop(_NOTED, None)  # Somebody went on with the browser's own buttons.
    st.session_state[_PAGE] = page
    yield
    draw = noted()
    if draw is None:
        return
    # One that is open stays noted meanwhile: a click in it may cut this run short anywhere.
    is_open = st.session_state.get(_OPENED) is draw
    if not is_open:
        st.session_state.pop(_NOTED)
    st.session_state[_DRAWING] = draw
    try:
        draw()
    finally:
        undrawn = st.session_state.pop(_DRAWING, None)
    if undrawn and noted() is draw:  # This time it has opened nothing.
        st.session_state.pop(_NOTED)
