"""The actions on a turn of 定期作業, and the fields of a chore's definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.reservations import FIELDS, RHYTHM, WEEKDAY, ChoreItem, TurnDetail, TurnItem
from dashboards.reservations import chore_words
from dashboards.reservations.actions import Back, Target, with_reason
from dashboards.reservations.chore_words import STATE, due_text
from dashboards.ui import details, dialogs, feedback, forms
from dashboards.ui.fields import Choice, Custom, Field, Moment, Number, Text, Time
from dashboards.ui.records import Record
from dashboards.ui.text import plain, small

KEY = "reservations.chore"
WEEKDAYS = {day: WEEKDAY[str(day)] for day in range(1, 6)}
# The service stores 月中 as None.
BUSINESS_DAYS = {None: "月中（11〜20日）"} | {day: f"第{day}営業日まで" for day in range(1, 16)}


def _page_field(form: forms.Form, chore: Mapping[str, Any]) -> Any:
    pages, page = {"": "なし"} | chore_words.pages(), chore.get("page", "")
    if page not in pages:
        pages[page] = page
    return form.field(
        "page",
        st.selectbox,
        FIELDS["page"],
        options=[*pages],
        index=[*pages].index(page),
        format_func=lambda address: pages[address],
    )


# In a form, fields cannot appear while it is filled in: the help texts say which of them a rhythm needs.
CHORE = Record(
    key=KEY,
    path="/api/reservations/chores",
    name=lambda chore: f"定期作業「{chore['title']}」",
    fields=(
        Text("title", "作業内容", 100, required=True),
        Choice(
            "rhythm",
            FIELDS["rhythm"],
            lambda: RHYTHM,
            required=True,
            placeholder="選ぶ",
            help="日次は営業日（平日・祝日を除く）ごと、四半期は4・7・10・1月の予定になります。",
        ),
        Choice(
            "weekday",
            "実施曜日（週次）",
            lambda: WEEKDAYS,
            placeholder="週次のときに選ぶ",
            help="祝日に当たるときは、次の営業日の予定になります。",
            half="left",
        ),
        Time(
            "starts",
            FIELDS["starts"],
            default="09:00:00",
            help="この時刻から実施できます。期限は、その日（月次・四半期は最後の日）の18:00です。",
            half="left",
        ),
        Choice(
            "business_day",
            "期限（月次）",
            lambda: BUSINESS_DAYS,
            default=5,
            help="月次のときだけ使います。",
            half="right",
        ),
        Number(
            "minutes",
            FIELDS["minutes"],
            1,
            100_000,
            step=5,
            words=chore_words.minutes,
            help="決まっていないとき（変動）は空欄にします。",
            half="right",
        ),
        Text("owner", "担当者", 100, required=True, placeholder="運営担当者"),
        Text("what", "手順", 2000, height=120),
        Custom(
            "page",
            FIELDS["page"],
            _page_field,
            lambda chore: chore_words.pages().get(chore["page"], chore["page"]),
        ),
    ),
    archiving="これからの予定がなくなります。今できる作業は見送りになります。これまでの記録は残り、あとで元に戻せます。",
    restoring="これからの予定が、もう一度作成されます。",
    archive_verb="無効に",
)
TURNS = f"{CHORE.path}/turns"


def new() -> None:
    CHORE.new("定期作業を追加する", lambda chore: f"定期作業「{chore['title']}」を追加しました。", submit="追加する")


def _turn(turn: TurnDetail, back: Back) -> Target:
    return Target(KEY, TURNS, turn["id"], back, turn["version"])


def _result_fields(estimate: int | None) -> tuple[Field, ...]:
    estimate_note = f"目安は{chore_words.minutes(estimate)}です。" if estimate else ""
    return (
        Number(
            "minutes", "かかった時間（分）", 0, 100_000, step=5, help=f"{estimate_note}空欄のままでもかまいません。"
        ),
        Text("note", "メモ", 1000, height=80, placeholder="気づいたことや結果"),
        Moment(
            "done_at",
            "実施日",
            time_title="実施時刻",
            step=300,
            note="実施時刻が空欄のときは、今の日時で記録します。",
        ),
    )


def finish(turn: TurnDetail, back: Back) -> None:
    _turn(turn, back).ask(
        "finish",
        f"「{turn['title']}」を完了にする",
        _result_fields(turn["estimate"]),
        icon="check_circle",
        submit="完了にする",
        done=f"「{turn['title']}」を完了にしました。",
    )


def skip(turn: TurnDetail, back: Back) -> None:
    _turn(turn, back).confirm(
        "skip",
        f"今回の「{turn['title']}」を見送りますか？",
        f"期限が{due_text(turn)}の作業を、実施しないことにします。次回の予定は変わりません。レポートに理由が載ります。",
        body=with_reason,
        action="見送る",
        success=f"「{turn['title']}」を見送りにしました。",
        reason="required",
        danger=False,
    )


def reopen(turn: TurnDetail, back: Back) -> None:
    _turn(turn, back).confirm(
        "reopen",
        f"「{turn['title']}」を元に戻しますか？",
        f"「{STATE[turn['state']].label}」の記録を取り消し、まだ実施していない作業に戻します。経過には残ります。",
        body=with_reason,
        action="元に戻す",
        success=f"「{turn['title']}」を元に戻しました。",
        reason="required",
        danger=False,
    )


def record_done(chore: ChoreItem) -> None:
    """For a 随時 chore."""
    Target(KEY, CHORE.path, chore["id"]).ask(
        "records",
        f"「{chore['title']}」の実施を記録する",
        _result_fields(chore["minutes"]),
        icon="edit_note",
        submit="記録する",
        done=f"「{chore['title']}」の実施を記録しました。",
        intro=lambda: details.free_text(chore["what"]),
    )


def finish_many() -> None:
    """Completes several turns that can be done now."""

    @dialogs.dialog("まとめて完了にする", width="medium", icon=":material/done_all:")
    def ask() -> None:
        try:
            turns: list[TurnItem] = session.api().get(TURNS, limit=100)["items"]
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.many")
            return
        if not turns:
            st.info("今できる作業は、すべて終わっています。", icon=":material/check_circle:")
            return
        with forms.form(f"{KEY}.many", submit="チェックした作業を完了にする") as form:
            chosen = []
            for turn in turns:
                late_mark = "　:red[期限超過]" if turn["state"] == "overdue" else ""
                description = plain(f"{turn['owner']}・期限 {due_text(turn)}")
                label = f"{plain(turn['title'])}　{small(description)}{late_mark}"
                key = f"turn.{turn['id']}.{turn['version']}"
                if form.field(key, st.checkbox, label, value=turn["rhythm"] == "daily"):
                    chosen.append({"id": turn["id"], "version": turn["version"]})
            note = form.field("note", st.text_input, "メモ（すべてに残します）", max_chars=1000)
        if form.submitted and not chosen:
            st.error("完了にする作業をチェックしてください。", icon=":material/error:")
        elif form.submitted:
            form.send(
                lambda key: session.api().post(
                    f"{TURNS}/finish", {"turns": chosen, "note": note.strip()}, idempotency_key=key
                ),
                success=f"{len(chosen):,}件の作業を完了にしました。",
            )

    ask()
