"""ダッシュボード: what is wrong in the fleet now, and where. Every block refreshes itself with one call."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.fleet import IncidentItem, Summary
from dashboards.fleet import sentences
from dashboards.fleet.customer_drawer import PATH, drawer
from dashboards.fleet.incident_drawer import incident_url
from dashboards.fleet.incident_words import place_text
from dashboards.fleet.terminals_table import terminals_table
from dashboards.fleet.words import ALERT
from dashboards.session import has_permission
from dashboards.ui import columns, feedback, figures, live, tables, targets, times
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain, small

ALERTS_SHOWN = 20
LIST_HEIGHT = 268
ALERTS_WITHOUT_SCROLLING = 4
CUSTOMERS_SHOWN = 8
CUSTOMERS = (
    columns.text("顧客名", "company_name", width=150),
    columns.number("端末数", lambda customer: customer["terminals"]["total"], width=64),
    columns.number("オンライン", lambda customer: customer["terminals"]["online"], width=80),
    columns.number("エラー", lambda customer: customer["terminals"]["error"], width=60),
    columns.number("オフライン", lambda customer: customer["terminals"]["offline"], width=80),
    columns.number(
        "保守中",
        lambda customer: customer["terminals"]["maintenance"],
        width=68,
        help="メンテナンス中の端末の台数です。",
    ),
)


@refreshing
def draw_overview() -> None:
    reading = live.block("fleet.summary", "ダッシュボード", "/api/fleet/summary", headline=True)
    if reading is None:
        return
    if not reading.problem:
        sentences.summary(reading.data).draw()
    key_figures(reading)


def key_figures(reading: live.Snapshot) -> None:
    summary: Summary = reading.data
    counts, alert_count, oldest = summary["terminals"], summary["open_alerts"], summary["oldest_open_alert_at"]
    faded = reading.problem is not None
    total, online = counts["total"], counts["online"]
    rate = online / total if total else None
    figures.row(
        [
            Figure("総端末数", f"{total:,}台", f"うちメンテナンス中 {counts['maintenance']:,}台"),
            Figure(
                "オンライン",
                f"{online:,}台",
                f"オフライン {counts['offline']:,}台・エラー {counts['error']:,}台",
            ),
            Figure(
                "アラート",
                f"{alert_count:,}件",
                f"障害 {summary['open_incidents']:,}件・最も古いもの {times.ago(times.parse(oldest))}"
                if oldest
                else "対応待ちはありません",
                help="未解決のアラートの件数です。同じ店舗・顧客・回線で同時に起きたアラートは1件の障害にまとめ、"
                "アラート一覧では障害ごとに対応します（メニューの数字は障害の件数です）。",
            ),
        ],
        faded=faded,
    )
    figures.line(
        Figure(
            "稼働率",
            "–" if rate is None else f"{rate:.1%}",
            f"現在オンライン {online:,}台 ÷ 総端末数 {total:,}台",
            share=rate or 0.0,
            help="いまこの時点の稼働率です。月を通した時間稼働率は「レポート」にあります。",
        ),
        faded=faded,
    )


@refreshing
def draw_alerts() -> None:
    reading = live.block("fleet.incidents", "重要アラート", "/api/fleet/incidents", limit=ALERTS_SHOWN)
    if reading is None:
        return
    items: list[IncidentItem] = reading.data["items"]
    total = reading.data["total"]
    if not items:
        feedback.empty("対応が必要なアラートはありません", "端末の通信が途絶えると、ここに自動で表示されます。")
        return
    with st.container(border=True, height="content" if len(items) <= ALERTS_WITHOUT_SCROLLING else LIST_HEIGHT):
        for incident in items:
            st.markdown(incident_lines(incident))
        if total > len(items):
            st.markdown(small(f"ほかに{total - len(items):,}件あります。急ぐものから{len(items)}件を表示しています。"))
    link("アラート一覧を開く", "/alerts")


def incident_lines(incident: IncidentItem) -> str:
    """ABC商事 - 新宿店: オフライン (10分前), and below it the terminal, the time and the message."""
    status, since = ALERT.get(incident["alert_type"], UNKNOWN), times.parse(incident["opened_at"])
    facts = plain(f"{times.full(since)}　{incident['serial_number']}　{incident['message']}")
    due = ""
    if incident["due_at"] and incident["response"]:
        due = targets.countdown(times.parse(incident["due_at"]), incident["response"])
    target = (
        f"/terminal?id={incident['terminal_id']}" if incident["scope"] == "terminal" else incident_url(incident["id"])
    )
    return (
        f"**[{plain(place_text(incident))}]({target})**: {status.badge()} ({times.ago(since)}) {due}  \n{small(facts)}"
    )


@refreshing
def draw_customers() -> None:
    tables.table(
        "fleet.customers",
        "顧客別状況",
        PATH,
        CUSTOMERS,
        counter="社",
        rows=CUSTOMERS_SHOWN,
        actions={"詳細": drawer},
        empty=tables.Empty("まだ顧客が登録されていません", "顧客を登録すると、顧客ごとの台数がここに並びます。"),
    )


@refreshing
def draw_terminals() -> None:
    terminals_table("fleet.terminals", "端末の状態")


draw_overview()
left, right = st.columns([1, 1.15], gap="medium")
with left:
    if has_permission("fleet:incident:read"):
        draw_alerts()
with right:
    if has_permission("fleet:customer:read"):
        draw_customers()
draw_terminals()
