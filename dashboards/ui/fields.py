"""The fields of a record as data: the same fields make the form of a new record, that of an edit, and the comparison of
two versions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, time
from itertools import groupby
from typing import Any, Literal

import streamlit as st

from dashboards.ui import forms, times
from dashboards.ui.text import small

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Field(ABC):
    """One field. `name` is the service's name of it, `when` tells which of the two forms asks for it.

    Args:
        title: the label in the form, where it says more than the usual label.
        default: what a new record's form begins with.
        half: the column of the field. Fields in a row that have one stand side by side, on a phone one below another.
    """

    name: str
    label: str
    _: KW_ONLY
    required: bool = False
    help: str | None = None
    title: str = ""
    default: Any = None
    when: Literal["always", "new", "edit"] = "always"
    half: Literal["left", "right"] | None = None

    @abstractmethod
    def draw(self, form: forms.Form, values: Values) -> Any:
        """Draws the field with its value in `values`, and returns what stands in it."""

    def in_words(self, record: Values) -> Any:
        """The value for display."""
        return record[self.name]

    def _widget(self, form: forms.Form, widget: Callable[..., Any], **options: Any) -> Any:
        label = self.title or self.label
        return form.field(self.name, widget, label, required=self.required, help=self.help, **options)


@dataclass(frozen=True)
class Text(Field):
    """A text of at most `max_length` characters; `height` in pixels makes it one of several lines."""

    max_length: int
    _: KW_ONLY
    placeholder: str | None = None
    height: int = 0
    default: str = ""

    def draw(self, form: forms.Form, values: Values) -> str:
        widget, height = (st.text_area, {"height": self.height}) if self.height else (st.text_input, {})
        value = values.get(self.name, self.default)
        typed: str = self._widget(
            form, widget, value=value, max_chars=self.max_length, placeholder=self.placeholder, **height
        )
        return typed.strip()


@dataclass(frozen=True)
class Number(Field):
    least: int
    most: int
    _: KW_ONLY
    step: int = 1
    placeholder: str | None = None
    words: Callable[[int], str] | None = None

    def draw(self, form: forms.Form, values: Values) -> Any:
        value, limits = values.get(self.name, self.default), {"min_value": self.least, "max_value": self.most}
        return self._widget(form, st.number_input, value=value, step=self.step, placeholder=self.placeholder, **limits)

    def in_words(self, record: Values) -> Any:
        return self.words(record[self.name]) if self.words else record[self.name]


@dataclass(frozen=True)
class Time(Field):
    """A time of day, in steps of a quarter of an hour."""

    words: Callable[[str], str] = lambda text: text[:5]

    def draw(self, form: forms.Form, values: Values) -> str:
        value = time.fromisoformat(values.get(self.name, self.default))
        chosen: time = self._widget(form, st.time_input, value=value, step=900)
        return chosen.isoformat()

    def in_words(self, record: Values) -> str:
        return self.words(record[self.name])


@dataclass(frozen=True)
class Date(Field):
    """A day, or none."""

    earliest: date

    def draw(self, form: forms.Form, values: Values) -> str | None:
        value = values.get(self.name, self.default)
        day: date | None = self._widget(
            form,
            st.date_input,
            value=date.fromisoformat(value) if value else None,
            format="YYYY/MM/DD",
            min_value=self.earliest,
        )
        return day.isoformat() if day else None


@dataclass(frozen=True)
class Moment(Field):
    """A day and a time; without a time None, and without a day today. `title` is the day's label, `note` stands
    below."""

    _: KW_ONLY
    time_title: str = "時刻"
    step: int = 60
    note: str = ""

    def draw(self, form: forms.Form, values: Values) -> str | None:
        stored: str | None = values.get(self.name)
        # The form has no seconds: an unchanged time keeps its seconds.
        initial = times.parse(stored).replace(second=0, microsecond=0) if stored else None
        left, right = st.columns(2)
        with left:
            day = self._widget(form, st.date_input, value=initial.date() if initial else None, format="YYYY/MM/DD")
        with right:
            at = initial.time() if initial else None
            clock_time = form.field(f"{self.name}_time", st.time_input, self.time_title, value=at, step=self.step)
        if self.note:
            st.markdown(small(self.note))
        if clock_time is None:
            return None
        chosen = datetime.combine(day or times.now().date(), clock_time, times.TOKYO)
        return stored if chosen == initial else chosen.isoformat()

    def in_words(self, record: Values) -> str:
        stored: str | None = record.get(self.name)
        return times.stamp(stored)


@dataclass(frozen=True)
class Checkbox(Field):
    _: KW_ONLY
    default: bool = False

    def draw(self, form: forms.Form, values: Values) -> Any:
        return self._widget(form, st.checkbox, value=values.get(self.name, self.default))


@dataclass(frozen=True)
class Toggle(Field):
    """`words`: the value's names, on and off."""

    words: tuple[str, str]
    _: KW_ONLY
    default: bool = False

    def draw(self, form: forms.Form, values: Values) -> Any:
        return self._widget(form, st.toggle, value=values.get(self.name, self.default))

    def in_words(self, record: Values) -> str:
        return self.words[0] if record[self.name] else self.words[1]


