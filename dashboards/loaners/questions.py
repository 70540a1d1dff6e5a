"""The input fields of a form's questions: each question appears when the answers before it require it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from dashboards.contract.loaners import ShownQuestion
from dashboards.ui.text import plain, small

DEPOSIT = "deposit"
MAX_LENGTHS = {"text": 1000, "long": 1000, "number": 22, "mail": 254}
HINTS = {"number": "例: 120", "mail": "例: name@example.com"}

# Like `text.plain`, but only for what is Markdown in a widget's label: screen readers read every backslash aloud.
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#$~:])")


def label(question: ShownQuestion) -> str:
    return _MARKDOWN.sub(r"\\\1", question["header"])


def fill_in(
    key: str, questions: Sequence[ShownQuestion], initial: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, str]:
    """Draws the questions whose conditions hold and returns their answers. `initial`: the first values, `errors`:
    the messages, both by question. The 預り機のステータス stays visible, disabled, when its conditions do not hold."""
    answers: dict[str, str] = {}
    for question in questions:
        is_shown = all(answers.get(condition["key"]) in condition["one_of"] for condition in question["shown_when"])
        if not is_shown and question["key"] != DEPOSIT:
            continue
        with st.container(gap="xxsmall"):
            if not is_shown:
                _disabled(key, question)
                continue
            value = _widget(f"{key}.{question['key']}", question, initial.get(question["key"], ""))
            if message := errors.get(question["key"]):
                st.markdown(f":red[:material/error: {plain(message)}]")
        if value:
            answers[question["key"]] = value
    return answers


def _disabled(key: str, question: ShownQuestion) -> None:
    st.selectbox(label(question), [], index=None, key=f"{key}.greyed", disabled=True, placeholder="選べません")
    st.markdown(small(plain(question["help"] or "条件を満たすときだけ選べます。")))


def _widget(key: str, question: ShownQuestion, initial: str) -> str:
    title = label(question) + (" :red-badge[必須]" if question["required"] else "")
    help_ = plain(question["help"]) or None
    kind = question["type"]
    if kind == "choice":
        return _choice(key, title, question, initial, help_)
    if kind == "date":
        initial_date = date.fromisoformat(initial) if initial else None
        chosen = st.date_input(title, initial_date, key=key, format="YYYY/MM/DD", help=help_)
        return chosen.isoformat() if isinstance(chosen, date) else ""
    draw = st.text_area if kind == "long" else st.text_input
    return str(
        draw(title, initial, key=key, max_chars=MAX_LENGTHS[kind], placeholder=HINTS.get(kind), help=help_) or ""
    ).strip()


def _choice(key: str, title: str, question: ShownQuestion, initial: str, help_: str | None) -> str:
    choices = list(question["choices"])
    index = choices.index(initial) if initial in choices else None
    if question["required"]:
        # All choices are visible: one touch on a phone.
        return str(st.radio(title, choices, index, key=key, help=help_) or "")
    return str(st.selectbox(title, choices, index, key=key, placeholder="選んでください", help=help_) or "")
