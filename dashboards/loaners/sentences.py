"""The state sentence of 機器一覧."""

from __future__ import annotations

from dashboards.contract.loaners import LoanCounts
from dashboards.ui.sentence import Sentence


def loans(counts: LoanCounts) -> Sentence:
    if not counts["total"]:
        return Sentence("現在、貸出中の機器はありません。")
    if counts["overdue"]:
        return Sentence(
            f"現在、貸出中の機器は{counts['total']:,}台です。返却予定日を過ぎたものが**{counts['overdue']:,}台**あり、"
            f"最も長いものは{counts['oldest']:,}日過ぎています。"
        )
    return Sentence(f"現在、貸出中の機器は{counts['total']:,}台です。返却予定日を過ぎたものはありません。")


SENTENCES = {"loaners.loans": loans}
