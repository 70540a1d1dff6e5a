"""入退管理ログ: who came and left, and when (6.3)."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.entries import choices
from dashboards.entries.words import ENTRY, MARKS, MAX_SKEW_SECONDS, arrow
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, filters, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

PATH = "/api/entries/logs"
KEY = "entries.logs"
SORTS = {"-timestamp": "日時の新しい順", "timestamp": "日時の古い順"}
WRONG_SCAN = "誤スキャン"
MAX_REASON_LENGTH = 200
STAMP_WIDTH = 150
TIMESTAMP_FORMAT = "%Y-%m-%d %H:%M:%S"


def format_timestamp(row: Row, field: str = "timestamp") -> str:
    """The specification's YYYY-MM-DD HH:mm:ss."""
    return times.parse(row[field]).strftime(TIMESTAMP_FORMAT) if row[field] else ""


def marks(row: Row) -> list[str]:
    skewed = abs(row["skew_seconds"] or 0) > MAX_SKEW_SECONDS
    return [name for name, is_set in (("offline", row["was_offline"]), ("skew", skewed)) if is_set]


def shown_columns(deleted: bool) -> tuple[columns.Column, ...]:
    """DI-AL-001, in its order, then the marks of the record or its deletion."""
    scale = 1 if not deleted else 0.72
    nursery_column = (
        (columns.text("保育園名", "nursery_name", width=round(150 * scale)),) if choices.has_several_nurseries() else ()
    )
    base = (
        columns.text("日時", format_timestamp, width=STAMP_WIDTH, sort="timestamp"),
        columns.text("保護者名", "parent_name", width=round(150 * scale)),
        columns.badge("入/出", "entry_type", ENTRY, width=72),
        columns.text("関連園児名", lambda row: ", ".join(row["child_names"]), width=round(210 * scale)),
        *nursery_column,
    )
    if not deleted:
        return (*base, columns.badges("記録の状態", marks, MARKS, width=190))
    return (
        *base,
        columns.text("削除日時", lambda row: format_timestamp(row, "deleted_at"), width=STAMP_WIDTH),
        columns.text("削除した人", "deleted_by", width=92),
        columns.text("理由", "delete_reason", width=120),
    )


@refreshing
def headline() -> None:
    today = times.now().date().isoformat()
    reading = live.block(f"{KEY}_today", "入退管理ログ", PATH, headline=True, first_day=today, last_day=today, limit=1)
    if reading is None:
        return
    items, total = reading.data["items"], reading.data["total"]
    if not items:
        st.markdown("今日はまだ入退の記録がありません。")
        return
    newest = items[0]
    st.markdown(
        f"今日は**{total:,}件**の入退が記録されました。最も新しいものは{times.parse(newest['timestamp']):%H:%M:%S}の"
        f"**{plain(newest['parent_name'])}**さんの{arrow(newest['entry_type'])}です。"
    )


def conditions() -> filters.Filters:
    deleted = filters.Choice("deleted", "表示", {"true": "削除済みのログ"}, otherwise="有効なログ")
    with st.container(border=True):
        return filters.bar(
            filters.Dates("period", "期間", width=236, asked=("first_day", "last_day")),
            filters.Text("parent_name", "保護者名", "名前の一部", width=140),
            filters.Choice("entry_type", "入/出", ENTRY, width=108),
            filters.Text("child_name", "園児名", "名前の一部", width=140),
            *choices.nursery_fields(width=150),
            more=(deleted,) if has_permission("entries:log:purge") else (),
        )


@refreshing
def show_list(chosen: filters.Filters) -> None:
    deleted = bool(chosen.query.get("deleted"))
    actions: dict[str, Any] = {}
    if deleted and has_permission("entries:log:purge"):
        actions = {"完全に削除": purge}
    elif not deleted and has_permission("entries:log:delete"):
        actions = {"削除": delete}
    tables.table(
        KEY,
        "",
        PATH,
        shown_columns(deleted),
        sorts=SORTS,
        filters=chosen,
        actions=actions or None,
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ入退の記録がありません",
            "保護者と園児を取り込み、入退登録画面でバーコードをスキャンすると、ここに新しい順に並びます。",
            choices.import_link,
        ),
    )


def _describe(row: Row) -> str:
    return f"{format_timestamp(row)} {row['parent_name']}さんの「{ENTRY[row['entry_type']].word}」"


def delete(row: Row) -> None:
    children = "、".join(row["child_names"])
    confirm.confirm(
        f"logs.delete.{row['id']}",
        "この入退ログを削除しますか？",
        f"**{plain(_describe(row))}**（{plain(children)}）を一覧・出欠・統計から除きます。"
        "削除した人と理由は監査ログに残ります。",
        action="削除する",
        do=lambda reason, _idempotency_key: session.api().delete(
            f"/api/entry-exit-logs/{row['id']}", {"reason": " ".join(reason.split())}
        ),
        done=f"{_describe(row)}を削除しました。",
        reason="required",
        preset=WRONG_SCAN,
        most=MAX_REASON_LENGTH,
    )


def purge(row: Row) -> None:
    confirm.confirm(
        f"logs.purge.{row['id']}",
        "この入退ログを完全に削除しますか？",
        f"**{plain(_describe(row))}** をデータベースから消します。元に戻すことはできません。"
        "監査ログには、消した内容と理由が残ります。",
        action="完全に削除する",
        do=lambda reason, idempotency_key: session.api().post(
            f"{PATH}/{row['id']}/purge", {"reason": " ".join(reason.split())}, once=idempotency_key
        ),
        done=f"{_describe(row)}を完全に削除しました。",
        reason="required",
        most=MAX_REASON_LENGTH,
    )


if choices.require_nursery("入退管理ログ"):
    headline()
    show_list(conditions())
