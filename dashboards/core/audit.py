"""監査ログ: who changed what, when, and from what to what, in the areas one administers."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import PATIENCE_SECONDS
from dashboards.session import may
from dashboards.ui import columns, details, dialogs, filters, live, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.kept import kept
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH = "/api/core/audit"
EXPORT = Export(f"{DOWNLOAD}{PATH}/export.csv", f"{DOWNLOAD}{PATH}/export.xlsx")
NOTHING = ":gray[–]"


def moment(entry: Row) -> str:
    at = times.parse(entry["at"])
    return f"{times.full(at)}:{at:%S}"


def what(entry: Row) -> str:
    return f"{entry['subject_title']} {entry['subject_id']}" if entry["subject_id"] != "-" else entry["subject_title"]


def difference(entry: Row) -> str | None:
    """The first field that changed, and how many more did."""
    if not entry["changes"]:
        return None
    first, *others = entry["changes"]
    more = f" ほか{len(others)}項目" if others else ""
    value = f"{first['before']} → {first['after'] or '–'}" if first["before"] else first["after"] or "–"
    return f"{first['title']}: {value}{more}"


COLUMNS = (
    columns.text("日時", moment, width=168),
    columns.text("操作者", "actor_title", width=176),
    columns.text("操作種別", "action_title", width=84),
    columns.text("対象", what, width=128),
    columns.text("変更内容", difference, width=236),
    columns.text("業務", "area_title", width=78),
    columns.text("接続元", "address", width=100),
)


def choices() -> dict[str, dict[str, str]]:
    """What one can look for; nothing when the service refuses, which the table says."""
    return kept("core.audit_choices", lambda: session.api(patience=PATIENCE_SECONDS).get(f"{PATH}/choices"))


def conditions() -> filters.Filters:
    first: list[filters.Field] = [
        filters.Dates("day", "期間"),
        filters.Text("actor", "操作者", "ログインID・氏名", 200),
    ]
    more: list[filters.Field] = [filters.Text("q", "対象のID", "番号の一部")]
    if offered := choices():
        first.append(filters.Choice("action", "操作種別", offered["actions"], width=150))
        first.append(filters.Choice("subject", "対象", offered["subjects"], width=150))
        more.insert(0, filters.Choice("area", "業務", offered["areas"]))
    return filters.bar(*first, more=more)


@refreshing
def headline() -> None:
    today = f"{times.now():%Y-%m-%d}"
    reading = live.block("core.audit_headline", "監査ログ", PATH, headline=True, day_from=today, limit=1)
    if reading is None:
        return
    if not reading.data["total"]:
        st.markdown("今日の操作の記録はまだありません。")
        return
    newest = reading.data["items"][0]
    said = f"{times.ago(times.parse(newest['at']))}に{plain(newest['actor_title'])}が行った"
    st.markdown(
        f"今日は{reading.data['total']:,}件の操作が記録されています。"
        f"最も新しいものは、{said}「{plain(what(newest))}」の{newest['action_title']}です。"
    )


@st.fragment
def listed(chosen: filters.Filters) -> None:
    tables.table(
        "core.audit",
        "",
        PATH,
        COLUMNS,
        filters=chosen,
        actions={"詳細": drawer},
        export=EXPORT if may("core:audit:export") else None,
        empty=tables.Empty("まだ操作の記録がありません", "登録や変更を行うと、ここに新しい順に並びます。"),
    )


def drawer(entry: Row) -> None:
    """Before and after, side by side."""

    @dialogs.dialog(f"{entry['action_title']}: {what(entry)}", width="large", icon=":material/history:")
    def show() -> None:
        facts = {
            "日時": moment(entry),
            "操作者": entry["actor_title"],
            "接続元": entry["address"],
            "業務": entry["area_title"],
        }
        st.markdown("　".join(f"{small(label)} {plain(value)}" for label, value in facts.items()))
        if not entry["changes"]:
            st.markdown("項目の変更はありません。")
            return
        details.sides(("項目", "変更前", "変更後"), map(changed, entry["changes"]), key="core.audit.changes")

    show()


def changed(change: Row) -> list[str]:
    before, after = (plain(change[side]) if change[side] else NOTHING for side in ("before", "after"))
    return [f"**{plain(change['title'])}**", before, after]


headline()
listed(conditions())
