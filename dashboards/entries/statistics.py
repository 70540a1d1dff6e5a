"""統計: when is it busy, who was fetched late, what was unusual, and are the goals met?"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.entries import choices
from dashboards.entries.words import IN, ODDITIES, OUT, WAYS
from dashboards.session import may
from dashboards.ui import charts, columns, feedback, figures, filters, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/entries/statistics"
KEY = "entries.statistics"
QUARTER = 15
INDICATORS = {
    "KPI-001": (
        "バーコードを利用している保護者",
        "%",
        "目標 90%以上",
        "30日以内にスキャンした保護者 {part:,} / {whole:,}人",
    ),
    "KPI-002": ("記録漏れ率", "%", "目標 5%以下", "「入」のあと「出」のない日 {part:,} / {whole:,}日"),
    "KPI-003": ("スキャンから記録まで", "秒", "目標 2秒以内", "端末からの{whole:,}件の99%がこの時間以内"),
}


def stamp(row: Row) -> str:
    return f"{times.parse(row['at']):%Y-%m-%d %H:%M:%S}"


WHO = (
    columns.text("日時", stamp, width=160),
    columns.text("保護者名", "parent_name", width=120),
    columns.text("関連園児名", lambda row: ", ".join(row["child_names"]), width=160),
)
LATE = (*WHO, columns.number("閉園から（分）", "minutes", width=120))


def why(odd: Row) -> str:
    """The reason in words, with what is usual."""
    at, kind, minutes = times.parse(odd["at"]), odd["kind"], odd["minutes"]
    if kind == "forgotten":
        return f"{at:%H:%M}に登園。降園の記録がありません（スキャン忘れの可能性）。"
    if kind == "other_person":
        return f"{odd['parent_name']}さんのお迎えは、この期間で初めてです。"
    late = kind == "late"
    usual = at.hour * 60 + at.minute - (minutes if late else -minutes)
    word = WAYS[odd["entry_type"]]
    return (
        f"いつもの{word}は{usual // 60:02}:{usual % 60:02}ごろ。この日は{at:%H:%M}でした"
        f"（{minutes:,}分{'遅い' if late else '早い'}）。"
    )


UNUSUAL = (
    *WHO,
    columns.badge("種類", "kind", ODDITIES, width=160),
    columns.text("理由", why, width=460),
)


def period_asked() -> dict[str, str]:
    """What is chosen in the filter below, which is drawn after the first block; from the address at first."""
    chosen = st.session_state.get("period")
    if chosen is None:
        chosen = st.query_params.get_all("period")
    days = [day.isoformat() if isinstance(day, date) else day for day in chosen]
    if len(days) != 2 or not all(_is_day(day) for day in days):
        return {}
    return {"first_day": days[0], "last_day": days[1]}


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def page() -> None:
    query: dict[str, Any] = period_asked()
    if nursery_id := choices.nursery_asked():
        query["nursery_id"] = nursery_id
    reading = live.block(KEY, "統計", PATH, headline=True, **query)
    told = live.shown(KEY)
    sentence = st.container()
    filters.bar(
        filters.Dates("period", "期間", asked=("first_day", "last_day")),
        *choices.nursery_fields(told["nursery_name"] if told else "保育園"),
    )
    if reading is None:
        return
    found = reading.data
    with sentence:
        state_sentence(found)
        goals(reading)
    if not found["days"]:
        feedback.empty(
            "この期間の入退の記録はありません",
            "期間を変えてください。まだスキャンを始めていないときは、保護者を取り込んで、入退登録画面を使い始めてください。",
            action=choices.import_link,
        )
        return
    rush(found)
    late(found, query)
    unusual(found, query)


def state_sentence(found: Row) -> None:
    first, last = (times.day(date.fromisoformat(found[name])) for name in ("first_day", "last_day"))
    when = f"{plain(found['nursery_name'])}の{first}～{last}"
    if not found["days"]:
        st.markdown(f"{when}には、入退の記録がありません。")
        return
    busy = [
        f"{word}は{quarter}ごろ"
        for word, quarter in (("登園", found["busiest_entry"]), ("降園", found["busiest_exit"]))
        if quarter
    ]
    st.markdown(
        f"{when}は、{'、'.join(busy)}が最も混み合いました。閉園時刻{found['closes_at']}を過ぎたお迎えは"
        f"**{found['late_total']:,}件**、いつもと違う入退は**{found['unusual_total']:,}件**です。"
    )


def goals(reading: live.Reading) -> None:
    figures.row([_goal(one) for one in reading.data["indicators"]], faded=reading.problem is not None)


def _goal(one: Row) -> Figure:
    label, unit, target, basis = INDICATORS[one["key"]]
    verdict = {True: "達成", False: "未達成", None: "まだ測定できません"}[one["met"]]
    value = "–" if one["value"] is None else f"{one['value']:g}{unit}"
    measured = basis.format(**one) if one["whole"] else "この期間に、もとになる記録がありません"
    return Figure(f"{label}（{verdict}）", value, f"{target}。{measured}")


def rush(found: Row) -> None:
    x, entries, exits = quarters(found["quarters"])
    charts.stacked(
        rush_in_words(found),
        x,
        {IN.word: entries, OUT.word: exits},
        unit="件",
        key=f"{KEY}.rush",
        kinds=(IN, OUT),
    )
    st.markdown(small(f"記録のあった{found['days']:,}日の平均を、15分ごとに示します。"))


def quarters(found: list[Row]) -> tuple[list[str], list[float | None], list[float | None]]:
    """From the first quarter of an hour with scans to the last; those without any are zero."""
    known = {row["begins"]: row for row in found}
    minutes = [int(begins[:2]) * 60 + int(begins[3:]) for begins in known]
    x = [f"{at // 60:02}:{at % 60:02}" for at in range(min(minutes), max(minutes) + 1, QUARTER)]
    entries, exits = ([known[at][name] if at in known else 0 for at in x] for name in ("entries", "exits"))
    return x, entries, exits


def rush_in_words(found: Row) -> str:
    rate = {row["begins"]: row for row in found["quarters"]}
    parts = [
        f"{word}は{quarter}から15分間が最も多く、平均{rate[quarter][name]:g}件"
        for word, quarter, name in (
            ("登園", found["busiest_entry"], "entries"),
            ("降園", found["busiest_exit"], "exits"),
        )
        if quarter
    ]
    return "、".join(parts)


def late(found: Row, query: dict[str, Any]) -> None:
    _title(
        f"閉園時刻{found['closes_at']}を過ぎたお迎え",
        found["late_total"],
        len(found["late"]),
        f"{PATH}/late.csv",
        query,
    )
    if not found["late"]:
        feedback.empty("閉園後のお迎えはありませんでした", "この期間のお迎えは、すべて閉園時刻までに済んでいます。")
        return
    tables.grid(f"{KEY}.late", "閉園後のお迎え", found["late"], LATE, height="auto")


def unusual(found: Row, query: dict[str, Any]) -> None:
    _title("いつもと違う入退", found["unusual_total"], len(found["unusual"]), f"{PATH}/unusual.csv", query)
    if not found["unusual"]:
        feedback.empty(
            "いつもと違う入退はありませんでした", "同じ保護者のほかの日と比べて、大きく異なる記録を示します。"
        )
        return
    tables.grid(f"{KEY}.unusual", "いつもと違う入退", found["unusual"], UNUSUAL, height="auto")


def _title(words: str, total: int, shown: int, address: str, query: dict[str, Any]) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader(words, anchor=False, width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            st.markdown(
                small(f"新しい{shown:,}件 / 全{total:,}件" if shown < total else f"全{total:,}件"), width="content"
            )
            if total and may("entries:log:read"):
                asked = f"?{urlencode(query)}" if query else ""
                link("CSVで出力", f"{DOWNLOAD}{address}{asked}", download=True)


if choices.some_nursery("統計"):
    page()
