"""The background tasks of the fleet area."""

from __future__ import annotations

from collections.abc import Mapping

from service.core.tasks.work import Result, Run, Work
from service.core.values.times import parse_month
from service.fleet.monthly import actions, queries, rules


def monthly_reports(work: Work) -> Result:
    """Idempotent: a second run replaces drafts by new drafts, and leaves sent reports unchanged."""
    month, customer_id = parse_month(work.params["month"]), work.params["customer_id"]
    with work.transaction() as db:
        customer_ids = [customer_id] if customer_id is not None else queries.expected_reports(db, month)
    drafted = 0
    for done, current_id in enumerate(customer_ids):

        def report_progress(done: int = done) -> None:
            work.progress(
                done, len(customer_ids), f"{done + 1:,}件目の報告書を作成しています（全{len(customer_ids):,}件）"
            )

        report_progress()
        drafted += actions.draft(
            work.transaction, work.actor, month, current_id, anew=True, while_waiting=report_progress
        )
    work.progress(len(customer_ids), len(customer_ids))
    sent = len(customer_ids) - drafted
    unchanged = f"送信済みの{sent:,}件は変更していません。" if sent else ""
    message = f"{rules.month_in_words(month)}の月次報告書を{drafted:,}件作成しました。{unchanged}"
    return Result(message, {"作成": drafted, "送信済み（変更なし）": sent})


KINDS: Mapping[str, Run] = {actions.TASK: monthly_reports}
