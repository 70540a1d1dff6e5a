"""週次・月次レポート: the reports to finish, and the ones of the last weeks and months."""

from __future__ import annotations

import streamlit as st

from dashboards.contract.reservations import REPORT_KIND, DraftsCounts
from dashboards.reservations import report_forms
from dashboards.reservations.chore_words import short_time
from dashboards.reservations.figure_words import in_percent, yen
from dashboards.reservations.report_drawer import drawer
from dashboards.reservations.report_forms import PATH
from dashboards.reservations.report_words import STATE, state
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, filters, live, tables
from dashboards.ui.live import refreshing

KEY = "reservations.reports"
SORTS = {"-last_day": "期間が新しい順", "last_day": "期間が古い順", "-finished_at": "完成が新しい順"}
COLUMNS = (
    columns.text("期間", "period", width=212, sort="last_day"),
    columns.text("種類", lambda row: REPORT_KIND[row["kind"]], width=104),
    columns.badge("状態", state, STATE, width=84),
    columns.number("予約件数", "requested", width=76),
    columns.text("予約成功率", lambda row: in_percent(row["success"]), width=86, alignment="right"),
    columns.text("売上", lambda row: yen(row["sales"]), width=90, alignment="right"),
    columns.text("完成", lambda row: _time_and_name(row["finished_at"], row["finished_by"]), width=178),
    columns.text("送信", lambda row: _time_and_name(row["sent_at"], row["sent_by"]), width=178),
)


def _time_and_name(at: str | None, name: str | None) -> str:
    return f"{short_time(at)}　{name}" if at else "–"


def _draft_button() -> None:
    if has_permission("reservations:report:update"):
        dialogs.button("下書きを作成する", report_forms.new, key=f"{KEY}.new", icon="note_add")


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "週次・月次レポート", f"{PATH}/counts", headline=True, right=_draft_button)
    if reading is not None and not reading.problem:
        state_sentence(reading.data)


def state_sentence(counts: DraftsCounts) -> None:
    last = (
        f"最新の完成したレポートは、{REPORT_KIND[counts['last_kind']]} {counts['last_period']} です。"
        if counts["last_kind"]
        else ""
    )
    if counts["drafts"]:
        st.warning(
            f"まだ完成していない下書きが{counts['drafts']:,}件あります。内容を確認して、完成させてください。",
            icon=":material/edit_note:",
        )
        return
    next_drafts = {"weekly": counts["next_weekly_at"], "monthly": counts["next_monthly_at"]}
    upcoming = [f"{REPORT_KIND[kind]}は{short_time(at)}" for kind, at in next_drafts.items() if at]
    next_note = f"次の下書きは、{'、'.join(upcoming)}に作成されます。" if upcoming else ""
    if last:
        st.success(f"{last}{next_note}", icon=":material/check_circle:")
    else:
        st.info(f"完成したレポートは、まだありません。{next_note}", icon=":material/info:")


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"開く": drawer},
        empty=tables.Empty(
            "レポートはまだありません",
            "下書きは、毎週金曜日と毎月第5営業日の8:00に自動で作成されます。"
            if has_permission("reservations:report:update")
            else "運営担当者がレポートを完成させると、ここで読めるようになります。",
        ),
    )


def page() -> None:
    headline()
    choices = [filters.Choice("kind", "種類", REPORT_KIND)]
    if has_permission("reservations:report:update"):
        choices.append(filters.Choice("state", "状態", STATE))
    show_list(filters.bar(*choices))


page()
