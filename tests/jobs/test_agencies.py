"""The agencies area's ticks: card data is deleted in time, the deletion is checked, and cards follow a new key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from jobs import agencies
from service.agencies.cards import actions, queries
from service.agencies.cards.models import Card
from service.agencies.cards.schemas import CardIn
from service.agencies.corporations.models import Corporation
from service.agencies.settings import settings as agencies_settings
from service.core.access.auth import Actor
from service.core.audit import AuditEntry
from service.core.monitoring.health import JobHeartbeat
from service.core.outbox.records import OutboxMessage
from tests import people
from tests.api.agencies import scene
from tests.card_keys import generate_key
from tests.luhn import card_numbers

NUMBER = "4111111111111111"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change_settings(**changes: Any) -> None:
        changed = agencies_settings().model_copy(update=changes)
        for module in (queries, actions):
            monkeypatch.setattr(module, "settings", lambda: changed)

    change_settings(keep_security_code=True)
    return change_settings


@pytest.fixture
def olga(db: Session) -> Actor:
    return people.create_actor(db, "olga", agencies="operator")


def corporation_with_card(db: Session, by: Actor, *, has_open: bool, code: str | None = None) -> Corporation:
    """A corporation with a card, and with an open request or none."""
    corporation = scene.corporation(db, scene.agency(db), payment_type="1")
    if has_open:
        scene.request(db, corporation, scene.sales(db, f"sales{corporation.id}", scene.agency(db)), "working")
    number, secret = SecretStr(NUMBER), SecretStr(code) if code else None
    card = CardIn(number=number, expire_month="3", expire_year="30", holder="TARO", security_code=secret)
    actions.store(db, by, corporation.id, corporation.agency_id, card, has_open=has_open)
    db.commit()
    return corporation


def advance_clock(db: Session, by: str) -> None:
    db.execute(text("UPDATE app_clock SET shift = shift + CAST(:by AS interval)"), {"by": by})
    db.commit()


def card(db: Session, corporation: Corporation) -> Card:
    db.expire_all()
    return queries.get_card(db, corporation.id)


def finished_jobs(db: Session) -> set[str]:
    return set(db.scalars(select(JobHeartbeat.name).where(JobHeartbeat.name.like("agencies.%"))))


def test_a_code_goes_after_72_hours_and_the_number_stays(
    db: Session, olga: Actor, settings: Callable[..., None]
) -> None:
    corporation = corporation_with_card(db, olga, has_open=True, code="987")

    advance_clock(db, "71 hours 59 minutes")
    agencies.purge_cards()
    before = card(db, corporation).has_code
    advance_clock(db, "1 minute")
    agencies.purge_cards()
    after = card(db, corporation)

    assert (before, after.has_code, after.has_number, after.last4) == (True, False, True, "1111")
    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.action == "delete"))
    assert (entry.actor, entry.after) == ("agencies.purge_cards", {"reason": "保管期間の終了（セキュリティコード）"})


def test_a_number_goes_seven_days_after_the_last_request_with_all_but_four_digits(
    db: Session, olga: Actor, settings: Callable[..., None]
) -> None:
    closed, active = corporation_with_card(db, olga, has_open=False), corporation_with_card(db, olga, has_open=True)

    advance_clock(db, "6 days 23 hours 59 minutes")
    agencies.purge_cards()
    before = card(db, closed).has_number
    advance_clock(db, "1 minute")
    agencies.purge_cards()
    agencies.purge_cards()
    after = card(db, closed)

    assert (before, after.has_number, after.last4, after.purge_at) == (True, False, "1111", None)
    assert (after.expire_month, after.expire_year, after.holder, after.number_key) == ("", "", "", "")
    assert card(db, active).has_number
    assert len(db.scalars(select(AuditEntry).where(AuditEntry.action == "delete")).all()) == 1
    assert "agencies.purge_cards" in finished_jobs(db)


def test_the_absence_of_overdue_card_data_is_recorded(db: Session, olga: Actor, settings: Callable[..., None]) -> None:
    corporation_with_card(db, olga, has_open=True, code="987")
    corporation_with_card(db, olga, has_open=False)
    advance_clock(db, "8 days")
    agencies.purge_cards()

    agencies.check_card_retention()

    assert "agencies.prove_cards" in finished_jobs(db)
    assert db.scalars(select(OutboxMessage)).all() == []


@pytest.mark.parametrize("has_open", [True, False])
def test_overdue_card_data_fails_loudly_and_notifies_administrators(
    db: Session, olga: Actor, settings: Callable[..., None], has_open: bool
) -> None:
    adam = people.create_user(db, "adam", agencies="admin")
    adam.mail = "adam@example.com"
    corporation_with_card(db, olga, has_open=has_open, code="987")
    advance_clock(db, "8 days")

    with pytest.raises(RuntimeError, match="1 cards are kept longer"):
        agencies.check_card_retention()

    [message] = db.scalars(select(OutboxMessage))
    assert (message.recipient, "1件残っています" in message.payload["body"]) == ("adam@example.com", True)
    assert card_numbers(str(message.payload)) == []
    assert "agencies.prove_cards" not in finished_jobs(db)


def test_a_number_without_a_purge_date_is_found_too(db: Session, olga: Actor, settings: Callable[..., None]) -> None:
    corporation = corporation_with_card(db, olga, has_open=False)
    db.execute(text("UPDATE agencies_cards SET purge_at = NULL WHERE corporation_id = :id"), {"id": corporation.id})
    db.commit()

    with pytest.raises(RuntimeError, match="1 cards"):
        agencies.check_card_retention()


def test_cards_are_resealed_in_batches_and_a_broken_one_does_not_stop_the_others(
    db: Session, olga: Actor, settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "PORTION", 2)
    corporations = [corporation_with_card(db, olga, has_open=True, code="987") for _ in range(5)]
    old, new = agencies_settings(), generate_key()
    db.execute(
        text("UPDATE agencies_cards SET number = '\\xdeadbeef' WHERE corporation_id = :id"), {"id": corporations[1].id}
    )
    db.commit()
    settings(card_keys=SecretStr(f"{new},{old.card_keys.get_secret_value()}"))

    with pytest.raises(RuntimeError, match="1 cards do not open"):
        agencies.purge_cards()

    keys = [card(db, corporation).number_key for corporation in corporations]
    assert [key == new.partition(":")[0] for key in keys] == [True, False, True, True, True]
    assert queries.unseal_card(db, corporations[4].id) == (NUMBER, "987")
    assert "agencies.purge_cards" not in finished_jobs(db)
