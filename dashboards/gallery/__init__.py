"""The gallery's content: one function per widget, each state in a container with a key for tests and screenshots."""

from __future__ import annotations

from collections.abc import Callable

from dashboards.gallery import charts, dialogs, files, forms, records, screens, tables, tasks, written

PARTS: dict[str, Callable[[], None]] = {
    "表": tables.filled,
    "表の状態": tables.states,
    "指標": records.figure_rows,
    "履歴": records.timelines,
    "フォーム": forms.register,
    "確認と競合": dialogs.dialogs,
    "進捗": tasks.cards,
    "ファイル": files.files,
    "グラフ": charts.charts,
    "状態の表示": screens.screens,
    "人が書いた文": written.written,
}
