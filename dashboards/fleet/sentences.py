"""The state sentences of the fleet's first pages."""

from __future__ import annotations

from dashboards.contract.fleet import MonthlyOverview, Summary
from dashboards.fleet.incident_words import alert_count_text
from dashboards.fleet.report_words import month_text
from dashboards.fleet.terminals_table import ENROL_FIRST, NO_TERMINALS
from dashboards.fleet.words import TERMINAL
from dashboards.ui import times
from dashboards.ui.columns import Row
from dashboards.ui.sentence import Sentence


def summary(figures: Summary) -> Sentence:
    counts, alert_count = figures["terminals"], figures["open_alerts"]
    if alert_count:
        oldest = figures["oldest_open_alert_at"]
        since = f"最も古いものは{times.ago(times.parse(oldest))}です。" if oldest else ""
        alerts_text = alert_count_text(alert_count, figures["open_incidents"])
        return Sentence(f"現在、対応が必要なアラートが{alerts_text}あります。{since}", "error", "notifications_active")
    if not counts["total"]:
        return Sentence(f"{NO_TERMINALS}。{ENROL_FIRST}", "info", "info")
    online = counts["online"] == counts["total"]
    online_text = f"全{counts['total']:,}台がオンラインです" if online else _breakdown(counts)
    return Sentence(f"現在、対応が必要なアラートはありません。{online_text}。", "success", "check_circle")


def _breakdown(counts: Row) -> str:
    return "、".join(f"{status.label} {counts[code]:,}台" for code, status in TERMINAL.items() if counts[code])


def reports(overview: MonthlyOverview) -> Sentence:
    month, drafted, expected = month_text(overview["month"]), overview["drafted"], overview["expected"]
    if not drafted and not overview["is_summed_up"]:
        return Sentence(f"{month}の月次報告書は、集計が終わると自動で作成されます。", "info", "schedule")
    if not expected:
        return Sentence(f"{month}の端末の記録がないため、月次報告書はありません。", "info", "info")
    if overview["is_drafting"]:
        return Sentence(f"{month}の月次報告書を作成しています（{drafted:,} / {expected:,}件）。", "info", "autorenew")
    if drafted < expected:
        return Sentence(
            f"{month}の月次報告書は、{expected:,}件のうち{drafted:,}件だけ作成されています。"
            "残りは「報告書を作成する」から作成できます。",
            "warning",
            "summarize",
        )
    if overview["unsent"]:
        sent = f"送信済みは{overview['sent']:,}件です。" if overview["sent"] else ""
        return Sentence(
            f"{month}の月次報告書ができています。まだ送信していない顧客企業が{overview['unsent']:,}社あります。{sent}",
            "warning",
            "outgoing_mail",
        )
    return Sentence(f"{month}の月次報告書は、{overview['sent']:,}社すべてに送信済みです。", "success", "check_circle")


SENTENCES = {"fleet.summary": summary, "fleet.reports": reports}
