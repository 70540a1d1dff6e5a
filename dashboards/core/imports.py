"""取り込み: a file becomes rows of the product: choose, map, check, run. Nothing happens before the last step."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.ui import feedback, figures, files, heading, live, tasks
from dashboards.ui.figures import Figure
from dashboards.ui.links import link
from dashboards.ui.once import pressed
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH = "/api/core/imports"
KEY = "core.imports"
ERRORS_A_PAGE = 50
TABLES = {".csv": "CSV", ".txt": "CSV", ".xlsx": "Excel"}
MOST_BYTES = 10 * files.MEGABYTE
NO_COLUMN = "（この項目の列はない）"
OUTCOMES = {
    "new": Status("新規", "green", "add_circle"),
    "update": Status("更新", "blue", "edit"),
    "same": Status("変更なし", "gray", "remove"),
    "error": Status("エラー", "red", "error"),
}
NUMBERS = st.column_config.NumberColumn("行", format="localized", width=60)


def kinds() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.api(patience=PATIENCE_SECONDS).get(f"{PATH}/kinds")
    return found


def steps(at: int) -> None:
    words = ["ファイルを選ぶ", "列を割り当てる", "内容を確認する", "取り込む"]
    marked = [f"**{n}. {word}**" if n == at else f":gray[{n}. {word}]" for n, word in enumerate(words, 1)]
    st.markdown("　›　".join(marked))


def begin_again(kind: str | None = None) -> None:
    """Back to the first step, for a file of the same kind."""
    for name in [name for name in st.session_state if str(name).startswith(f"{KEY}.")]:
        if name != f"{KEY}.round":
            del st.session_state[name]
    st.session_state[f"{KEY}.round"] = st.session_state.get(f"{KEY}.round", 0) + 1
    st.query_params.pop("id", None)
    if kind:
        st.session_state["kind"] = kind


def choose(listed: list[dict[str, Any]]) -> None:
    """Step 1. The file is read as soon as it has arrived."""
    steps(1)
    titles = {kind["kind"]: kind["title"] for kind in listed}
    if (asked := st.query_params.get("kind")) in titles:
        st.session_state.setdefault("kind", asked)
    wanted = st.radio("取り込むもの", [*titles], format_func=lambda kind: titles[kind], horizontal=True, key="kind")
    kind = next(kind for kind in listed if kind["kind"] == wanted)
    required = "、".join(field["label"] for field in kind["fields"] if field["is_required"])
    optional = "、".join(field["label"] for field in kind["fields"] if not field["is_required"])
    st.markdown(f"必要な列: {plain(required)}" + (f"　{small(f'あれば使う列: {plain(optional)}')}" if optional else ""))
    link("ひな形をダウンロード", f"{DOWNLOAD}{PATH}/{wanted}/template.csv", download=True)
    sent = files.upload(
        f"{KEY}.file.{wanted}.{st.session_state.get(f'{KEY}.round', 0)}",
        "取り込むファイル",
        purpose=kind["purpose"],
        kinds=TABLES,
        max_bytes=MOST_BYTES,
        max_files=1,
        help="CSV（UTF-8・Shift_JIS）またはExcel（.xlsx）、20,000行・10MBまで。1行目を見出しとして読みます。",
    )
    if sent:
        begin(wanted, sent[0].id, None)


def begin(kind: str, file_id: str, sheet: str | None) -> None:
    """Once for each file; what is wrong with one stays on the screen until there is another."""
    asked = (kind, file_id, sheet)
    if st.session_state.get(f"{KEY}.asked") != asked:
        st.session_state[f"{KEY}.asked"] = asked
        try:
            with st.spinner("ファイルを読み取っています…"), pressed(f"{PATH} {asked}") as once:
                draft = session.api().post(PATH, {"kind": kind, "file_id": file_id, "sheet": sheet}, once=once)
        except ApiProblem as problem:
            st.session_state[f"{KEY}.refused"] = problem
        else:
            st.session_state.pop(f"{KEY}.refused", None)
            st.session_state[f"{KEY}.sheets"] = (file_id, draft["sheets"], draft["format"])
            st.query_params["id"] = str(draft["id"])
            st.rerun()
    if refused := st.session_state.get(f"{KEY}.refused"):
        feedback.not_done(refused)


def another_sheet(draft: dict[str, Any]) -> None:
    file_id, sheets, format = st.session_state.get(f"{KEY}.sheets", ("", [], ""))
    if len(sheets) < 2:
        return
    now = next((place for place, name in enumerate(sheets) if format == f"Excel（{name}）"), 0)
    chosen = st.selectbox("シート", sheets, index=now, key=f"{KEY}.sheet.{draft['id']}", width=300)
    if chosen != sheets[now]:
        begin(draft["kind"], file_id, chosen)


def chosen_columns(draft_id: int, names: list[str]) -> dict[str, int | None]:
    return {name: st.session_state[f"{KEY}.column.{draft_id}.{name}"] for name in names}


def is_changed(draft: dict[str, Any]) -> bool:
    """Whether columns were chosen anew since the file was looked through."""
    names = [field["name"] for field in draft["fields"]]
    return any(place != draft["columns"].get(name) for name, place in chosen_columns(draft["id"], names).items())


def remap(draft_id: int, names: list[str]) -> None:
    columns = chosen_columns(draft_id, names)
    try:
        session.api().put(f"{PATH}/{draft_id}/mapping", {"columns": columns})
    except ApiProblem as problem:
        st.session_state[f"{KEY}.refused"] = problem
    else:
        st.session_state.pop(f"{KEY}.refused", None)


def mapping(draft: dict[str, Any]) -> None:
    """Step 2: as guessed, or as chosen last time; a change is looked through at once."""
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
                    index=0 if (place := draft["columns"].get(field["name"])) is None else place + 1,
                    format_func=lambda place: NO_COLUMN if place is None else f"{headers[place]}（{place + 1}列目）",
                    key=f"{KEY}.column.{draft['id']}.{field['name']}",
                )
        if problem := st.session_state.get(f"{KEY}.refused"):
            feedback.not_done(problem)
            for error in problem.errors:
                st.markdown(f":red[:material/error: {plain(error['message'])}]")
        st.button(
            "この割り当てで確認する",
            key=f"{KEY}.remap",
            type="primary" if draft["counts"] is None else "secondary",
            on_click=remap,
            args=(draft["id"], names),
        )


def verdict(draft: dict[str, Any]) -> None:
    """The page's answer: can it be done, and what would it do?"""
    counts = draft["counts"]
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