@dataclass(frozen=True)
class Choice(Field):
    """One of the options: value → label. `words` is the label in the select box, where it says more. `current` is the
    record's own name of the present value, which the options may lack."""

    options: Callable[[], Mapping[Any, str]]
    _: KW_ONLY
    current: str = ""
    words: Callable[[Any, str], str] = lambda _, label: label
    placeholder: str | None = None

    def draw(self, form: forms.Form, values: Values) -> Any:
        options, chosen = self.options(), values.get(self.name, self.default)
        if self.current in values and chosen not in options:
            options = {**options, chosen: values[self.current]}
        return self._widget(
            form,
            st.selectbox,
            options=[*options],
            index=[*options].index(chosen) if chosen in options else None,
            format_func=lambda key: self.words(key, options[key]),
            placeholder=self.placeholder,
        )

    def in_words(self, record: Values) -> str:
        value = record[self.name]
        return self.options().get(value, "" if value is None else str(value))


@dataclass(frozen=True)
class Radio(Choice):
    _: KW_ONLY
    horizontal: bool = False

    def draw(self, form: forms.Form, values: Values) -> Any:
        options, chosen = self.options(), values.get(self.name, self.default)
        return self._widget(
            form,
            st.radio,
            options=[*options],
            index=[*options].index(chosen) if chosen in options else None,
            format_func=lambda key: self.words(key, options[key]),
            horizontal=self.horizontal,
        )


@dataclass(frozen=True)
class Choices(Field):
    """Any number of the options, in their order: value → label. `options` and `words` get the whole record."""

    options: Callable[[Values], Mapping[Any, str]]
    words: Callable[[Any], str]
    _: KW_ONLY
    placeholder: str | None = None

    def draw(self, form: forms.Form, values: Values) -> list[Any]:
        options = self.options(values)
        chosen = self._widget(
            form,
            st.multiselect,
            options=[*options],
            default=values.get(self.name, []),
            format_func=lambda key: options[key],
            placeholder=self.placeholder,
        )
        return [key for key in options if key in chosen]

    def in_words(self, record: Values) -> str:
        return self.words(record)


@dataclass(frozen=True)
class Custom(Field):
    """A field with widgets of its own. `words` gets the whole record."""

    widgets: Callable[[forms.Form, Values], Any]
    words: Callable[[Any], Any]

    def draw(self, form: forms.Form, values: Values) -> Any:
        return self.widgets(form, values)

    def in_words(self, record: Values) -> Any:
        return self.words(record)


def draw(fields: tuple[Field, ...], form: forms.Form, values: Values, when: Literal["new", "edit"]) -> dict[str, Any]:
    """Draws the fields of that form; returns their values by name."""
    typed: dict[str, Any] = {}
    shown = (field for field in fields if field.when in ("always", when))
    for has_columns, group in groupby(shown, key=lambda field: field.half is not None):
        columns = dict(zip(("left", "right"), st.columns(2), strict=True)) if has_columns else {}
        for field in group:
            with columns[field.half] if field.half else nullcontext():
                typed[field.name] = field.draw(form, values)
    return typed
