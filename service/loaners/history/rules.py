"""What follows from a device's events: states and loans. The one place that says so; tables are made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple

from service.loaners.forms.rules import Meaning, prefix
from service.loaners.rules import HELD_WORDS, STATUS_WORDS, Status


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
    EventKind.ARCHIVED: "アーカイブ",
    EventKind.RESTORED: "アーカイブから復元",
}
SOURCE_WORDS = {Source.FORM: "フォーム", Source.VIEWER: "画面", Source.SYSTEM: "自動", Source.IMPORT: "取込"}


class Fact(NamedTuple):
    """An event, as far as anything follows from it."""

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


def holds_deposit(status: int | None, held: bool | None) -> bool:
    """The condition of section 2.6.2: only then may there be a 預り機のステータス."""
    return status == Status.LENT and held is True


def states(events: Iterable[Fact]) -> list[State]:
    """One after the other, without gaps. `events` are those that count, in any order; the first one of all registered
    the device. What was told later stands where it happened."""
    found: list[State] = []
    for event in sorted(events, key=lambda one: (one.effective_at, one.id)):
        if not found:
            found.append(_first(event))
            continue
        now = _after(found[-1], event)
        if event.effective_at == found[-1].since:
            found[-1] = now
        else:
            found[-1] = replace(found[-1], until=event.effective_at)
            found.append(now)
    return found


def _first(event: Fact) -> State:
    if event.site_id is None:
        raise ValueError("a device's first event says where it is")
    return State(event.effective_at, None, event.id, None, event.site_id, None, None, None, is_archived=False)


def _after(before: State, event: Fact) -> State:
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
    found: list[Lent] = []
    for event in sorted(events, key=lambda one: (one.effective_at, one.id)):
        if event.kind is not EventKind.FORM:
            continue
        current = found[-1] if found and found[-1].until is None else None
        if event.status == Status.LENT and current and is_same_loan(current, event):
            found[-1] = replace(
                current,
                last_event_id=event.id,
                borrower=event.borrower or current.borrower,
                loan_number=event.loan_number or current.loan_number,
                lent_on=event.lent_on or current.lent_on,
                due_on=event.due_on or current.due_on,
            )
            continue
        if current:
            _end(found, event.effective_at)
        if event.status == Status.LENT:
            what = event.borrower, event.loan_number, event.lent_on, event.due_on
            found.append(Lent(event.effective_at, None, event.id, event.id, *what))
    return found


def _end(found: list[Lent], at: datetime) -> None:
    """A loan that ended in the moment it began was none."""
    if found[-1].since == at:
        found.pop()
    else:
        found[-1] = replace(found[-1], until=at)


def is_same_loan(current: Lent, event: Fact) -> bool:
    """A form about the loan there is, and not about another one."""
    if current.loan_number and event.loan_number:
        return current.loan_number == event.loan_number
    return not (current.borrower and event.borrower) or current.borrower == event.borrower


def double_loan(events: Sequence[Fact], new: Fact) -> tuple[Lent, Lent] | None:
    """The two loans that would follow one another without a return if `new` were added; None: it may be."""
    known = {_begun_by(pair) for pair in _unreturned(loans(events))}
    return next((pair for pair in _unreturned(loans([*events, new])) if _begun_by(pair) not in known), None)


def _begun_by(pair: tuple[Lent, Lent]) -> tuple[int, int]:
    return pair[0].first_event_id, pair[1].first_event_id


def _unreturned(found: Sequence[Lent]) -> list[tuple[Lent, Lent]]:
    return [(one, other) for one, other in pairwise(found) if one.until == other.since]


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
