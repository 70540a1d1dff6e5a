"""Forms are drafted, changed and published. A published form never changes."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.edits import Edits
from service.core.problems import Conflict, Invalid, Stale
from service.loaners.forms import queries, rules, schemas
from service.loaners.forms.models import Form
from service.loaners.rules import AREA, Kind

EDITS = Edits(AREA.name, "form", "フォーム", unique={"uq_loaners_forms_draft": "kind"})


def draft(db: Session, by: Actor, kind: Kind) -> Form:
    """Creates the next version as a copy of the current one. Raises Conflict while there is another draft."""
    if queries.draft(db, kind):
        raise Conflict(
            f"{kind.label}のフォームには、すでに下書きがあります。その下書きを編集するか、破棄してください。"
        )
    number = db.scalar(select(func.max(Form.number)).where(Form.kind == kind)) or 0
    form = Form(kind=kind, number=number + 1, questions=queries.current(db, kind).questions, note="")
    EDITS.create(db, by, form, {"kind": kind, "version": form.number})
    return form


def change(db: Session, by: Actor, form_id: int, new: schemas.DraftChange) -> None:
    """Raises NotFound, Stale, and Conflict for a published form."""
    form = _draft(db, form_id)
    EDITS.change(db, by, form, new)


def discard(db: Session, by: Actor, form_id: int) -> None:
    """Raises NotFound, and Conflict for a published form."""
    form = _draft(db, form_id)
    before = {"kind": form.kind, "version": form.number, "questions": form.questions}
    db.delete(form)
    db.flush()
    audit.record(db, by, "delete", AREA.name, "form", form_id, before=before)


def publish(db: Session, by: Actor, form_id: int, publication: schemas.Publication) -> None:
    """Makes the draft the current form.

    Raises:
        NotFound: no such form.
        Conflict: it is already published.
        Stale: the draft was changed since it was read (optimistic locking).
        Invalid: the draft has errors.
    """
    form = _draft(db, form_id)
    if form.version != publication.version:
        raise Stale(
            "ほかの人が先にこの下書きを変更しました。まだ公開されていません。最新の内容を確認してから公開してください。",
            yours={"version": publication.version},
            current={"version": form.version},
        )
    if errors := rules.definition_refusals(rules.load_questions(form.questions)):
        raise Invalid("このままでは公開できません。質問を直してください。", [("questions", error) for error in errors])
    EDITS.touch(db, form)
    # The last change of this form.
    form.published_at, form.published_by = app_now(db), by.name
    db.flush()
    after = {"kind": form.kind, "version": form.number, "published": True}
    audit.record(db, by, "status_change", AREA.name, "form", form.id, before={"published": False}, after=after)


def _draft(db: Session, form_id: int) -> Form:
    # The application may lock only drafts: it has no right to update published forms.
    queries.get_form(db, form_id)
    form = db.get(Form, form_id, with_for_update=True, populate_existing=True)
    if form is None or form.published_at is not None:
        raise Conflict(
            "公開したフォームは、登録済みの回答を読むために残り、変更できません。新しい下書きを作成してください。"
        )
    return form
