"""What may be answered to a form's question."""

from __future__ import annotations

from service.loaners.forms.rules import LONGEST_ANSWER, Question, checked


def test_an_answer_has_an_end() -> None:
    asked, longest = Question("0-1", "担当者"), "あ" * LONGEST_ANSWER
    assert checked([asked], {"0-1": longest}) == ({"0-1": longest}, {})
    assert checked([asked], {"0-1": longest + "あ"}) == (
        {},
        {"0-1": f"「担当者」は{LONGEST_ANSWER}文字以内で入力してください。"},
    )
