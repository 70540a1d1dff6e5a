"""Export of 満足度調査の回答."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.surveys import queries, schemas

ANSWERS = ExportList(
    key="reservations.surveys.answers",
    title="満足度調査の回答",
    permission="reservations:quality:read",
    columns=(
        Column("title", "対象の四半期"),
        Column("stars", "評価（5段階）", "number"),
        Column("comment", "コメント"),
        Column("answered_at", "回答日時", "moment"),
    ),
    filters=schemas.AnswerFilters,
    statement=queries.answers_export,
)
EXPORTS = (ANSWERS,)
