"""取込・出力: import today's sheets and export the lists."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.session import has_permission
from dashboards.ui import feedback, heading
from dashboards.ui.links import link
from dashboards.ui.text import small

# In the order of their dependencies.
IMPORTS = {
    "loaners.sites": ("拠点マスタ", "拠点ID・拠点コード・管轄・通知先。"),
    "loaners.models": ("機種マスタ", "機種名・メーカー・カテゴリ。機種名のスペースはハイフンにして取り込みます。"),
    "loaners.devices": (
        "端末・プリンタ・その他マスタ",
        "番号の記号は正しい形に直し、元の番号も別名になります。「預かり機のステータス」は、貸出中で預り「有り」の機器に"
        "反映されます。",
    ),
    "loaners.history": (
        "ステータス収集シート",
        "フォームの回答履歴です。同じ行は何度取り込んでも1回だけ登録されます。通知メールは送信されません。",
    ),
}
# Title → path, permission, and the kind of device to count.
EXPORTS: Mapping[str, tuple[str, str, str]] = {
    "端末マスタ": ("/api/loaners/devices/terminals", "loaners:device:read", "terminal"),
    "プリンタマスタ": ("/api/loaners/devices/printers", "loaners:device:read", "printer"),
    "その他マスタ": ("/api/loaners/devices/others", "loaners:device:read", "other"),
    "拠点マスタ": ("/api/loaners/sites", "loaners:master:read", ""),
    "機種マスタ": ("/api/loaners/models", "loaners:master:read", ""),
}


def state_sentence() -> None:
    counts = {kind: session.api().get("/api/loaners/devices", limit=1, kind=kind)["total"] for kind in _kinds()}
    if not sum(counts.values()):
        st.markdown(
            "まだ機器が登録されていません。スプレッドシートから書き出したCSVまたはExcelを、上から順に取り込んでください。"
        )
        return
    st.markdown(
        f"現在、端末{counts['terminal']:,}台、プリンタ{counts['printer']:,}台、その他{counts['other']:,}台が"
        "登録されています。"
    )


def _kinds() -> list[str]:
    return [kind for _, _, kind in EXPORTS.values() if kind]


def imports() -> None:
    st.subheader("取り込む", anchor=False)
    st.markdown("CSVまたはExcelを選ぶと、取り込む前に1行ずつ結果を確認できます。上から順に取り込んでください。")
    for step, (kind, (title, description)) in enumerate(IMPORTS.items(), 1):
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{step}. {title}**  \n{small(description)}")
            with st.container(horizontal=True, width="content"):
                link("ひな形", f"{DOWNLOAD}/api/core/imports/{kind}/template.csv", download=True)
                link("取り込む", f"/imports?kind={kind}", primary=True)


def exports() -> None:
    st.subheader("出力する", anchor=False)
    st.markdown(small("条件で絞り込んだ一覧は、それぞれの画面の「出力する」から取り出せます。"))
    for title, (path, permission, _) in EXPORTS.items():
        if not has_permission(permission):
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{title}**")
            with st.container(horizontal=True, width="content"):
                link("CSV", f"{DOWNLOAD}{path}.csv", download=True)
                link("Excel", f"{DOWNLOAD}{path}.xlsx", download=True)


def page() -> None:
    heading.page("取込・出力")
    try:
        state_sentence()
    except ApiProblem as problem:
        if problem.status == 401 and session.has_ended():
            st.rerun()
        feedback.failed(problem, key="loaners.transfers")
        return
    if has_permission("core:import:create") and has_permission("loaners:master:update"):
        imports()
    exports()


page()
