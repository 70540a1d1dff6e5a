"""The drawer of a turn of 定期作業: what to do, by when, and who did it; and the drawer of a chore's definition."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboards.contract.reservations import RHYTHM, BackupFacts, ChoreItem, TurnDetail
from dashboards.reservations import chore_forms, chore_words
from dashboards.reservations.actions import Back
from dashboards.reservations.chore_forms import CHORE, KEY, TURNS
from dashboards.reservations.chore_words import STATE, done_text, due_text, short_time, timeline_event
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline


def drawer(row: Row) -> None:
    """`row`: an item of the list or of the calendar."""
    dialogs.drawer(row["title"], f"{TURNS}/{row['id']}", _show, key=KEY, icon="event_repeat")


def _show(turn: TurnDetail) -> None:
    rhythm = plain(f"{RHYTHM[turn['rhythm']]}・{turn['when']}")
    st.markdown(f"{STATE[turn['state']].badge()}　{small(rhythm)}")
    _buttons(turn, partial(dialogs.open, drawer, turn))
    _instructions(turn)
    _facts(turn)
    if turn["backups"]:
        _backups(turn["backups"])
    st.markdown(small("経過"))
    timeline(map(timeline_event, turn["events"]), key=f"{KEY}.history")


def _buttons(turn: TurnDetail, back: Back) -> None:
    page = chore_words.page_of(turn["page"])
    with st.container(horizontal=True):
        if has_permission("reservations:chore:perform"):
            if turn["state"] not in ("done", "skipped"):
                dialogs.button(
                    "完了にする",
                    chore_forms.finish,
                    turn,
                    back,
                    key=f"{KEY}.finish",
                    icon="check",
                    type="primary",
                )
                dialogs.button("今回は見送る", chore_forms.skip, turn, back, key=f"{KEY}.skip", icon="skip_next")
            elif turn["rhythm"] != "anytime":
                dialogs.button("元に戻す", chore_forms.reopen, turn, back, key=f"{KEY}.reopen", icon="undo")
        if page is not None:
            link(f"{page.title}を開く", f"/{turn['page']}")


def _instructions(turn: TurnDetail) -> None:
    if turn["what"]:
        details.free_text(turn["what"])


def _facts(turn: TurnDetail) -> None:
    duration = chore_words.minutes(turn["minutes"]) if turn["minutes"] is not None else None
    facts: dict[str, object] = {"担当者": turn["owner"]}
    if turn["due_at"]:
        facts |= {"開始": short_time(turn["starts_at"]), "期限": due_text(turn)}
    facts |= {"所要時間の目安": chore_words.minutes(turn["estimate"])}
    if turn["done_at"]:
        label = "見送った人" if turn["state"] == "skipped" else "実施"
        facts |= {label: done_text(turn)}
        facts |= {"理由" if turn["state"] == "skipped" else "メモ": turn["note"]}
        facts |= {"かかった時間": duration} if turn["state"] == "done" else {}
    details.facts(facts)


def _backups(backups: BackupFacts) -> None:
    """The state of the backups, as the product knows it."""
    st.markdown(small("バックアップの状況"))
    if not backups["expected"]:
        st.warning(
            "この製品による毎日のバックアップは、オフになっています。別の方法で取得していることを確認してください。",
            icon=":material/backup:",
        )
    elif backups["failed"] or backups["is_late"]:
        text = "最後のバックアップに失敗しています。" if backups["failed"] else "26時間以内のバックアップがありません。"
        st.error(f"{text}システム状態で原因を確認してください。", icon=":material/error:")
    else:
        st.success("毎日のバックアップは成功しています。", icon=":material/check_circle:")
    size = f"（{backups['last_bytes'] / 1024**2:,.1f} MB）" if backups["last_bytes"] else ""
    rehearsed_at = times.stamp(backups["rehearsal_at"]) if backups["rehearsal_at"] else None
    result = {True: "成功", False: "失敗", None: ""}[backups["rehearsal_ok"]]
    details.facts(
        {
            "最後の成功": f"{times.stamp(backups['last_at'])}{size}" if backups["last_at"] else "まだありません",
            "保管している数": f"{backups['kept']:,}件" if backups["kept"] is not None else None,
            "復元の確認": f"{rehearsed_at}　{result}" if rehearsed_at else "まだ行われていません",
        }
    )


def chore_drawer(row: ChoreItem) -> None:
    """The drawer of a chore's definition."""

    facts = {
        "周期": RHYTHM[row["rhythm"]],
        "実施": row["when"],
        "所要時間": chore_words.minutes(row["minutes"]),
        "担当者": row["owner"],
        "手順": row["what"],
        "作業する画面": chore_words.pages().get(row["page"]),
        "前回": f"{short_time(row['last_at'])}　{row['last_by']}" if row["last_at"] else None,
        "次回": short_time(row["next_at"]) if row["next_at"] else None,
    }
    may_change = has_permission("reservations:chore:update")
    CHORE.master_drawer(row["title"], row, facts, icon="event_repeat", may_change=may_change)
