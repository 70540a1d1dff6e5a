"""Scratch: the export of the list."""

from service.scratch import queries, schemas

from service.core.exports.declared import Column, ExportList

NOTES = ExportList(
    key="scratch.notes",
    title="メモ一覧",
    permission="scratch:note:read",
    columns=(Column("id", "番号", "number"), Column("text", "内容")),
    filters=schemas.NoteFilters,
    statement=queries.notes_export,
)
EXPORTS = (NOTES,)
