"""The projection: how states and loans follow from the events of a device. The only place for these rules."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from service.core.values.labels import Labelled
from service.core.values.times import local_date
from service.loaners.forms.rules import Meaning, choice_number
from service.loaners.rules import (
    DEPOSIT_LABELS,
    HELD_LABELS,
    STATUS_LABELS,
    UNSET_LABEL,
    Deposit,
    Status,
    format_timestamp,
)


class EventKind(Labelled):
    REGISTERED = "registered", "登録"
    FORM = "form", "ステータス登録"
    DEPOSIT = "deposit", "預り機のステータスの変更"
    CLEARED = "cleared", "預り機のステータスの自動クリア"
    TRANSFER = "transfer", "移管"
    ARCHIVED = "archived", "無効化"
    RESTORED = "restored", "有効化"


class Source(Labelled):
    """Where an event came from: a form, the dashboards' lists, the product itself, or a file."""

    FORM = "form", "フォーム"
    VIEWER = "viewer", "画面"
    SYSTEM = "system", "自動"
    IMPORT = "import", "取込"


# Events that an administrator may mark (除去). Not the registration, which every history needs; not archiving, which
# restoring undoes; not a clearing, which is marked with the form that caused it.
MARKABLE = frozenset({EventKind.FORM, EventKind.DEPOSIT, EventKind.TRANSFER})
# An event that is recorded this much later than it happened is a late entry.
LATE_AFTER = timedelta(minutes=1)
# The meanings whose answers a loan has.
LOAN_MEANINGS = frozenset({Meaning.BORROWER, Meaning.LOAN_NUMBER, Meaning.LENT_ON, Meaning.DUE_ON})
NOT_REGISTERED = "未登録"
SITE_HEADER, DEPOSIT_HEADER = "拠点", "預り機のステータス"
# Path of a device's label: /d/<number>.
LABEL_PATH = "/d/"


class Fact(NamedTuple):
    """The part of an event that the projection needs. `unasked`: meanings that its form does not ask for."""

    id: int
    kind: EventKind
    effective_at: datetime
    status: int | None = None
    held: bool | None = None
    deposit: int | None = None
    site_id: int | None = None
    borrower: str = ""
    loan_number: str = ""
    lent_on: date | None = None
    due_on: date | None = None
    unasked: frozenset[Meaning] = frozenset()


@dataclass(frozen=True)
class State:
    """A state of a device; `until` None: the current one."""

    since: datetime
    until: datetime | None
    event_id: int
    form_event_id: int | None
    site_id: int
    status: int | None
    held: bool | None
    deposit: int | None
    is_archived: bool


@dataclass(frozen=True)
class LoanPeriod:
    """A loan; `until` None: it is open."""

    since: datetime
    until: datetime | None
    first_event_id: int
    last_event_id: int
    borrower: str
    loan_number: str
    lent_on: date | None
    due_on: date | None


def state_at(states: Sequence[State], timestamp: datetime) -> State | None:
    """The state at this time; None before the first."""
    return next((state for state in reversed(states) if state.since <= timestamp), None)


def allows_deposit(status: int | None, held: bool | None) -> bool:
    """Whether a 預り機のステータス is allowed (2.6.2)."""
    return status == Status.LENT and held is True


def project_states(events: Iterable[Fact]) -> list[State]:
    """The consecutive states of a device. `events` are those that count, in any order; the earliest must be the
    registration. A late entry takes its place by the time when it happened."""
    result: list[State] = []
    for event in sorted(events, key=lambda event: (event.effective_at, event.id)):
        if not result:
            result.append(initial_state(event))
            continue
        next_state = apply_event(result[-1], event)
        if event.effective_at == result[-1].since:
            result[-1] = next_state
        else:
            result[-1] = replace(result[-1], until=event.effective_at)
            result.append(next_state)
    return result


def initial_state(event: Fact) -> State:
    if event.site_id is None:
        raise ValueError("a device's first event says where it is")
    return State(event.effective_at, None, event.id, None, event.site_id, None, None, None, is_archived=False)


