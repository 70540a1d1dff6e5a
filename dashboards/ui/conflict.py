"""Two people changed the same thing: both versions side by side, and the later one decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards.ui import details, dialogs
from dashboards.ui.text import plain

KEEP, LOAD = "自分の入力を残す", "最新を読み込む"
NOTHING = "（空欄）"


def conflict(
    key: str,
    labels: Mapping[str, str],
    yours: Mapping[str, Any],
    newest: Mapping[str, Any],
    *,
    changed: str,
    keep: Callable[[], None],
    load: Callable[[], None],
) -> None:
    """Opens the dialog. `labels` are the fields with their words, in the order of the form.

    Args:
        changed: who changed it, and when: 「山田 花子さんが 2026/11/21（土）9:05 に変更しました。」.
        keep: takes the newest version's number, so that sending again overwrites it with what was typed.
        load: puts the newest values into the form. Both are callbacks, and may open the form's dialog again.
    """

    @dialogs.dialog("ほかの人が先に変更しました", width="large", icon=":material/difference:")
    def compare() -> None:
        different = [name for name in labels if yours.get(name) != newest.get(name)]
        st.markdown(f"{plain(changed)}あなたの変更はまだ保存されていません。違う項目は{len(different)}件です。")
        details.sides(("項目", "あなたの入力", "最新の内容"), map(line, labels), key=f"{key}.sides")
        st.markdown(
            f"「{KEEP}」を選ぶと、入力した内容のまま編集を続けます。保存すると最新の内容を上書きします。  \n"
            f"「{LOAD}」を選ぶと、入力した内容を破棄して、最新の内容を表示します。"
        )
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button(LOAD, key=f"{key}.load", on_click=decided, args=(load,))
            st.button(KEEP, key=f"{key}.keep", type="primary", on_click=decided, args=(keep,))

    def line(name: str) -> tuple[str, str, str]:
        mine, theirs = _shown(yours.get(name)), _shown(newest.get(name))
        if yours.get(name) == newest.get(name):
            return labels[name], mine, theirs
        return f"**{labels[name]}**", f":orange-background[{mine}]", f":blue-background[{theirs}]"

    def decided(then: Callable[[], None]) -> None:
        dialogs.close()
        then()

    compare()


MINE, THEIRS = "あなたの入力", "最新の内容"


def field_by_field(
    key: str,
    labels: Mapping[str, str],
    yours: Mapping[str, Any],
    newest: Mapping[str, Any],
    *,
    changed: str,
    take: Callable[[dict[str, Any]], None],
    in_words: Callable[[str, Any], str] = lambda _, value: str(value),
) -> None:
    """As `conflict`, and of each field one side is chosen.

    Args:
        yours: only what the person changed; all else is taken from the newest version without a question.
        take: a callback that gets what was chosen of the fields in `yours`, to go on editing the newest version with.
        in_words: a value of a field as people read it.
    """
    different = [name for name in labels if name in yours and yours[name] != newest.get(name)]

    @dialogs.dialog("ほかの人が先に変更しました", width="large", icon=":material/difference:")
    def choose() -> None:
        asked = "項目ごとに、残す内容を選んでください。" if different else "変更した項目は、最新の内容と同じです。"
        st.markdown(f"{plain(changed)}あなたの変更はまだ保存されていません。{asked}")
        for name in different:
            sides = {MINE: in_words(name, yours[name]), THEIRS: in_words(name, newest.get(name))}
            words = {side: f"{side}: {_said(text)}" for side, text in sides.items()}
            st.radio(labels[name], [*words], format_func=words.__getitem__, key=f"{key}.{name}")
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("選んだ内容で編集を続ける", key=f"{key}.go_on", type="primary", on_click=decided)

    def decided() -> None:
        chosen = {
            name: yours[name] if st.session_state.get(f"{key}.{name}", MINE) == MINE else newest.get(name)
            for name in different
        }
        dialogs.close()
        take(chosen)

    choose()


def _said(text: str) -> str:
    return plain(text) if text else NOTHING


def _shown(value: Any) -> str:
    if value is None or value == "":
        return f":gray[{NOTHING}]"
    return plain(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
