"""Columns of sessions: one's own, and those of a user whom an administrator manages."""

from __future__ import annotations

from dashboards.ui import columns

HERE = "（このブラウザー）"

COLUMNS = (
    columns.text("接続元", lambda row: row["address"] + (HERE if row["current"] else ""), width=250),
    columns.ago("最後の操作", "last_seen_at"),
    columns.stamp("ログイン日時", "created_at"),
    columns.stamp("有効期限", "expires_at"),
)
