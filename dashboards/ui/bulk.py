"""One action on several chosen rows: asks once how many it is about, and says for each row what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.ui import dialogs
from dashboards.ui.idempotency import new_key
from dashboards.ui.text import plain, small

NAMES_SHOWN = 10

Values = Mapping[str, Any]


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
            result; the other rows go on.
        ask: draws what the user has to choose first, and returns it; None: it is not chosen yet.
    """
    # The same for every attempt: what is done already is not done again.
    keys = [new_key() for _ in rows]
    results: list[tuple[str, str]] = []

    def submit(values: Values) -> None:
        # A second press that arrives before the results are drawn replaces them.
        results[:] = [(name(row), _refusal(do, row, values, row_key)) for row, row_key in zip(rows, keys, strict=True)]

    @dialogs.dialog(question, width="medium", icon=":material/checklist:")
    def show() -> None:
        if results:
            _results(key, results)
            return
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


def _refusal(do: Callable[[Any, Values, str], Any], row: Any, values: Values, key: str) -> str:
    """Empty when it was done."""
    try:
        do(row, values, key)
    except ApiProblem as problem:
        return problem.detail
    return ""


def _names(names: Sequence[str]) -> str:
    listed = "\n".join(f"- {plain(name)}" for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{listed}\n- ほか{more:,}件" if more > 0 else listed


def _results(key: str, results: Sequence[tuple[str, str]]) -> None:
    failed = sum(bool(problem) for _, problem in results)
    if failed:
        done = len(results) - failed
        st.warning(f"{len(results):,}件のうち{failed:,}件はできませんでした。ほかの{done:,}件は終わりました。")
    else:
        st.success(f"{len(results):,}件すべて終わりました。")
    lines = [
        f"- :red[:material/error: {plain(name)}]  \n  {small(plain(problem))}"
        if problem
        else f"- :green[:material/check_circle:] {plain(name)}"
        for name, problem in results
    ]
    st.markdown("\n".join(lines))
    st.button("閉じる", key=f"{key}.close", type="primary", on_click=dialogs.close)
