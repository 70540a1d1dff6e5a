"""The button that switches the learning of opening hours on or off, for a terminal or a whole customer."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.ui import confirm, dialogs


def draw(kind: str, path: str, record_id: int, place: str, *, is_on: bool, note: str = "") -> None:
    """`place`, before 営業時間を学習: 端末 TC200-000001 の. `note` is added to the consequence of switching on."""
    st.button(
        "営業時間を学習しない" if is_on else "営業時間を学習する",
        key=f"{kind}.hours.switch",
        icon=":material/alarm_off:" if is_on else ":material/schedule:",
        on_click=dialogs.open,
        args=(_switch, f"{kind}.hours.{record_id}", f"{path}/{record_id}/hours", place, note, not is_on),
    )


def _switch(key: str, path: str, place: str, note: str, on: bool) -> None:
    confirm.confirm(
        key,
        f"{place}営業時間を学習{'しますか' if on else 'しないようにしますか'}？",
        f"営業時間外に通信が途絶えても、次の開店まではアラートを通知しなくなります。{note}"
        if on
        else "時刻を問わず、通信が途絶えるとアラートを通知します。閉店後に電源を切る店舗では、毎晩アラートになります。",
        action="学習する" if on else "学習しない",
        do=lambda _, _key: session.api().put(path, {"learned_hours": on}),
        success=f"営業時間の学習を{'使うように' if on else '使わないように'}しました。",
        danger=False,
    )
