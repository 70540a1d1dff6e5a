"""One count: a field for the scanner, which keeps the focus, what came of the last scan, and what is left. Made for a
tablet in the storeroom, and for a phone."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.loaners import lists, words
from dashboards.session import may
from dashboards.ui import columns, confirm, dialogs, feedback, figures, filters, forms, live, scanning, tables
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain

KEY = "loaners.count"
RESULT = {
    "found": Status("確認済み", "green", "check_circle"),
    "elsewhere": Status("別の棚卸で確認済み", "gray", "done_all"),
    "missing": Status("未確認", "orange", "pending"),
    "misplaced": Status("対象外の機器", "red", "wrong_location"),
    "unknown": Status("未登録の番号", "red", "help"),
}
SORTS = {"number": "拠点管理番号順", "-scanned_at": "確認の新しい順", "scanned_at": "確認の古い順"}
LONGEST_NOTE = 200
LONGEST_CODE = 300


def path(stocktake: str) -> str:
    return f"/api/loaners/stocktakes/{stocktake}"


def page(stocktake: str) -> None:
    if not stocktake.isdecimal():
        feedback.empty("指定された棚卸は見つかりません", "一覧から選んでください。", action=_back)
        return
    if head(stocktake):
        rows(stocktake)


def _back() -> None:
    link("棚卸の一覧に戻る", "/stocktakes")


@refreshing
def head(stocktake: str) -> bool:
    """Whether there is one."""
    ends: list[DeltaGenerator] = []
    reading = live.block(f"{KEY}_head", "棚卸", path(stocktake), headline=True, right=lambda: ends.append(_right()))
    if reading is None:
        return False
    one = reading.data
    st.markdown(sentence(one))
    if one["closed_at"] is None and may("loaners:stocktake:update"):
        # What it was when it was read last says nothing of now: it may be over, or not known before.
        with ends[0]:
            dialogs.button("棚卸を終了する", close, one, key=f"{KEY}.close", icon="task_alt")
        scan_box(stocktake)
    figures.row(
        [
            Figure("確認済み", f"{one['found']:,}台", f"対象 {one['expected']:,}台", share=_share(one)),
            Figure("未確認", f"{one['missing']:,}台", elsewhere(one)),
            Figure("対象外の機器", f"{one['misplaced']:,}台"),
            Figure("未登録の番号", f"{one['unknown']:,}件"),
        ],
        faded=reading.problem is not None,
    )
    return True


def elsewhere(one: Row) -> str:
    """Of a site that is counted room by room."""
    return f"ほかに別の棚卸で確認済み {one['elsewhere']:,}台" if one["elsewhere"] else ""


def _share(one: Row) -> float:
    return one["found"] / one["expected"] if one["expected"] else 0.0


def _right() -> DeltaGenerator:
    """The place for what ends it."""
    _back()
    return st.container(width="content")


def sentence(one: Row) -> str:
    where = plain(f"{one['site_name']} {one['room']}".strip())
    if one["closed_at"]:
        return (
            f"**{where}**の棚卸は{words.stamp(one['closed_at'])}に{plain(one['closed_by'])}さんが終了しました。"
            f"対象{one['expected']:,}台のうち{one['found']:,}台を確認し、{one['missing']:,}台は未確認でした。"
        )
    if one["missing"]:
        left = f"まだ確認していない機器が**{one['missing']:,}台**あります"
        return f"**{where}**で、{left}。ラベルのQRコードをスキャンしてください。"
    counted = "（別の棚卸で確認した機器を含みます）" if one["elsewhere"] else ""
    done = f"**{where}**の対象{one['expected']:,}台をすべて確認しました{counted}。"
    return f"{done}「棚卸を終了する」で記録を確定してください。"


def scan_box(stocktake: str) -> None:
    """Enter, which scanners send, stores it; below stands what came of the last ones."""
    slot = f"{KEY}.last.{stocktake}"
    scanning.field(
        "スキャンした番号",
        key=f"{KEY}.code",
        queue=f"stocktake.{stocktake}",
        store=lambda code: session.api().post(f"{path(stocktake)}/scans", {"code": code}, once=None),
        done=lambda scans: st.session_state.update({slot: scans}),
        placeholder="QRコードをスキャン、または拠点管理番号を入力",
        icon=":material/qr_code_scanner:",
        max_chars=LONGEST_CODE,
    )
    scans: list[scanning.Scan] = st.session_state.get(slot, [])
    for scan in scans:
        if scan is scans[-1] or isinstance(scan.answer, ApiProblem) or scan.answer["result"] != "found":
            came_of(scan)


def came_of(scan: scanning.Scan) -> None:
    answer = scan.answer
    if scan.waits:
        kept = "読み取った番号はこの画面に残っています。つながり次第、自動で登録します。"
        st.warning(f"{plain(answer.title)}。{kept}", icon=":material/cloud_off:")
    elif isinstance(answer, ApiProblem):
        st.error(plain(f"{scan.code}: {answer.detail}"), icon=":material/error:")
    else:
        tone = {"found": st.success, "misplaced": st.error, "unknown": st.error}[answer["result"]]
        tone(said(answer), icon=f":material/{RESULT[answer['result']].icon}:")


def said(last: Row) -> str:
    number = f"**{plain(last['number'])}**"
    if last["result"] == "unknown":
        return f"{number} は登録されていない番号です。ラベルを確認してください。記録には残しました。"
    name = f"{number}（{plain(last['model_name'])}）"
    if last["result"] == "misplaced":
        state = words.STATUS.get(last["status"], words.NOT_YET).word
        return f"{name} はこの棚卸の対象ではありません。登録上は「{plain(last['site_name'])}」の「{state}」です。"
    return f"{name} は確認済みです。" if last["again"] else f"{name} を確認しました。"


def close(one: Row) -> None:
    left = f"未確認の{one['missing']:,}台は「未確認」のまま記録されます。" if one["missing"] else ""
    confirm.confirm(
        f"{KEY}.close.{one['id']}",
        f"{one['site_name']}の棚卸を終了しますか？",
        f"{left}終了すると、スキャンと備考の入力はできなくなります。元に戻すことはできません。",
        action="終了する",
        do=lambda _, once: session.api().post(f"{path(one['id'])}/close", once=once),
        done="棚卸を終了しました。",
    )


def now(row: Row) -> str:
    if row["device_id"] is None:
        return ""
    return f"{row['site_name']}・{words.STATUS.get(row['status'], words.NOT_YET).word}"


COLUMNS = (
    columns.badge("結果", "result", RESULT, width=116),
    columns.text("拠点管理番号", "number", width=345, sort="number"),
    columns.text("登録上の拠点・ステータス", now, width=168),
    columns.text("確認日時", lambda row: words.stamp(row["scanned_at"]) if row["scanned_at"] else "", width=142,
                 sort="scanned_at"),
    columns.text("確認した人", "scanned_by", width=84),
    columns.text("備考", "note", width=160),
)  # fmt: skip


@refreshing
def listed(stocktake: str, chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.rows",
        "",
        f"{path(stocktake)}/rows",
        COLUMNS,
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": lambda row: drawer(stocktake, row)},
        export=Export(f"{DOWNLOAD}{path(stocktake)}/rows.csv", f"{DOWNLOAD}{path(stocktake)}/rows.xlsx"),
        empty=tables.Empty("対象の機器がありません", "この拠点には、社内にある機器が登録されていません。"),
    )


def rows(stocktake: str) -> None:
    chosen = filters.bar(
        filters.Choice("result", "結果", RESULT, 160),
        filters.Text("q", "キーワード", "番号・機種・備考", width=200),
    )
    listed(stocktake, chosen)


def drawer(stocktake: str, row: Row) -> None:
    shown = live.shown(f"{KEY}_head")
    is_open = bool(shown) and shown["closed_at"] is None and may("loaners:stocktake:update")

    @dialogs.dialog(plain(row["number"]), position="right", width="small", icon=":material/fact_check:")
    def show() -> None:
        st.markdown(RESULT[row["result"]].badge())
        if row["device_id"] is not None:
            lists.leads(row["number"], primary=False)
        if not is_open:
            st.markdown(plain(row["note"]) or ":gray[備考はありません。]")
            return
        with forms.form(f"{KEY}.note.{row['id']}", submit="備考を保存する") as form:
            note = form.field(
                "note", st.text_input, "備考", value=row["note"], max_chars=LONGEST_NOTE,
                placeholder="修理に出している、別の部屋にある など",
            )  # fmt: skip
        if form.submitted:
            form.send(
                lambda _: session.api().put(f"{path(stocktake)}/rows/{row['id']}/note", {"note": note.strip()}),
                done="備考を保存しました。",
            )
        if row["scanned_at"]:
            dialogs.button("スキャンを取り消す", take_back, stocktake, row, key=f"{KEY}.back.{row['id']}", icon="undo")

    show()


def take_back(stocktake: str, row: Row) -> None:
    confirm.confirm(
        f"{KEY}.back.{row['id']}",
        f"{row['number']} のスキャンを取り消しますか？",
        "確認していない状態に戻します。対象外の機器と未登録の番号は、一覧から消えます。",
        action="取り消す",
        do=lambda _, _once: session.api().delete(f"{path(stocktake)}/rows/{row['id']}/scan"),
        done="スキャンを取り消しました。",
    )
