"""Runs an import as a background task: plans all rows anew, then writes all of them in one transaction, or none."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.imports import records
from service.core.imports.kinds import ChangedRow, ImportKind, NewRow, kind_for
from service.core.imports.plan import CHUNK, PlannedRow, plan
from service.core.imports.sheets import unpack
from service.core.tasks.work import Failed, Result, Work

NOTHING_STORED = "1件も登録・変更していません。"


def run(work: Work) -> Result:
    try:
        with work.transaction() as db:
            draft = records.get(db, work.actor, int(work.params["import_id"]))
            kind = kind_for(work.actor, draft.kind).of(db, draft.headers)
            planned = _plan(db, work, draft, kind)
            result = _apply(db, work, kind, planned)
            draft.outcome = None  # the preview is out of date
            work.settle(db, result)
    except IntegrityError:
        raise Failed(
            f"取り込みの間に、ほかの人が同じ内容を登録しました。{NOTHING_STORED}"
            "内容を確認して、もう一度取り込んでください。"
        ) from None
    return result


def _plan(db: Session, work: Work, draft: records.Import, kind: ImportKind) -> list[PlannedRow]:
    """The first half of the work; the second half is writing."""
    rows = unpack(draft.content)

    def report_rows(row_count: int) -> None:
        work.progress(row_count, 2 * len(rows), f"内容を確認しています（{len(rows):,}行のうち{row_count:,}行）")

    report_rows(0)
    planned = list(plan(db, work.actor, kind, rows, draft.mapping, report_rows))
    errors = [error for planned_row in planned for error in planned_row.errors]
    if errors:
        remaining_text = f" ほか{len(errors) - 3:,}件" if len(errors) > 3 else ""
        error_texts = "、".join(error.message_text() for error in errors[:3])
        raise Failed(
            f"確認したときから内容が変わり、取り込めない行があります。{NOTHING_STORED}{error_texts}{remaining_text}"
        )
    return planned


def _apply(db: Session, work: Work, kind: ImportKind, planned: list[PlannedRow]) -> Result:
    new = [planned_row.action for planned_row in planned if isinstance(planned_row.action, NewRow)]
    # In one order, so that two concurrent imports wait for one another instead of a deadlock.
    changes = sorted(
        (planned_row.action for planned_row in planned if isinstance(planned_row.action, ChangedRow)),
        key=lambda change: change.id,
    )
    same = len(planned) - len(new) - len(changes)
    total = 2 * len(planned)
    done = len(planned) + same
    for start in range(0, len(changes), CHUNK):
        work.progress(done, total, f"登録済みの内容を更新しています（{len(changes):,}行のうち{start:,}行）")
        chunk = changes[start : start + CHUNK]
        kind.change(db, work.actor, chunk)
        done += len(chunk)
    for start in range(0, len(new), CHUNK):
        work.progress(done, total, f"新しく登録しています（{len(new):,}行のうち{start:,}行）")
        new_chunk = new[start : start + CHUNK]
        kind.create(db, work.actor, new_chunk)
        done += len(new_chunk)
    work.progress(total, total)
    count = kind.counter
    summary = (
        f"{len(planned):,}行を取り込みました。新規 {len(new):,}{count}、更新 {len(changes):,}{count}、"
        f"変更なし {same:,}{count}です。"
    )
    return Result(summary, {"新規": len(new), "更新": len(changes), "変更なし": same})
