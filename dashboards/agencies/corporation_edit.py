"""The form that edits a corporation, in place of its facts. Only changed fields are sent. A stale edit shows both
sides, field by field, to choose from. Unsaved input is stored as a draft, and the page's address says that it is
edited, so that F5 and the end of a session lead back here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form, drafting, sending
from dashboards.agencies.corporation_words import LABELS, PATH, display_value
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CorporationDetail, Intake, Masters
from dashboards.session import has_permission
from dashboards.ui import conflict, dialogs, feedback, flash, heading
from dashboards.ui.forms import CORRECT_FIELDS
from dashboards.ui.text import plain

KEY = "agencies.corporation_edit"
FORM = "corporation"
PARAMETER = "edit"
Values = Mapping[str, Any]


def is_open(corporation_id: int) -> bool:
    state = st.session_state.get(KEY)
    if state is not None and state["id"] != corporation_id:
        _forget(st.session_state.pop(KEY))
    return st.query_params.get(PARAMETER) == "1" and has_permission("agencies:corporation:update")


def start_editing(corporation: CorporationDetail) -> None:
    """A callback. `dialogs.close` leaves the block that refreshes itself, because the whole page changes."""
    dialogs.close()
    _open(corporation)
    st.query_params[PARAMETER] = "1"


def _open(corporation: CorporationDetail) -> None:
    corporation_form.forget(_prefix(corporation["id"]))
    st.session_state[KEY] = {"id": corporation["id"], "stored": dict(corporation), "errors": {}, "problem": None}


def _prefix(corporation_id: int) -> str:
    return f"{KEY}.{corporation_id}"


def _forget(state: Values) -> None:
    corporation_form.forget(_prefix(state["id"]))


def _stop_editing() -> None:
    st.query_params.pop(PARAMETER, None)
    if state := st.session_state.pop(KEY, None):
        _forget(state)


def page(corporation_id: int) -> None:
    heading.page("法人を編集する")
    try:
        if KEY not in st.session_state:
            _open(session.api().get(f"{PATH}/{corporation_id}"))
        masters, intake = corporation_form.masters(), corporation_form.intake()
    except ApiProblem as problem:
        _not_loaded(problem)
        return
    draft = drafting.open_draft(FORM, str(corporation_id))
    if draft is not None:
        with st.container(width=sending.WIDTH):
            _fill_in(draft, masters, intake)


def _not_loaded(problem: ApiProblem) -> None:
    if problem.status == 401 and session.has_ended():
        st.rerun()
    if problem.status == 404:
        _stop_editing()
        st.rerun()  # The page of facts shows it.
    feedback.failed(problem, key=KEY)


def _fill_in(draft: drafting.Draft, masters: Masters, intake: Intake) -> None:
    state = st.session_state[KEY]
    corporation = state["stored"]
    st.markdown(
        f"**{plain(corporation['name'])}** の情報を変更します。変更した項目だけが保存され、操作の記録に残ります。"
    )
    based_on = int(draft.values.get("version") or corporation["version"])
    draft_values = {name: value for name, value in draft.values.items() if name in LABELS}
    if draft_values:
        draft.begun_before()
    if state["errors"]:
        st.error(CORRECT_FIELDS, icon=":material/error:")
    if state["problem"]:
        feedback.action_failed(state["problem"])
    initial = {**{name: corporation[name] for name in LABELS}, **draft_values}
    values = corporation_form.draw(
        f"{_prefix(corporation['id'])}.{draft.name}",
        initial,
        masters,
        intake,
        card=corporation["card"],
        errors=state["errors"],
    )
    changed = {name: values[name] for name in LABELS if values[name] != corporation[name]}
    draft.keep({**changed, "version": based_on} if changed else {}, {**LABELS, "version": "版"})
    with st.container(horizontal=True, horizontal_alignment="right"):
        if changed:
            dialogs.button("やめる", draft.ask_to_discard, _stop_editing, key=f"{KEY}.leave")
        else:
            st.button("やめる", key=f"{KEY}.leave", on_click=_stop_editing)
        if st.button("保存する", key=f"{KEY}.save", type="primary"):
            card = {"card": values["card"]} if "card" in values else {}
            _save(draft, based_on, changed, card, masters)


def _save(draft: drafting.Draft, based_on: int, changed: Values, card: Values, masters: Masters) -> None:
    state = st.session_state[KEY]
    corporation = state["stored"]
    state["errors"], state["problem"] = {}, None
    if not changed and not card:
        _stop_editing()
        flash.add("変更した項目はありません。")
        st.rerun()
    try:
        session.api().patch(f"{PATH}/{corporation['id']}", {"version": based_on, **changed, **card})
    except ApiProblem as problem:
        if problem.status == 401 and session.has_ended():
            st.rerun()
        if problem.current:
            dialogs.open(_compare, draft, corporation, changed, problem.current, masters)
        elif problem.errors:
            state["errors"] = {error["field"]: error["message"] for error in problem.errors}
        else:
            state["problem"] = problem
        st.rerun()
    draft.complete()
    _stop_editing()
    flash.add(f"法人「{corporation['name']}」を変更しました。")
    st.rerun()


def _compare(draft: drafting.Draft, corporation: Values, changes: Values, current: Values, masters: Masters) -> None:
    newest = {**corporation, **current}
    conflict.field_by_field(
        f"{KEY}.conflict.{newest['version']}",
        LABELS,
        changes,
        newest,
        changed=f"法人「{corporation['name']}」は、開いたあとにほかの人が変更しました。",
        take=partial(_continue_editing, draft, newest),
        in_words=lambda name, value: display_value(name, value, masters),
    )


def _continue_editing(draft: drafting.Draft, newest: Values, chosen: Values) -> None:
    """With the newest version and the values chosen from the user's own changes."""
    st.session_state[KEY]["stored"] = dict(newest)
    draft.values = {**chosen, "version": newest["version"]}
    prefix = f"{_prefix(newest['id'])}.{draft.name}"
    corporation_form.fill(prefix, {**{name: newest[name] for name in LABELS}, **chosen})
