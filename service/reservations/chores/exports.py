"""Export of 定期作業: the list of turns."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.chores import queries, schemas
from service.reservations.chores.rules import Rhythm, State

TURNS = ExportList(
    key="reservations.chores.turns",
    title="定期作業の記録",
    permission="reservations:chore:read",
    columns=(
        Column("title", "作業内容"),
        Column("rhythm", "周期", "choice", words=Rhythm.labels()),
        Column("owner", "担当者"),
        Column("starts_at", "開始", "moment"),
        Column("due_at", "期限", "moment"),
        Column("state", "状態", "choice", words=State.labels()),
        Column("done_at", "実施日時", "moment"),
        Column("done_by", "実施した人"),
        Column("estimate", "所要時間の目安（分）", "number"),
        Column("minutes", "かかった時間（分）", "number"),
        Column("note", "メモ・理由"),
    ),
    filters=schemas.TurnFilters,
    statement=queries.turns_export,
)
EXPORTS = (TURNS,)
