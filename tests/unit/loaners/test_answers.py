"""The maximum length of an answer in a form and of a value in a custom column of a device."""

from __future__ import annotations

from service.loaners.devices import rules as devices
from service.loaners.forms.rules import MAX_ANSWER_LENGTH, Question, check_answers
from service.loaners.models import Column


def test_an_answer_has_a_maximum_length() -> None:
    question, longest = Question("0-1", "担当者"), "あ" * MAX_ANSWER_LENGTH
    assert check_answers([question], {"0-1": longest}) == ({"0-1": longest}, {})
    assert check_answers([question], {"0-1": longest + "あ"}) == (
        {},
        {"0-1": f"「担当者」は{MAX_ANSWER_LENGTH}文字以内で入力してください。"},
    )


def test_a_custom_column_has_a_maximum_length() -> None:
    column, longest = (
        Column(id=1, title="備考", value_type="text", choices=[], required=False),
        "あ" * devices.MAX_VALUE_LENGTH,
    )
    assert devices.check_values([column], {"1": longest}) == ({"1": longest}, {})
    assert devices.check_values([column], {"1": longest + "あ"}) == (
        {},
        {"1": f"「備考」は{devices.MAX_VALUE_LENGTH}文字以内で入力してください。"},
    )