def apply_event(before: State, event: Fact) -> State:
    """The state after the event."""
    state = replace(before, since=event.effective_at, until=None, event_id=event.id)
    if event.kind is EventKind.FORM:
        state = replace(state, form_event_id=event.id, status=event.status, held=event.held)
        deposit = state.deposit if event.deposit is None else event.deposit
        return replace(state, deposit=deposit if allows_deposit(state.status, state.held) else None)
    if event.kind is EventKind.DEPOSIT:
        return replace(state, deposit=event.deposit if allows_deposit(state.status, state.held) else None)
    if event.kind is EventKind.CLEARED:
        return replace(state, deposit=None)
    if event.kind in (EventKind.ARCHIVED, EventKind.RESTORED):
        return replace(state, is_archived=event.kind is EventKind.ARCHIVED)
    return state if event.site_id is None else replace(state, site_id=event.site_id)


def project_loans(events: Iterable[Fact]) -> list[LoanPeriod]:
    """The consecutive loans of a device. Another borrower or 貸出番号 starts another loan."""
    return _loans_and_unreturned(events)[0]


def _loans_and_unreturned(events: Iterable[Fact]) -> tuple[list[LoanPeriod], list[tuple[LoanPeriod, LoanPeriod]]]:
    """The loans, and the pairs whose second loan started before the first one ended."""
    result: list[LoanPeriod] = []
    unreturned: list[tuple[LoanPeriod, LoanPeriod]] = []
    for event in sorted(events, key=lambda event: (event.effective_at, event.id)):
        if event.kind is not EventKind.FORM:
            continue
        current = result[-1] if result and result[-1].until is None else None
        if event.status == Status.LENT and current and is_same_loan(current, event):
            result[-1] = replace(
                current,
                last_event_id=event.id,
                borrower=_source_of(Meaning.BORROWER, current, event).borrower,
                loan_number=_source_of(Meaning.LOAN_NUMBER, current, event).loan_number,
                lent_on=_source_of(Meaning.LENT_ON, current, event).lent_on,
                due_on=_source_of(Meaning.DUE_ON, current, event).due_on,
            )
            continue
        if current:
            _end_loan(result, event.effective_at)
        if event.status == Status.LENT:
            values = event.borrower, event.loan_number, event.lent_on, event.due_on
            result.append(LoanPeriod(event.effective_at, None, event.id, event.id, *values))
            unreturned += [(current, result[-1])] if current else []
    return result, unreturned


def _source_of(meaning: Meaning, current: LoanPeriod, event: Fact) -> LoanPeriod | Fact:
    """The source of a value: an empty answer counts as empty; a question that the form does not ask keeps its value."""
    return current if meaning in event.unasked else event


def _end_loan(loans: list[LoanPeriod], at: datetime) -> None:
    """Ends the last loan; a loan that would end at its start is removed."""
    if loans[-1].since == at:
        loans.pop()
    else:
        loans[-1] = replace(loans[-1], until=at)


def days_lent(lent_on: date | None, since: datetime, today: date) -> int:
    """Days since 貸出日, or else since the day in Tokyo on which the loan started."""
    return (today - (lent_on or local_date(since))).days


def is_same_loan(current: LoanPeriod, event: Fact) -> bool:
    """Whether the form is about the current loan, not about a new one."""
    if current.loan_number and event.loan_number:
        return current.loan_number == event.loan_number
    return not (current.borrower and event.borrower) or current.borrower == event.borrower


def find_double_loan(before: Iterable[Fact], after: Iterable[Fact]) -> tuple[LoanPeriod, LoanPeriod] | None:
    """Two loans without a return between them that the events `after` have and the events `before` do not."""
    existing = {_event_ids(pair) for pair in _loans_and_unreturned(before)[1]}
    return next((pair for pair in _loans_and_unreturned(after)[1] if _event_ids(pair) not in existing), None)


def _event_ids(pair: tuple[LoanPeriod, LoanPeriod]) -> tuple[int, int]:
    return pair[0].first_event_id, pair[1].first_event_id


EMPTIED_REASON = "フォームで「預り機のステータス」が空欄にされたため"


def clearing_reason(status: int | None, held: bool | None) -> str:
    """The reason why a 預り機のステータス was cleared, as text."""
    if status != Status.LENT:
        return f"ステータスが「{STATUS_LABELS[Status(status)] if status else '未登録'}」に変更されたため"
    return f"ユーザー機の預り有無が「{HELD_LABELS[bool(held)]}」に変更されたため"


