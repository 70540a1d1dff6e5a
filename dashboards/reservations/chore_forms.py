"""Forms of a turn of 定期作業, and of a chore's definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.reservations import chore_words
from dashboards.reservations.chore_words import RHYTHM, STATE, due_text
from dashboards.ui import confirm, dialogs, editing, feedback, forms, masters, times
from dashboards.ui.columns import Row
from dashboards.ui.masters import Master
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/chores", "reservations.chore"
TURNS = f"{PATH}/turns"
Back = Callable[[], None]
WEEKDAYS = {1: "月曜日", 2: "火曜日", 3: "水曜日", 4: "木曜日", 5: "金曜日"}
# The option 月中, which the service stores as None.
MIDDLE = 0
LABELS = {
    "title": "作業内容",
    "rhythm": "周期",
    "starts": "実施時間",
    "weekday": "実施曜日（週次）",
    "business_day": "期限（月次）",
    "minutes": "所要時間（分）",
    "owner": "担当者",
    "what": "手順",
    "page": "作業する画面",
}


def finish(turn: Row, back: Back) -> None:
    @dialogs.dialog(plain(f"「{turn['title']}」を完了にする"), width="medium", icon=":material/check_circle:")
    def ask() -> None:
        with forms.form(f"{KEY}.finish.{turn['id']}.{turn['version']}", submit="完了にする") as form:
            body = _result_fields(form, turn["estimate"])
        if form.submitted:
            form.send(
                lambda idempotency_key: _post(turn, "finish", body, back, idempotency_key),
                done=f"「{turn['title']}」を完了にしました。",
            )

    ask()


def _result_fields(form: forms.Form, estimate: int | None) -> dict[str, Any]:
    estimate_note = f"目安は{chore_words.minutes(estimate)}です。" if estimate else ""
    minutes = form.field(
        "minutes",
        st.number_input,
        "かかった時間（分）",
        value=None,
        min_value=0,
        max_value=100_000,
        step=5,
        help=f"{estimate_note}空欄のままでもかまいません。",
    )
    note = form.field("note", st.text_area, "メモ", max_chars=1000, height=80, placeholder="気づいたことや結果")
    left, right = st.columns(2)
    with left:
        day = form.field("done_at", st.date_input, "実施日", value=None, format="YYYY/MM/DD")
    with right:
        clock_time = form.field("done_at_time", st.time_input, "実施時刻", value=None, step=300)
    st.markdown(small("実施時刻が空欄のときは、今の日時で記録します。"))
    done_at = datetime.combine(day or times.now().date(), clock_time, times.TOKYO).isoformat() if clock_time else None
    return {"minutes": minutes, "note": note.strip(), "done_at": done_at}


def skip(turn: Row, back: Back) -> None:
    confirm.confirm(
        f"{KEY}.skip.{turn['id']}",
        f"今回の「{turn['title']}」を見送りますか？",
        f"期限が{due_text(turn)}の作業を、実施しないことにします。次回の予定は変わりません。レポートに理由が載ります。",
        action="見送る",
        do=lambda reason, idempotency_key: _post(turn, "skip", {"reason": reason}, back, idempotency_key),
        done=f"「{turn['title']}」を見送りにしました。",
        reason="required",
        danger=False,
    )


def reopen(turn: Row, back: Back) -> None:
    confirm.confirm(
        f"{KEY}.reopen.{turn['id']}",
        f"「{turn['title']}」を元に戻しますか？",
        f"「{STATE[turn['state']].word}」の記録を取り消し、まだ実施していない作業に戻します。経過には残ります。",
        action="元に戻す",
        do=lambda reason, idempotency_key: _post(turn, "reopen", {"reason": reason}, back, idempotency_key),
        done=f"「{turn['title']}」を元に戻しました。",
        reason="required",
        danger=False,
    )


def finish_many() -> None:
    """Completes several turns that can be done now."""

    @dialogs.dialog("まとめて完了にする", width="medium", icon=":material/done_all:")
    def ask() -> None:
        try:
            turns = session.api().get(TURNS, limit=100)["items"]
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
                lambda idempotency_key: session.api().post(
                    f"{TURNS}/finish", {"turns": chosen, "note": note.strip()}, once=idempotency_key
                ),
                done=f"{len(chosen):,}件の作業を完了にしました。",
            )

    ask()


def note_done(chore: Row) -> None:
    """For a 随時 chore."""

    @dialogs.dialog(plain(f"「{chore['title']}」の実施を記録する"), width="medium", icon=":material/edit_note:")
    def ask() -> None:
        if chore["what"]:
            st.markdown(plain(chore["what"]))
        with forms.form(f"{KEY}.record.{chore['id']}", submit="記録する") as form:
            body = _result_fields(form, chore["minutes"])
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(f"{PATH}/{chore['id']}/records", body, once=idempotency_key),
                done=f"「{chore['title']}」の実施を記録しました。",
            )

    ask()


def _post(turn: Row, action: str, body: Mapping[str, Any], back: Back, idempotency_key: str) -> None:
    session.api().post(f"{TURNS}/{turn['id']}/{action}", {"version": turn["version"], **body}, once=idempotency_key)
    back()


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    """The help texts say which of the fields a rhythm needs: in a form, fields cannot appear while it is filled in."""
    starts = time.fromisoformat(initial.get("starts", "09:00:00"))
    pages = chore_words.pages()
    page = initial.get("page", "")
    if page and page not in pages:
        pages = {page: page} | pages
    values: dict[str, Any] = {
        "title": masters.text(form, "title", LABELS["title"], initial, 100, required=True),
        "rhythm": form.field(
            "rhythm",
            st.selectbox,
            LABELS["rhythm"],
            required=True,
            options=[*RHYTHM],
            index=[*RHYTHM].index(initial["rhythm"]) if initial.get("rhythm") else None,
            format_func=lambda code: RHYTHM[code],
            placeholder="選ぶ",
            help="日次は営業日（平日・祝日を除く）ごと、四半期は4・7・10・1月の予定になります。",
        ),
    }
    left, right = st.columns(2)
    with left:
        values["weekday"] = form.field(
            "weekday",
            st.selectbox,
            LABELS["weekday"],
            options=[*WEEKDAYS],
            index=[*WEEKDAYS].index(initial["weekday"]) if initial.get("weekday") else None,
            format_func=lambda day: WEEKDAYS[day],
            placeholder="週次のときに選ぶ",
            help="祝日に当たるときは、次の営業日の予定になります。",
        )
        clock_time = form.field(
            "starts",
            st.time_input,
            LABELS["starts"],
            value=starts,
            step=900,
            help="この時刻から実施できます。期限は、その日（月次・四半期は最後の日）の18:00です。",
        )
    with right:
        day = form.field(
            "business_day",
            st.selectbox,
            LABELS["business_day"],
            options=[MIDDLE, *range(1, 16)],
            index=initial["business_day"] or 0 if "business_day" in initial else 5,
            format_func=lambda number: f"第{number}営業日まで" if number else "月中（11〜20日）",
            help="月次のときだけ使います。",
        )
        values["minutes"] = form.field(
            "minutes",
            st.number_input,
            LABELS["minutes"],
            value=initial.get("minutes"),
            min_value=1,
            max_value=100_000,
            step=5,
            help="決まっていないとき（変動）は空欄にします。",
        )
    values["starts"] = (clock_time or starts).strftime("%H:%M:%S")
    values["business_day"] = day or None
    values["owner"] = masters.text(
        form, "owner", LABELS["owner"], initial, 100, required=True, placeholder="運営担当者"
    )
    values["what"] = form.field(
        "what", st.text_area, LABELS["what"], value=initial.get("what", ""), max_chars=2000, height=120
    ).strip()
    values["page"] = form.field(
        "page",
        st.selectbox,
        LABELS["page"],
        options=["", *pages],
        index=["", *pages].index(page),
        format_func=lambda address: pages.get(address, "なし"),
    )
    return values


def _display_values(values: Mapping[str, Any]) -> dict[str, Any]:
    number = values["business_day"]
    return {
        "rhythm": RHYTHM[values["rhythm"]],
        "starts": values["starts"][:5],
        "weekday": WEEKDAYS.get(values["weekday"], ""),
        "business_day": "" if values["rhythm"] != "monthly" else f"第{number}営業日まで" if number else "月中",
        "minutes": chore_words.minutes(values["minutes"]),
        "page": chore_words.pages().get(values["page"], values["page"]),
    }


CHORE = Master(
    editing.Record(
        key=KEY,
        path=PATH,
        labels=LABELS,
        name=lambda chore: f"定期作業「{chore['title']}」",
        fields=_fields,
        in_words=_display_values,
        putting_away=masters.ARCHIVE_VERB,
    ),
    "これからの予定がなくなります。今できる作業は見送りになります。これまでの記録は残り、あとで元に戻せます。",
    "これからの予定が、もう一度作成されます。",
)


def new() -> None:
    masters.new(
        CHORE,
        "定期作業を追加する",
        lambda form: _fields(form, {}),
        lambda values: f"定期作業「{values['title']}」を追加しました。",
        submit="追加する",
    )
