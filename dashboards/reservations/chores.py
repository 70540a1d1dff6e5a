"""定期作業: what to do today, what is overdue, and what comes next."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.contract.reservations import RHYTHM, ChoresCounts
from dashboards.reservations import chore_calendar, chore_forms, chore_words
from dashboards.reservations.chore_drawer import chore_drawer, drawer
from dashboards.reservations.chore_forms import CHORE, TURNS
from dashboards.reservations.chore_words import STATE, done_text, due_text, short_time
from dashboards.session import has_permission
from dashboards.ui import bound, columns, dialogs, figures, filters, live, tables
from dashboards.ui.cache import load_cached
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.records import ARCHIVED

KEY = "reservations.chores"
PARTS = ("作業一覧", "カレンダー", "随時の作業", "作業の設定")
SORTS = {
    "due_at": "期限が近い順",
    "-due_at": "期限が遠い順",
    "starts_at": "開始が早い順",
    "-done_at": "実施が新しい順",
}
STATES = {code: STATE[code].label for code in ("overdue", "planned", "missed", "done", "skipped")} | {"all": "すべて"}
COLUMNS = (
    columns.text("作業内容", "title", width=250),
    columns.badge("状態", "state", STATE, width=110),
    columns.text("周期", lambda row: RHYTHM[row["rhythm"]], width=64),
    columns.text("担当者", "owner", width=130),
    columns.text("期限", due_text, width=132, sort="due_at"),
    columns.text("所要時間", lambda row: chore_words.minutes(row["estimate"]), width=76),
    columns.text("実施", done_text, width=210),
)
ANYTIME_COLUMNS = (
    columns.text("作業内容", "title", width=220),
    columns.text("担当者", "owner", width=140),
    columns.text("前回の実施", lambda row: short_time(row["last_at"]) if row["last_at"] else "–", width=150),
    columns.text("実施した人", lambda row: row["last_by"] or "–", width=130),
    columns.number("30日間の実施（件）", "done_lately", width=140),
)
DEFINITION_COLUMNS = (
    columns.text("作業内容", "title", width=306, sort="title"),
    columns.text("周期", lambda row: RHYTHM[row["rhythm"]], width=64),
    columns.text("実施", "when", width=130),
    columns.text("所要時間", lambda row: chore_words.minutes(row["minutes"]), width=76),
    columns.text("担当者", "owner", width=150, sort="owner"),
    columns.text("前回の実施", lambda row: short_time(row["last_at"]) if row["last_at"] else "–", width=130),
    columns.text("次回の開始", lambda row: short_time(row["next_at"]) if row["next_at"] else "–", width=130),
)


def _actions() -> None:
    """The open part decides the primary button."""
    part = st.session_state.get("part") or st.query_params.get("part") or PARTS[0]
    if part == PARTS[3]:
        if has_permission("reservations:chore:update"):
            dialogs.button("定期作業を追加する", chore_forms.new, key=f"{KEY}.new", icon="add", type="primary")
    elif part != PARTS[2] and has_permission("reservations:chore:perform"):
        dialogs.button(
            "まとめて完了にする", chore_forms.finish_many, key=f"{KEY}.many", icon="done_all", type="primary"
        )


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "定期作業", f"{TURNS}/counts", headline=True, right=_actions)
    if reading is None:
        return
    counts: ChoresCounts = reading.data
    if not reading.problem:
        state_sentence(counts)
    figures.row(
        [
            Figure("今できる作業", f"{counts['todo']:,}件", "開始時刻を過ぎた未完了の作業"),
            Figure("今日が期限", f"{counts['today']:,}件", "期限は18:00です"),
            Figure("期限超過", f"{counts['overdue']:,}件", "営業日の9:00にSlackで知らせます"),
            Figure("今日の完了", f"{counts['done_today']:,}件", "随時の作業を含みます"),
        ],
        faded=reading.problem is not None,
    )


def state_sentence(counts: ChoresCounts) -> None:
    if counts["overdue"]:
        remaining = counts["todo"] - counts["overdue"]
        more = f"ほかに、今できる作業が{remaining:,}件あります。" if remaining else ""
        st.error(f"期限を過ぎた作業が{counts['overdue']:,}件あります。{more}", icon=":material/alarm:")
    elif counts["today"] and counts["todo"]:
        st.warning(
            f"今できる作業が{counts['todo']:,}件あります。そのうち今日が期限のものは{counts['today']:,}件です。"
            if counts["today"] <= counts["todo"]
            else f"今できる作業が{counts['todo']:,}件あります。今日が期限の作業は、これから始まるものを含めて"
            f"{counts['today']:,}件です。",
            icon=":material/pending_actions:",
        )
    elif counts["todo"]:
        st.info(
            f"今日が期限の作業は終わっています。期限までに余裕のある作業が{counts['todo']:,}件あります。",
            icon=":material/event_available:",
        )
    else:
        next_note = (
            f"次は「{counts['next_title']}」（{short_time(counts['next_at'])}から）です。" if counts["next_at"] else ""
        )
        st.success(f"今できる作業は、すべて終わっています。{next_note}", icon=":material/check_circle:")


def owners() -> dict[str, str]:
    def load() -> dict[str, str]:
        return {name: name for name in session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{CHORE.path}/owners")}

    return load_cached(f"{KEY}.owners", load)


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        TURNS,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"開く": drawer},
        export=Export.of(TURNS),
        empty=tables.Empty(
            "今できる作業は、すべて終わっています", "次の予定は「カレンダー」か、状態「予定」で確認できます。"
        ),
    )


@refreshing
def show_anytime() -> None:
    st.markdown(
        "決まった日のない作業です。実施したら記録してください。これまでの記録は「作業一覧」の状態「完了」にあります。"
    )
    actions = (
        {"実施を記録する": chore_forms.record_done}
        if has_permission("reservations:chore:perform")
        else {"詳細": chore_drawer}
    )
    tables.table(
        f"{KEY}.anytime",
        "",
        CHORE.path,
        ANYTIME_COLUMNS,
        query={"rhythm": "anytime"},
        actions=actions,
        empty=tables.Empty("随時の作業はありません", "「作業の設定」で、周期が「随時」の作業を追加できます。"),
    )


@refreshing
def show_definitions(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.defined",
        "",
        CHORE.path,
        DEFINITION_COLUMNS,
        sorts={"position": "表示順", "title": "作業内容順", "owner": "担当者順"},
        sort_name="order",
        filters=chosen,
        actions={"詳細": chore_drawer},
        empty=tables.Empty("定期作業がありません", "「定期作業を追加する」から追加してください。"),
    )


def page() -> None:
    headline()
    part = bound.choose_part(PARTS)
    if part == PARTS[1]:
        chore_calendar.section()
    elif part == PARTS[2]:
        show_anytime()
    elif part == PARTS[3]:
        show_definitions(
            filters.bar(
                filters.Text("q", "キーワード", "作業内容・手順"),
                filters.Choice("rhythm", "周期", RHYTHM),
                ARCHIVED,
            )
        )
    else:
        show_list(
            filters.bar(
                filters.Text("q", "キーワード", "作業内容・メモ・実施した人"),
                filters.Choice("state", "状態", STATES, otherwise="今できる作業", width=170),
                filters.Choice("rhythm", "周期", RHYTHM, width=120),
                filters.Choice("owner", "担当者", owners(), width=200),
                more=[filters.Dates("starts", "開始日", parameters=("since", "until"))],
            )
        )


page()
dialogs.open_requested(TURNS, drawer)
