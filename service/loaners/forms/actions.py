"""Forms are drafted, changed and published; what was published stays as it was."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.edits import Edits
from service.core.problems import Conflict, Invalid, Stale
from service.loaners.forms import queries, rules, schemas
from service.loaners.forms.models import Form
from service.loaners.rules import AREA, KIND_WORDS, Kind

EDITS = Edits(AREA.name, "form", "フォーム", unique={"uq_loaners_forms_draft": "kind"})


def draft(db: Session, by: Actor, kind: Kind) -> Form:
    """The next version, beginning as the one that is filled in now. Raises Conflict while there is another draft."""
    if queries.draft(db, kind):
        raise Conflict(
            f"{KIND_WORDS[kind]}のフォームには、すでに下書きがあります。その下書きを編集するか、破棄してください。"
        )
    number = db.scalar(select(func.max(Form.number)).where(Form.kind == kind)) or 0
    form = Form(kind=kind, number=number + 1, questions=queries.current(db, kind).questions, note="")
    EDITS.create(db, by, form, {"kind": kind, "version": form.number})
    return form


def change(db: Session, by: Actor, form_id: int, new: schemas.DraftChange) -> None:
    """Raises NotFound, Stale, and Conflict when it was published."""
    form = _draft(db, form_id)
    EDITS.change(db, by, form, new)


def discard(db: Session, by: Actor, form_id: int) -> None:
    """Raises NotFound, and Conflict when it was published."""
    form = _draft(db, form_id)
    before = {"kind": form.kind, "version": form.number, "questions": form.questions}
    db.delete(form)
    db.flush()
    audit.record(db, by, "delete", AREA.name, "form", form_id, before=before)


def publish(db: Session, by: Actor, form_id: int, read: schemas.Publication) -> None:
    """From now on it is the one that is filled in.

    Raises:
        NotFound: there is none.
        Conflict: it was published before.
        Stale: somebody changed it since it was read.
        Invalid: it has problems, in words.
    """
    form = _draft(db, form_id)
    if form.version != read.version:
        raise Stale(
            "ほかの人が先にこの下書きを変更しました。まだ公開されていません。最新の内容を確認してから公開してください。",
            yours={"version": read.version},
            current={"version": form.version},
        )
    if wrong := rules.definition_refusals(rules.read(form.questions)):
        raise Invalid("このままでは公開できません。質問を直してください。", [("questions", one) for one in wrong])
    EDITS.touch(db, form)
    # The last thing that is written of it.
    form.published_at, form.published_by = app_now(db), by.name
    db.flush()
    after = {"kind": form.kind, "version": form.number, "published": True}
    audit.record(db, by, "status_change", AREA.name, "form", form.id, before={"published": False}, after=after)


def _draft(db: Session, form_id: int) -> Form:
    # The lock itself sees drafts alone: what was published is not the application's to change.
    queries.get_form(db, form_id)
    form = db.get(Form, form_id, with_for_update=True, populate_existing=True)
    if form is None or form.published_at is not None:
        raise Conflict(
            "公開したフォームは、登録済みの回答を読むために残り、変更できません。新しい下書きを作成してください。"
        )
    return form
