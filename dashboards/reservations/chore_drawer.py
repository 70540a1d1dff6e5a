"""One turn of 定期作業 beside the list: what is to be done, by when, and who did it; and how a chore is defined."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import chore_forms, chore_words
from dashboards.reservations.chore_forms import CHORE, KEY, TURNS
from dashboards.reservations.chore_words import RHYTHM, STATE, brief, done, due, happened
from dashboards.session import may
from dashboards.ui import details, dialogs, feedback, masters, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline


def drawer(row: Row) -> None:
    @dialogs.dialog(plain(row["title"]), position="right", width="medium", icon=":material/event_repeat:")
    def show() -> None:
        try:
            turn = session.api().get(f"{TURNS}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.drawer")
            return
        rhythm = plain(f"{RHYTHM[turn['rhythm']]}・{turn['when']}")
        st.markdown(f"{STATE[turn['state']].badge()}　{small(rhythm)}")
        _buttons(turn, _Back(row))
        _what(turn)
        _facts(turn)
        if turn["backups"]:
            _backups(turn["backups"])
        st.markdown(small("経過"))
        timeline(map(happened, turn["events"]), key=f"{KEY}.history")

    show()


class _Back:
    """To the drawer, which then shows what has become of it. Equal for equal rows: dialogs are told apart by it."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def __call__(self) -> None:
        dialogs.open(drawer, self.row)


def _buttons(turn: Row, back: _Back) -> None:
    page = chore_words.page_of(turn["page"])
    with st.container(horizontal=True):
        if may("reservations:chore:perform"):
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


def _what(turn: Row) -> None:
    if turn["what"]:
        st.markdown("  \n".join(plain(line) for line in turn["what"].splitlines() if line.strip()))


def _facts(turn: Row) -> None:
    taken = chore_words.minutes(turn["minutes"]) if turn["minutes"] is not None else None
    facts: dict[str, object] = {"担当者": turn["owner"]}
    if turn["due_at"]:
        facts |= {"開始": brief(turn["starts_at"]), "期限": due(turn)}
    facts |= {"所要時間の目安": chore_words.minutes(turn["estimate"])}
    if turn["done_at"]:
        word = "見送った人" if turn["state"] == "skipped" else "実施"
        facts |= {word: done(turn)}
        facts |= {"理由" if turn["state"] == "skipped" else "メモ": turn["note"]}
        facts |= {"かかった時間": taken} if turn["state"] == "done" else {}
    details.facts(facts)


def _backups(known: Row) -> None:
    """What the product knows by itself of what is to be checked."""
    st.markdown(small("バックアップの状況"))
    if not known["expected"]:
        st.warning(
            "この製品による毎日のバックアップは、オフになっています。別の方法で取得していることを確認してください。",
            icon=":material/backup:",
        )
    elif known["failed"] or known["is_late"]:
        said = "最後のバックアップに失敗しています。" if known["failed"] else "26時間以内のバックアップがありません。"
        st.error(f"{said}システム状態で原因を確認してください。", icon=":material/error:")
    else:
        st.success("毎日のバックアップは成功しています。", icon=":material/check_circle:")
    size = f"（{known['last_bytes'] / 1024**2:,.1f} MB）" if known["last_bytes"] else ""
    rehearsed = times.full(times.parse(known["rehearsal_at"])) if known["rehearsal_at"] else None
    result = {True: "成功", False: "失敗", None: ""}[known["rehearsal_ok"]]
    details.facts(
        {
            "最後の成功": f"{times.full(times.parse(known['last_at']))}{size}"
            if known["last_at"]
            else "まだありません",
            "保管している数": f"{known['kept']:,}件" if known["kept"] is not None else None,
            "復元の確認": f"{rehearsed}　{result}" if rehearsed else "まだ行われていません",
        }
    )


def chore_drawer(row: Row) -> None:
    """A definition."""
    page = chore_words.pages().get(row["page"])
    masters.drawer(
        row["title"],
        row,
        CHORE,
        {
            "周期": RHYTHM[row["rhythm"]],
            "実施": row["when"],
            "所要時間": chore_words.minutes(row["minutes"]),
            "担当者": row["owner"],
            "手順": row["what"],
            "作業する画面": page,
            "前回": f"{brief(row['last_at'])}　{row['last_by']}" if row["last_at"] else None,
            "次回": brief(row["next_at"]) if row["next_at"] else None,
        },
        key=KEY,
        icon="event_repeat",
        may_change=may("reservations:chore:update"),
    )