def check(draft: dict[str, Any]) -> None:
    """Step 3: what each row would do."""
    counts = draft["counts"]
    verdict(draft)
    figures.row([Figure(kind.word, f"{counts[name]:,}行", good="neither") for name, kind in OUTCOMES.items()])
    page = st.session_state.get(f"{KEY}.errors_from", 0)
    preview = session.api().get(f"{PATH}/{draft['id']}/preview", offset=page, limit=ERRORS_A_PAGE)
    if preview["error_count"]:
        errors(draft, preview, page)
    buttons(draft)
    st.subheader("はじめの行", anchor=False)
    labels = [field["label"] for field in draft["fields"]]
    st.dataframe(
        [
            {
                "行": row["row"],
                "結果": [OUTCOMES[row["outcome"]].word],
                **{label: with_before(row, label) for label in labels if label in row["values"]},
            }
            for row in preview["rows"]
        ],
        hide_index=True,
        height="content",
        key=f"{KEY}.rows",
        column_config={
            "行": NUMBERS,
            "結果": st.column_config.MultiselectColumn(
                width=96,
                options=[kind.word for kind in OUTCOMES.values()],
                color=[kind.color for kind in OUTCOMES.values()],
            ),
        },
        alt="取り込むファイルのはじめの行と、それぞれの行の結果",
    )


