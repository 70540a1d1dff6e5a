"""What a list sends to the browser."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.dashboards.pages import lists, run


def page_of_days() -> None:
    import streamlit as st

    from dashboards.ui import tables
    from dashboards.ui.columns import text

    def answer(**_: object) -> dict[str, object]:
        return {"items": [{"day": "2026-11-23"}], "total": 1, "next_cursor": None}

    tables.table("days", "", answer, [text("日付", "day")], actions={"削除": print}, **st.session_state["named"])


def test_a_row_with_actions_needs_an_id() -> None:
    at = AppTest.from_function(page_of_days)
    at.session_state["named"] = {}
    assert at.run().exception

    at.session_state["named"] = {"id_field": "day"}
    run(at)
    assert [row["id"] for row in lists(at)[0]["rows"]] == ["2026-11-23"]


def page_of_jobs() -> None:
    from typing import Any

    from dashboards.ui import columns, tables
    from dashboards.ui.status import Status

    items: list[dict[str, Any]] = [
        {"name": "点検", "at": "2026-11-21T09:00:00+09:00", "minutes": 90, "states": ["open"], "by": "\u202e太郎"},
        {"name": "清掃", "at": None, "minutes": None, "states": ["new code"], "by": "花子"},
    ]
    shown = (
        columns.text("名前", "name", hint=lambda row: f"担当: {row['by']}"),
        columns.stamp("日時", "at", missing="未定"),
        columns.text("長さ", lambda row: f"{row['minutes']}分", sort_value="minutes"),
        columns.badges("状態", lambda row: row["states"], {"open": Status("未完了", "red", "error")}),
    )
    tables.grid("jobs", "作業", items, shown)


def test_the_browser_gets_the_values_to_sort_by_marked_hints_and_a_word_for_codes_that_it_does_not_know() -> None:
    at = AppTest.from_function(page_of_jobs)
    run(at)

    first, second = lists(at)[0]["rows"]
    assert first["sort_values"] == {"日時": 1795219200.0, "長さ": 90}
    assert second["sort_values"] == {"日時": None, "長さ": None}
    assert first["hints"] == {"名前": "担当: ［U+202E］太郎"}
    assert [row["cells"][3] for row in (first, second)] == [[["未完了", "red"]], [["不明", "gray"]]]
