"""通知: has everything that was to leave left? What did not, and what is to be done about it?"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards.core.message_drawer import PATH, STATES, TOPICS, drawer
from dashboards.ui import columns, figures, filters, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing

HEADLINE = "core.messages_headline"


@refreshing
def headline() -> None:
    reading = live.block(HEADLINE, "通知", f"{PATH}/summary", headline=True)
    if reading is None:
        return
    told = reading.data
    st.markdown(in_words(told))
    oldest = f"最も古いもの {times.ago(times.parse(told['oldest_open_at']))}" if told["oldest_open_at"] else ""
    figures.row(
        [
            Figure("未送信", f"{told['open']:,}件", oldest or "待っている通知はありません"),
            Figure("再試行中", f"{told['tried']:,}件", "未送信のうち、一度は失敗したもの"),
            Figure("送信失敗", f"{told['dead']:,}件", "再送または破棄が必要です" if told["dead"] else "対応は不要です"),
            Figure(
                "本日の送信",
                f"{told['sent_today']:,}件",
                change=told["sent_today"] - told["sent_yesterday_by_now"],
                change_unit="件",
                against="前日同時刻比",
                good="neither",
            ),
        ],
        faded=reading.problem is not None,
    )


def in_words(told: dict[str, Any]) -> str:
    """The page's question answered in a line."""
    waiting, dead = told["open"], told["dead"]
    if not waiting and not dead:
        return "未送信の通知はありません。すべて送信できています。"
    parts = [
        words
        for count, words in ((waiting, f"未送信の通知が{waiting:,}件"), (dead, f"送信できなかった通知が{dead:,}件"))
        if count
    ]
    what_now = (
        "送信できなかった通知は、内容を確認して再送または破棄してください。"
        if dead
        else "自動で送信します。操作は必要ありません。"
    )
    return f"{'、'.join(parts)}あります。{what_now}"


@refreshing
def listed(chosen: filters.Filters) -> None:
    tables.table(
        "core.messages",
        "",
        PATH,
        shown_columns(),
        filters=chosen,
        actions={"詳細": drawer},
        empty=tables.Empty("まだ通知はありません", "アラートの発生などで通知が作られると、ここに新しい順に並びます。"),
    )


def areas() -> dict[str, str]:
    """Code → title of the areas whose messages are listed, as the headline was told."""
    told: dict[str, Any] = live.shown(HEADLINE) or {}
    return dict(told.get("areas", {}))


def shown_columns() -> tuple[columns.Column, ...]:
    """What is not needed leaves its room to the title: whose a message is, with one area; tries and errors, while none
    has failed."""
    known = areas()
    told: dict[str, Any] = live.shown(HEADLINE) or {}
    whose = (columns.text("業務", lambda row: known.get(row["area"], row["area"]), width=84),) if len(known) > 1 else ()
    failures = (
        (columns.number("回数", "attempts", width=56), columns.text("最後のエラー", "last_error", width=164))
        if told.get("tried") or told.get("dead")
        else ()
    )
    return (
        columns.text("件名", "title", width=504 - (84 if whose else 0) - (220 if failures else 0)),
        columns.badge("状態", "state", STATES, width=104),
        columns.text("宛先", "recipient", width=176),
        columns.text("種類", lambda row: TOPICS.get(row["topic"], row["topic"]), width=64),
        *whose,
        columns.ago("作成", "created_at"),
        *failures,
    )


def conditions() -> filters.Filters:
    fields: list[filters.Field] = [
        filters.Text("q", "キーワード", "件名・宛先"),
        filters.Choice("state", "状態", STATES),
        filters.Choice("topic", "種類", TOPICS),
    ]
    if len(areas()) > 1:
        fields.append(filters.Choice("area", "業務", areas()))
    return filters.bar(*fields)


headline()
listed(conditions())
