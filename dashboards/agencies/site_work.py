"""The sites of a case: one is typed, and something is done with it. What was typed and not saved is kept as a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import case_sheet, case_words, drafting, site_shown, words
from dashboards.agencies.site_form import Form
from dashboards.client import ApiProblem
from dashboards.ui import confirm, conflict, details, dialogs, feedback, flash
from dashboards.ui.once import pressed
from dashboards.ui.text import plain, small

Row = Mapping[str, Any]
CASES = "/api/agencies/cases"
# In pixels: with the head of the page it fills a screen of 900.
FORM_HEIGHT = 640
FINAL = {
    "entered": "この地点は投入済です。獲得案件一覧に表示されています。入力内容の訂正だけができます。",
    "cancelled": "この地点はキャンセルされています。内容は変更できません。",
}


@dataclass(frozen=True)
class Site:
    """One site of a case, as it was read, with its place there."""

    case: Row
    row: Row
    place: int
    images: Sequence[Row]

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def path(self) -> str:
        return f"{CASES}/{self.case['id']}/sites/{self.id}"

    @property
    def name(self) -> str:
        return case_words.name(self.row, self.place)

    @property
    def slot(self) -> str:
        return f"case.site.{self.id}"


def read_before(site: Site, version: int) -> Row | None:
    """The site as this tab read it under that version."""
    known: dict[int, Row] = st.session_state.setdefault(f"{site.slot}.read", {})
    known[site.row["version"]] = site.row
    return known.get(version)


@st.fragment
def work(site: Site, masters: Row, may_update: bool) -> None:
    dialogs.leave()
    _state(site)
    if not may_update or site.row["status"] == "cancelled":
        _read_only(site, masters)
        return
    draft = drafting.opened("site", str(site.id))
    if draft is None:
        return
    based_on = int(draft.values.get("version") or site.row["version"])
    read_before(site, based_on)
    kept = {name: value for name, value in draft.values.items() if name in case_words.LABELS}
    if kept:
        draft.begun_before()
    errors: dict[str, str] = st.session_state.get(f"{site.slot}.errors", {})
    # The draft's name alone would keep the fields as they were typed, not as they are stored.
    prefix = f"{site.slot}.{site.row['version']}.{draft.name}"
    # What is done with the site stands above its fields and stays in sight, as the statement beside them does.
    above = st.container(horizontal=True, vertical_alignment="center", key=f"{site.slot}.above")
    wrong = st.container()
    # What was asked of a site that came to be 不備 since is asked once it is 対応中 again.
    missing: list[str] = st.session_state.get(f"{site.slot}.missing", []) if site.row["status"] == "working" else []
    form = Form(prefix, {**site.row, **kept}, masters, errors, site.row["required"], missing)
    with st.container(height=FORM_HEIGHT, key=f"{site.slot}.fields"):
        st.markdown(small(":red-badge[必須] は投入済にするときに必要な項目です。途中でも保存できます。"))
        typed = form.draw()
        changes = {name: value for name, value in typed.items() if not case_words.same(value, site.row[name])}
        draft.keep({**changes, "version": based_on} if changes else {}, {**case_words.LABELS, "version": "版"})
    with wrong:
        _say_wrong(site, [name for name in missing if case_words.is_empty(typed[name])])
    with above:
        _send(site, draft, changes, based_on, masters)
        _actions(site, f"{site.slot}.above")


def _say_wrong(site: Site, missing: Sequence[str]) -> None:
    if said := st.session_state.get(f"{site.slot}.said"):
        st.error(said, icon=":material/error:")
    if missing:
        named = "、".join(case_words.LABELS[name] for name in missing)
        st.error(f"投入済にできません。次の項目が入力されていません: {named}", icon=":material/error:")


def _state(site: Site) -> None:
    one = site.row
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(site.name)}** {words.STATUS[one['status']].badge()}", width="content")
        if one["twins"]:
            st.markdown(
                f":orange-badge[:material/content_copy: 同じ供給地点特定番号の地点がほかに{one['twins']:,}件あります]",
                width="content",
            )
    if one["deficiency"]:
        st.error(f"不備: {plain(one['deficiency'])}", icon=":material/report:")
    if one["status"] in FINAL:
        st.info(FINAL[one["status"]], icon=":material/info:")


def _read_only(site: Site, masters: Row) -> None:
    for title, fields in case_words.sections(site.row["service_type"]).items():
        st.markdown(f"**{title}**")
        details.facts({case_words.LABELS[name]: case_words.shown(name, site.row[name], masters) for name in fields})


def _actions(site: Site, key: str) -> None:
    one = site.row
    dialogs.button("投入用シート", case_sheet.show, site.path, site.name, key=f"{key}.sheet", icon="content_paste")
    if one["status"] == "deficient":
        dialogs.button("対応中に戻す", ask_to_go_on, site, key=f"{key}.go_on", icon="undo")
    if one["status"] == "working":
        dialogs.button("削除する", ask_to_remove, site, key=f"{key}.remove", type="tertiary", icon="delete")


def _send(site: Site, draft: drafting.Draft, changes: Row, based_on: int, masters: Row) -> None:
    save = st.button("保存する", key=f"{site.slot}.save", icon=":material/save:", disabled=not changes, type="primary")
    enter = site.row["status"] == "working" and st.button(
        "投入済にする", key=f"{site.slot}.enter", icon=":material/task_alt:"
    )
    if not (save or enter):
        return
    st.session_state[f"{site.slot}.errors"] = {}
    st.session_state[f"{site.slot}.said"] = ""
    st.session_state[f"{site.slot}.missing"] = []
    stored = _stored(site, draft, changes, based_on, masters) if changes else site.row
    if enter and stored is not None:
        _ask_to_enter(site, stored)
    st.rerun()


def _stored(site: Site, draft: drafting.Draft, changes: Row, based_on: int, masters: Row) -> Row | None:
    """The site as the service has it now; None when it was not stored, and that is said."""
    try:
        stored, taken_over = _merged(site, changes, based_on)
    except _Contested as both:
        dialogs.open(_compare, site, draft, changes, both.current, both.fields, masters)
        st.rerun()
    except ApiProblem as problem:
        _refused(site, problem)
        return None
    with_theirs = f"ほかの人の変更（{'、'.join(taken_over)}）も取り込みました。" if taken_over else ""
    flash.say(f"{plain(site.name)}を保存しました。{with_theirs}")
    draft.done()
    return stored


class _Contested(Exception):
    def __init__(self, current: Row, fields: list[str]) -> None:
        super().__init__(fields)
        self.current, self.fields = current, fields


def _merged(site: Site, changes: Row, based_on: int) -> tuple[Row, list[str]]:
    """What only one side changed is taken over without asking. Raises _Contested for what both changed."""
    try:
        return session.api().patch(site.path, {**changes, "version": based_on}), []
    except ApiProblem as problem:
        if not problem.stale or not problem.current:
            raise
        current, base = problem.current, read_before(site, based_on)
    if both := case_words.contested(base, changes, current):
        raise _Contested(current, both)
    theirs = [
        case_words.LABELS[name]
        for name in case_words.LABELS
        if base is not None and not case_words.same(base[name], current[name])
    ]
    return session.api().patch(site.path, {**changes, "version": current["version"]}), theirs


def _compare(site: Site, draft: drafting.Draft, changes: Row, current: Row, both: list[str], masters: Row) -> None:
    """Only what both changed is asked about."""

    def take(chosen: Row) -> None:
        draft.values = {**changes, **chosen, "version": current["version"]}
        # Under another name the fields are drawn anew, with these values.
        draft.name = f"{draft.name}.{current['version']}"

    conflict.field_by_field(
        f"{site.slot}.conflict.{current['version']}",
        case_words.LABELS,
        {name: changes[name] for name in both},
        current,
        changed=f"{site.name}は、開いたあとにほかの人が変更しました。",
        take=take,
        in_words=lambda name, value: case_words.shown(name, value, masters),
    )


def _refused(site: Site, problem: ApiProblem) -> None:
    if problem.status == 401 and session.ended():
        st.rerun()
    st.session_state[f"{site.slot}.errors"] = {error["field"]: error["message"] for error in problem.errors}
    named = "、".join(case_words.LABELS.get(error["field"], error["field"]) for error in problem.errors)
    st.session_state[f"{site.slot}.said"] = feedback.in_words(problem) + (f"（{plain(named)}）" if named else "")


def _ask_to_enter(site: Site, stored: Row) -> None:
    """Notes what is missing, which the form then names until it is filled in, or asks once."""
    if stored["missing"]:
        st.session_state[f"{site.slot}.missing"] = stored["missing"]
        return
    dialogs.open(_confirm_entered, site, stored)


def _confirm_entered(site: Site, stored: Row) -> None:
    body = {"to": "entered", "version": stored["version"]}
    too_early = ends_too_early(site.case)
    confirm.confirm(
        f"{site.slot}.entered",
        f"{site.name}を投入済にしますか？",
        f"{too_early}キャリア管理画面への投入が終わった地点だけを投入済にしてください。投入済にすると、元に戻すことも"
        "キャンセルすることもできません。獲得案件一覧に表示されます。",
        action="投入済にする",
        do=lambda _, once: session.api().post(f"{site.path}/status", body, once=once),
        done=f"{site.name}を投入済にしました。",
        danger=bool(too_early),
    )


def ends_too_early(case: Row) -> str:
    """By 4.2 a request is 投入済 with the last of its sites, and sites that nobody has added yet are none."""
    if not words.unregistered(case) or case["entered_sites"] + 1 < case["sites"]:
        return ""
    return (
        f"**申告は{case['site_count']:,}地点ですが、登録した地点は{case['sites']:,}地点だけです。** "
        "このまま投入済にすると、依頼全体が投入済になり、投入案件一覧の「残りあり」から外れます。"
        "残りの地点があれば、先に「＋地点を追加」で追加してください。\n\n"
    )


def ask_to_go_on(site: Site) -> None:
    confirm.confirm(
        f"{site.slot}.go_on",
        f"{site.name}を対応中に戻しますか？",
        "電話などで確認が取れ、営業担当者の再提出を待たずに進めるときに使います。この地点の不備は解決したものとして記録されます。",
        action="対応中に戻す",
        do=lambda _, once: session.api().post(
            f"{site.path}/status", {"to": "working", "version": site.row["version"]}, once=once
        ),
        done=f"{site.name}を対応中に戻しました。",
        danger=False,
    )


def ask_to_remove(site: Site) -> None:
    linked = sum(one["site_id"] == site.id for one in site.images)
    untied = f"紐づけた明細画像{linked}枚は、未紐づけに戻ります。" if linked else ""
    confirm.confirm(
        f"{site.slot}.remove",
        f"{site.name}を削除しますか？",
        f"間違えて追加した地点を取り除きます。入力した内容は失われ、元に戻せません。{untied}",
        action="削除する",
        do=lambda _, _once: session.api().delete(site.path, {"version": site.row["version"]}),
        done=f"{site.name}を削除しました。",
    )


def _copied(places: dict[int, str], now: int | None) -> tuple[int | None, bool]:
    """From which site, and whether with its address."""
    source = st.selectbox(
        "コピー元の地点",
        [None, *reversed(places)],
        index=[None, *reversed(places)].index(now if now in places else [*places][-1]),
        format_func=lambda one: places[one] if one else "コピーしない",
        key="case.add.source",
    )
    st.markdown(small("お客様番号・供給地点特定番号・店舗名・明細情報・メモはコピーしません。"))
    address = st.checkbox("使用場所もコピーする", key="case.add.address", disabled=source is None)
    return source, address


def add(case: Row, sites: Sequence[Row], images: Sequence[Row]) -> None:
    """＋地点を追加. The site that is shown is the one to copy from."""
    now = site_shown.now()
    places = {one["id"]: case_words.name(one, place) for place, one in enumerate(sites, 1)}
    pictures = {one["id"]: f"{place}枚目 {one['file_name']}" for place, one in enumerate(images, 1)}
    free = [one["id"] for one in images if one["site_id"] is None]

    @dialogs.dialog("地点を追加する", width="medium", icon=":material/add_location:")
    def ask() -> None:
        source, address = _copied(places, now) if places else (None, False)
        chosen = st.multiselect(
            "この地点の明細画像",
            [*pictures],
            default=free[:1],
            format_func=pictures.__getitem__,
            placeholder="画像を選ぶ（あとからでも紐づけられます）",
            key="case.add.images",
        )
        if st.button("追加する", type="primary", key="case.add.confirm"):
            body = {"copy_from": source, "with_address": bool(address and source), "image_ids": chosen}
            asked = f"{CASES}/{case['id']}/sites"
            try:
                with pressed(asked) as once:
                    made = session.api().post(asked, body, once=once)
                    st.session_state["case.go_to"] = made["id"]
                    flash.say("地点を追加しました。")
                    dialogs.close()
            except ApiProblem as problem:
                feedback.not_done(problem)
                return
            st.rerun()

    ask()
