"""Two users edited the same record (stale edit): both versions side by side, and the later user decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards.ui import details, dialogs
from dashboards.ui.text import plain

KEEP, LOAD = "自分の入力を残す", "最新を読み込む"
YOURS, NEWEST = "あなたの入力", "最新の内容"
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
    """Opens the dialog. `labels`: the form's fields in order, with their labels.

    Args:
        changed: who changed it, and when: 「山田 花子さんが 2026/11/21（土）9:05 に変更しました。」.
        keep: takes the newest version number, so that saving again overwrites the record with the user's input.
        load: puts the newest values into the form. Both are callbacks, and may open the form's dialog again.
    """

    @dialogs.dialog("ほかの人が先に変更しました", width="large", icon=":material/difference:")
    def draw() -> None:
        different = [name for name in labels if yours.get(name) != newest.get(name)]
        st.markdown(f"{plain(changed)}あなたの変更はまだ保存されていません。違う項目は{len(different)}件です。")
        details.sides(("項目", YOURS, NEWEST), map(compare_line, labels), key=f"{key}.sides")
        st.markdown(
            f"「{KEEP}」を選ぶと、入力した内容のまま編集を続けます。保存すると最新の内容を上書きします。  \n"
            f"「{LOAD}」を選ぶと、入力した内容を破棄して、最新の内容を表示します。"
        )
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button(LOAD, key=f"{key}.load", on_click=close_and, args=(load,))
            st.button(KEEP, key=f"{key}.keep", type="primary", on_click=close_and, args=(keep,))

    def compare_line(name: str) -> tuple[str, str, str]:
        own_text, newest_text = _format(yours.get(name)), _format(newest.get(name))
        if yours.get(name) == newest.get(name):
            return labels[name], own_text, newest_text
        return f"**{labels[name]}**", f":orange-background[{own_text}]", f":blue-background[{newest_text}]"

    def close_and(action: Callable[[], None]) -> None:
        dialogs.close()
        action()

    draw()


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
    """Like `conflict`, but the user chooses one side for each field.

    Args:
        yours: only the fields that the user changed; all others are taken from the newest version.
        take: a callback that gets the chosen values of the fields in `yours`, to continue editing the newest version
            with.
        in_words: formats a field's value for display.
    """
    different = [name for name in labels if name in yours and yours[name] != newest.get(name)]

    @dialogs.dialog("ほかの人が先に変更しました", width="large", icon=":material/difference:")
    def draw() -> None:
        instruction = (
            "項目ごとに、残す内容を選んでください。" if different else "変更した項目は、最新の内容と同じです。"
        )
        st.markdown(f"{plain(changed)}あなたの変更はまだ保存されていません。{instruction}")
        for name in different:
            sides = {YOURS: in_words(name, yours[name]), NEWEST: in_words(name, newest.get(name))}
            labels_by_side = {side: f"{side}: {_or_blank(text)}" for side, text in sides.items()}
            st.radio(labels[name], [*labels_by_side], format_func=labels_by_side.__getitem__, key=f"{key}.{name}")
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button("選んだ内容で編集を続ける", key=f"{key}.go_on", type="primary", on_click=submit)

    def submit() -> None:
        chosen = {
            name: yours[name] if st.session_state.get(f"{key}.{name}", YOURS) == YOURS else newest.get(name)
            for name in different
        }
        dialogs.close()
        take(chosen)

    draw()


def _or_blank(text: str) -> str:
    return plain(text) if text else NOTHING


def _format(value: Any) -> str:
    if value is None or value == "":
        return f":gray[{NOTHING}]"
    return plain(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
