"""What a form is about, and what it would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.clock import app_now
from service.loaners.forms import queries as forms
from service.loaners.forms import rules as form_rules
from service.loaners.forms.rules import DEPOSIT, Meaning
from service.loaners.history import queries as history
from service.loaners.history import rules
from service.loaners.history.rules import Fact, State
from service.loaners.models import Device, Site

ARCHIVED = "この機器は無効です。使うときは、先に元に戻してください。"


@dataclass(frozen=True)
class Outcome:
    """What one more form does: the differences of what is known just before and after it, and what holds today without
    and with it."""

    changes: list[dict[str, str]]
    was: State
    now: State

    @property
    def is_news(self) -> bool:
        return self.was.status != self.now.status


def outcome(db: Session, known: Sequence[Fact], new: Sequence[Fact], answered: Mapping[str, str]) -> Outcome:
    """`known` is the device's history without `new`, which is the form and what followed from it; `answered` what the
    form answers, by header."""
    earlier, later, moment = rules.states(known), rules.states([*known, *new]), new[0].effective_at
    before, after = rules.at(earlier, moment), rules.at(later, moment)
    old = history.labelled_answers(db, before.form_event_id if before else None)
    sites = {state.site_id: history.get_site(db, state.site_id).name for state in later}
    differences = rules.differences(rules.picture(before, sites, old), rules.picture(after, sites, answered))
    changes = [{"header": header, "old": was, "new": now} for header, was, now in differences]
    return Outcome(changes, earlier[-1], later[-1])


def site_to_tell(db: Session, found: Outcome) -> Site | None:
    """The device's site, when a mail is wanted there: 0-4 is another one, and its flag is on."""
    site = history.get_site(db, found.now.site_id)
    return site if found.is_news and site.notifies else None


def state_of(db: Session, device: Device) -> State:
    """What holds now."""
    return history.stored_states(db, [device.id])[device.id][-1]


def to_fill(db: Session, by: Actor, number: str) -> dict[str, Any]:
    """The form about a device and what it begins with. Raises NotFound."""
    device = history.get_device(db, number)
    state, form = state_of(db, device), forms.current(db, device.kind)
    questions = form_rules.read(form.questions)
    return {
        "as_of": app_now(db),
        "number": device.number,
        "model_name": history.model_name(db, device),
        "kind": device.kind,
        "site_name": history.get_site(db, state.site_id).name,
        "status": state.status,
        "status_word": rules.status_word(state.status),
        "refusal": ARCHIVED if state.is_archived else None,
        "form_id": form.id,
        "form": form.number,
        "questions": forms.shown(questions),
        "answers": _begin_with(db, by, questions, state),
        "based_on": state.form_event_id,
        "changed_at": state.since if state.form_event_id else None,
    }


def _begin_with(db: Session, by: Actor, questions: Sequence[form_rules.Question], state: State) -> dict[str, str]:
    """The answers of the last form, the 預り機のステータス as it is now, and whoever fills it in as the person."""
    known = history.prefilled(db, questions, state.form_event_id)
    known.pop(DEPOSIT, None)
    if state.deposit:
        known[DEPOSIT] = rules.deposit_word(state.deposit)
    return {one.key: by.name for one in questions if one.meaning is Meaning.PERSON} | known
