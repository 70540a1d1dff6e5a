"""A corporation is edited in the place of its facts. Only what was changed is sent; who comes too late sees both sides
and chooses field by field. What was typed and not saved is kept as a draft, and the address says that it is edited: F5
and the end of a session lead back here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form, drafting, sending
from dashboards.agencies.corporation_words import LABELS, PATH, shown
from dashboards.client import ApiProblem
from dashboards.session import may
from dashboards.ui import conflict, dialogs, feedback, flash, heading
from dashboards.ui.forms import CORRECT
from dashboards.ui.text import plain

KEY = "agencies.corporation_edit"
FORM = "corporation"
PARAMETER = "edit"
Values = Mapping[str, Any]


def is_open(corporation_id: int) -> bool:
    known = st.session_state.get(KEY)
    if known is not None and known["id"] != corporation_id:
        _forget(st.session_state.pop(KEY))
    return st.query_params.get(PARAMETER) == "1" and may("agencies:corporation:update")


def begin(one: Values) -> None:
    """A callback. Whoever closes a dialog leaves the block that refreshes itself: the whole page is another one now."""
    dialogs.close()
    _open(one)
    st.query_params[PARAMETER] = "1"


def _open(one: Values) -> None:
    corporation_form.forget(_prefix(one["id"]))
    st.session_state[KEY] = {"id": one["id"], "known": dict(one), "errors": {}, "problem": None}


def _prefix(corporation_id: int) -> str:
    return f"{KEY}.{corporation_id}"


def _forget(known: Values) -> None:
    corporation_form.forget(_prefix(known["id"]))


def _end() -> None:
    st.query_params.pop(PARAMETER, None)
    if known := st.session_state.pop(KEY, None):
        _forget(known)


def page(corporation_id: int) -> None:
    heading.page("法人を編集する")
    try:
        if KEY not in st.session_state:
            _open(session.api().get(f"{PATH}/{corporation_id}"))
        masters, intake = corporation_form.masters(), corporation_form.intake()
    except ApiProblem as problem:
        _not_loaded(problem)
        return
    draft = drafting.opened(FORM, str(corporation_id))
    if draft is not None:
        with st.container(width=sending.WIDTH):
            _fill_in(draft, masters, intake)


def _not_loaded(problem: ApiProblem) -> None:
    if problem.status == 401 and session.ended():
        st.rerun()
    if problem.status == 404:
        _end()
        st.rerun()  # The page of facts says it.
    feedback.failed(problem, key=KEY)


def _fill_in(draft: drafting.Draft, masters: Values, intake: Values) -> None:
    state = st.session_state[KEY]
    known = state["known"]
    st.markdown(f"**{plain(known['name'])}** の情報を変更します。変更した項目だけが保存され、操作の記録に残ります。")
    based_on = int(draft.values.get("version") or known["version"])
    kept = {name: value for name, value in draft.values.items() if name in LABELS}
    if kept:
        draft.begun_before()
    if state["errors"]:
        st.error(CORRECT, icon=":material/error:")
    if state["problem"]:
        feedback.not_done(state["problem"])
    values = {**{name: known[name] for name in LABELS}, **kept}
    typed = corporation_form.draw(
        f"{_prefix(known['id'])}.{draft.name}", values, masters, intake, card=known["card"], errors=state["errors"]
    )
    changed = {name: typed[name] for name in LABELS if typed[name] != known[name]}
    draft.keep({**changed, "version": based_on} if changed else {}, {**LABELS, "version": "版"})
    with st.container(horizontal=True, horizontal_alignment="right"):
        if changed:
            dialogs.button("やめる", draft.ask_to_discard, _end, key=f"{KEY}.leave")
        else:
            st.button("やめる", key=f"{KEY}.leave", on_click=_end)
        if st.button("保存する", key=f"{KEY}.save", type="primary"):
            card = {"card": typed["card"]} if "card" in typed else {}
            _save(draft, based_on, changed, card, masters)


def _save(draft: drafting.Draft, based_on: int, changed: Values, card: Values, masters: Values) -> None:
    state = st.session_state[KEY]
    known = state["known"]
    state["errors"], state["problem"] = {}, None
    if not changed and not card:
        _end()
        flash.say("変更した項目はありません。")
        st.rerun()
    try:
        session.api().patch(f"{PATH}/{known['id']}", {"version": based_on, **changed, **card})
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()
        if problem.current:
            dialogs.open(_compare, draft, known, changed, problem.current, masters)
        elif problem.errors:
            state["errors"] = {error["field"]: error["message"] for error in problem.errors}
        else:
            state["problem"] = problem
        st.rerun()
    draft.done()
    _end()
    flash.say(f"法人「{known['name']}」を変更しました。")
    st.rerun()


def _compare(draft: drafting.Draft, known: Values, yours: Values, current: Values, masters: Values) -> None:
    newest = {**known, **current}
    conflict.field_by_field(
        f"{KEY}.conflict.{newest['version']}",
        LABELS,
        yours,
        newest,
        changed=f"法人「{known['name']}」は、開いたあとにほかの人が変更しました。",
        take=partial(_go_on, draft, newest),
        in_words=lambda name, value: shown(name, value, masters),
    )


def _go_on(draft: drafting.Draft, newest: Values, chosen: Values) -> None:
    """With the newest version, and what was chosen of one's own."""
    st.session_state[KEY]["known"] = dict(newest)
    draft.values = {**chosen, "version": newest["version"]}
    prefix = f"{_prefix(newest['id'])}.{draft.name}"
    corporation_form.fill(prefix, {**{name: newest[name] for name in LABELS}, **chosen})
