"""Logs as a file, with the columns of their page (DI-AL-001)."""

from __future__ import annotations

from service.core.exports.declared import Column, List
from service.entries.logs import queries, schemas
from service.entries.rules import TYPE_WORDS

LOGS = List(
    key="entries.logs",
    title="入退管理ログ",
    permission="entries:log:read",
    columns=(
        Column("timestamp", "日時", "moment", form="YYYY-MM-DD HH24:MI:SS"),
        Column("parent_name", "保護者名"),
        Column("entry_type", "入/出", "choice", {kind.value: word for kind, word in TYPE_WORDS.items()}),
        Column("child_words", "関連園児名"),
        Column("nursery_name", "保育園名"),
    ),
    filters=schemas.LogFilters,
    statement=queries.logs_to_take_along,
)
EXPORTS = (LOGS,)
