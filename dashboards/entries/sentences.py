"""The state sentence of 在園状況."""

from __future__ import annotations

from dashboards.contract.entries import Now
from dashboards.ui.sentence import Sentence
from dashboards.ui.text import plain


def now(data: Now) -> Sentence:
    counts, closes_at = data["counts"], data["closes_at"]
    prefix = f"現在、{plain(data['nursery_name'])}の園内にいる園児は"
    if counts["overdue"]:
        return Sentence(
            f"{prefix}{counts['in']:,}人です。閉園時刻{closes_at}を過ぎてまだお迎えのない園児が{counts['overdue']:,}人います。",
            "error",
            "warning",
        )
    if counts["in"]:
        return Sentence(f"{prefix}{counts['in']:,}人です。閉園時刻は{closes_at}です。", "success", "child_care")
    if counts["out"]:
        return Sentence(
            f"{prefix}いません。今日登園した{counts['out']:,}人は全員お迎え済みです。", "success", "check_circle"
        )
    return Sentence(f"{prefix}いません。今日はまだ登園の記録がありません。", "info", "info")


SENTENCES = {"entries.now": now}
