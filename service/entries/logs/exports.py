"""Export of logs, with the columns of their page (DI-AL-001) and the marks and the deletion of a record."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.entries.logs import queries, schemas
from service.entries.rules import EntryType

TIMESTAMP_FORMAT = "YYYY-MM-DD HH24:MI:SS"
LOGS = ExportList(
    key="entries.logs",
    title="入退管理ログ",
    permission="entries:log:read",
    columns=(
        Column("timestamp", "日時", "moment", form=TIMESTAMP_FORMAT),
        Column("parent_name", "保護者名"),
        Column("entry_type", "入/出", "choice", EntryType.labels()),
        Column("child_words", "関連園児名"),
        Column("nursery_name", "保育園名"),
        Column("marks", "記録の状態"),
        Column("deleted_at", "削除日時", "moment", form=TIMESTAMP_FORMAT),
        Column("deleted_by", "削除した人"),
        Column("delete_reason", "理由"),
    ),
    filters=schemas.LogFilters,
    statement=queries.export_logs,
)
EXPORTS = (LOGS,)
