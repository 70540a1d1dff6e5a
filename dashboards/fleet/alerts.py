"""アラート一覧: the open incidents, the next step of each, and the time left for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import IncidentItem, IncidentsCounts
from dashboards.fleet.choices import customers, responders
from dashboards.fleet.incident_drawer import PATH, SNOOZE_CONSEQUENCE, drawer, snooze_ends
from dashboards.fleet.incident_words import (
    IMPACT_HELP,
    IMPACTS,
    INCIDENT_STATES,
    alert_count_text,
    impact_key,
    next_step_text,
    place_text,
    state_key,
    stopped_text,
)
from dashboards.fleet.words import ALERT
from dashboards.session import has_permission
from dashboards.ui import bulk, columns, dialogs, figures, filters, live, tables, times
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing

SORTS = {
    "due_at": "対応期限が近い順",
    "-impact": "影響が大きい順",
    "opened_at": "発生が古い順",
    "-opened_at": "発生が新しい順",
    "-resolved_at": "解決が新しい順",
}


def remaining_text(incident: IncidentItem) -> str:
    """The time left for the next step, or by how much it is late."""
    if incident["resolved_at"]:
        return "–"
    if incident["due_at"] is None:
        return "手順は完了"
    remaining = times.parse(incident["due_at"]) - times.now()
    return f"あと{times.duration(remaining)}" if remaining > timedelta() else f"{times.duration(-remaining)}超過"


COLUMNS = (
    columns.text("対象", place_text, width=196),
    columns.badge("種別", "alert_type", ALERT, width=120),
    columns.badge("状況", state_key, INCIDENT_STATES, width=100),
    columns.text("次の手順", next_step_text, width=96),
    columns.text("残り時間", remaining_text, width=92, sort="due_at"),
    columns.badge("影響", impact_key, IMPACTS, width=64, help=IMPACT_HELP, sort="impact"),
    columns.text("停止", stopped_text, width=76),
    columns.text("担当", lambda row: row["assignee"]["name"] if row["assignee"] else "未割り当て", width=96),
    columns.ago("発生", "opened_at", sort="opened_at"),
)


@refreshing
def headline() -> None:
    reading = live.block("fleet.incident_counts", "アラート一覧", f"{PATH}/counts", headline=True)
    if reading is None:
        return
    counts: IncidentsCounts = reading.data
    if not reading.problem:
        state_sentence(counts)
    oldest = counts["oldest_opened_at"]
    figures.row(
        [
            Figure(
                "未解決の障害",
                f"{counts['open']:,}件",
                f"アラート {counts['alerts']:,}件・最も古いもの {times.ago(times.parse(oldest))}"
                if oldest
                else "対応待ちはありません",
                help="同じ店舗・顧客・回線で同時に起きたアラートを、1件の障害にまとめています。"
                "メニューの数字と、この一覧の行の数です。",
            ),
            Figure("初動確認待ち", f"{counts['unacknowledged']:,}件", "検知から5分以内に確認します"),
            Figure("期限超過", f"{counts['overdue']:,}件", "次の手順の目標時間を過ぎたもの"),
            Figure("スヌーズ中", f"{counts['snoozed']:,}件", "終了するまで通知を止めています"),
        ],
        faded=reading.problem is not None,
    )


def state_sentence(counts: IncidentsCounts) -> None:
    if not counts["open"]:
        st.success("現在、対応が必要なアラートはありません。", icon=":material/check_circle:")
        return
    parts = [
        text
        for count, text in (
            (counts["overdue"], f"期限を過ぎたものが{counts['overdue']:,}件"),
            (counts["unacknowledged"], f"まだ誰も確認していないものが{counts['unacknowledged']:,}件"),
        )
        if count
    ]
    sentence = f"未解決のアラートが{alert_count_text(counts['alerts'], counts['open'])}あります。"
    if parts:
        st.error(f"{sentence}{'、'.join(parts)}です。", icon=":material/notifications_active:")
    else:
        st.info(f"{sentence}すべて期限内に対応中です。", icon=":material/info:")


def _bulk_actions() -> tables.BulkActions:
    actions = {"確認する": (acknowledge, "fleet:incident:operate"), "スヌーズする": (snooze, "fleet:incident:snooze")}
    return {label: action for label, (action, permission) in actions.items() if has_permission(permission)}


def acknowledge(incidents: Sequence[IncidentItem]) -> None:
    bulk.confirm(
        "fleet.acknowledge",
        incidents,
        f"アラート{len(incidents):,}件を確認済みにしますか？",
        "初動確認を記録し、担当者がいないものは、あなたが担当になります。",
        action="確認する",
        name=place_text,
        do=lambda incident, _, key: session.api().post(f"{PATH}/{incident['id']}/acknowledge", idempotency_key=key),
    )


def snooze(incidents: Sequence[IncidentItem]) -> None:
    def until() -> dict[str, str]:
        ends = snooze_ends()
        return {"until": ends[st.selectbox("いつまで", [*ends], key="fleet.snooze.until")]}

    bulk.confirm(
        "fleet.snooze",
        incidents,
        f"アラート{len(incidents):,}件をスヌーズしますか？",
        SNOOZE_CONSEQUENCE,
        action="スヌーズする",
        name=place_text,
        ask=until,
        do=lambda incident, chosen, key: session.api().post(
            f"{PATH}/{incident['id']}/snooze", {"version": incident["version"], **chosen}, idempotency_key=key
        ),
    )


@refreshing
def draw_list(chosen: filters.Filters) -> None:
    tables.table(
        "fleet.incidents_list",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"対応する": drawer},
        bulk=_bulk_actions(),
        empty=tables.Empty(
            "対応が必要なアラートはありません", "端末の通信が途絶えたり異常を報告したりすると、ここに自動で並びます。"
        ),
    )


headline()
draw_list(
    filters.bar(
        filters.Text("q", "キーワード", "シリアル番号・設置店舗名"),
        filters.Choice("alert_type", "種別", ALERT),
        filters.Choice("assignee", "担当", {"me": "自分", "none": "未割り当て"} | responders()),
        more=[
            filters.Choice("customer_id", "顧客", customers(), width=240),
            filters.Choice("state", "表示", {"resolved": "解決済み", "all": "すべて（解決済みを含む）"}, width=220),
        ],
    )
)
dialogs.open_requested(PATH, drawer)
