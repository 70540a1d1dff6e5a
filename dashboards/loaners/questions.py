"""A form's questions as they are filled in: each appears once the answers before it ask for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from dashboards.ui.text import plain, small

DEPOSIT = "deposit"
MOST = {"text": 1000, "long": 1000, "number": 22, "mail": 254}
HINTS = {"number": "例: 120", "mail": "例: name@example.com"}

# As `text.plain`, but for what a widget's label can be mistaken for: a reader of screens says every backslash.
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#$~:])")

Question = Mapping[str, Any]


def label(question: Question) -> str:
    return _MARKDOWN.sub(r"\\\1", question["header"])


def fill_in(
    key: str, questions: Sequence[Question], begin: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, str]:
    """Draws those that are asked and returns their answers. `begin` is what they begin with, `errors` what is wrong, by
    question. The 預り機のステータス stays, greyed out, where there can be none."""
    answers: dict[str, str] = {}
    for question in questions:
        is_asked = all(answers.get(one["key"]) in one["one_of"] for one in question["shown_when"])
        if not is_asked and question["key"] != DEPOSIT:
            continue
        with st.container(gap="xxsmall"):
            if not is_asked:
                _greyed(key, question)
                continue
            value = _widget(f"{key}.{question['key']}", question, begin.get(question["key"], ""))
            if message := errors.get(question["key"]):
                st.markdown(f":red[:material/error: {plain(message)}]")
        if value:
            answers[question["key"]] = value
    return answers


def _greyed(key: str, question: Question) -> None:
    st.selectbox(label(question), [], index=None, key=f"{key}.greyed", disabled=True, placeholder="選べません")
    st.markdown(small(plain(question["help"] or "条件を満たすときだけ選べます。")))


def _widget(key: str, question: Question, begin: str) -> str:
    title = label(question) + (" :red-badge[必須]" if question["required"] else "")
    help_ = plain(question["help"]) or None
    kind = question["type"]
    if kind == "choice":
        return _choice(key, title, question, begin, help_)
    if kind == "date":
        known = date.fromisoformat(begin) if begin else None
        chosen = st.date_input(title, known, key=key, format="YYYY/MM/DD", help=help_)
        return chosen.isoformat() if isinstance(chosen, date) else ""
    draw = st.text_area if kind == "long" else st.text_input
    return str(draw(title, begin, key=key, max_chars=MOST[kind], placeholder=HINTS.get(kind), help=help_) or "").strip()


def _choice(key: str, title: str, question: Question, begin: str, help_: str | None) -> str:
    choices = list(question["choices"])
    index = choices.index(begin) if begin in choices else None
    if question["required"]:
        # All that can be chosen stands there: one touch on a phone.
        return str(st.radio(title, choices, index, key=key, help=help_) or "")
    return str(st.selectbox(title, choices, index, key=key, placeholder="選んでください", help=help_) or "")
