"""点検: which records contradict each other, and what the rotation archives (8.2, 8.3)."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.loaners import JOB, FindingItem, Findings, Rebuilt, RotationPlan, RunItem
from dashboards.loaners import lists, words
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, feedback, figures, live, tables
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH = "/api/loaners/upkeep"
KEY = "loaners.upkeep"
MAX_REASON_LENGTH = 200
MAX_NUMBERS = 5
OPEN, DISMISSED = "対応が必要な指摘", "「問題なし」にした指摘"


# Without automatic refresh: it reads the whole history.
@st.fragment
def findings(dismissed: bool) -> None:
    reading = live.block(KEY, "点検", f"{PATH}/findings", headline=True, dismissed=dismissed)
    if reading is None:
        return
    data: Findings = reading.data
    st.markdown(sentence(data, dismissed))
    if data["different"]:
        _mismatches(data["different"])
    if not data["items"]:
        feedback.empty(
            "指摘はありません" if not dismissed else "「問題なし」にした指摘はありません",
            "重複や矛盾が見つかると、ここに並びます。",
            icon=":material/task_alt:",
        )
    for check, group in groupby(data["items"], key=lambda item: item["check"]):
        _check_group([*group], data["counts"][check], dismissed)


def _mismatches(numbers: list[str]) -> None:
    may_rebuild = has_permission("loaners:history:rotate")
    advice = (
        "「履歴から作り直す」を押すと、履歴のとおりに直ります。"
        if may_rebuild
        else "履歴から作り直す権限のある管理者にご連絡ください。"
    )
    number_list = "、".join(numbers[:MAX_NUMBERS]) + ("ほか" if len(numbers) > MAX_NUMBERS else "")
    st.error(f"表の内容が履歴と一致しない機器が{len(numbers):,}台あります: {plain(number_list)}。{advice}")
    if may_rebuild:
        dialogs.button("履歴から作り直す", _rebuild, len(numbers), key=f"{KEY}.rebuild")


def _rebuild(count: int) -> None:
    confirm.confirm(
        f"{KEY}.rebuild",
        f"履歴と一致しない{count:,}台を履歴から作り直しますか？",
        "すべての機器を調べ、一覧・貸出の内容が履歴と異なる機器を履歴のとおりに直します。履歴そのものは変わりません。",
        action="作り直す",
        do=lambda _, _idempotency_key: _rebuild_all(),
        success="履歴から作り直しました。",
        danger=False,
    )


def _rebuild_all() -> None:
    """In batches: each is stored before the next one starts."""
    after: int | None = 0
    while after is not None:
        rebuilt: Rebuilt = session.api().post(f"{PATH}/rebuild", {"after": after}, idempotency_key=None)
        after = rebuilt["next"]


def sentence(data: Findings, dismissed: bool) -> str:
    checked_note = f"前回の月次点検は{words.timestamp(data['checked_at'])}です。" if data["checked_at"] else ""
    if dismissed:
        return f"「問題なし」にした指摘は{data['total']:,}件です。"
    if data["total"]:
        return f"重複や矛盾の可能性がある記録が**{data['total']:,}件**あります。内容を確認してください。{checked_note}"
    return f"重複や矛盾のある記録はありません。{checked_note}"


def _check_group(items: list[FindingItem], total: int, dismissed: bool) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(items[0]['title'])}**　{total:,}件")
        st.markdown(small(plain(items[0]["advice"])))
        for item in items:
            _finding(item, dismissed)
        if total > len(items):
            st.markdown(small(f"新しい{len(items):,}件を表示しています。"))


def _finding(item: FindingItem, dismissed: bool) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        time = f"{words.timestamp(item['at'])}　" if item["at"] else ""
        reason = f"  \n{small('理由: ' + plain(item['reason']))}" if item["reason"] else ""
        st.markdown(f"**{plain(item['number'])}**  \n{small(time + plain(item['detail']))}{reason}", width="stretch")
        with st.container(horizontal=True, width="content"):
            if "、" not in item["number"]:
                link("機器詳細", lists.detail_url(item["number"]))
            if dismissed:
                dialogs.button("指摘に戻す", _reconsider, item, key=f"{KEY}.back.{item['finding']}")
                return
            if item["removable"]:
                dialogs.button("除去", _remove, item, key=f"{KEY}.remove.{item['finding']}")
            dialogs.button("問題なし", _dismiss, item, key=f"{KEY}.dismiss.{item['finding']}")


def _decide(verb: str, item: FindingItem, reason: str, idempotency_key: str) -> Any:
    return session.api().post(
        f"{PATH}/findings/{verb}",
        {"finding": item["finding"], "reason": " ".join(reason.split())},
        idempotency_key=idempotency_key,
    )


def _remove(item: FindingItem) -> None:
    confirm.confirm(
        f"{KEY}.remove.{item['finding']}",
        f"{item['number']} のこの履歴を除去しますか？",
        f"{item['detail']}。除去した履歴は、一覧・集計・貸出に反映されなくなります。記録は残り、機器詳細から元に戻せます。",
        action="除去する",
        do=lambda reason, idempotency_key: _decide("remove", item, reason, idempotency_key),
        success=f"{item['number']} の履歴を除去しました。",
        reason="required",
        preset="重複した登録",
        max_length=MAX_REASON_LENGTH,
    )


def _dismiss(item: FindingItem) -> None:
    confirm.confirm(
        f"{KEY}.dismiss.{item['finding']}",
        f"{item['number']} の指摘を「問題なし」にしますか？",
        f"{item['title']}。この指摘は一覧に出なくなります。あとで戻せます。",
        action="問題なしにする",
        do=lambda reason, idempotency_key: _decide("dismiss", item, reason, idempotency_key),
        success="指摘を「問題なし」にしました。",
        reason="required",
        max_length=MAX_REASON_LENGTH,
        danger=False,
    )


def _reconsider(item: FindingItem) -> None:
    confirm.confirm(
        f"{KEY}.back.{item['finding']}",
        f"{item['number']} の「問題なし」を取り消しますか？",
        "対応が必要な指摘として、もう一度一覧に並びます。",
        action="指摘に戻す",
        do=lambda _, idempotency_key: session.api().post(
            f"{PATH}/findings/reconsider", {"finding": item["finding"]}, idempotency_key=idempotency_key
        ),
        success="指摘に戻しました。",
        danger=False,
    )


def rotation() -> None:
    reading = live.block(f"{KEY}_rotation", "履歴のローテーション", f"{PATH}/rotation")
    if reading is None:
        return
    plan: RotationPlan = reading.data
    kinds = "、".join(f"{label} {count:,}件" for label, count in plan["by_kind"].items())
    if plan["events"]:
        st.markdown(
            f"3年を過ぎた履歴のうち**{plan['events']:,}件**（{plan['devices']:,}台、{kinds}）を、次回"
            f"{words.timestamp(plan['next_at'])}にアーカイブへ移します。"
        )
    else:
        st.markdown(f"アーカイブへ移す履歴はありません。次回は{words.timestamp(plan['next_at'])}です。")
    figures.row(
        [
            Figure("移す履歴", f"{plan['events']:,}件", f"{words.timestamp(plan['before'])}より前"),
            Figure("残す古い履歴", f"{plan['kept']:,}件", "最新の1件、貸出の始まりなど"),
            Figure("対象の機器", f"{plan['devices']:,}台"),
        ],
        faded=reading.problem is not None,
    )
    st.markdown(small("アーカイブした履歴も機器詳細の時系列に表示され、貸出や状態の計算に使われます。"))


RUNS = (
    columns.text("日時", lambda row: words.timestamp(row["at"]), width=150),
    columns.text("処理", lambda row: JOB[row["job"]], width=120),
    columns.text("結果", lambda row: result(row), width=800),
)


def result(row: RunItem) -> str:
    report = row["report"]
    if row["job"] == "rotation":
        return f"{report['devices']:,}台の履歴{report['events']:,}件をアーカイブへ移しました。"
    total = sum(report["findings"].values())
    consistency = (
        "履歴と表はすべて一致しています。" if not report["different"] else f"{len(report['different']):,}台で不一致。"
    )
    return f"指摘は{total:,}件です。{consistency}{storage_text(report['storage'])}"


def storage_text(storage: Row) -> str:
    """The size of the tables and their indexes, and the rows that wait for cleaning."""
    size, index = (f"{storage[name] / 1e6:,.1f}MB" for name in ("bytes", "index_bytes"))
    return f"データは{size}、索引は{index}、整理を待つ行は{storage['dead_percent']:.1f}%です。"


def reports() -> None:
    reading = live.block(f"{KEY}_runs", "実行の記録", f"{PATH}/runs")
    if reading is None:
        return
    if not reading.data["items"]:
        feedback.empty("まだ実行されていません", "4週間ごとのローテーションと月次の点検の結果が、ここに並びます。")
        return
    tables.grid(f"{KEY}.runs", "実行の記録", reading.data["items"], RUNS)


chosen = st.session_state.get(f"{KEY}.which", OPEN)
findings(chosen == DISMISSED)
st.segmented_control(
    "表示", [OPEN, DISMISSED], default=OPEN, required=True, key=f"{KEY}.which", label_visibility="collapsed"
)
if has_permission("loaners:history:rotate"):
    rotation()
    reports()
