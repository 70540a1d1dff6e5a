"""What follows from a device's events: states and loans. The one place that says so; tables are made of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from service.core.times import local_date
from service.loaners.forms.rules import Meaning, prefix
from service.loaners.rules import DEPOSIT_WORDS, HELD_WORDS, STATUS_WORDS, UNSET, Deposit, Status, written


class EventKind(StrEnum):
    REGISTERED = "registered"
    FORM = "form"
    DEPOSIT = "deposit"
    CLEARED = "cleared"
    TRANSFER = "transfer"
    ARCHIVED = "archived"
    RESTORED = "restored"


class Source(StrEnum):
    """Where an event came from: a form, the dashboards' lists, the product itself, a file."""

    FORM = "form"
    VIEWER = "viewer"
    SYSTEM = "system"
    IMPORT = "import"


KIND_WORDS = {
    EventKind.REGISTERED: "登録",
    EventKind.FORM: "ステータス登録",
    EventKind.DEPOSIT: "預り機のステータスの変更",
    EventKind.CLEARED: "預り機のステータスの自動クリア",
    EventKind.TRANSFER: "移管",
    EventKind.ARCHIVED: "無効化",
    EventKind.RESTORED: "有効化",
}
# What an administrator may put aside by itself. The registration is what everything stands on, archiving is undone by
# restoring, and a clearing goes with the form that it followed from.
MARKABLE = frozenset({EventKind.FORM, EventKind.DEPOSIT, EventKind.TRANSFER})
# Told this much later than it happened, it is a late entry.
LATE = timedelta(minutes=1)
# What a loan knows.
LOAN_MEANINGS = frozenset({Meaning.BORROWER, Meaning.LOAN_NUMBER, Meaning.LENT_ON, Meaning.DUE_ON})
NOT_YET = "未登録"
SITE_HEADER, DEPOSIT_HEADER = "拠点", "預り機のステータス"
# What a device's label leads to: /d/<number>.
LABEL_PATH = "/d/"
SOURCE_WORDS = {Source.FORM: "フォーム", Source.VIEWER: "画面", Source.SYSTEM: "自動", Source.IMPORT: "取込"}


class Fact(NamedTuple):
    """An event, as far as anything follows from it. `unasked`: which of its last four its form does not ask for."""

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
    """`until` None: it still holds."""

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
class Lent:
    """A loan; `until` None: it is open."""

    since: datetime
    until: datetime | None
    first_event_id: int
    last_event_id: int
    borrower: str
    loan_number: str
    lent_on: date | None
    due_on: date | None


def at(found: Sequence[State], moment: datetime) -> State | None:
    """The one of these that holds then; None before the first."""
    return next((state for state in reversed(found) if state.since <= moment), None)


def holds_deposit(status: int | None, held: bool | None) -> bool:
    """The condition of section 2.6.2: only then may there be a 預り機のステータス."""
    return status == Status.LENT and held is True


def states(events: Iterable[Fact]) -> list[State]:
    """One after the other, without gaps. `events` are those that count, in any order; the first one of all registered
    the device. What was told later stands where it happened."""
    found: list[State] = []
    for event in sorted(events, key=lambda one: (one.effective_at, one.id)):
        if not found:
            found.append(first(event))
            continue
        now = after(found[-1], event)
        if event.effective_at == found[-1].since:
            found[-1] = now
        else:
            found[-1] = replace(found[-1], until=event.effective_at)
            found.append(now)
    return found


def first(event: Fact) -> State:
    if event.site_id is None:
        raise ValueError("a device's first event says where it is")
    return State(event.effective_at, None, event.id, None, event.site_id, None, None, None, is_archived=False)


