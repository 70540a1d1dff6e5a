"""休日カレンダー: the holidays, which deadlines in working hours leave out."""

from __future__ import annotations

from datetime import date

import streamlit as st

from dashboards import session
from dashboards.contract.core import HOLIDAY_SOURCE, HolidayItem, PageHolidayItem
from dashboards.session import has_permission
from dashboards.ui import bound, columns, confirm, dialogs, forms, live, tables, times
from dashboards.ui.status import statuses
from dashboards.ui.text import plain

PATH = "/api/core/holidays"
YEARS_BACK, YEARS_AHEAD = 1, 4
# More than a year's days: one page.
MAX_ROWS = 400
SOURCES = statuses(HOLIDAY_SOURCE, {"shipped": ("gray", "flag"), "edited": ("green", "edit_calendar")})


def day_text(holiday: HolidayItem) -> str:
    return times.day(date.fromisoformat(holiday["day"]))


def note(holiday: HolidayItem) -> str:
    return "もともと休業日（土日）です" if date.fromisoformat(holiday["day"]).weekday() >= 5 else ""


COLUMNS = (
    columns.text("日付", day_text, width=150),
    columns.text("名称", "name", width=240),
    columns.badge("種類", "source", SOURCES, width=124),
    columns.text("備考", note, width=220),
)


def chosen_year() -> int:
    this_year = times.now().year
    years = list(range(this_year - YEARS_BACK, this_year + YEARS_AHEAD + 1))
    year = st.selectbox(
        "年",
        years,
        index=YEARS_BACK,
        format_func="{}年".format,
        key=bound.page_key("year"),
        bind="query-params",
        width=140,
    )
    return int(year)


@st.fragment
def headline() -> None:
    reading = live.block("core.holidays_headline", "休日カレンダー", PATH, headline=True, right=add_button)
    if reading is None:
        return
    page: PageHolidayItem = reading.data
    today = times.now().date().isoformat()
    upcoming = [holiday for holiday in page["items"] if holiday["day"] >= today]
    next_holiday = (
        f"次の休日は{plain(day_text(upcoming[0]))}の「{plain(upcoming[0]['name'])}」です。"
        if upcoming
        else "今年の休日はもうありません。"
    )
    st.markdown(f"{next_holiday}営業時間（平日 9:00〜18:00）で数える対応期限は、休日を除いて計算します。")


def add_button() -> None:
    if has_permission("core:calendar:update") and st.button("休日を追加する", type="primary", key="holidays.add"):
        add()


@st.fragment
def draw_list(year: int) -> None:
    tables.table(
        "core.holidays",
        "",
        PATH,
        COLUMNS,
        counter="日",
        query={"year": year},
        rows=MAX_ROWS,
        actions={"名称を変更": rename, "削除": remove} if has_permission("core:calendar:update") else None,
        row_opens=False,
        id_field="day",
        empty=tables.Empty("この年の休日は登録されていません", "祝日は数年先まで自動で登録されます。"),
    )


def add() -> None:
    @dialogs.dialog("休日を追加する", icon=":material/event:")
    def show_form() -> None:
        with forms.form("holiday", submit="追加する") as form:
            day = form.field("day", st.date_input, "日付", required=True, value=None, format="YYYY/MM/DD")
            name = form.field("name", st.text_input, "名称", required=True, max_chars=50, placeholder="年末年始休業")
        if form.submitted:
            form.send(lambda _: save_holiday(day, name, None), success=f"{name} を休日に追加しました。")

    show_form()


def rename(holiday: HolidayItem) -> None:
    @dialogs.dialog(f"{day_text(holiday)}の名称を変更する", icon=":material/edit_calendar:")
    def show_form() -> None:
        with forms.form(f"holiday.{holiday['day']}", submit="変更する") as form:
            name = form.field("name", st.text_input, "名称", required=True, max_chars=50, value=holiday["name"])
        if form.submitted:
            form.send(
                lambda _: save_holiday(date.fromisoformat(holiday["day"]), name, holiday["version"]),
                success=f"{day_text(holiday)}の名称を「{name}」に変更しました。",
            )

    show_form()


def remove(holiday: HolidayItem) -> None:
    confirm.confirm(
        "holiday",
        f"{day_text(holiday)}「{holiday['name']}」を休日から削除しますか？",
        "この日は平日として扱われ、これから始まる対応期限の計算に入ります。すでに決まっている期限は変わりません。"
        "あとから追加し直すことができます。",
        action="削除する",
        do=lambda _, _key: session.api().delete(f"{PATH}/{holiday['day']}?version={holiday['version']}"),
        success=f"{day_text(holiday)}「{holiday['name']}」を休日から削除しました。",
    )


def save_holiday(day: date, name: str, version: int | None) -> None:
    session.api().put(f"{PATH}/{day.isoformat()}", {"name": name, "version": version})


headline()
draw_list(chosen_year())
