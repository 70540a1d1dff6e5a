"""状態の表示: failed, stale, empty, loading, refused, expired, and every status label."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboards.gallery.samples import KINDS, SERVICE_DOWN, state
from dashboards.ui import feedback, times
from dashboards.ui.tasks import STATES


def screens() -> None:
    with state("status", "ステータスの言葉と色"):
        for statuses in (KINDS, STATES):
            st.markdown("　".join(status.badge() for status in statuses.values()))
    with state("failed", "読み込めなかったとき"):
        feedback.failed(SERVICE_DOWN, key="gallery_failed_screen")
    with state("stale", "更新できていないとき"):
        feedback.stale(times.now() - timedelta(minutes=3), SERVICE_DOWN)
    with state("empty", "何もないとき"):
        feedback.empty(
            "まだ顧客が登録されていません",
            "顧客を登録すると、顧客ごとの台数がここに並びます。",
            action=lambda: st.button("顧客を登録する", type="primary", key="gallery_empty_screen.new"),
        )
    with state("loading", "読み込み中"):
        feedback.loading()
    with state("forbidden", "権限がないとき"):
        feedback.forbidden()
    with state("expired", "セッションが切れたとき"):
        feedback.session_expired()
    with state("nothing_allowed", "表示できる画面がないとき"):
        feedback.nothing_allowed()
