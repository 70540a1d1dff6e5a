"""Writes of guides: the manual that a new shop gets by mail (3.2.3), and its resend on request."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.files.records import File
from service.core.outbox import queue
from service.core.problems import Conflict, Stale
from service.core.purposes import FileKind
from service.core.reports.model import Report
from service.core.reports.render import digest, render
from service.reservations.guides import queries, rules, schemas
from service.reservations.guides.models import GuideFile, ShopManual
from service.reservations.guides.rules import SHOP_GUIDES, Facts
from service.reservations.models import Shop
from service.reservations.rules import AREA, GUIDE_FILE
from service.reservations.shops import queries as shops
from service.reservations.shops.actions import SHOPS

JOB = "reservations.manuals"
BATCH_SIZE = 50
OpenTransaction = Callable[[], AbstractContextManager[Session]]


def send_due(transaction: OpenTransaction) -> int:
    """Mails the manual to every shop that has not got it yet. Returns the number of shops. Opens its own transactions
    with `transaction`, so that PDF files are rendered and stored outside of them."""
    with transaction() as db:
        if not queries.is_any_due(db):
            return 0
        facts = queries.current_facts(db)
        reports = {guide.name: rules.build_report(guide, facts) for guide in SHOP_GUIDES}
        digests = {name: digest(report) for name, report in reports.items()}
        missing = reports.keys() - queries.files(db, digests).keys()
    created = {name: _render_pdf(reports[name]) for name in sorted(missing)}
    with transaction() as db:
        unused = _store_files(db, digests, created)
    for file in unused:
        deposit.discard(file.storage_key)
    sent, batch = 0, BATCH_SIZE
    while batch == BATCH_SIZE:
        with transaction() as db:
            files = queries.files(db, digests)
            waiting = list(db.scalars(queries.due_shops(BATCH_SIZE).execution_options(populate_existing=True)))
            for shop in waiting:
                _send_manual(db, shop, facts, [files[guide.name] for guide in SHOP_GUIDES])
            batch = len(waiting)
            sent += batch
    return sent


def _render_pdf(report: Report) -> Deposit:
    """Renders the PDF. Slow: call it outside of a transaction."""
    return deposit.store(io.BytesIO(render(report)), GUIDE_FILE, f"{report.title}.pdf", made_as=FileKind.PDF)


def _store_files(db: Session, digests: Mapping[str, str], created: Mapping[str, Deposit]) -> list[Deposit]:
    """Stores new files. Returns the unused ones, which another worker has stored in the meantime."""
    if not created:
        return []
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(JOB))))
    existing = queries.files(db, digests)
    for name in created.keys() - existing.keys():
        file = records.add(db, JOB, created[name])
        records.attach_generated(db, file)
        db.flush()
        db.add(GuideFile(name=name, digest=digests[name], file_id=file.id))
    return [file for name, file in created.items() if name in existing]


def _send_manual(db: Session, shop: Shop, facts: Facts, files: Sequence[File]) -> None:
    """Mails the manual; attaches the files unless they are too large for a mail."""
    subject, body = rules.build_mail(facts, shop.name, shop.contact_name)
    attachments = (
        [str(file.id) for file in files] if sum(file.size for file in files) <= rules.MAX_ATTACHED_BYTES else []
    )
    message = queue.publish_mail(
        db,
        [shop.mail],
        subject,
        body,
        area=AREA.name,
        about=("shop", shop.id),
        title=f"{shop.name} {subject}",
        attachments=attachments,
    )
    db.flush()  # for the key
    db.add(ShopManual(shop_id=shop.id, address=shop.mail, message_key=message.key, files=[file.id for file in files]))
    # The version stays: an edit that is open at the same time does not become stale.
    shop.manual_sent_at = app_now(db)
    after = {"manual": "sent", "sent_to": shop.mail}
    audit.record(db, JOB, "update", AREA.name, "shop", shop.id, before={"manual": "none"}, after=after)


def send_again(db: Session, by: Actor, shop_id: int, new: schemas.Sending) -> None:
    """Requests a resend of the manual. The job mails the current guides within minutes.

    Raises:
        NotFound: no such shop.
        Stale: the shop was changed since that version was read.
        Conflict: the shop has no address, is archived or blacklisted, or is already waiting for its manual.
    """
    shop = shops.get(db, shop_id, lock=True)
    if new.version != shop.version:
        raise Stale(
            "ほかの人が先にこの提携店を変更しました。まだ送っていません。最新の内容を確認してから、もう一度お試しください。",
            yours={"version": new.version},
            current={"version": shop.version},
        )
    if not shop.mail:
        raise Conflict("メールアドレスが登録されていないため、送れません。先に提携店を編集して登録してください。")
    if shop.archived_at is not None or shop.blacklisted_at is not None:
        raise Conflict("利用停止中またはアーカイブ済みの提携店には、マニュアルを送れません。")
    if shop.manual_sent_at is None:
        raise Conflict("この提携店には、まもなくマニュアルを送ります。再送の必要はありません。")
    shop.manual_sent_at = None
    SHOPS.edits.touch(db, shop)
    before, after = {"manual": "sent"}, {"manual": "again", "sent_to": shop.mail}
    audit.record(db, by, "update", AREA.name, "shop", shop.id, before=before, after=after)
