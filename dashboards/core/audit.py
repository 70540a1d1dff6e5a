"""監査ログ: who changed what, when, and from which value to which, in the areas that the user administers."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.contract.core import AuditItem, Change, PageAuditItem
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, filters, live, tables, times
from dashboards.ui.cache import load_cached
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain, small

PATH = "/api/core/audit"
EXPORT = Export(f"{DOWNLOAD}{PATH}/export.csv", f"{DOWNLOAD}{PATH}/export.xlsx")
NOTHING = ":gray[–]"


def time_text(entry: AuditItem) -> str:
    at = times.parse(entry["at"])
    return f"{times.full(at)}:{at:%S}"


def changes_text(entry: AuditItem) -> str | None:
    """The first changed field, and the number of the others."""
    if not entry["changes"]:
        return None
    first, *other_changes = entry["changes"]
    return first["text"] + (f" ほか{len(other_changes)}項目" if other_changes else "")


COLUMNS = (
    columns.text("日時", time_text, width=168),
    columns.text("操作者", "actor_title", width=176),
    columns.text("操作種別", "action_title", width=84),
    columns.text("対象", "target", width=220),
    columns.text("変更内容", changes_text, width=220),
    columns.text("業務", "area_title", width=78),
    columns.text("接続元", "address", width=100),
)


def choices() -> dict[str, dict[str, str]]:
    """The options of the filters; {} when the service refuses, which the table reports."""
    return load_cached("core.audit_choices", lambda: session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{PATH}/choices"))


def filter_bar() -> filters.Filters:
    main: list[filters.Field] = [
        filters.Dates("day", "期間"),
        filters.Text("actor", "操作者", "ログインID・氏名", 200),
    ]
    more: list[filters.Field] = [filters.Text("q", "対象のID", "番号の一部")]
    if options := choices():
        main.append(filters.Choice("action", "操作種別", options["actions"], width=150))
        main.append(filters.Choice("subject", "対象", options["subjects"], width=150))
        more.insert(0, filters.Choice("area", "業務", options["areas"]))
    return filters.bar(*main, more=more)


@refreshing
def headline() -> None:
    today = f"{times.now():%Y-%m-%d}"
    reading = live.block("core.audit_headline", "監査ログ", PATH, headline=True, day_from=today, limit=1)
    if reading is None:
        return
    today_page: PageAuditItem = reading.data
    if not today_page["total"]:
        st.markdown("今日の操作の記録はまだありません。")
        return
    newest = today_page["items"][0]
    last_action = f"{times.ago(times.parse(newest['at']))}に{plain(newest['actor_title'])}が行った"
    st.markdown(
        f"今日は{today_page['total']:,}件の操作が記録されています。"
        f"最も新しいものは、{last_action}「{plain(newest['target'])}」の{newest['action_title']}です。"
    )


@st.fragment
def draw_list(chosen: filters.Filters) -> None:
    tables.table(
        "core.audit",
        "",
        PATH,
        COLUMNS,
        filters=chosen,
        actions={"詳細": drawer},
        export=EXPORT if has_permission("core:audit:export") else None,
        empty=tables.Empty("まだ操作の記録がありません", "登録や変更を行うと、ここに新しい順に並びます。"),
    )


def drawer(entry: AuditItem) -> None:
    """Each changed field before and after, side by side."""

    @dialogs.dialog(f"{entry['action_title']}: {entry['target']}", width="large", icon=":material/history:")
    def show() -> None:
        facts = {
            "日時": time_text(entry),
            "操作者": entry["actor_title"],
            "接続元": entry["address"],
            "業務": entry["area_title"],
        }
        st.markdown("　".join(f"{small(label)} {plain(value)}" for label, value in facts.items()))
        if not entry["changes"]:
            st.markdown("項目の変更はありません。")
            return
        details.sides(("項目", "変更前", "変更後"), map(change_line, entry["changes"]), key="core.audit.changes")

    show()


def change_line(change: Change) -> list[str]:
    before, after = (plain(text) if text else NOTHING for text in (change["before"], change["after"]))
    return [f"**{plain(change['title'])}**", before, after]


headline()
draw_list(filter_bar())
