"""One action on several chosen rows: asks once how many it is about, and says for each row what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, tables
from dashboards.ui.idempotency import new_key
from dashboards.ui.text import plain, small

NAMES_SHOWN = 10

Values = Mapping[str, Any]


@dataclass
class _Progress:
    """How far the action has come in this dialog.

    `keys`: each row's idempotency key; what is done is not done again. `values`: what was asked for, once the action is
    confirmed. `results`: of the rows so far, in their order: why it was refused, or nothing. `outage`: why the next row
    has no result.
    """

    dialog: object
    keys: Sequence[str]
    values: Values | None = None
    results: list[str] = field(default_factory=list)
    outage: ApiProblem | None = None


def confirm(
    key: str,
    rows: Sequence[Any],
    question: str,
    consequence: str,
    *,
    action: str,
    name: Callable[[Any], str],
    do: Callable[[Any, Values, str], Any],
    ask: Callable[[], Values | None] = dict,
) -> None:
    """Opens the dialog.

    Args:
        question: names how many: 「アラート3件を確認済みにしますか？」.
        name: of a row, in the results.
        do: called for each row with what `ask` returned and the row's idempotency key. An ApiProblem is this row's
            result; the other rows go on, unless the service is away.
        ask: draws what the user has to choose first, and returns it; None: it is not chosen yet.
    """
    slot = f"bulk.{key}"

    def submit(values: Values) -> None:
        progress: _Progress = st.session_state[slot]
        if progress.values is None:  # A second press may come before the first one's answer is drawn.
            progress.values = values
            tables.clear_selection()

    def resume() -> None:
        st.session_state[slot].outage = None

    @dialogs.dialog(question, width="medium", icon=":material/checklist:")
    def show() -> None:
        progress: _Progress | None = st.session_state.get(slot)
        if progress is None or progress.dialog is not dialogs.pending():
            progress = st.session_state[slot] = _Progress(dialogs.pending(), [new_key() for _ in rows])
        place = st.empty()
        if progress.values is not None:
            if progress.outage is None:
                _work(place, progress, rows, progress.values, do)
            with place.container():
                _results(key, [name(row) for row in rows], progress, resume)
            return
        with place.container():
            st.info(consequence)
            st.markdown(_names([name(row) for row in rows]))
            values = ask()
            with st.container(horizontal=True, horizontal_alignment="right"):
                st.button("やめる", key=f"{key}.leave", on_click=dialogs.close)
                st.button(
                    action,
                    key=f"{key}.confirm",
                    type="primary",
                    disabled=values is None,
                    on_click=submit,
                    args=(values,),
                )

    show()


def _work(
    place: DeltaGenerator,
    progress: _Progress,
    rows: Sequence[Any],
    values: Values,
    do: Callable[[Any, Values, str], Any],
) -> None:
    """Goes on after the last row that has a result; a run that was cut short goes on when the dialog is drawn again."""
    while (number := len(progress.results)) < len(rows):
        text = f"{len(rows):,}件のうち{number:,}件が終わりました。この画面を閉じると、残りは実行しません。"
        place.progress(number / len(rows), text)
        try:
            do(rows[number], values, progress.keys[number])
        except ApiProblem as problem:
            if problem.temporary:
                progress.outage = problem
                return
            progress.results.append(problem.detail)
        else:
            progress.results.append("")


def _names(names: Sequence[str]) -> str:
    listed = "\n".join(f"- {plain(name)}" for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{listed}\n- ほか{more:,}件" if more > 0 else listed


def _results(key: str, names: Sequence[str], progress: _Progress, resume: Callable[[], None]) -> None:
    failed = sum(bool(refusal) for refusal in progress.results)
    done, left = len(progress.results) - failed, len(names) - len(progress.results)
    failed_text = f"{failed:,}件はできませんでした。" if failed else ""
    if left:
        st.warning(
            f"{len(names):,}件のうち{done:,}件が終わりました。{failed_text}残りの{left:,}件は、まだ終わっていません。"
            "「残りを実行する」を押すと、続きから実行します。"
        )
    elif failed:
        st.warning(f"{len(names):,}件のうち{failed_text}ほかの{done:,}件は終わりました。")
    else:
        st.success(f"{len(names):,}件すべて終わりました。")
    lines = [_result(name, refusal) for name, refusal in zip(names, progress.results, strict=False)]
    if progress.outage:
        interrupted, *waiting = names[len(progress.results) :]
        lines.append(_line("orange", "warning", interrupted, feedback.problem_text(progress.outage)))
        lines += [_line("gray", "schedule", name, "まだ実行していません") for name in waiting]
    st.markdown("\n".join(lines))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if left:
            st.button("閉じる", key=f"{key}.close", on_click=dialogs.close)
            st.button("残りを実行する", key=f"{key}.resume", type="primary", on_click=resume)
        else:
            st.button("閉じる", key=f"{key}.close", type="primary", on_click=dialogs.close)


def _result(name: str, refusal: str) -> str:
    if refusal:
        return _line("red", "error", name, plain(refusal))
    return f"- :green[:material/check_circle:] {plain(name)}"


def _line(color: str, icon: str, name: str, reason: str) -> str:
    return f"- :{color}[:material/{icon}: {plain(name)}]  \n  {small(reason)}"
