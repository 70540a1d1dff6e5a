"""The filter bar: one row, the rest behind 詳細条件, every filter in the page's URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards.ui import bound
from dashboards.ui.status import Status

Options = Mapping[Any, str] | Mapping[Any, Status]


def _label(option: str | Status) -> str:
    return option if isinstance(option, str) else option.label


@dataclass(frozen=True)
class Text:
    """A part of a text. `name` is that of the service's parameter and of the one in the URL, as below."""

    name: str
    label: str
    hint: str = ""
    width: int = 280
    nothing = ""

    def draw(self, key: str) -> None:
        st.text_input(
            self.label, key=key, placeholder=self.hint, icon=":material/search:", bind="query-params", width=self.width
        )

    def query(self, value: str) -> dict[str, Any]:
        return {self.name: value.strip() or None}


@dataclass(frozen=True)
class Choice:
    """One of several options, or none, shown as `otherwise`. `options`: the value for the service → its label or
    status. `stays`: the value goes along to the next page with the same filter."""

    name: str
    label: str
    options: Options
    width: int = 180
    otherwise: str = "すべて"
    stays: bool = False
    nothing = None

    def draw(self, key: str) -> None:
        st.selectbox(
            self.label,
            [*self.options],
            index=None,
            format_func=lambda option: _label(self.options[option]),
            key=key,
            placeholder=self.otherwise,
            filter_mode="contains",
            bind="query-params",
            width=self.width,
        )

    def query(self, value: Any) -> dict[str, Any]:
        return {self.name: value}


@dataclass(frozen=True)
class Choices:
    """Any of several options, or すべて."""

    name: str
    label: str
    options: Options
    width: int = 260

    def draw(self, key: str) -> None:
        st.multiselect(
            self.label,
            [*self.options],
            format_func=lambda option: _label(self.options[option]),
            key=key,
            placeholder="すべて",
            filter_mode="contains",
            bind="query-params",
            width=self.width,
        )

    def query(self, value: Sequence[Any]) -> dict[str, Any]:
        return {self.name: [*value] or None}


@dataclass(frozen=True)
class Dates:
    """From a day to a day, both included; the service gets them as `<name>_from` and `<name>_to`, or under the two
    names in `parameters`."""

    name: str
    label: str
    width: int = 250
    parameters: tuple[str, str] | None = None

    def draw(self, key: str) -> None:
        st.date_input(self.label, [], key=key, format="YYYY/MM/DD", bind="query-params", width=self.width)

    def query(self, value: Any) -> dict[str, Any]:
        days = [day.isoformat() for day in value] if isinstance(value, (tuple, list)) and len(value) == 2 else None
        names = self.parameters or (f"{self.name}_from", f"{self.name}_to")
        return {names[0]: days[0] if days else None, names[1]: days[1] if days else None}


@dataclass(frozen=True)
class Day:
    """One day; `nothing` is the default, for example today. When a new day begins, an unchanged filter moves on to
    it."""

    name: str
    label: str
    nothing: date
    width: int = 150

    def draw(self, key: str) -> None:
        slot = f"{key}.nothing"
        shown = st.session_state.get(key)
        if shown == st.session_state.get(slot) and (shown is not None or key not in st.query_params):
            st.session_state[key] = self.nothing
        st.session_state[slot] = self.nothing
        st.date_input(self.label, key=key, format="YYYY/MM/DD", bind="query-params", width=self.width)

    def query(self, value: Any) -> dict[str, Any]:
        return {self.name: value.isoformat() if value and value != self.nothing else None}


Field = Text | Choice | Choices | Dates | Day


@dataclass(frozen=True)
class Filters:
    """The chosen filters. `query` goes to the service as it is; `active` counts the filters that are set."""

    query: dict[str, Any]
    active: int
    hits: DeltaGenerator

    def show_total(self, total: int, counter: str = "件") -> None:
        """Shows the number of rows next to the filters."""
        self.hits.markdown(
            f"該当 **{total:,}{counter}**" if self.active else f"全**{total:,}{counter}**", width="content"
        )


def bar(*main: Field, more: Sequence[Field] = (), prefix: str = "") -> Filters:
    """Draws the filters and returns their values. `prefix` separates the names of two bars on a page."""
    fields = [*main, *more]
    keys = {field.name: f"{prefix}{field.name}" for field in fields}
    for field in fields:
        is_shared = isinstance(field, Choice) and field.stays
        (bound.shared_key if is_shared else bound.page_key)(keys[field.name])
    bound.apply_values(f"{prefix}filters")
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{prefix or 'page'}.filters"):
        for field in main:
            field.draw(keys[field.name])
        _fold(prefix, sum(_is_set(field, keys[field.name]) for field in fields[1:]))
        if more:
            active_more = sum(_is_set(field, keys[field.name]) for field in more)
            label = f"詳細条件（{active_more}）" if active_more else "詳細条件"
            with st.popover(label, icon=":material/tune:", key=f"{prefix}more"):
                for field in more:
                    field.draw(keys[field.name])
        active = sum(_is_set(field, keys[field.name]) for field in fields)
        if active:
            st.button(
                "条件をクリア", key=f"{prefix}clear", type="tertiary", on_click=_clear, args=(prefix, fields, keys)
            )
        with st.container(
            height=36, width="content", vertical_alignment="center", border=False, key=f"{prefix}filters.hits"
        ):
            hits = st.empty()
        hits.markdown(
            "", width="content"
        )  # A fragment that refreshes itself may only write where the page wrote first.
    query: dict[str, Any] = {}
    for field in fields:
        query |= field.query(st.session_state[keys[field.name]])
    return Filters({name: value for name, value in query.items() if value is not None}, active, hits)


def _fold(prefix: str, active: int) -> None:
    """On a phone: a button that shows the conditions behind the first one (dashboards/static/genba.css)."""
    slot = f"{prefix}filters.unfolded"
    is_unfolded = st.session_state.setdefault(slot, False)

    def turn() -> None:
        st.session_state[slot] = not is_unfolded

    label = "条件を閉じる" if is_unfolded else f"条件（{active}）" if active else "条件"
    state = "unfolded" if is_unfolded else "folded"
    st.button(label, key=f"{prefix}filters.{state}", icon=":material/tune:", on_click=turn)


def _is_set(field: Field, key: str) -> bool:
    if key not in st.session_state and key in st.query_params:
        return True  # Not drawn yet, and set in the URL.
    value = st.session_state.get(key)
    if isinstance(field, Day):
        return value not in (None, field.nothing)
    return bool(value.strip() if isinstance(value, str) else value is not None and value not in ((), []))


def _clear(prefix: str, fields: Sequence[Field], keys: Mapping[str, str]) -> None:
    cleared: dict[str, Any] = {
        keys[field.name]: [] if isinstance(field, (Choices, Dates)) else field.nothing for field in fields
    }
    bound.set_values(f"{prefix}filters", cleared)