def event_columns(meanings: Mapping[Meaning, str]) -> dict[str, Any]:
    """The columns of an event, from the answers that have a meaning."""
    held, deposit = meanings.get(Meaning.HELD), meanings.get(Meaning.DEPOSIT)
    return {
        "status": int(choice_number(meanings[Meaning.STATUS])),
        "held": None if held is None else held == HELD_LABELS[True],
        "deposit": int(choice_number(deposit)) if deposit else None,
        "borrower": meanings.get(Meaning.BORROWER, ""),
        "loan_number": meanings.get(Meaning.LOAN_NUMBER, ""),
        "lent_on": _day(meanings.get(Meaning.LENT_ON)),
        "due_on": _day(meanings.get(Meaning.DUE_ON)),
    }


def _day(answer: str | None) -> date | None:
    return date.fromisoformat(answer) if answer else None


def deposit_refusal(state: State) -> str | None:
    """The message why no 預り機のステータス is allowed now (2.6.2); None when it is allowed."""
    if state.is_archived:
        return "この機器は無効です。元に戻してから設定してください。"
    if state.status != Status.LENT:
        current = status_label(state.status)
        return (
            f"「0-4.ステータス」が「{STATUS_LABELS[Status.LENT]}」のときだけ設定できます（現在は「{current}」です）。"
        )
    if not state.held:
        current = NOT_REGISTERED if state.held is None else HELD_LABELS[False]
        return (
            f"「1-4.ユーザー機の預り有無」が「{HELD_LABELS[True]}」のときだけ設定できます（現在は「{current}」です）。"
        )
    return None


def status_label(status: int | None) -> str:
    return STATUS_LABELS[Status(status)] if status else NOT_REGISTERED


def deposit_label(deposit: int | None) -> str:
    return DEPOSIT_LABELS[Deposit(deposit)].title if deposit else UNSET_LABEL


def snapshot(state: State | None, sites: Mapping[int, str], answers: Mapping[str, str]) -> dict[str, str]:
    """All values of a device at a point in time, by header. The 預り機のステータス is that of the state: it may have
    changed after the form."""
    if state is None:
        return {}
    other_answers = {header: value for header, value in answers.items() if header != DEPOSIT_HEADER}
    deposit = {DEPOSIT_HEADER: deposit_label(state.deposit)} if state.deposit else {}
    return {SITE_HEADER: sites[state.site_id]} | other_answers | deposit


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Header, old value and new value of each difference; "" for no value."""
    headers = [*new, *(header for header in old if header not in new)]
    return [
        (header, old.get(header, ""), new.get(header, ""))
        for header in headers
        if old.get(header, "") != new.get(header, "")
    ]


def read_label(text: str) -> str:
    """The number in scanned or typed text: the URL of a label, or the number itself."""
    normalized = unicodedata.normalize("NFKC", text).strip()
    match = re.search(rf"{LABEL_PATH}([^/?#]+)/?(?:[?#].*)?$", normalized)
    return unquote(match[1]).strip() if match else normalized


def label_path(number: str) -> str:
    return LABEL_PATH + quote(number, safe="")


@dataclass(frozen=True)
class StatusChange:
    """The data of a mail about a change of 0-4."""

    number: str
    model_name: str
    site_name: str
    old: int | None
    new: int | None
    borrower: str
    operator: str
    happened_at: datetime
    recorded_at: datetime


def change_mail(change: StatusChange, link: str) -> tuple[str, str]:
    """Subject and text."""
    old, new = status_label(change.old), status_label(change.new)
    late = (
        f"（{format_timestamp(change.recorded_at)}に登録）"
        if change.recorded_at - change.happened_at > LATE_AFTER
        else ""
    )
    lent = [f"貸出先　　　: {change.borrower}"] if change.new == Status.LENT and change.borrower else []
    lines = [
        f"{change.site_name}の代替機のステータスが変更されました。",
        "",
        f"拠点管理番号: {change.number}",
        f"機種名　　　: {change.model_name}",
        f"ステータス　: {old} → {new}",
        *lent,
        f"担当者　　　: {change.operator}",
        f"日時　　　　: {format_timestamp(change.happened_at)}{late}",
        "",
        "機器の詳細と履歴:",
        link,
        "",
        "このメールは、拠点の「ステータス変更通知」がONのときに、フォームでステータスが変更されるたびに送信されます。",
    ]
    return f"【代替機】{change.number} {old} → {new}", "\n".join(lines)