def with_before(row: dict[str, Any], label: str) -> str:
    value = str(row["values"][label])
    return f"{row['before'][label]} → {value}" if label in row["before"] else value


def errors(draft: dict[str, Any], preview: dict[str, Any], page: int) -> None:
    total = preview["error_count"]
    st.error(
        f"取り込めない行が{draft['counts']['error']:,}行あります。ファイルを直して、もう一度選んでください。"
        "1行でもエラーがあると、どの行も取り込まれません。",
        icon=":material/error:",
    )
    st.dataframe(
        [{"行": error["row"], "項目": error["field"], "内容": error["message"]} for error in preview["errors"]],
        hide_index=True,
        height="content",
        key=f"{KEY}.errors",
        column_config={
            "行": NUMBERS,
            "項目": st.column_config.TextColumn(width=160),
            "内容": st.column_config.TextColumn(width=760),
        },
        alt="エラーの一覧",
    )
    last = page + len(preview["errors"])
    with st.container(horizontal=True, vertical_alignment="center"):
        link("エラーの行をダウンロード", f"{DOWNLOAD}{PATH}/{draft['id']}/errors.csv", download=True)
        if total > ERRORS_A_PAGE:
            st.button("前へ", key=f"{KEY}.previous", disabled=not page, on_click=turn, args=(page - ERRORS_A_PAGE,))
            st.markdown(f"{page + 1:,}–{last:,}件目（全{total:,}件）", width="content")
            st.button(
                "次へ",
                key=f"{KEY}.next",
                disabled=last >= min(total, 1000),
                on_click=turn,
                args=(page + ERRORS_A_PAGE,),
            )


def turn(page: int) -> None:
    st.session_state[f"{KEY}.errors_from"] = max(0, page)


def run(draft: dict[str, Any]) -> None:
    """For callbacks: columns that were chosen right before the press are asked about first."""
    if is_changed(draft):
        return
    asked = f"{PATH}/{draft['id']}/run"
    try:
        with pressed(asked) as once:
            session.api().post(asked, once=once)
            st.session_state.pop(f"{KEY}.not_run", None)
    except ApiProblem as problem:
        st.session_state[f"{KEY}.not_run"] = problem


def go_on(draft: dict[str, Any]) -> None:
    st.markdown(
        f"**{plain(draft['file_name'])}**（{plain(draft['title'])}、{plain(draft['format'])}、{draft['row_count']:,}行）"
    )
    if draft["task_id"]:
        steps(4)
        tasks.progress(draft["task_id"], key=f"{KEY}.task")
        another("別のファイルを取り込む", draft)
        return
    steps(2 if draft["counts"] is None else 3)
    another_sheet(draft)
    mapping(draft)
    if draft["counts"] is not None:
        check(draft)
    else:
        buttons(draft)


def buttons(draft: dict[str, Any]) -> None:
    if problem := st.session_state.get(f"{KEY}.not_run"):
        feedback.not_done(problem)
    counts = draft["counts"]
    changed = is_changed(draft)
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
                on_click=run,
                args=(draft,),
            )
        another("別のファイルを選ぶ", draft)


def another(label: str, draft: dict[str, Any]) -> None:
    st.button(label, key=f"{KEY}.again", icon=":material/upload_file:", on_click=begin_again, args=(draft["kind"],))


def page() -> None:
    heading.page("取り込み")
    try:
        draft_id = st.query_params.get("id", "")
        if not draft_id.isdecimal():
            choose(kinds())
            return
        go_on(session.api(patience=PATIENCE_SECONDS).get(f"{PATH}/{draft_id}"))
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()
        feedback.failed(problem, key=KEY, again=live.forget_failure)
        if problem.status == 404:
            st.button("ファイルを選び直す", key=f"{KEY}.again", on_click=begin_again)


page()
