"""Does an import: looks through all rows again as things are now, writes them in one transaction, or nothing."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.imports import records
from service.core.imports.kinds import Change, Kind, New, kind_for
from service.core.imports.plan import CHUNK, Planned, plan
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
            draft.outcome = None  # what was looked through is not what is there now
            work.settle(db, result)
    except IntegrityError:
        raise Failed(
            f"取り込みの間に、ほかの人が同じ内容を登録しました。{NOTHING_STORED}"
            "内容を確認して、もう一度取り込んでください。"
        ) from None
    return result


def _plan(db: Session, work: Work, draft: records.Import, kind: Kind) -> list[Planned]:
    """Half of the work: the other half is writing."""
    rows = unpack(draft.content)

    def told(seen: int) -> None:
        work.progress(seen, 2 * len(rows), f"内容を確認しています（{len(rows):,}行のうち{seen:,}行）")

    told(0)
    planned = list(plan(db, work.actor, kind, rows, draft.mapping, told))
    wrong = [error for made in planned for error in made.errors]
    if wrong:
        more = f" ほか{len(wrong) - 3:,}件" if len(wrong) > 3 else ""
        listed = "、".join(error.in_words() for error in wrong[:3])
        raise Failed(f"確認したときから内容が変わり、取り込めない行があります。{NOTHING_STORED}{listed}{more}")
    return planned


def _apply(db: Session, work: Work, kind: Kind, planned: list[Planned]) -> Result:
    new = [made.action for made in planned if isinstance(made.action, New)]
    # In one order for everybody, so that two imports at once wait for one another instead of locking each other out.
    changes = sorted((made.action for made in planned if isinstance(made.action, Change)), key=lambda one: one.id)
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
        made = new[start : start + CHUNK]
        kind.create(db, work.actor, made)
        done += len(made)
    work.progress(total, total)
    count = kind.counter
    summary = (
        f"{len(planned):,}行を取り込みました。新規 {len(new):,}{count}、更新 {len(changes):,}{count}、"
        f"変更なし {same:,}{count}です。"
    )
    return Result(summary, {"新規": len(new), "更新": len(changes), "変更なし": same})
