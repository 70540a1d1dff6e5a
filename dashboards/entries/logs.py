"""入退管理ログ: who came and left, and when (6.3)."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.entries import FIELDS, LogRow, PageLogRow
from dashboards.entries import choices
from dashboards.entries.words import ENTRY, MARKS, MAX_SKEW_SECONDS, arrow, timestamp
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, filters, live, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing
from dashboards.ui.text import Markdown, plain

PATH = "/api/entries/logs"
KEY = "entries.logs"
SORTS = {"-timestamp": "日時の新しい順", "timestamp": "日時の古い順"}
WRONG_SCAN = "誤スキャン"
MAX_REASON_LENGTH = 200
STAMP_WIDTH = 150


def marks(row: LogRow) -> list[str]:
    skewed = abs(row["skew_seconds"] or 0) > MAX_SKEW_SECONDS
    return [name for name, is_set in (("offline", row["was_offline"]), ("skew", skewed)) if is_set]


def shown_columns(deleted: bool) -> tuple[columns.Column, ...]:
    """DI-AL-001, in its order, then the marks of the record or its deletion."""
    scale = 1 if not deleted else 0.72
    base = (
        columns.text(FIELDS["timestamp"], lambda row: timestamp(row["timestamp"]), width=STAMP_WIDTH, sort="timestamp"),
        columns.text(FIELDS["parent_name"], "parent_name", width=round(150 * scale)),
        columns.badge(FIELDS["entry_type"], "entry_type", ENTRY, width=72),
        columns.text("関連園児名", lambda row: ", ".join(row["child_names"]), width=round(210 * scale)),
        *choices.nursery_column(round(150 * scale)),
    )
    if not deleted:
        return (*base, columns.badges("記録の状態", marks, MARKS, width=190))
    return (
        *base,
        columns.text("削除日時", lambda row: timestamp(row["deleted_at"]), width=STAMP_WIDTH),
        columns.text("削除した人", "deleted_by", width=92),
        columns.text(FIELDS["reason"], "delete_reason", width=120),
    )


@refreshing
def headline() -> None:
    today = times.now().date().isoformat()
    reading = live.block(f"{KEY}_today", "入退管理ログ", PATH, headline=True, first_day=today, last_day=today, limit=1)
    if reading is None:
        return
    page: PageLogRow = reading.data
    if not page["items"]:
        st.markdown("今日はまだ入退の記録がありません。")
        return
    newest = page["items"][0]
    st.markdown(
        f"今日は**{page['total']:,}件**の入退が記録されました。最も新しいものは{times.clock(times.parse(newest['timestamp']))}の"
        f"**{plain(newest['parent_name'])}**さんの{arrow(newest['entry_type'])}です。"
    )


def conditions() -> filters.Filters:
    deleted = filters.Choice("deleted", "表示", {"true": "削除済みのログ"}, otherwise="有効なログ")
    with st.container(border=True):
        return filters.bar(
            filters.Dates("period", "期間", width=236, parameters=("first_day", "last_day")),
            filters.Text("parent_name", FIELDS["parent_name"], "名前の一部", width=140),
            filters.Choice("entry_type", FIELDS["entry_type"], ENTRY, width=108),
            filters.Text("child_name", FIELDS["child_name"], "名前の一部", width=140),
            *choices.nursery_fields(width=150),
            more=(deleted,) if has_permission("entries:log:purge") else (),
        )


@refreshing
def show_list(chosen: filters.Filters) -> None:
    deleted = bool(chosen.query.get("deleted"))
    permission, actions = (
        ("entries:log:purge", {"完全に削除": purge}) if deleted else ("entries:log:delete", {"削除": delete})
    )
    tables.table(
        KEY,
        "",
        PATH,
        shown_columns(deleted),
        sorts=SORTS,
        filters=chosen,
        actions=actions if has_permission(permission) else None,
        row_opens=False,
        export=Export.of(PATH),
        empty=tables.Empty(
            "まだ入退の記録がありません",
            "保護者と園児を取り込み、入退登録画面でバーコードをスキャンすると、ここに新しい順に並びます。",
            choices.import_link,
        ),
    )


def _describe(row: LogRow) -> str:
    return f"{timestamp(row['timestamp'])} {row['parent_name']}さんの「{ENTRY[row['entry_type']].label}」"


def delete(row: LogRow) -> None:
    children = "、".join(row["child_names"])
    confirm.confirm(
        f"logs.delete.{row['id']}",
        "この入退ログを削除しますか？",
        Markdown(
            f"**{plain(_describe(row))}**（{plain(children)}）を一覧・出欠・統計から除きます。"
            "削除した人と理由は監査ログに残ります。"
        ),
        action="削除する",
        do=lambda reason, _idempotency_key: session.api().delete(
            f"/api/entry-exit-logs/{row['id']}", {"reason": " ".join(reason.split())}
        ),
        success=f"{_describe(row)}を削除しました。",
        reason="required",
        preset=WRONG_SCAN,
        max_length=MAX_REASON_LENGTH,
    )


def purge(row: LogRow) -> None:
    confirm.confirm(
        f"logs.purge.{row['id']}",
        "この入退ログを完全に削除しますか？",
        Markdown(
            f"**{plain(_describe(row))}** をデータベースから消します。元に戻すことはできません。"
            "監査ログには、消した内容と理由が残ります。"
        ),
        action="完全に削除する",
        do=lambda reason, idempotency_key: session.api().post(
            f"{PATH}/{row['id']}/purge", {"reason": " ".join(reason.split())}, idempotency_key=idempotency_key
        ),
        success=f"{_describe(row)}を完全に削除しました。",
        reason="required",
        max_length=MAX_REASON_LENGTH,
    )


if choices.require_nursery("入退管理ログ"):
    headline()
    show_list(conditions())
