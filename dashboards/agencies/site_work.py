"""The sites of a case: the form of the selected site, and the actions on it. Unsaved input is stored as a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import case_sheet, case_words, drafting, site_shown, words
from dashboards.agencies.site_form import Form
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CaseDetail, Masters, SitesImageItem, SitesSiteItem
from dashboards.ui import confirm, conflict, details, dialogs, feedback, flash
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.text import plain, small

Row = Mapping[str, Any]
CASES = "/api/agencies/cases"
# In pixels: with the head of the page it fills a screen that is 900 high.
FORM_HEIGHT = 640
FINAL = {
    "entered": "この地点は投入済です。獲得案件一覧に表示されています。入力内容の訂正だけができます。",
    "cancelled": "この地点はキャンセルされています。内容は変更できません。",
}


@dataclass(frozen=True)
class Site:
    """One site of a case, as it was read, with its number in the case."""

    case: CaseDetail
    row: SitesSiteItem
    number: int
    images: Sequence[SitesImageItem]

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def path(self) -> str:
        return f"{CASES}/{self.case['id']}/sites/{self.id}"

    @property
    def name(self) -> str:
        return case_words.name(self.row, self.number)

    @property
    def slot(self) -> str:
        return f"case.site.{self.id}"


def row_at_version(site: Site, version: int) -> SitesSiteItem | None:
    """The site as this tab read it in that version."""
    by_version: dict[int, SitesSiteItem] = st.session_state.setdefault(f"{site.slot}.read", {})
    by_version[site.row["version"]] = site.row
    return by_version.get(version)


@st.fragment
def work(site: Site, masters: Masters, may_update: bool) -> None:
    dialogs.rerun_if_changed()
    _state(site)
    if not may_update or site.row["status"] == "cancelled":
        _read_only(site, masters)
        return
    draft = drafting.open_draft("site", str(site.id))
    if draft is None:
        return
    based_on = int(draft.values.get("version") or site.row["version"])
    row_at_version(site, based_on)
    draft_values = {name: value for name, value in draft.values.items() if name in case_words.LABELS}
    if draft_values:
        draft.begun_before()
    errors: dict[str, str] = st.session_state.get(f"{site.slot}.errors", {})
    # With the draft's name alone, the fields would show what was typed instead of what is stored.
    prefix = f"{site.slot}.{site.row['version']}.{draft.name}"
    # The actions stay visible above the fields, as does the statement next to them.
    toolbar = st.container(horizontal=True, vertical_alignment="center", key=f"{site.slot}.above")
    error_slot = st.container()
    # While the site is 不備, missing fields are not shown; they are shown again once it is 対応中.
    missing: list[str] = st.session_state.get(f"{site.slot}.missing", []) if site.row["status"] == "working" else []
    form = Form(prefix, {**site.row, **draft_values}, masters, errors, site.row["required"], missing)
    with st.container(height=FORM_HEIGHT, key=f"{site.slot}.fields"):
        st.markdown(small(":red-badge[必須] は投入済にするときに必要な項目です。途中でも保存できます。"))
        values = form.draw()
        stored: Row = site.row
        changes = {name: value for name, value in values.items() if not case_words.is_same(value, stored[name])}
        draft.keep({**changes, "version": based_on} if changes else {}, {**case_words.LABELS, "version": "版"})
    with error_slot:
        _show_errors(site, [name for name in missing if case_words.is_empty(values[name])])
    with toolbar:
        _send(site, draft, changes, based_on, masters)
        _actions(site, f"{site.slot}.above")


def _show_errors(site: Site, missing: Sequence[str]) -> None:
    if message := st.session_state.get(f"{site.slot}.message"):
        st.error(message, icon=":material/error:")
    if missing:
        names = "、".join(case_words.LABELS[name] for name in missing)
        st.error(f"投入済にできません。次の項目が入力されていません: {names}", icon=":material/error:")


def _state(site: Site) -> None:
    row = site.row
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(site.name)}** {words.STATUS[row['status']].badge()}", width="content")
        if row["twins"]:
            st.markdown(
                f":orange-badge[:material/content_copy: 同じ供給地点特定番号の地点がほかに{row['twins']:,}件あります]",
                width="content",
            )
    if row["deficiency"]:
        st.error(f"不備: {plain(row['deficiency'])}", icon=":material/report:")
    if row["status"] in FINAL:
        st.info(FINAL[row["status"]], icon=":material/info:")


def _read_only(site: Site, masters: Masters) -> None:
    values: Row = site.row
    for title, fields in case_words.sections(site.row["service_type"]).items():
        st.markdown(f"**{title}**")
        details.facts(
            {case_words.LABELS[name]: case_words.display_value(name, values[name], masters) for name in fields}
        )


def _actions(site: Site, key: str) -> None:
    row = site.row
    dialogs.button("投入用シート", case_sheet.show, site.path, site.name, key=f"{key}.sheet", icon="content_paste")
    if row["status"] == "deficient":
        dialogs.button("対応中に戻す", confirm_resume, site, key=f"{key}.go_on", icon="undo")
    if row["status"] == "working":
        dialogs.button("削除する", confirm_removal, site, key=f"{key}.remove", type="tertiary", icon="delete")


def _send(site: Site, draft: drafting.Draft, changes: Row, based_on: int, masters: Masters) -> None:
    save = st.button("保存する", key=f"{site.slot}.save", icon=":material/save:", disabled=not changes, type="primary")
    enter = site.row["status"] == "working" and st.button(
        "投入済にする", key=f"{site.slot}.enter", icon=":material/task_alt:"
    )
    if not (save or enter):
        return
    st.session_state[f"{site.slot}.errors"] = {}
    st.session_state[f"{site.slot}.message"] = ""
    st.session_state[f"{site.slot}.missing"] = []
    stored = _store(site, draft, changes, based_on, masters) if changes else site.row
    if enter and stored is not None:
        _ask_to_enter(site, stored)
    st.rerun()


def _store(site: Site, draft: drafting.Draft, changes: Row, based_on: int, masters: Masters) -> SitesSiteItem | None:
    """The site as it is stored now; None when it was not stored: the page shows why."""
    try:
        stored, taken_over = _save_merged(site, changes, based_on)
    except _ConflictingEdit as conflicting:
        dialogs.open(_compare, site, draft, changes, conflicting.current, conflicting.fields, masters)
        st.rerun()
    except ApiProblem as problem:
        _record_refusal(site, problem)
        return None
    merge_note = f"ほかの人の変更（{'、'.join(taken_over)}）も取り込みました。" if taken_over else ""
    flash.add(f"{site.name}を保存しました。{merge_note}")
    draft.complete()
    return stored


class _ConflictingEdit(Exception):
    def __init__(self, current: Row, fields: list[str]) -> None:
        super().__init__(fields)
        self.current, self.fields = current, fields


def _save_merged(site: Site, changes: Row, based_on: int) -> tuple[SitesSiteItem, list[str]]:
    """Changes of one side only are merged without asking. Raises _ConflictingEdit when both sides changed a field."""
    try:
        return session.api().patch(site.path, {**changes, "version": based_on}), []
    except ApiProblem as problem:
        if not problem.stale or not problem.current:
            raise
        current = problem.current
    base: Row | None = row_at_version(site, based_on)
    if both := case_words.conflicting_fields(base, changes, current):
        raise _ConflictingEdit(current, both)
    other_changes = [
        case_words.LABELS[name]
        for name in case_words.LABELS
        if base is not None and not case_words.is_same(base[name], current[name])
    ]
    return session.api().patch(site.path, {**changes, "version": current["version"]}), other_changes


def _compare(site: Site, draft: drafting.Draft, changes: Row, current: Row, both: list[str], masters: Masters) -> None:
    """Asks only about fields that both sides changed."""

    def take(chosen: Row) -> None:
        draft.values = {**changes, **chosen, "version": current["version"]}
        # Under another name the fields are drawn again, with these values.
        draft.name = f"{draft.name}.{current['version']}"

    conflict.field_by_field(
        f"{site.slot}.conflict.{current['version']}",
        case_words.LABELS,
        {name: changes[name] for name in both},
        current,
        changed=f"{site.name}は、開いたあとにほかの人が変更しました。",
        take=take,
        in_words=lambda name, value: case_words.display_value(name, value, masters),
    )


def _record_refusal(site: Site, problem: ApiProblem) -> None:
    if problem.status == 401 and session.has_ended():
        st.rerun()
    st.session_state[f"{site.slot}.errors"] = {error["field"]: error["message"] for error in problem.errors}
    names = "、".join(case_words.LABELS.get(error["field"], error["field"]) for error in problem.errors)
    st.session_state[f"{site.slot}.message"] = feedback.problem_text(problem) + (f"（{plain(names)}）" if names else "")


def _ask_to_enter(site: Site, stored: SitesSiteItem) -> None:
    """Notes the missing fields, which the form then marks until they are filled, or asks for a confirmation."""
    if stored["missing"]:
        st.session_state[f"{site.slot}.missing"] = stored["missing"]
        return
    dialogs.open(_confirm_entered, site, stored)


def _confirm_entered(site: Site, stored: SitesSiteItem) -> None:
    body = {"to": "entered", "version": stored["version"]}
    warning = early_end_warning(site.case)
    confirm.confirm(
        f"{site.slot}.entered",
        f"{site.name}を投入済にしますか？",
        f"{warning}キャリア管理画面への投入が終わった地点だけを投入済にしてください。投入済にすると、元に戻すことも"
        "キャンセルすることもできません。獲得案件一覧に表示されます。",
        action="投入済にする",
        do=lambda _, idempotency_key: session.api().post(f"{site.path}/status", body, idempotency_key=idempotency_key),
        success=f"{site.name}を投入済にしました。",
        danger=bool(warning),
    )


def early_end_warning(case: CaseDetail) -> str:
    """By 4.2 a request is 投入済 with the last of its sites. Declared sites that were not added do not count."""
    if not words.unregistered(case) or case["entered_sites"] + 1 < case["sites"]:
        return ""
    return (
        f"**申告は{case['site_count']:,}地点ですが、登録した地点は{case['sites']:,}地点だけです。** "
        "このまま投入済にすると、依頼全体が投入済になり、投入案件一覧の「残りあり」から外れます。"
        "残りの地点があれば、先に「＋地点を追加」で追加してください。\n\n"
    )


def confirm_resume(site: Site) -> None:
    confirm.confirm(
        f"{site.slot}.go_on",
        f"{site.name}を対応中に戻しますか？",
        "電話などで確認が取れ、営業担当者の再提出を待たずに進めるときに使います。この地点の不備は解決したものとして記録されます。",
        action="対応中に戻す",
        do=lambda _, idempotency_key: session.api().post(
            f"{site.path}/status", {"to": "working", "version": site.row["version"]}, idempotency_key=idempotency_key
        ),
        success=f"{site.name}を対応中に戻しました。",
        danger=False,
    )


def confirm_removal(site: Site) -> None:
    linked_count = sum(image["site_id"] == site.id for image in site.images)
    unlink_note = f"紐づけた明細画像{linked_count}枚は、未紐づけに戻ります。" if linked_count else ""
    confirm.confirm(
        f"{site.slot}.remove",
        f"{site.name}を削除しますか？",
        f"間違えて追加した地点を取り除きます。入力した内容は失われ、元に戻せません。{unlink_note}",
        action="削除する",
        do=lambda _, _idempotency_key: session.api().delete(site.path, {"version": site.row["version"]}),
        success=f"{site.name}を削除しました。",
    )


def _copy_source(names: dict[int, str], selected: int | None) -> tuple[int | None, bool]:
    """The site to copy from, and whether to copy its address."""
    source = st.selectbox(
        "コピー元の地点",
        [None, *reversed(names)],
        index=[None, *reversed(names)].index(selected if selected in names else [*names][-1]),
        format_func=lambda site_id: names[site_id] if site_id else "コピーしない",
        key="case.add.source",
    )
    st.markdown(small("お客様番号・供給地点特定番号・店舗名・明細情報・メモはコピーしません。"))
    address = st.checkbox("使用場所もコピーする", key="case.add.address", disabled=source is None)
    return source, address


def add(case: CaseDetail, sites: Sequence[SitesSiteItem], images: Sequence[SitesImageItem]) -> None:
    """＋地点を追加. The selected site is the default to copy from."""
    selected = site_shown.selected_site_id()
    names = {row["id"]: case_words.name(row, number) for number, row in enumerate(sites, 1)}
    image_labels = {row["id"]: f"{number}枚目 {row['file_name']}" for number, row in enumerate(images, 1)}
    unlinked = [row["id"] for row in images if row["site_id"] is None]

    @dialogs.dialog("地点を追加する", width="medium", icon=":material/add_location:")
    def ask() -> None:
        source, address = _copy_source(names, selected) if names else (None, False)
        chosen = st.multiselect(
            "この地点の明細画像",
            [*image_labels],
            default=unlinked[:1],
            format_func=image_labels.__getitem__,
            placeholder="画像を選ぶ（あとからでも紐づけられます）",
            key="case.add.images",
        )
        if st.button("追加する", type="primary", key="case.add.confirm"):
            body = {"copy_from": source, "with_address": bool(address and source), "image_ids": chosen}
            endpoint = f"{CASES}/{case['id']}/sites"
            try:
                with button_idempotency_key(endpoint) as idempotency_key:
                    created = session.api().post(endpoint, body, idempotency_key=idempotency_key)
                    st.session_state["case.go_to"] = created["id"]
                    flash.add("地点を追加しました。")
                    dialogs.close()
            except ApiProblem as problem:
                feedback.action_failed(problem)
                return
            st.rerun()

    ask()
