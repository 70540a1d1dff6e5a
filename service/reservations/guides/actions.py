"""Every write of guides: the manual that a new shop gets by mail (3.2.3), and once more when somebody asks for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit, outbox
from service.core.auth import Actor
from service.core.clock import app_now
from service.core.files import deposit, records
from service.core.files.deposit import Deposit
from service.core.files.records import File
from service.core.problems import Conflict, Stale
from service.core.purposes import Kind
from service.core.reports.model import Report
from service.core.reports.render import digest, render
from service.reservations.guides import queries, rules, schemas
from service.reservations.guides.models import GuideFile, ShopManual
from service.reservations.guides.rules import FOR_SHOPS, Facts
from service.reservations.rules import AREA, GUIDE_FILE
from service.reservations.shops import queries as shops
from service.reservations.shops.actions import SHOPS
from service.reservations.shops.models import Shop

JOB = "reservations.manuals"
AT_ONCE = 50
Opened = Callable[[], AbstractContextManager[Session]]


def send_due(opened: Opened) -> int:
    """Mails to every shop that has not got it yet, in transactions of their own by `opened`: type is set and files are
    stored outside of any. How many shops that were."""
    with opened() as db:
        if not queries.is_any_due(db):
            return 0
        facts = queries.facts(db)
        reports = {guide.name: rules.report(guide, facts) for guide in FOR_SHOPS}
        digests = {name: digest(report) for name, report in reports.items()}
        missing = reports.keys() - queries.files(db, digests).keys()
    made = {name: _printed(reports[name]) for name in sorted(missing)}
    with opened() as db:
        unused = _keep(db, digests, made)
    for one in unused:
        deposit.discard(one.storage_key)
    sent, told = 0, AT_ONCE
    while told == AT_ONCE:
        with opened() as db:
            files = queries.files(db, digests)
            waiting = list(db.scalars(queries.due_shops(AT_ONCE).execution_options(populate_existing=True)))
            for shop in waiting:
                _send(db, shop, facts, [files[guide.name] for guide in FOR_SHOPS])
            told = len(waiting)
            sent += told
    return sent


def _printed(report: Report) -> Deposit:
    """Slow: outside any transaction."""
    return deposit.make(io.BytesIO(render(report)), GUIDE_FILE, f"{report.title}.pdf", made_as=Kind.PDF)


def _keep(db: Session, digests: Mapping[str, str], made: Mapping[str, Deposit]) -> list[Deposit]:
    """In use from now on; those that somebody else has made meanwhile are given back."""
    if not made:
        return []
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext(JOB))))
    known = queries.files(db, digests)
    for name in made.keys() - known.keys():
        file = records.add(db, JOB, made[name])
        records.take(db, file)
        db.flush()
        db.add(GuideFile(name=name, digest=digests[name], file_id=file.id))
    return [one for name, one in made.items() if name in known]


def _send(db: Session, shop: Shop, facts: Facts, files: Sequence[File]) -> None:
    """By mail, with the files where they are not too large for one."""
    subject, body = rules.mail(facts, shop.name, shop.contact_name)
    attached = [str(file.id) for file in files] if sum(file.size for file in files) <= rules.MOST_ATTACHED else []
    message = outbox.publish(
        db,
        "mail",
        {"to": [shop.mail], "subject": subject, "body": body, "attachments": attached},
        area=AREA.name,
        recipient=shop.mail,
        title=f"{shop.name} {subject}",
        about=("shop", shop.id),
    )
    db.flush()  # for the key
    db.add(ShopManual(shop_id=shop.id, address=shop.mail, message_key=message.key, files=[file.id for file in files]))
    # What a person is editing meanwhile is not touched by it: the version stays.
    shop.manual_sent_at = app_now(db)
    after = {"manual": "sent", "sent_to": shop.mail}
    audit.record(db, JOB, "update", AREA.name, "shop", shop.id, before={"manual": "none"}, after=after)


def send_again(db: Session, by: Actor, shop_id: int, asked: schemas.Sending) -> None:
    """It leaves within minutes, as the guides are then.

    Raises:
        NotFound: no such shop.
        Stale: somebody changed the shop since that version was read.
        Conflict: it has no address, is not called any more, or waits for its manual already.
    """
    shop = shops.get(db, shop_id, lock=True)
    if asked.version != shop.version:
        raise Stale(
            "ほかの人が先にこの提携店を変更しました。まだ送っていません。最新の内容を確認してから、もう一度お試しください。",
            yours={"version": asked.version},
            current={"version": shop.version},
        )
    if not shop.mail:
        raise Conflict("メールアドレスが登録されていないため、送れません。先に提携店を編集して登録してください。")
    if shop.archived_at is not None or shop.blacklisted_at is not None:
        raise Conflict("利用停止中またはアーカイブ済みの提携店には、マニュアルを送れません。")
    if shop.manual_sent_at is None:
        raise Conflict("この提携店には、まもなくマニュアルを送ります。再送の必要はありません。")
    shop.manual_sent_at = None
    SHOPS.touch(db, shop)
    before, after = {"manual": "sent"}, {"manual": "again", "sent_to": shop.mail}
    audit.record(db, by, "update", AREA.name, "shop", shop.id, before=before, after=after)
