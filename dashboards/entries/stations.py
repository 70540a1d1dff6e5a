"""入退登録端末: the columns of the list, and how a station is renamed and revoked."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.contract.entries import FIELDS, StationItem
from dashboards.entries.words import MAX_SKEW_SECONDS, STATIONS
from dashboards.ui import columns, confirm, dialogs, forms, times
from dashboards.ui.text import small

PATH = "/api/entries/stations"


def name(row: StationItem) -> str:
    return row["label"] or f"端末 {row['id']}"


def state(row: StationItem) -> str:
    if row["is_silent"]:
        return "silent"
    if row["needs_attention"]:
        return "attention"
    return "waiting" if row["queue_depth"] else "running"


def skew(seconds: int | None) -> str:
    """How far the station's clock is ahead of ours. Up to two minutes is normal."""
    if seconds is None:
        return "–"
    if abs(seconds) <= MAX_SKEW_SECONDS:
        return "正常"
    return f"{abs(seconds) // 60:,}分{'進み' if seconds > 0 else '遅れ'}"


COLUMNS = (
    columns.text("端末", name, width=150),
    columns.badge("状態", state, STATIONS, width=116),
    columns.ago("最後の応答", "last_seen_at"),
    columns.number("未送信", "queue_depth", width=76),
    columns.number("要確認", "needs_attention", width=76),
    columns.text("時計", lambda row: skew(row["skew_seconds"]), width=100),
    columns.text("版", "app_version", width=96),
    columns.text("接続元", "address", width=110),
)


def rename(row: StationItem) -> None:
    @dialogs.dialog(f"{name(row)}の名前を変更する", width="small", icon=":material/edit:")
    def ask() -> None:
        st.markdown(small("置き場所など、見分けやすい名前を付けてください。"))
        with forms.form(f"station.rename.{row['id']}", submit="保存する") as form:
            label = form.field(
                "label", st.text_input, FIELDS["label"], value=row["label"], max_chars=50, placeholder="正面玄関"
            ).strip()
        if form.submitted:
            form.send(
                lambda _: session.api().patch(f"{PATH}/{row['id']}", {"label": label}),
                success="端末の名前を変更しました。",
            )

    ask()


def revoke(row: StationItem) -> None:
    unsent = row["queue_depth"] + row["needs_attention"]
    unsent_note = f"端末に残っている{unsent:,}件の記録は消えず、ログインし直すと送信されます。" if unsent else ""
    confirm.confirm(
        f"station.revoke.{row['id']}",
        f"{name(row)}を無効化しますか？",
        f"この端末（最後の応答 {times.stamp(row['last_seen_at'])}）はログアウトされ、"
        f"もう一度ログインするまで記録を送れなくなります。{unsent_note}",
        action="無効化する",
        do=lambda _, idempotency_key: session.api().post(f"{PATH}/{row['id']}/revoke", idempotency_key=idempotency_key),
        success=f"{name(row)}を無効化しました。",
    )


ACTIONS = {"名前を変更": rename, "無効化": revoke}