def after(before: State, event: Fact) -> State:
    """What holds once this has happened, too."""
    now = replace(before, since=event.effective_at, until=None, event_id=event.id)
    if event.kind is EventKind.FORM:
        now = replace(now, form_event_id=event.id, status=event.status, held=event.held)
        kept = now.deposit if event.deposit is None else event.deposit
        return replace(now, deposit=kept if holds_deposit(now.status, now.held) else None)
    if event.kind is EventKind.DEPOSIT:
        return replace(now, deposit=event.deposit if holds_deposit(now.status, now.held) else None)
    if event.kind is EventKind.CLEARED:
        return replace(now, deposit=None)
    if event.kind in (EventKind.ARCHIVED, EventKind.RESTORED):
        return replace(now, is_archived=event.kind is EventKind.ARCHIVED)
    return now if event.site_id is None else replace(now, site_id=event.site_id)


def loans(events: Iterable[Fact]) -> list[Lent]:
    """Stretches of 1.貸出中, one after the other; another borrower or 貸出番号 begins another one."""
    return _lent(events)[0]


def _lent(events: Iterable[Fact]) -> tuple[list[Lent], list[tuple[Lent, Lent]]]:
    """The loans, and those pairs of which the second began before the first was over."""
    found: list[Lent] = []
    unreturned: list[tuple[Lent, Lent]] = []
    for event in sorted(events, key=lambda one: (one.effective_at, one.id)):
        if event.kind is not EventKind.FORM:
            continue
        current = found[-1] if found and found[-1].until is None else None
        if event.status == Status.LENT and current and is_same_loan(current, event):
            found[-1] = replace(
                current,
                last_event_id=event.id,
                borrower=_newest(Meaning.BORROWER, current, event).borrower,
                loan_number=_newest(Meaning.LOAN_NUMBER, current, event).loan_number,
                lent_on=_newest(Meaning.LENT_ON, current, event).lent_on,
                due_on=_newest(Meaning.DUE_ON, current, event).due_on,
            )
            continue
        if current:
            _end(found, event.effective_at)
        if event.status == Status.LENT:
            what = event.borrower, event.loan_number, event.lent_on, event.due_on
            found.append(Lent(event.effective_at, None, event.id, event.id, *what))
            unreturned += [(current, found[-1])] if current else []
    return found, unreturned


def _newest(meaning: Meaning, current: Lent, event: Fact) -> Lent | Fact:
    """Which of the two says so: what a form leaves empty is empty, and what it does not ask for stays."""
    return current if meaning in event.unasked else event


def _end(found: list[Lent], at: datetime) -> None:
    """A loan that ended in the moment it began was none."""
    if found[-1].since == at:
        found.pop()
    else:
        found[-1] = replace(found[-1], until=at)


def days_lent(lent_on: date | None, since: datetime, today: date) -> int:
    """How long a loan has lasted: from its 貸出日, or else from the day in Tokyo on which it was told."""
    return (today - (lent_on or local_date(since))).days


def is_same_loan(current: Lent, event: Fact) -> bool:
    """A form about the loan there is, and not about another one."""
    if current.loan_number and event.loan_number:
        return current.loan_number == event.loan_number
    return not (current.borrower and event.borrower) or current.borrower == event.borrower


def double_loan(now: Iterable[Fact], then: Iterable[Fact]) -> tuple[Lent, Lent] | None:
    """The two loans that would follow one another without a return if `then` were the events, and do not now."""
    known = {_begun_by(pair) for pair in _lent(now)[1]}
    return next((pair for pair in _lent(then)[1] if _begun_by(pair) not in known), None)


def _begun_by(pair: tuple[Lent, Lent]) -> tuple[int, int]:
    return pair[0].first_event_id, pair[1].first_event_id


EMPTIED = "フォームで「預り機のステータス」が空欄にされたため"


def cleared_because(status: int | None, held: bool | None) -> str:
    """Why a deposit's status was cleared, in words."""
    if status != Status.LENT:
        return f"ステータスが「{STATUS_WORDS[Status(status)] if status else '未登録'}」に変更されたため"
    return f"ユーザー機の預り有無が「{HELD_WORDS[bool(held)]}」に変更されたため"


