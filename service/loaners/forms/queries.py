"""Every read of forms."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.problems import NotFound
from service.loaners.forms import rules
from service.loaners.forms.models import Form
from service.loaners.rules import KIND_WORDS, Kind


def current(db: Session, kind: str) -> Form:
    """The one that is filled in now: the newest that was published, and is not for imports only."""
    return db.scalars(
        select(Form)
        .where(Form.kind == kind, Form.published_at.is_not(None), ~Form.import_only)
        .order_by(Form.number.desc())
        .limit(1)
    ).one()


def draft(db: Session, kind: str) -> Form | None:
    return db.scalars(select(Form).where(Form.kind == kind, Form.published_at.is_(None))).one_or_none()


def get_form(db: Session, form_id: int) -> Form:
    """Raises NotFound."""
    form = db.get(Form, form_id)
    if form is None:
        raise NotFound("このフォームは見つかりません。一覧から選び直してください。")
    return form


def versions(db: Session, kind: Kind | None) -> dict[str, Any]:
    """The newest first, by kind."""
    statement = select(Form).order_by(Form.kind.desc(), Form.number.desc())
    found = db.scalars(statement if kind is None else statement.where(Form.kind == kind))
    filled_in = {one.value: current(db, one).id for one in Kind}
    return {"items": [item(form, filled_in[form.kind]) for form in found]}


def item(form: Form, filled_in: int) -> dict[str, Any]:
    """`filled_in`: the version of its kind that is filled in now."""
    return {
        "id": form.id,
        "kind": form.kind,
        "kind_word": KIND_WORDS[Kind(form.kind)],
        "number": form.number,
        "note": form.note,
        "state": _state(form, filled_in),
        "question_count": len(form.questions),
        "version": form.version,
        "created_at": form.created_at,
        "updated_at": form.updated_at,
        "published_at": form.published_at,
        "published_by": form.published_by,
    }


def _state(form: Form, filled_in: int) -> rules.State:
    if form.published_at is None:
        return rules.State.DRAFT
    if form.import_only:
        return rules.State.IMPORT_ONLY
    return rules.State.CURRENT if form.id == filled_in else rules.State.RETIRED


def in_full(db: Session, form_id: int) -> dict[str, Any]:
    """With its questions and what keeps it from being published. Raises NotFound."""
    form = get_form(db, form_id)
    questions = rules.read(form.questions)
    newest = current(db, form.kind)
    is_draft = form.published_at is None
    return item(form, newest.id) | {
        "questions": shown(questions),
        "problems": rules.definition_refusals(questions) if is_draft else [],
        "differences": rules.differences(rules.read(newest.questions), questions) if is_draft else [],
    }


def shown(questions: list[rules.Question]) -> list[dict[str, Any]]:
    """Each with all its conditions, those of its key included, as answers that must have been given."""
    return [
        stored | {"header": question.header, "shown_when": rules.shown_when(questions, question)}
        for question, stored in zip(questions, rules.write(questions), strict=True)
    ]
