"""インシデント: the open incidents, the next steps, and the reports that are still to be written."""

from __future__ import annotations

import streamlit as st

from dashboards.client import ApiProblem
from dashboards.contract.reservations import IncidentsCounts, ProposalItem, Proposals
from dashboards.reservations import incident_forms
from dashboards.reservations.incident_drawer import drawer
from dashboards.reservations.incident_forms import PATH, PROPOSAL, PROPOSALS
from dashboards.reservations.incident_words import LEVEL, STATUS, time_left
from dashboards.reservations.operation_words import RESPONSE
from dashboards.session import has_permission
from dashboards.ui import columns, dialogs, figures, filters, live, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

KEY = "reservations.incidents"
STATES = {code: status.label for code, status in STATUS.items()} | {"all": "すべて"}
PROPOSED = Status("提案", "blue", "lightbulb")
SORTS = {
    "-detected_at": "発生が新しい順",
    "detected_at": "発生が古い順",
    "next_due_at": "次の目標時間が近い順",
    "-recovered_at": "復旧が新しい順",
}
COLUMNS = (
    columns.text("番号", "code", width=92),
    columns.badge("レベル", "level", LEVEL, width=92),
    columns.text("件名", "title", width=220),
    columns.badge("状況", "status", STATUS, width=108),
    columns.text("次の対応", time_left, width=190, sort="next_due_at"),
    columns.badge("目標", lambda row: row["next_response"] or "met", RESPONSE, width=110),
    columns.ago("発生日時", "detected_at", sort="detected_at"),
)


def register() -> None:
    if has_permission("reservations:incident:update"):
        dialogs.button("インシデントを登録する", incident_forms.new, key=f"{KEY}.new", icon="add_alert", type="primary")


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}.counts", "インシデント", f"{PATH}/counts", headline=True, right=register)
    if reading is None:
        return
    counts: IncidentsCounts = reading.data
    if not reading.problem:
        state_sentence(counts)
    figures.row(
        [
            Figure("対応中", f"{counts['open']:,}件", f"うちCritical {counts['critical']:,}件"),
            Figure("目標時間を超過", f"{counts['overdue']:,}件", "超過すると、Slackで知らせます"),
            Figure("事後対応中", f"{counts['follow_up']:,}件", "報告や報告書の作成が残っています"),
        ],
        faded=reading.problem is not None,
    )


def state_sentence(counts: IncidentsCounts) -> None:
    late = f"目標時間を過ぎた対応が{counts['overdue']:,}件あります。" if counts["overdue"] else ""
    if counts["open"]:
        critical = f"（うちCritical {counts['critical']:,}件）" if counts["critical"] else ""
        text = f"対応中のインシデントが{counts['open']:,}件あります{critical}。{late}"
        (st.error if late or critical else st.warning)(text, icon=":material/emergency_home:")
    elif counts["follow_up"]:
        text = f"対応中のインシデントはありません。事後対応が残っているものが{counts['follow_up']:,}件あります。{late}"
        (st.warning if late else st.info)(text, icon=":material/pending_actions:")
    else:
        st.success("現在、対応が必要なインシデントはありません。", icon=":material/check_circle:")


@refreshing
def show_proposals() -> None:
    """Incidents that the figures suggest, until an operator decides. While the service is away, the headline shows
    it."""
    dialogs.rerun_if_changed()
    try:
        proposals: Proposals = live.fetch(PROPOSALS)
    except ApiProblem:
        return
    if not proposals["items"]:
        return
    decide_note = "登録するか、見送るかを決めてください。" if has_permission("reservations:incident:update") else ""
    st.info(f"登録の提案が{len(proposals['items']):,}件あります。{decide_note}", icon=":material/lightbulb:")
    for proposal in proposals["items"]:
        with st.container(border=True, key=f"{PROPOSAL}.{proposal['id']}"):
            _proposal(proposal)


def _proposal(proposal: ProposalItem) -> None:
    calm_note = f"　{times.stamp(proposal['calm_at'])}以降は収まっています" if proposal["calm_at"] else ""
    found_note = f"検知 {times.stamp(proposal['found_at'])}{calm_note}"
    lines = [
        f"{PROPOSED.badge()} **{plain(proposal['title'])}**",
        plain(proposal["impact"]),
        small(plain(found_note)),
    ]
    st.markdown("  \n".join(lines))
    if has_permission("reservations:incident:update"):
        with st.container(horizontal=True):
            key = f"{PROPOSAL}.{proposal['id']}"
            dialogs.button("インシデントを登録する", incident_forms.new, proposal, key=f"{key}.open", icon="add_alert")
            dialogs.button("見送る", incident_forms.dismiss, proposal, key=f"{key}.dismiss", icon="do_not_disturb_on")


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
        export=Export.of(PATH),
        empty=tables.Empty(
            "対応が必要なインシデントはありません",
            "障害に気づいたら「インシデントを登録する」で登録してください。目標時間のカウントと通知が始まります。",
        ),
    )


def page() -> None:
    headline()
    show_proposals()
    show_list(
        filters.bar(
            filters.Text("q", "キーワード", "番号・件名・記録の内容"),
            filters.Choice("level", "レベル", LEVEL),
            filters.Choice(
                "state",
                "状況",
                STATES,
                otherwise="対応が残っているもの",
                width=220,
            ),
            more=[
                filters.Dates("detected", "発生日", parameters=("since", "until")),
                filters.Choice("late", "目標時間", {"true": "目標時間を過ぎたもの"}, width=240),
            ],
        )
    )


page()
dialogs.open_requested(PATH, drawer)
