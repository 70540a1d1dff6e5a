"""通知: open, failed and sent notifications, and what to do about the failed ones."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import session
from dashboards.contract.core import MessageItem, MessageSummary
from dashboards.core.message_drawer import PATH, STATES, TOPICS, drawer
from dashboards.ui import bulk, columns, figures, filters, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing

HEADLINE = "core.messages_headline"


@refreshing
def headline() -> None:
    reading = live.block(HEADLINE, "通知", f"{PATH}/summary", headline=True)
    if reading is None:
        return
    summary: MessageSummary = reading.data
    st.markdown(summary_sentence(summary))
    oldest = f"最も古いもの {times.ago(times.parse(summary['oldest_open_at']))}" if summary["oldest_open_at"] else ""
    figures.row(
        [
            Figure("未送信", f"{summary['open']:,}件", oldest or "待っている通知はありません"),
            Figure("再試行中", f"{summary['tried']:,}件", "未送信のうち、一度は失敗したもの"),
            Figure(
                "送信失敗",
                f"{summary['dead']:,}件",
                "再送または破棄が必要です" if summary["dead"] else "対応は不要です",
            ),
            Figure(
                "本日の送信",
                f"{summary['sent_today']:,}件",
                change=summary["sent_today"] - summary["sent_yesterday_by_now"],
                change_unit="件",
                against="前日同時刻比",
                good="neither",
            ),
        ],
        faded=reading.problem is not None,
    )


def summary_sentence(summary: MessageSummary) -> str:
    """The state of all notifications in a sentence."""
    waiting, dead = summary["open"], summary["dead"]
    if not waiting and not dead:
        return "未送信の通知はありません。すべて送信できています。"
    parts = [
        text
        for count, text in ((waiting, f"未送信の通知が{waiting:,}件"), (dead, f"送信できなかった通知が{dead:,}件"))
        if count
    ]
    next_step = (
        "送信できなかった通知は、内容を確認して再送または破棄してください。"
        if dead
        else "自動で送信します。操作は必要ありません。"
    )
    return f"{'、'.join(parts)}あります。{next_step}"


@refreshing
def draw_list(chosen: filters.Filters) -> None:
    tables.table(
        "core.messages",
        "",
        PATH,
        shown_columns(),
        filters=chosen,
        actions={"詳細": drawer},
        bulk={"再送する": resend} if session.has_permission("core:message:resend") else None,
        empty=tables.Empty("まだ通知はありません", "アラートの発生などで通知が作られると、ここに新しい順に並びます。"),
    )


def resend(messages: Sequence[MessageItem]) -> None:
    bulk.confirm(
        "core.messages.resend",
        messages,
        f"通知{len(messages):,}件を再送しますか？",
        "送信失敗の通知を、もう一度送信します。送信済みなど、ほかの状態の通知はそのままです。"
        "届いたかどうかを確認できていないものは、同じ内容が重ねて届くことがあります。",
        action="再送する",
        name=lambda message: message["title"],
        do=lambda message, _, key: session.api().post(f"{PATH}/{message['id']}/resend", idempotency_key=key),
    )


def areas() -> dict[str, str]:
    """Code → title of the areas whose messages are listed, from the headline's answer."""
    summary: MessageSummary | None = live.last_answer(HEADLINE)
    return summary["areas"] if summary else {}


def shown_columns() -> tuple[columns.Column, ...]:
    """Columns that are not needed leave their width to the title: the area, when there is only one; attempts and
    errors, when nothing has failed."""
    area_titles = areas()
    summary: MessageSummary | None = live.last_answer(HEADLINE)
    area_column = (
        (columns.text("業務", lambda row: area_titles.get(row["area"], row["area"]), width=84),)
        if len(area_titles) > 1
        else ()
    )
    error_columns = (
        (columns.number("回数", "attempts", width=56), columns.text("最後のエラー", "last_error", width=164))
        if summary and (summary["tried"] or summary["dead"])
        else ()
    )
    return (
        columns.text("件名", "title", width=504 - (84 if area_column else 0) - (220 if error_columns else 0)),
        columns.badge("状態", "state", STATES, width=104),
        columns.text("宛先", "recipient", width=176),
        columns.text("種類", lambda row: TOPICS.get(row["topic"], row["topic"]), width=64),
        *area_column,
        columns.ago("作成", "created_at"),
        *error_columns,
    )


def filter_bar() -> filters.Filters:
    fields: list[filters.Field] = [
        filters.Text("q", "キーワード", "件名・宛先"),
        filters.Choice("state", "状態", STATES),
        filters.Choice("topic", "種類", TOPICS),
    ]
    if len(areas()) > 1:
        fields.append(filters.Choice("area", "業務", areas()))
    return filters.bar(*fields)


headline()
draw_list(filter_bar())
