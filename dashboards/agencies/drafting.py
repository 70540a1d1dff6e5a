"""What is being typed is kept by the service, field by field: F5, another phone, a lost connection or the end of a
session lose nothing. Nothing of a card leaves the page this way.

    draft = drafting.opened("new_request")
    if draft is None:
        return  # it cannot be read just now, and that is said
    values = draw(f"{KEY}.{draft.name}", draft.values)
    draft.keep(values, LABELS)

`draft.name` is part of the widgets' keys: it is another one after other values were loaded.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from datetime import date, datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.ui import confirm, conflict, details, dialogs, feedback, times
from dashboards.ui.text import plain, small

ONCE = "client_id"
# As the service refuses it.
_OF_A_CARD = re.compile(r"^card$|card.*(number|code|cv[cv])|security_?code|^cv[cv]2?$", re.IGNORECASE)

Values = Mapping[str, Any]


@dataclass
class Draft:
    """`values` is what was typed last, a card's data included as long as the page is open."""

    form: str
    subject: str
    values: dict[str, Any]
    number: int
    saved_at: datetime | None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    # Under which what is typed is sent, from whatever tab: it is stored once.
    once: str = field(default_factory=lambda: str(uuid.uuid4()))
    # As the service has it; None until the form was drawn for the first time, which is no change.
    saved: dict[str, Any] | None = None
    # When it was left, if it goes on with what was typed before.
    left_at: datetime | None = None
    # Fields that the service refused to keep, with its words, and what stood in them.
    refused: dict[str, str] = field(default_factory=dict)
    refused_values: dict[str, Any] = field(default_factory=dict)
    problem: ApiProblem | None = None
    stale: ApiProblem | None = None
    # What was sent since the last answer: the service may have stored any of it all the same.
    unanswered: list[dict[str, Any]] = field(default_factory=list)
    # Streamlit begins the next run of a page while the last one still waits for its answer.
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def path(self) -> str:
        return _path(self.form, self.subject)

    @property
    def key(self) -> str:
        return _slot(self.form, self.subject)

    def keep(self, values: Values, labels: Mapping[str, str]) -> None:
        """To be called once the form was drawn, with what stands in it now: saves it when it has changed, and says
        how it stands with the draft. `labels` are the fields with their words."""
        self.values = {**values}
        with self.one_at_a_time:
            if self.stale is None:
                self._save()
        if self.stale is not None:
            self._say_stale(labels)
        elif self.problem is not None:
            self._say_failed()
        else:
            self._say_saved(labels)

    def begun_before(self) -> None:
        """Says, above the form, that it goes on with what was typed before."""
        if self.left_at:
            with st.container(horizontal=True, vertical_alignment="center", key=f"{self.key}.continued"):
                st.markdown(
                    f":material/history: 前回の入力の続きです（{times.full(self.left_at)}に保存）。", width="content"
                )
                dialogs.button(
                    "破棄して最初から入力する", self.ask_to_discard, key=f"{self.key}.begin", type="tertiary"
                )

    def ask_to_discard(self, then: Callable[[], None] = lambda: None) -> None:
        """`then` follows once it is gone."""

        def discard(_: str, _once: str) -> None:
            self.discard()
            then()

        confirm.confirm(
            f"{self.key}.discard",
            "入力途中の内容を破棄しますか？",
            "下書きは削除され、元に戻せません。まだ送信していない内容は失われます。",
            action="破棄する",
            do=discard,
            done="下書きを破棄しました。",
        )

    def discard(self) -> None:
        """Raises ApiProblem."""
        session.api().delete(self.path)
        self.forget()

    def done(self) -> None:
        """What stood in it is stored elsewhere: a draft that cannot be removed now goes with the next one."""
        try:
            self.discard()
        except ApiProblem:
            self.forget()

    def forget(self) -> None:
        """It was sent, and with it the draft is gone."""
        st.session_state.pop(self.key, None)

    def _save(self) -> None:
        storable = _storable(self.values) | {ONCE: self.once}
        sent = {name: value for name, value in storable.items() if name not in self.refused}
        if self.saved is None:
            self.saved = sent
        # A field that was refused is tried again once something else stands in it.
        if sent == self.saved and not self._is_corrected():
            return
        self.refused = {}
        self._send(storable)

    def _is_corrected(self) -> bool:
        return bool(self.refused) and self.refused_values != self._values_of(self.refused)

    def _values_of(self, names: Mapping[str, str]) -> dict[str, Any]:
        return {name: self.values.get(name) for name in names}

    def _send(self, values: dict[str, Any]) -> None:
        # Before, not after: the next click may end this run of the page between the service's answer and its note here.
        self.unanswered.append(values)
        try:
            answer = session.api(patience=PATIENCE_SECONDS).put(self.path, {"values": values, "number": self.number})
        except ApiProblem as problem:
            self._failed(problem, values)
            return
        self.saved, self.number, self.problem = values, answer["number"], None
        self.unanswered.clear()
        self.saved_at = times.parse(answer["updated_at"])

    def _failed(self, problem: ApiProblem, values: dict[str, Any]) -> None:
        if problem.status == 401 and session.ended():
            st.rerun()  # The frame says it. All but the last field is kept.
        refused = {error["field"].split(".")[-1]: error["message"] for error in problem.errors}
        refused = {name: message for name, message in refused.items() if name in values}
        current = (problem.current or {}) if problem.stale else {}
        if current.get("values") in self.unanswered:
            # This page's own, whose answer was lost or not heard any more.
            self.number = current["number"]
            self.unanswered.clear()
            self._send(values)
        elif problem.stale:
            self.stale, self.problem = problem, None
        elif problem.status == 422 and refused and not self.refused:
            self.refused = refused
            self.refused_values = self._values_of(refused)
            self._send({name: value for name, value in values.items() if name not in refused})
        else:
            self.problem = problem

    def _say_saved(self, labels: Mapping[str, str]) -> None:
        for name, message in self.refused.items():
            st.warning(
                f"「{labels.get(name, name)}」は下書きに保存していません。{plain(message)}", icon=":material/info:"
            )
        if self.saved_at and self.number:
            st.markdown(small(f":material/cloud_done: 下書きを保存しました（{times.clock(self.saved_at)}）"))

    def _say_failed(self) -> None:
        assert self.problem is not None
        st.warning(
            "下書きを保存できていません。入力した内容はこの画面に残っています。画面を閉じたり読み込み直したりせず、"
            f"しばらく待ってから「もう一度保存する」を押してください。  \n{feedback.in_words(self.problem)}",
            icon=":material/cloud_off:",
        )
        st.button("もう一度保存する", key=f"{self.key}.again", icon=":material/refresh:")

    def _say_stale(self, labels: Mapping[str, str]) -> None:
        assert self.stale is not None
        current: dict[str, Any] = (self.stale.current or {}).get("values") or {}
        st.warning(plain(self.stale.detail) + "この画面の入力はまだ保存されていません。", icon=":material/difference:")
        mine = _storable(self.values)
        different = [name for name in labels if _shown(mine.get(name)) != _shown(current.get(name))]
        if current and different:
            lines = ((labels[name], _shown(mine.get(name)), _shown(current.get(name))) for name in different)
            details.sides(("項目", "この画面の入力", "保存されている内容"), lines, key=f"{self.key}.sides")
        with st.container(horizontal=True):
            st.button(conflict.KEEP, key=f"{self.key}.keep", type="primary", on_click=self._keep_mine)
            word = conflict.LOAD if current else "破棄して最初から入力する"
            st.button(word, key=f"{self.key}.load", on_click=self._load_theirs)

    def _keep_mine(self) -> None:
        assert self.stale is not None
        self.number = (self.stale.current or {}).get("number", 0)
        self.saved, self.stale = {}, None
        if not self.number:
            # What goes on here is another one than what was sent there.
            self.once = str(uuid.uuid4())

    def _load_theirs(self) -> None:
        """The page asks for it anew, under another name."""
        self.forget()