def understood(meant: Mapping[Meaning, str]) -> dict[str, Any]:
    """An event's own columns, from the answers that the product understands."""
    held, deposit = meant.get(Meaning.HELD), meant.get(Meaning.DEPOSIT)
    return {
        "status": int(prefix(meant[Meaning.STATUS])),
        "held": None if held is None else held == HELD_WORDS[True],
        "deposit": int(prefix(deposit)) if deposit else None,
        "borrower": meant.get(Meaning.BORROWER, ""),
        "loan_number": meant.get(Meaning.LOAN_NUMBER, ""),
        "lent_on": _day(meant.get(Meaning.LENT_ON)),
        "due_on": _day(meant.get(Meaning.DUE_ON)),
    }


def _day(answer: str | None) -> date | None:
    return date.fromisoformat(answer) if answer else None


def deposit_refusal(state: State) -> str | None:
    """Why there can be no 預り機のステータス just now (2.6.2), in words; None when there can."""
    if state.is_archived:
        return "この機器は無効です。元に戻してから設定してください。"
    if state.status != Status.LENT:
        now = status_word(state.status)
        return f"「0-4.ステータス」が「{STATUS_WORDS[Status.LENT]}」のときだけ設定できます（現在は「{now}」です）。"
    if not state.held:
        now = NOT_YET if state.held is None else HELD_WORDS[False]
        return f"「1-4.ユーザー機の預り有無」が「{HELD_WORDS[True]}」のときだけ設定できます（現在は「{now}」です）。"
    return None


def status_word(status: int | None) -> str:
    return STATUS_WORDS[Status(status)] if status else NOT_YET


def deposit_word(deposit: int | None) -> str:
    return DEPOSIT_WORDS[Deposit(deposit)].title if deposit else UNSET


def picture(state: State | None, sites: Mapping[int, str], answered: Mapping[str, str]) -> dict[str, str]:
    """All that is known of a device at a moment, by the words for it. The 預り機のステータス is the state's own: it may
    have been set, or cleared, since it was answered."""
    if state is None:
        return {}
    kept = {header: value for header, value in answered.items() if header != DEPOSIT_HEADER}
    deposit = {DEPOSIT_HEADER: deposit_word(state.deposit)} if state.deposit else {}
    return {SITE_HEADER: sites[state.site_id]} | kept | deposit


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Header, what stood there, what stands there now; "" for nothing."""
    headers = [*new, *(header for header in old if header not in new)]
    return [(one, old.get(one, ""), new.get(one, "")) for one in headers if old.get(one, "") != new.get(one, "")]


def read_label(text: str) -> str:
    """The number in what a scanner or a person gives: a label's address, or the number itself."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = re.search(rf"{LABEL_PATH}([^/?#]+)/?(?:[?#].*)?$", plain)
    return unquote(found[1]).strip() if found else plain


def label_path(number: str) -> str:
    return LABEL_PATH + quote(number, safe="")


@dataclass(frozen=True)
class Change:
    """What a mail about a change of 0-4 says."""

    number: str
    model_name: str
    site_name: str
    old: int | None
    new: int | None
    borrower: str
    who: str
    happened_at: datetime
    told_at: datetime


def change_mail(change: Change, link: str) -> tuple[str, str]:
    """Subject and text."""
    old, new = status_word(change.old), status_word(change.new)
    late = f"（{written(change.told_at)}に登録）" if change.told_at - change.happened_at > LATE else ""
    lent = [f"貸出先　　　: {change.borrower}"] if change.new == Status.LENT and change.borrower else []
    lines = [
        f"{change.site_name}の代替機のステータスが変更されました。",
        "",
        f"拠点管理番号: {change.number}",
        f"機種名　　　: {change.model_name}",
        f"ステータス　: {old} → {new}",
        *lent,
        f"担当者　　　: {change.who}",
        f"日時　　　　: {written(change.happened_at)}{late}",
        "",
        "機器の詳細と履歴:",
        link,
        "",
        "このメールは、拠点の「ステータス変更通知」がONのときに、フォームでステータスが変更されるたびに送信されます。",
    ]
    return f"【代替機】{change.number} {old} → {new}", "\n".join(lines)
