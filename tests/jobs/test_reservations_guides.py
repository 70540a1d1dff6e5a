"""The manuals that arrive in a shop's inbox."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import outbox, reservations
from jobs.vendors import mail as vendors_mail
from service.core.files.records import File
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from service.reservations.guides.rules import SHOP_GUIDES
from service.reservations.models import Shop
from tests.api.reservations import scene
from tests.sandbox.process import Sandbox


def test_a_new_shop_finds_its_four_guides_in_its_inbox_and_never_twice(db: Session, sandbox: Sandbox) -> None:
    scene.fill(db)
    db.commit()

    reservations.send_manuals()
    outbox.send_topic("mail")
    reservations.send_manuals()
    outbox.send_topic("mail")

    mails = sandbox.mails()
    assert sorted(mail["recipients"] for mail in mails) == sorted(
        [address] for address in db.scalars(select(Shop.mail))
    )
    mail = next(mail for mail in mails if mail["recipients"] == ["ginza@flower.example"])
    assert mail["subject"] == "【QRV】提携店向けマニュアルをお送りします"
    assert "フラワー銀座 御中" in mail["body"]
    assert [(attachment["name"], attachment["type"]) for attachment in mail["attachments"]] == [
        (f"{guide.title}.pdf", "application/pdf") for guide in SHOP_GUIDES
    ]
    assert all(attachment["size"] > 20_000 for attachment in mail["attachments"])
    assert db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.manuals")).all()


def test_files_that_are_too_large_only_together_are_not_sent(
    db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.fill(db)
    db.commit()
    reservations.send_manuals()
    sizes = db.scalars(select(File.size).where(File.name.in_([f"{guide.title}.pdf" for guide in SHOP_GUIDES]))).all()
    monkeypatch.setattr(vendors_mail, "MOST_ATTACHED", sum(sizes) - 1)

    outbox.send_topic("mail")

    assert max(sizes) < vendors_mail.MOST_ATTACHED
    assert sandbox.mails() == []
    db.expire_all()
    messages = db.scalars(select(OutboxMessage)).all()
    assert all(message.dead_at and "合計で" in str(message.last_error) for message in messages)
