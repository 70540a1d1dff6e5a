"""One stocktake: the field for the scanner, which keeps the focus, the results of the last scans, and the rows. Made
for a tablet in the storeroom, and for a phone."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.contract import loaners as contract
from dashboards.loaners import lists, words
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, feedback, figures, filters, forms, live, recent, scanning, tables
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import statuses
from dashboards.ui.text import plain

KEY = "loaners.count"
RESULT = statuses(
    contract.RESULT,
    {
        "found": ("green", "check_circle"),
        "elsewhere": ("gray", "done_all"),
        "missing": ("orange", "pending"),
        "misplaced": ("red", "wrong_location"),
        "unknown": ("red", "help"),
    },
)
SORTS = {"number": "拠点管理番号順", "-scanned_at": "確認の新しい順", "scanned_at": "確認の古い順"}
MAX_NOTE_LENGTH = 200
MAX_CODE_LENGTH = 300


def path(stocktake: str | int) -> str:
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
    """Returns False when the stocktake does not exist."""
    slots: list[DeltaGenerator] = []
    reading = live.block(
        f"{KEY}_head", "棚卸", path(stocktake), headline=True, right=lambda: slots.append(_head_links())
    )
    if reading is None:
        return False
    data: contract.StocktakeDetail = reading.data
    recent.remember(f"棚卸 {data['site_name']}", f"/stocktakes?stocktake={stocktake}")
    st.markdown(sentence(data))
    if data["closed_at"] is None and has_permission("loaners:stocktake:update"):
        # Drawn only with the current answer: the stocktake may have ended meanwhile, or may be new.
        with slots[0]:
            dialogs.button("棚卸を終了する", close, data, key=f"{KEY}.close", icon="task_alt")
        scan_box(stocktake)
    figures.row(
        [
            Figure("確認済み", f"{data['found']:,}台", f"対象 {data['expected']:,}台", share=_share(data)),
            Figure("未確認", f"{data['missing']:,}台", elsewhere(data)),
            Figure("対象外の機器", f"{data['misplaced']:,}台"),
            Figure("未登録の番号", f"{data['unknown']:,}件"),
        ],
        faded=reading.problem is not None,
    )
    return True


def elsewhere(stocktake: contract.StocktakeDetail) -> str:
    """For a site that is counted room by room."""
    return f"ほかに別の棚卸で確認済み {stocktake['elsewhere']:,}台" if stocktake["elsewhere"] else ""


def _share(stocktake: contract.StocktakeDetail) -> float:
    return stocktake["found"] / stocktake["expected"] if stocktake["expected"] else 0.0


def _head_links() -> DeltaGenerator:
    """Returns the slot for the button that ends the stocktake."""
    _back()
    return st.container(width="content")


def sentence(stocktake: contract.StocktakeDetail) -> str:
    location = plain(f"{stocktake['site_name']} {stocktake['room']}".strip())
    if stocktake["closed_at"]:
        return (
            f"**{location}**の棚卸は{words.timestamp(stocktake['closed_at'])}に"
            f"{plain(stocktake['closed_by'] or '')}さんが終了しました。"
            f"対象{stocktake['expected']:,}台のうち{stocktake['found']:,}台を確認し、{stocktake['missing']:,}台は未確認でした。"
        )
    if stocktake["missing"]:
        remaining = f"まだ確認していない機器が**{stocktake['missing']:,}台**あります"
        return f"**{location}**で、{remaining}。ラベルのQRコードをスキャンしてください。"
    counted = "（別の棚卸で確認した機器を含みます）" if stocktake["elsewhere"] else ""
    summary = f"**{location}**の対象{stocktake['expected']:,}台をすべて確認しました{counted}。"
    return f"{summary}「棚卸を終了する」で記録を確定してください。"


def scan_box(stocktake: str) -> None:
    """Enter, which scanners send, stores the code. The results of the last scans stand below."""
    slot = f"{KEY}.last.{stocktake}"
    scanning.field(
        "スキャンした番号",
        key=f"{KEY}.code",
        queue=f"stocktake.{stocktake}",
        store=lambda code: session.api().post(f"{path(stocktake)}/scans", {"code": code}, idempotency_key=None),
        done=lambda scans: st.session_state.update({slot: scans}),
        placeholder="QRコードをスキャン、または拠点管理番号を入力",
        icon=":material/qr_code_scanner:",
        max_chars=MAX_CODE_LENGTH,
    )
    scans: list[scanning.Scan] = st.session_state.get(slot, [])
    for scan in scans:
        if scan is scans[-1] or isinstance(scan.answer, ApiProblem) or scan.answer["result"] != "found":
            show_scan_result(scan)


def show_scan_result(scan: scanning.Scan) -> None:
    answer = scan.answer
    if scan.waits:
        note = "読み取った番号はこの画面に残っています。つながり次第、自動で登録します。"
        st.warning(f"{plain(answer.title)}。{note}", icon=":material/cloud_off:")
    elif isinstance(answer, ApiProblem):
        st.error(plain(f"{scan.code}: {answer.detail}"), icon=":material/error:")
    else:
        show = {"found": st.success, "misplaced": st.error, "unknown": st.error}[answer["result"]]
        show(scan_message(answer), icon=f":material/{RESULT[answer['result']].icon}:")


def scan_message(answer: contract.Scanned) -> str:
    number = f"**{plain(answer['number'])}**"
    if answer["result"] == "unknown":
        return f"{number} は登録されていない番号です。ラベルを確認してください。記録には残しました。"
    name = f"{number}（{plain(answer['model_name'] or '')}）"
    if answer["result"] == "misplaced":
        state = words.status(answer["status"]).label
        site = plain(answer["site_name"] or "")
        return f"{name} はこの棚卸の対象ではありません。登録上は「{site}」の「{state}」です。"
    return f"{name} は確認済みです。" if answer["again"] else f"{name} を確認しました。"


def close(stocktake: contract.StocktakeDetail) -> None:
    note = f"未確認の{stocktake['missing']:,}台は「未確認」のまま記録されます。" if stocktake["missing"] else ""
    confirm.confirm(
        f"{KEY}.close.{stocktake['id']}",
        f"{stocktake['site_name']}の棚卸を終了しますか？",
        f"{note}終了すると、スキャンと備考の入力はできなくなります。元に戻すことはできません。",
        action="終了する",
        do=lambda _, idempotency_key: session.api().post(
            f"{path(stocktake['id'])}/close", idempotency_key=idempotency_key
        ),
        success="棚卸を終了しました。",
    )


def registered_state(row: contract.RowItem) -> str:
    if row["device_id"] is None:
        return ""
    return f"{row['site_name']}・{words.status(row['status']).label}"


COLUMNS = (
    columns.badge("結果", "result", RESULT, width=116),
    columns.text("拠点管理番号", "number", width=345, sort="number"),
    columns.text("登録上の拠点・ステータス", registered_state, width=168),
    columns.text(
        "確認日時",
        lambda row: words.timestamp(row["scanned_at"]) if row["scanned_at"] else "",
        width=142,
        sort="scanned_at",
    ),
    columns.text("確認した人", "scanned_by", width=84),
    columns.text("備考", "note", width=160),
)


@refreshing
def show_list(stocktake: str, chosen: filters.Filters) -> None:
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
    show_list(stocktake, chosen)


def drawer(stocktake: str, row: contract.RowItem) -> None:
    shown = live.last_answer(f"{KEY}_head")
    is_open = bool(shown) and shown["closed_at"] is None and has_permission("loaners:stocktake:update")

    @dialogs.dialog(row["number"], position="right", width="small", icon=":material/fact_check:")
    def show() -> None:
        st.markdown(RESULT[row["result"]].badge())
        if row["device_id"] is not None:
            lists.device_links(row["number"], primary=False)
        if not is_open:
            st.markdown(plain(row["note"]) or ":gray[備考はありません。]")
            return
        with forms.form(f"{KEY}.note.{row['id']}", submit="備考を保存する") as form:
            note = form.field(
                "note",
                st.text_input,
                contract.FIELDS["note"],
                value=row["note"],
                max_chars=MAX_NOTE_LENGTH,
                placeholder="修理に出している、別の部屋にある など",
            )
        if form.submitted:
            form.send(
                lambda _: session.api().put(f"{path(stocktake)}/rows/{row['id']}/note", {"note": note.strip()}),
                success="備考を保存しました。",
            )
        if row["scanned_at"]:
            dialogs.button("スキャンを取り消す", undo_scan, stocktake, row, key=f"{KEY}.back.{row['id']}", icon="undo")

    show()


def undo_scan(stocktake: str, row: contract.RowItem) -> None:
    confirm.confirm(
        f"{KEY}.back.{row['id']}",
        f"{row['number']} のスキャンを取り消しますか？",
        "確認していない状態に戻します。対象外の機器と未登録の番号は、一覧から消えます。",
        action="取り消す",
        do=lambda _, _idempotency_key: session.api().delete(f"{path(stocktake)}/rows/{row['id']}/scan"),
        success="スキャンを取り消しました。",
    )
