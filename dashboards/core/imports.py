"""取り込み: imports the rows of a file: choose, map, check, run. Nothing is stored before the last step."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.core import IMPORT_OUTCOME, Counts, ImportAnswer, KindAnswer, Preview, PreviewRow
from dashboards.ui import columns, feedback, figures, files, heading, live, tables, tasks
from dashboards.ui.figures import Figure
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.status import statuses
from dashboards.ui.text import plain, small

PATH = "/api/core/imports"
KEY = "core.imports"
ERRORS_PER_PAGE = 50
FILE_KINDS = {".csv": "CSV", ".txt": "CSV", ".xlsx": "Excel"}
MAX_FILE_BYTES = 10 * files.MEGABYTE
NO_COLUMN = "（この項目の列はない）"
OUTCOMES = statuses(
    IMPORT_OUTCOME,
    {
        "new": ("green", "add_circle"),
        "update": ("blue", "edit"),
        "same": ("gray", "remove"),
        "error": ("red", "error"),
    },
)
ROW_NUMBER = columns.number("行", "row", width=60)
ERRORS = (ROW_NUMBER, columns.text("項目", "field", width=160), columns.text("内容", "message", width=760))


def fetch_kinds() -> list[KindAnswer]:
    kinds: list[KindAnswer] = session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{PATH}/kinds")
    return kinds


def draw_steps(current: int) -> None:
    labels = ["ファイルを選ぶ", "列を割り当てる", "内容を確認する", "取り込む"]
    parts = [f"**{n}. {label}**" if n == current else f":gray[{n}. {label}]" for n, label in enumerate(labels, 1)]
    st.markdown("　›　".join(parts))


def restart(kind: str | None = None) -> None:
    """Back to the first step, for a file of the same kind."""
    for name in [name for name in st.session_state if str(name).startswith(f"{KEY}.")]:
        if name != f"{KEY}.round":
            del st.session_state[name]
    st.session_state[f"{KEY}.round"] = st.session_state.get(f"{KEY}.round", 0) + 1
    st.query_params.pop("id", None)
    if kind:
        st.session_state["kind"] = kind


def choose_file(kinds: list[KindAnswer]) -> None:
    """Step 1. The file is read as soon as it has been uploaded."""
    draw_steps(1)
    titles = {kind["kind"]: kind["title"] for kind in kinds}
    if (from_url := st.query_params.get("kind")) in titles:
        st.session_state.setdefault("kind", from_url)
    chosen = st.radio("取り込むもの", [*titles], format_func=lambda kind: titles[kind], horizontal=True, key="kind")
    kind = next(kind for kind in kinds if kind["kind"] == chosen)
    required = "、".join(field["label"] for field in kind["fields"] if field["is_required"])
    optional = "、".join(field["label"] for field in kind["fields"] if not field["is_required"])
    st.markdown(f"必要な列: {plain(required)}" + (f"　{small(f'あれば使う列: {plain(optional)}')}" if optional else ""))
    link("ひな形をダウンロード", f"{DOWNLOAD}{PATH}/{chosen}/template.csv", download=True)
    uploaded = files.upload(
        f"{KEY}.file.{chosen}.{st.session_state.get(f'{KEY}.round', 0)}",
        "取り込むファイル",
        purpose=kind["purpose"],
        kinds=FILE_KINDS,
        max_bytes=MAX_FILE_BYTES,
        max_files=1,
        help="CSV（UTF-8・Shift_JIS）またはExcel（.xlsx）、20,000行・10MBまで。1行目を見出しとして読みます。",
    )
    if uploaded:
        create_draft(chosen, uploaded[0].id, None)


def create_draft(kind: str, file_id: str, sheet: str | None) -> None:
    """Creates the draft once per file; the problem of a file stays on the screen until another is chosen."""
    request = (kind, file_id, sheet)
    if st.session_state.get(f"{KEY}.asked") != request:
        st.session_state[f"{KEY}.asked"] = request
        try:
            with (
                st.spinner("ファイルを読み取っています…"),
                button_idempotency_key(f"{PATH} {request}") as idempotency_key,
            ):
                body = {"kind": kind, "file_id": file_id, "sheet": sheet}
                draft: ImportAnswer = session.api().post(PATH, body, idempotency_key=idempotency_key)
        except ApiProblem as problem:
            st.session_state[f"{KEY}.refused"] = problem
        else:
            st.session_state.pop(f"{KEY}.refused", None)
            st.session_state[f"{KEY}.sheets"] = (file_id, draft["sheets"], draft["format"])
            st.query_params["id"] = str(draft["id"])
            st.rerun()
    if read_problem := st.session_state.get(f"{KEY}.refused"):
        feedback.action_failed(read_problem)


def choose_sheet(draft: ImportAnswer) -> None:
    file_id, sheets, format = st.session_state.get(f"{KEY}.sheets", ("", [], ""))
    if len(sheets) < 2:
        return
    current = next((index for index, name in enumerate(sheets) if format == f"Excel（{name}）"), 0)
    chosen = st.selectbox("シート", sheets, index=current, key=f"{KEY}.sheet.{draft['id']}", width=300)
    if chosen != sheets[current]:
        create_draft(draft["kind"], file_id, chosen)


def chosen_columns(draft_id: int, names: list[str]) -> dict[str, int | None]:
    return {name: st.session_state[f"{KEY}.column.{draft_id}.{name}"] for name in names}


def mapping_changed(draft: ImportAnswer) -> bool:
    """Whether other columns were chosen since the file was checked."""
    names = [field["name"] for field in draft["fields"]]
    return any(column != draft["columns"].get(name) for name, column in chosen_columns(draft["id"], names).items())


def save_mapping(draft_id: int, names: list[str]) -> None:
    columns = chosen_columns(draft_id, names)
    try:
        session.api().put(f"{PATH}/{draft_id}/mapping", {"columns": columns})
    except ApiProblem as problem:
        st.session_state[f"{KEY}.refused"] = problem
    else:
        st.session_state.pop(f"{KEY}.refused", None)


def draw_mapping(draft: ImportAnswer) -> None:
    """Step 2: the columns as guessed, or as chosen last time; a change is checked at once."""
    headers = draft["headers"]
    names = [field["name"] for field in draft["fields"]]
    with st.expander("列の割り当て", expanded=draft["counts"] is None, icon=":material/view_column:"):
        st.markdown(small("ファイルのどの列を、どの項目として読むかを選びます。選んだ内容は次回も使われます。"))
        grid = st.grid(3, min_column_width=240)
        for field in draft["fields"]:
            with grid.cell():
                st.selectbox(
                    field["label"] + (" :red-badge[必須]" if field["is_required"] else ""),
                    [None, *range(len(headers))],
                    index=0 if (column := draft["columns"].get(field["name"])) is None else column + 1,
                    format_func=lambda column: (
                        NO_COLUMN if column is None else f"{headers[column]}（{column + 1}列目）"
                    ),
                    key=f"{KEY}.column.{draft['id']}.{field['name']}",
                )
        if problem := st.session_state.get(f"{KEY}.refused"):
            feedback.action_failed(problem)
            for error in problem.errors:
                st.markdown(f":red[:material/error: {plain(error['message'])}]")
        st.button(
            "この割り当てで確認する",
            key=f"{KEY}.remap",
            type="primary" if draft["counts"] is None else "secondary",
            on_click=save_mapping,
            args=(draft["id"], names),
        )


def draw_verdict(counts: Counts) -> None:
    """Whether the file can be imported, and what the import would do."""
    if counts["error"]:
        return
    if not counts["new"] and not counts["update"]:
        st.success(
            "すべての行が登録済みの内容と同じです。取り込んでも何も変わりません。", icon=":material/check_circle:"
        )
    else:
        st.success(
            f"すべての行を取り込めます。{counts['new']:,}行を新しく登録し、{counts['update']:,}行を更新します。"
            "まだ何も保存されていません。",
            icon=":material/check_circle:",
        )


def draw_check(draft: ImportAnswer, counts: Counts) -> None:
    """Step 3: what each row would do."""
    draw_verdict(counts)
    figures.row([Figure(OUTCOMES[name].label, f"{count:,}行", good="neither") for name, count in counts.items()])
    offset = st.session_state.get(f"{KEY}.errors_from", 0)
    preview: Preview = session.api().get(f"{PATH}/{draft['id']}/preview", offset=offset, limit=ERRORS_PER_PAGE)
    if preview["error_count"]:
        draw_errors(draft, preview, offset)
    draw_buttons(draft)
    st.subheader("はじめの行", anchor=False)
    labels = [field["label"] for field in draft["fields"]]
    tables.grid(
        f"{KEY}.rows",
        "取り込むファイルのはじめの行と、それぞれの行の結果",
        preview["rows"],
        (ROW_NUMBER, columns.badge("結果", "outcome", OUTCOMES, width=96), *map(value_column, labels)),
    )


def value_column(label: str) -> columns.Column:
    return columns.text(label, lambda row: value_text(row, label) if label in row["values"] else None)


def value_text(row: PreviewRow, label: str) -> str:
    value = str(row["values"][label])
    return f"{row['before'][label]} → {value}" if label in row["before"] else value


def draw_errors(draft: ImportAnswer, preview: Preview, offset: int) -> None:
    total = preview["error_count"]
    st.error(
        f"取り込めない行が{preview['counts']['error']:,}行あります。ファイルを直して、もう一度選んでください。"
        "1行でもエラーがあると、どの行も取り込まれません。",
        icon=":material/error:",
    )
    tables.grid(f"{KEY}.errors", "エラーの一覧", preview["errors"], ERRORS)
    last = offset + len(preview["errors"])
    with st.container(horizontal=True, vertical_alignment="center"):
        link("エラーの行をダウンロード", f"{DOWNLOAD}{PATH}/{draft['id']}/errors.csv", download=True)
        if total > ERRORS_PER_PAGE:
            st.button(
                "前へ",
                key=f"{KEY}.previous",
                disabled=not offset,
                on_click=set_error_page,
                args=(offset - ERRORS_PER_PAGE,),
            )
            st.markdown(f"{offset + 1:,}–{last:,}件目（全{total:,}件）", width="content")
            st.button(
                "次へ",
                key=f"{KEY}.next",
                disabled=last >= min(total, 1000),
                on_click=set_error_page,
                args=(offset + ERRORS_PER_PAGE,),
            )


def set_error_page(offset: int) -> None:
    st.session_state[f"{KEY}.errors_from"] = max(0, offset)


def start_import(draft: ImportAnswer) -> None:
    """For callbacks: columns that were chosen just before the press must be checked first."""
    if mapping_changed(draft):
        return
    path = f"{PATH}/{draft['id']}/run"
    try:
        with button_idempotency_key(path) as idempotency_key:
            session.api().post(path, idempotency_key=idempotency_key)
            st.session_state.pop(f"{KEY}.not_run", None)
    except ApiProblem as problem:
        st.session_state[f"{KEY}.not_run"] = problem


def draw_draft(draft: ImportAnswer) -> None:
    st.markdown(
        f"**{plain(draft['file_name'])}**（{plain(draft['title'])}、{plain(draft['format'])}、{draft['row_count']:,}行）"
    )
    if draft["task_id"]:
        draw_steps(4)
        tasks.progress(draft["task_id"], key=f"{KEY}.task")
        restart_button("別のファイルを取り込む", draft)
        return
    draw_steps(2 if draft["counts"] is None else 3)
    choose_sheet(draft)
    draw_mapping(draft)
    if draft["counts"] is not None:
        draw_check(draft, draft["counts"])
    else:
        draw_buttons(draft)


def draw_buttons(draft: ImportAnswer) -> None:
    if problem := st.session_state.get(f"{KEY}.not_run"):
        feedback.action_failed(problem)
    counts = draft["counts"]
    changed = mapping_changed(draft)
    if changed and counts is not None:
        st.warning(
            "列の割り当てを変更しました。「この割り当てで確認する」を押すと、内容を確認し直します。",
            icon=":material/view_column:",
        )
    with st.container(horizontal=True):
        if counts is not None and not counts["error"] and not changed:
            st.button(
                f"{draft['row_count']:,}行を取り込む",
                key=f"{KEY}.run",
                type="primary",
                icon=":material/publish:",
                on_click=start_import,
                args=(draft,),
            )
        restart_button("別のファイルを選ぶ", draft)


def restart_button(label: str, draft: ImportAnswer) -> None:
    st.button(label, key=f"{KEY}.again", icon=":material/upload_file:", on_click=restart, args=(draft["kind"],))


def page() -> None:
    heading.page("取り込み")
    try:
        draft_id = st.query_params.get("id", "")
        if not draft_id.isdecimal():
            choose_file(fetch_kinds())
            return
        draw_draft(session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{PATH}/{draft_id}"))
    except ApiProblem as problem:
        if problem.status == 401 and session.has_ended():
            st.rerun()
        feedback.failed(problem, key=KEY, again=live.clear_failure)
        if problem.status == 404:
            st.button("ファイルを選び直す", key=f"{KEY}.again", on_click=restart)


page()
