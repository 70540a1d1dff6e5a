"""What may be answered to a form's question, and stand in a further column of a device."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.loaners.devices import rules as devices
from service.loaners.forms.rules import LONGEST_ANSWER, Question, checked


def test_an_answer_has_an_end() -> None:
    asked, longest = Question("0-1", "担当者"), "あ" * LONGEST_ANSWER
    assert checked([asked], {"0-1": longest}) == ({"0-1": longest}, {})
    assert checked([asked], {"0-1": longest + "あ"}) == (
        {},
        {"0-1": f"「担当者」は{LONGEST_ANSWER}文字以内で入力してください。"},
    )


@dataclass
class Column:
    title: str
    id: int = 1
    value_type: str = "text"
    choices: list[str] = field(default_factory=list)
    required: bool = False


def test_a_further_column_has_an_end() -> None:
    longest = "あ" * devices.LONGEST_VALUE
    assert devices.checked([Column("備考")], {"1": longest}) == ({"1": longest}, {})
    assert devices.checked([Column("備考")], {"1": longest + "あ"}) == (
        {},
        {"1": f"「備考」は{devices.LONGEST_VALUE}文字以内で入力してください。"},
    )