def opened(form: str, subject: str = "-") -> Draft | None:
    """The draft as it is being typed in this tab, or as it was left. None when it cannot be read: that is said."""
    slot = _slot(form, subject)
    known: Draft | None = st.session_state.get(slot)
    if known is not None:
        return known
    try:
        kept = session.api().get(_path(form, subject))
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()
        feedback.failed(problem, key=slot)
        return None
    at = times.parse(kept["updated_at"]) if kept["updated_at"] else None
    values = kept["values"]
    made = Draft(form, subject, values, kept["number"], at, left_at=at)
    made.once = values.pop(ONCE, made.once)
    st.session_state[slot] = made
    return made


def _path(form: str, subject: str) -> str:
    return f"/api/agencies/drafts/{form}/{subject}"


def _slot(form: str, subject: str) -> str:
    return f"drafting.{form}.{subject}"


def _storable(values: Values) -> dict[str, Any]:
    """As JSON, without a card's data."""
    return {name: _plain(value) for name, value in values.items() if not _OF_A_CARD.search(name)}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return _storable({str(name): inner for name, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _shown(value: Any) -> str:
    if value is None or value == "":
        return f":gray[{conflict.NOTHING}]"
    if isinstance(value, list):
        return f"{len(value)}件"
    if isinstance(value, bool):
        return "はい" if value else "いいえ"
    return plain(str(value))
