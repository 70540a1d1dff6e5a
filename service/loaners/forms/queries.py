"""Every read of forms."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.problems import NotFound
from service.loaners.forms import rules, schemas
from service.loaners.forms.models import Form
from service.loaners.rules import Kind


def current(db: Session, kind: str) -> Form:
    """The form that users fill in: the newest published one that is not for imports only."""
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


def versions(db: Session, kind: Kind | None) -> schemas.Forms:
    """By kind, newest first."""
    statement = select(Form).order_by(Form.kind.desc(), Form.number.desc())
    rows = db.scalars(statement if kind is None else statement.where(Form.kind == kind))
    current_ids = {member.value: current(db, member).id for member in Kind}
    return schemas.Forms(items=[item(form, current_ids[form.kind]) for form in rows])


def item(form: Form, current_id: int) -> schemas.FormItem:
    """`current_id`: the current form of its kind."""
    return schemas.FormItem(
        id=form.id,
        kind=form.kind,
        kind_word=Kind(form.kind).label,
        number=form.number,
        note=form.note,
        state=_state(form, current_id),
        question_count=len(form.questions),
        version=form.version,
        created_at=form.created_at,
        updated_at=form.updated_at,
        published_at=form.published_at,
        published_by=form.published_by,
    )


def _state(form: Form, current_id: int) -> rules.State:
    if form.published_at is None:
        return rules.State.DRAFT
    if form.import_only:
        return rules.State.IMPORT_ONLY
    return rules.State.CURRENT if form.id == current_id else rules.State.RETIRED


def form_detail(db: Session, form_id: int) -> schemas.FormInFull:
    """With its questions; a draft with its errors and differences. Raises NotFound."""
    form = get_form(db, form_id)
    questions = rules.load_questions(form.questions)
    newest = current(db, form.kind)
    is_draft = form.published_at is None
    return schemas.FormInFull(
        **dict(item(form, newest.id)),
        questions=questions_with_conditions(questions),
        problems=rules.definition_refusals(questions) if is_draft else [],
        differences=rules.differences(rules.load_questions(newest.questions), questions) if is_draft else [],
    )


def questions_with_conditions(questions: list[rules.Question]) -> list[schemas.ShownQuestion]:
    """Each question with all its conditions, those of its key included."""
    return [
        schemas.ShownQuestion(**stored, header=question.header, shown_when=rules.shown_when(questions, question))
        for question, stored in zip(questions, rules.dump_questions(questions), strict=True)
    ]
