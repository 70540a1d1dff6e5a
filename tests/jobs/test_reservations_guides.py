"""The manual that truly arrives in a shop's inbox."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import outbox, reservations
from service.core.monitoring.health import JobHeartbeat
from service.reservations.guides.rules import SHOP_GUIDES
from service.reservations.shops.models import Shop
from tests.api.reservations import scene
from tests.sandbox.process import Sandbox


def test_a_new_shop_finds_its_four_guides_in_its_inbox_and_never_twice(db: Session, sandbox: Sandbox) -> None:
    scene.fill(db)
    db.commit()

    reservations.send_manuals()
    outbox.send_topic("mail")
    reservations.send_manuals()
    outbox.send_topic("mail")

    found = sandbox.mails()
    assert sorted(mail["recipients"] for mail in found) == sorted([one] for one in db.scalars(select(Shop.mail)))
    mail = next(one for one in found if one["recipients"] == ["ginza@flower.example"])
    assert mail["subject"] == "【QRV】提携店向けマニュアルをお送りします"
    assert "フラワー銀座 御中" in mail["body"]
    assert [(one["name"], one["type"]) for one in mail["attachments"]] == [
        (f"{guide.title}.pdf", "application/pdf") for guide in SHOP_GUIDES
    ]
    assert all(one["size"] > 20_000 for one in mail["attachments"])
    assert db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name == "reservations.manuals")).all()
