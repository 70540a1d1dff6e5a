"""The state sentences of the first pages of 申込投入."""

from __future__ import annotations

from dashboards.contract.agencies import CaseCounts, Counts, Dashboard
from dashboards.ui import times
from dashboards.ui.sentence import Sentence


def dashboard(data: Dashboard) -> Sentence:
    if not data["deficient"] and not data["working"]:
        return Sentence("現在、投入を待っている依頼はありません。", "success", "check_circle")
    oldest = times.parse(data["oldest"][0]["created_at"])
    text = (
        f"現在、投入を待っている依頼が**{data['working']:,}件**、不備で営業担当者の修正を待っている依頼が"
        f"**{data['deficient']:,}件**あります。最も古いものは{times.ago(oldest)}の依頼です。"
    )
    if data["unclaimed"]:
        text += f"投入待ちのうち{data['unclaimed']:,}件は、担当者が決まっていません。"
    return Sentence(text, "warning", "pending_actions")


def requests(counts: Counts) -> Sentence:
    if counts["oldest_deficient"] is None:
        if not counts["working"]:
            return Sentence("対応中の依頼はありません。「新規投入依頼」から提出できます。")
        return Sentence(f"不備はありません。**{counts['working']:,}件**を投入担当者が対応しています。")
    since = times.ago(times.parse(counts["oldest_deficient"]))
    unread_text = f"未読の通知は{counts['unread']:,}件です。" if counts["unread"] else ""
    return Sentence(
        f":red[不備で差し戻された依頼が**{counts['deficient']:,}件**あります。]"
        f"最も古いものは{since}に差し戻されました。{unread_text}内容を確認して、修正のうえ再提出してください。"
    )


def cases(counts: CaseCounts) -> Sentence:
    if not counts["open"]:
        return Sentence(":material/task_alt: 残っている投入案件はありません。")
    parts = [f"投入待ち・対応中の案件が**{counts['working']:,}件**あります。"]
    if counts["oldest"]:
        parts.append(f"最も古い依頼は{times.ago(times.parse(counts['oldest']))}のものです。")
    if counts["waiting"]:
        parts.append(f"このうち**{counts['waiting']:,}件**は担当者が決まっていません。")
    if counts["deficient"]:
        parts.append(f"不備で営業担当者の返事を待っている案件が{counts['deficient']:,}件あります。")
    if counts["unread"]:
        parts.append(
            f":blue[:material/mark_chat_unread: 未読のコメントがある案件が**{counts['unread']:,}件**あります。]"
        )
    return Sentence("".join(parts))


SENTENCES = {"agencies.dashboard": dashboard, "agencies.requests": requests, "agencies.cases": cases}
