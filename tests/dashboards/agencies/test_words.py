"""Pages do not import the service's rules. Where both define the same, these tests compare them."""

from __future__ import annotations

import re

import pytest

from dashboards.agencies import case_words, corporation_words, drafting, sending
from service.agencies.corporations import rules as corporations
from service.agencies.corporations.models import Corporation
from service.agencies.drafts import rules as drafts
from service.agencies.rules import CORPORATION_FIELDS, MAX_IMAGES, SITE_FIELDS, STATEMENT
from service.agencies.sites import rules as sites


def test_each_field_is_in_one_section() -> None:
    for module, names in ((case_words, SITE_FIELDS), (corporation_words, CORPORATION_FIELDS)):
        drawn = [field for fields in module.SECTIONS.values() for field in fields]
        assert sorted(drawn) == sorted(names)


def test_codes_are_of_the_same_lists() -> None:
    assert case_words.CODE_LISTS == sites.LISTS
    assert corporation_words.CODE_LISTS == corporations.CODED
    assert case_words.GAS_ONLY == sites.GAS_ONLY
    assert corporation_words.BY_CARD == corporations.BY_CARD
    kinds = ("INDIVIDUAL", "CORPORATION", "TRADE_NAME")
    assert [getattr(corporation_words, kind) for kind in kinds] == [getattr(corporations, kind) for kind in kinds]


@pytest.mark.parametrize("kind", ["1", "2", "3"])
@pytest.mark.parametrize("same", [True, False])
def test_what_is_asked_for_is_what_has_a_place(kind: str, same: bool) -> None:
    """契約者区分 and 請求書送付先 decide what the form draws; the service empties the rest."""
    values = dict.fromkeys(CORPORATION_FIELDS, "") | {"customer_type": kind, "billing_address_same": same}

    drawn = {field for fields in corporation_words.visible_sections(values).values() for field in fields}

    assert set(CORPORATION_FIELDS) - drawn == {*corporations.cleared_values(values)}
    # And each required field can be typed.
    required = {name for name, _ in corporations.missing_fields(values)}
    assert required <= {field for field in drawn if corporation_words.label(field, kind)}


def test_the_forms_take_as_much_as_the_service() -> None:
    assert (MAX_IMAGES, STATEMENT.key) == (sending.MAX_IMAGES, sending.PURPOSE)
    assert set(CORPORATION_FIELDS) <= {column.name for column in Corporation.__table__.columns}


@pytest.mark.parametrize("name", ["card", "card.number", "security_code", "cvv", "cvc2", "card_code"])
def test_what_the_service_refuses_of_a_card_is_not_sent_to_it(name: str) -> None:
    assert drafting._CARD_FIELD.search(name)
    if name != "card":
        assert re.search(drafts._CARD_KEYS, name)
