"""Scratch: the list as a file."""

from service.scratch import queries, schemas

from service.core.exports.declared import Column, ExportList

NOTES = ExportList(
    key="scratch.notes",
    title="メモ一覧",
    permission="scratch:note:read",
    columns=(Column("id", "番号", "number"), Column("text", "内容")),
    filters=schemas.NoteFilters,
    statement=queries.notes_to_take_along,
)
EXPORTS = (NOTES,)
