"""Drafts: the service stores what is typed, field by field, so that F5, another phone, a lost connection or the end
of a session lose nothing. Card data is never sent this way.

    draft = drafting.open_draft("new_request")
    if draft is None:
        return  # it cannot be read now, and the page shows why
    values = draw(f"{KEY}.{draft.name}", draft.values)
    draft.keep(values, LABELS)

`draft.name` is a part of the widgets' keys: it changes when other values are loaded.
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
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.agencies import Content, Saved
from dashboards.ui import confirm, conflict, details, dialogs, feedback, times
from dashboards.ui.text import plain, small

CLIENT_ID = "client_id"
# The same names as the service refuses.
_CARD_FIELD = re.compile(r"^card$|card.*(number|code|cv[cv])|security_?code|^cv[cv]2?$", re.IGNORECASE)

Values = Mapping[str, Any]


@dataclass
class Draft:
    """`values` is what was typed last, including card data while the page is open."""

    form: str
    subject: str
    values: dict[str, Any]
    number: int
    saved_at: datetime | None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    # The idempotency key of the request: the same in every tab, so that it is stored once.
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    # The values that the service has; None until the form is drawn for the first time, which is no change.
    saved: dict[str, Any] | None = None
    # When it was saved last, if it continues an earlier draft.
    continued_from: datetime | None = None
    # Fields that the service refused to store: its messages, and the refused values.
    refused: dict[str, str] = field(default_factory=dict)
    refused_values: dict[str, Any] = field(default_factory=dict)
    problem: ApiProblem | None = None
    stale: ApiProblem | None = None
    # Sent since the last answer: the service may have stored any of these.
    unanswered: list[dict[str, Any]] = field(default_factory=list)
    # Streamlit starts the next run of a page while the last one still waits for its answer.
    save_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def path(self) -> str:
        return _path(self.form, self.subject)

    @property
    def key(self) -> str:
        return _slot(self.form, self.subject)

    def keep(self, values: Values, labels: Mapping[str, str]) -> None:
        """Call it once the form is drawn, with the current values: saves them when they have changed, and shows the
        state of the draft. `labels`: the fields with their labels."""
        self.values = {**values}
        with self.save_lock:
            if self.stale is None:
                self._save()
        if self.stale is not None:
            self._show_conflict(labels)
        elif self.problem is not None:
            self._show_failure()
        else:
            self._show_saved(labels)

    def begun_before(self) -> None:
        """Shows, above the form, that it continues an earlier draft."""
        if self.continued_from:
            with st.container(horizontal=True, vertical_alignment="center", key=f"{self.key}.continued"):
                st.markdown(
                    f":material/history: 前回の入力の続きです（{times.full(self.continued_from)}に保存）。",
                    width="content",
                )
                dialogs.button(
                    "破棄して最初から入力する", self.ask_to_discard, key=f"{self.key}.begin", type="tertiary"
                )

    def ask_to_discard(self, then: Callable[[], None] = lambda: None) -> None:
        """`then` is called after the draft is deleted."""

        def discard(_: str, _idempotency_key: str) -> None:
            self.discard()
            then()

        confirm.confirm(
            f"{self.key}.discard",
            "入力途中の内容を破棄しますか？",
            "下書きは削除され、元に戻せません。まだ送信していない内容は失われます。",
            action="破棄する",
            do=discard,
            success="下書きを破棄しました。",
        )

    def discard(self) -> None:
        """Raises ApiProblem."""
        session.api().delete(self.path)
        self.forget()

    def complete(self) -> None:
        """Its values are stored elsewhere. When the draft cannot be deleted now, it is forgotten: the next one
        replaces it."""
        try:
            self.discard()
        except ApiProblem:
            self.forget()

    def forget(self) -> None:
        """For a draft that was deleted when its values were sent."""
        st.session_state.pop(self.key, None)

    def _save(self) -> None:
        storable = _storable(self.values) | {CLIENT_ID: self.client_id}
        to_save = {name: value for name, value in storable.items() if name not in self.refused}
        if self.saved is None:
            self.saved = to_save
        # A refused field is sent again after its value has changed.
        if to_save == self.saved and not self._is_corrected():
            return
        self.refused = {}
        self._send(storable)

    def _is_corrected(self) -> bool:
        return bool(self.refused) and self.refused_values != self._values_of(self.refused)

    def _values_of(self, names: Mapping[str, str]) -> dict[str, Any]:
        return {name: self.values.get(name) for name in names}

    def _send(self, values: dict[str, Any]) -> None:
        # Before the request, not after it: the next click may end this run between the service's answer and this note.
        self.unanswered.append(values)
        try:
            answer: Saved = session.api(patience=PAGE_TIMEOUT_SECONDS).put(
                self.path, {"values": values, "number": self.number}
            )
        except ApiProblem as problem:
            self._failed(problem, values)
            return
        self.saved, self.number, self.problem = values, answer["number"], None
        self.unanswered.clear()
        self.saved_at = times.parse(answer["updated_at"])

    def _failed(self, problem: ApiProblem, values: dict[str, Any]) -> None:
        if problem.status == 401 and session.has_ended():
            st.rerun()  # The frame shows it. All but the last field is stored.
        refused = {error["field"].split(".")[-1]: error["message"] for error in problem.errors}
        refused = {name: message for name, message in refused.items() if name in values}
        current = (problem.current or {}) if problem.stale else {}
        if current.get("values") in self.unanswered:
            # Sent by this page; the answer was lost or came too late.
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

    def _show_saved(self, labels: Mapping[str, str]) -> None:
        for name, message in self.refused.items():
            st.warning(
                f"「{labels.get(name, name)}」は下書きに保存していません。{plain(message)}", icon=":material/info:"
            )
        if self.saved_at and self.number:
            st.markdown(small(f":material/cloud_done: 下書きを保存しました（{times.clock(self.saved_at)}）"))

    def _show_failure(self) -> None:
        assert self.problem is not None
        st.warning(
            "下書きを保存できていません。入力した内容はこの画面に残っています。画面を閉じたり読み込み直したりせず、"
            f"しばらく待ってから「もう一度保存する」を押してください。  \n{feedback.problem_text(self.problem)}",
            icon=":material/cloud_off:",
        )
        st.button("もう一度保存する", key=f"{self.key}.again", icon=":material/refresh:")

    def _show_conflict(self, labels: Mapping[str, str]) -> None:
        assert self.stale is not None
        current: dict[str, Any] = (self.stale.current or {}).get("values") or {}
        st.warning(plain(self.stale.detail) + "この画面の入力はまだ保存されていません。", icon=":material/difference:")
        own = _storable(self.values)
        different = [name for name in labels if _display_text(own.get(name)) != _display_text(current.get(name))]
        if current and different:
            lines = (
                (labels[name], _display_text(own.get(name)), _display_text(current.get(name))) for name in different
            )
            details.sides(("項目", "この画面の入力", "保存されている内容"), lines, key=f"{self.key}.sides")
        with st.container(horizontal=True):
            st.button(conflict.KEEP, key=f"{self.key}.keep", type="primary", on_click=self._keep_own)
            label = conflict.LOAD if current else "破棄して最初から入力する"
            st.button(label, key=f"{self.key}.load", on_click=self._load_stored)

    def _keep_own(self) -> None:
        assert self.stale is not None
        self.number = (self.stale.current or {}).get("number", 0)
        self.saved, self.stale = {}, None
        if not self.number:
            # The draft that continues here is another one than the one sent there.
            self.client_id = str(uuid.uuid4())

    def _load_stored(self) -> None:
        """The page loads it again, under another name."""
        self.forget()


def open_draft(form: str, subject: str = "-") -> Draft | None:
    """The draft as it is in this tab, or as it was saved. None when it cannot be read: the page shows why."""
    slot = _slot(form, subject)
    cached: Draft | None = st.session_state.get(slot)
    if cached is not None:
        return cached
    try:
        answer: Content = session.api().get(_path(form, subject))
    except ApiProblem as problem:
        if problem.status == 401 and session.has_ended():
            st.rerun()
        feedback.failed(problem, key=slot)
        return None
    saved_at = times.parse(answer["updated_at"]) if answer["updated_at"] else None
    values = answer["values"]
    draft = Draft(form, subject, values, answer["number"], saved_at, continued_from=saved_at)
    draft.client_id = values.pop(CLIENT_ID, draft.client_id)
    st.session_state[slot] = draft
    return draft


def _path(form: str, subject: str) -> str:
    return f"/api/agencies/drafts/{form}/{subject}"


def _slot(form: str, subject: str) -> str:
    return f"drafting.{form}.{subject}"


def _storable(values: Values) -> dict[str, Any]:
    """As JSON, without card data."""
    return {name: _to_json(value) for name, value in values.items() if not _CARD_FIELD.search(name)}


def _to_json(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return _to_json(vars(value))
    if isinstance(value, Mapping):
        return _storable({str(name): item for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return value


def _display_text(value: Any) -> str:
    if value is None or value == "":
        return f":gray[{conflict.NOTHING}]"
    if isinstance(value, list):
        return f"{len(value)}件"
    if isinstance(value, bool):
        return "はい" if value else "いいえ"
    return plain(str(value))
