"""The keys that cards are sealed with: their change, and what is refused without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session

from service.agencies.cards import actions
from service.agencies.settings import Settings, settings
from service.core.problems import Invalid
from tests.api.agencies.scene import Scene
from tests.api.agencies.test_cards import CODE, NUMBER, add_corporation, get_card, reveal
from tests.api.agencies.test_corporations import CARD
from tests.card_keys import generate_key


def test_cards_sealed_with_an_older_key_are_sealed_anew_and_then_the_old_one_may_go(
    team: Scene, db: Session, configured: Callable[..., None]
) -> None:
    configured(keep_security_code=True)
    corporation = add_corporation(team, card=CARD | {"security_code": CODE})
    old = settings()
    new_number, new_code = generate_key(), generate_key()
    configured(
        card_keys=SecretStr(f"{new_number},{old.card_keys.get_secret_value()}"),
        code_keys=SecretStr(f"{new_code},{old.code_keys.get_secret_value()}"),
    )

    assert actions.cards_to_reseal(db, 0) == [corporation.id]
    assert actions.reseal(db, corporation.id)
    db.commit()
    assert actions.cards_to_reseal(db, 0) == []
    configured(card_keys=SecretStr(new_number), code_keys=SecretStr(new_code))
    revealed = reveal(team, corporation).json()
    assert (revealed["number"], revealed["security_code"]) == (NUMBER, CODE)

    configured(card_keys=SecretStr(generate_key()))
    assert actions.reseal(db, corporation.id) is False
    assert reveal(team, corporation).status_code == 409


def test_a_new_card_of_a_corporation_that_asks_for_nothing_has_an_end(team: Scene, db: Session) -> None:
    corporation = add_corporation(team)

    assert get_card(db, corporation).purge_at is not None


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"card_keys": "nonsense"}, "id:base64"),
        ({"card_keys": "k1:AAAA"}, "bytes instead of 32"),
        ({"keep_security_code": True}, "AGENCIES_KEEP_SECURITY_CODE"),
    ],
)
def test_a_service_with_keys_that_are_none_does_not_start(
    values: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AGENCIES_CARD_KEYS", "AGENCIES_CODE_KEYS"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValueError, match=complaint):
        Settings(**values)


def test_numbers_and_codes_have_no_key_in_common() -> None:
    key = generate_key()
    with pytest.raises(ValueError, match="one of their own") as refused:
        Settings(card_keys=SecretStr(key), code_keys=SecretStr("other:" + key.partition(":")[2]))

    assert key.partition(":")[2] not in str(refused.value)


def test_a_code_is_refused_where_codes_are_not_stored(team: Scene) -> None:
    with pytest.raises(Invalid) as refused:
        add_corporation(team, card=CARD | {"security_code": CODE})

    assert [error.field for error in refused.value.errors] == ["card.security_code"]
