"""The fleet's kinds of long work."""

from __future__ import annotations

from collections.abc import Mapping

from service.core.tasks.work import Result, Run, Work
from service.core.times import parse_month
from service.fleet.monthly import actions, queries, rules


def monthly_reports(work: Work) -> Result:
    """Run again it drafts again, which does no harm: a draft takes the place of a draft, and what was sent stays."""
    month, customer_id = parse_month(work.params["month"]), work.params["customer_id"]
    with work.transaction() as db:
        whose = [customer_id] if customer_id is not None else queries.reported(db, month)
    drafted = 0
    for done, one in enumerate(whose):

        def told(done: int = done) -> None:
            work.progress(done, len(whose), f"{done + 1:,}件目の報告書を作成しています（全{len(whose):,}件）")

        told()
        drafted += actions.draft(work.transaction, work.actor, month, one, anew=True, while_waiting=told)
    work.progress(len(whose), len(whose))
    kept = len(whose) - drafted
    rest = f"送信済みの{kept:,}件は変更していません。" if kept else ""
    words = f"{rules.month_in_words(month)}の月次報告書を{drafted:,}件作成しました。{rest}"
    return Result(words, {"作成": drafted, "送信済み（変更なし）": kept})


KINDS: Mapping[str, Run] = {actions.TASK: monthly_reports}
