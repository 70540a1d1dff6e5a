"""What a call with a shop came to. Most of what is said here is said by the sandbox, as on a real call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import TOKYO
from service.reservations.events.rules import Answer
from service.reservations.message_texts.rules import ANALYSIS_SCHEMA
from service.reservations.transcripts.rules import Reading, read_call
from tests.sandbox.scripts import Answer as Scripted
from tests.sandbox.vendors.talk import Wish as Asked
from tests.sandbox.vendors.talk import talk, voicemail

WANTED = datetime(2026, 11, 25, 14, 30, tzinfo=TOKYO)
REQUEST = {"service": "花束", "size": "M", "start": "2026-11-25T14:30:00+09:00", "customer_name": "山田"}
YES = "はい、11月25日の14時30分からでお取りできます。"
NAME = "佐藤が承りました。"


def spoken(kind: str, **more: Any) -> dict[str, Any]:
    """The vendor's details of a call with a shop that answers so."""
    said = talk(Scripted.model_validate({"kind": kind} | more), REQUEST, "")
    lines = [{"user": who, "text": text} for who, text in said.lines]
    analysis = {name: said.analysis.get(name) for name in ANALYSIS_SCHEMA}
    return over(lines, analysis, call_ended_by=said.ended_by, summary=said.summary)


def over(lines: list[dict[str, str]], analysis: Any, **more: Any) -> dict[str, Any]:
    ended = {"completed": True, "status": "completed", "answered_by": "human", "call_length": 0.75}
    return ended | {"transcripts": lines, "analysis": analysis} | more


def shop(*texts: str) -> list[dict[str, str]]:
    return [{"user": "user", "text": text} for text in texts]


def claim(*texts: str, **analysis: Any) -> Reading:
    """What is read when the model says yes to what the shop said."""
    told = {"answer": "ok", "quote": YES, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"} | analysis
    return certainly(over(shop(*(texts or (YES, NAME))), told))


def certainly(details: dict[str, Any]) -> Reading:
    found = read_call(details, WANTED)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("ok", Answer.OK),
        ("slow", Answer.OK),
        ("ok_without_name", Answer.VAGUE),
        ("refused", Answer.REFUSED),
        ("vague", Answer.VAGUE),
        ("change_time", Answer.CHANGE_REQUESTED),
        ("change_size", Answer.CHANGE_REQUESTED),
        ("hang_up", Answer.NO_RESULT),
    ],
)
def test_what_a_shop_says_is_what_is_read(kind: str, answer: Answer) -> None:
    found = certainly(spoken(kind))

    assert (found.answer, found.seconds) == (answer, 45)
    assert found.transcript
    assert found.why.endswith("。")


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"status": "busy", "answered_by": "busy"}, Answer.BUSY),
        ({"status": "no-answer", "answered_by": "no-answer"}, Answer.NO_ANSWER),
        (
            {"status": "failed", "answered_by": "unknown", "error_message": "not connected"},
            Answer.FAILED,
        ),
        ({"status": "canceled", "answered_by": "unknown"}, Answer.NO_RESULT),
        ({"status": "completed", "answered_by": "no-answer"}, Answer.NO_ANSWER),
        ({"status": "completed", "answered_by": "human"}, Answer.NO_RESULT),
    ],
)
def test_a_call_to_which_nobody_came_is_told_by_how_it_went(told: dict[str, str], answer: Answer) -> None:
    assert certainly({"completed": True, "analysis": None, "transcripts": []} | told).answer is answer


def test_a_machine_that_answers_is_a_voicemail() -> None:
    lines = [{"user": who, "text": text} for who, text in voicemail(Asked.of(REQUEST)).lines]

    assert certainly(over(lines, None, answered_by="voicemail")).answer is Answer.VOICEMAIL


def test_a_yes_from_a_machine_is_for_people() -> None:
    told = {"answer": "ok", "quote": YES, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"}

    assert certainly(over(shop(YES, NAME), told, answered_by="voicemail")).answer is Answer.VAGUE


def test_a_call_that_goes_on_is_not_read() -> None:
    assert read_call({"completed": False, "status": "in-progress", "analysis": {"answer": "ok"}}, WANTED) is None
    assert read_call({"completed": "yes"}, WANTED) is None
    assert read_call({}, WANTED) is None


def test_a_yes_shows_who_said_it_in_which_words_and_for_when() -> None:
    found = certainly(spoken("ok", staff="高橋"))

    assert (found.staff, found.confirmed_at) == ("高橋", WANTED)
    assert found.line is not None
    assert found.transcript[found.line].is_shop
    assert found.quote in found.transcript[found.line].text


def test_a_yes_that_the_shop_did_not_say_is_no_yes() -> None:
    found = claim(quote="もちろん大丈夫でございます。")

    assert (found.answer, found.quote, found.line) == (Answer.VAGUE, "", None)


def test_words_of_our_own_assistant_are_not_the_shops() -> None:
    lines = [{"user": "assistant", "text": YES}, *shop("ええと", NAME)]
    told = {"answer": "ok", "quote": YES, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"}

    assert certainly(over(lines, told)).answer is Answer.VAGUE


def test_a_sentence_is_the_same_in_other_width_and_with_other_marks() -> None:
    assert claim(quote="はい 11月25日の１４時３０分からでお取りできます").answer is Answer.OK


def test_a_sentence_may_be_told_in_pieces() -> None:
    found = claim("もしもし", "はい、11月25日の14時30分", "からでお取りできます。", NAME)

    assert (found.answer, found.line) == (Answer.OK, 1)


@pytest.mark.parametrize("name", ["", "  ", None, "鈴木", "山田"])
def test_a_yes_without_the_name_of_who_said_it_is_for_people(name: str | None) -> None:
    assert claim(staff_name=name).answer is Answer.VAGUE


@pytest.mark.parametrize("time", ["", None, "そのお時間", "2026-13-45T99:00", "99:00", "20261125"])
def test_a_yes_without_a_time_is_for_people(time: str | None) -> None:
    assert claim(confirmed_time=time).answer is Answer.VAGUE


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-25T14:30",
        "2026-11-25 14:30:00",
        "2026-11-25T14:30+09:00",
        "2026-11-25T05:30:00Z",
        "14:30",
        "１４：３０",
    ],
)
def test_the_time_is_the_same_however_it_is_written(time: str) -> None:
    assert claim(confirmed_time=time).answer is Answer.OK


@pytest.mark.parametrize("time", ["2026-11-25T15:00", "2026-11-26T14:30", "15:00", "2026-11-25T14:30Z"])
def test_a_yes_to_another_time_is_a_change(time: str) -> None:
    found = claim(confirmed_time=time)

    assert found.answer is Answer.CHANGE_REQUESTED
    assert found.change.endswith("に変更")


@pytest.mark.parametrize(
    "after",
    [
        "あ、すみません、その日はいっぱいでした。",
        "一度検討しますので、後で連絡します。",
        "確認して折り返します。",
        "やはりお受けできません。",
    ],
)
def test_a_shop_that_thinks_better_of_it_has_not_said_yes(after: str) -> None:
    assert claim(YES, NAME, after).answer is Answer.VAGUE


def test_what_a_shop_says_before_its_yes_does_not_count_against_it() -> None:
    assert claim("確認して折り返し、いえ、少々お待ちください。", YES, NAME).answer is Answer.OK


def test_a_change_says_what_the_shop_would_like() -> None:
    assert certainly(spoken("change_size", size="L")).change == "サイズをLに変更"


def test_a_refusal_that_nobody_spoke_is_for_people() -> None:
    told = {"answer": "refused", "quote": "その日はいっぱいです。"}

    assert certainly(over(shop("はい、承りました。"), told)).answer is Answer.VAGUE
    assert certainly(over(shop("あいにく、その日は満席でして。"), told)).answer is Answer.REFUSED


@pytest.mark.parametrize("analysis", [None, {}, {"answer": None}, {"answer": "yes"}, {"answer": 1}, "ok", [1]])
def test_a_talk_that_the_model_could_not_read_is_for_people(analysis: Any) -> None:
    assert certainly(over(shop(YES, NAME), analysis)).answer is Answer.VAGUE


def test_lines_that_come_in_one_text_are_told_apart() -> None:
    told = {"answer": "ok", "quote": YES, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"}
    whole = f" user: お電話ありがとうございます \n assistant: 予約をお願いします \n user: {YES} \n user: {NAME} \n"

    found = certainly(over([], told, concatenated_transcript=whole))

    assert found.answer is Answer.OK
    assert [line.is_shop for line in found.transcript] == [True, False, True, True]


def test_seconds_and_summary_come_along() -> None:
    assert certainly(spoken("ok")).summary.startswith("店舗は")
    assert certainly(over(shop(YES), {}, call_length="long")).seconds is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("status", "answered_by", "analysis", "transcripts", "concatenated_transcript", "summary", "call_length")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_the_vendor_tells_is_read_without_a_yes(told: dict[str, Any]) -> None:
    assert certainly(told | {"completed": True}).answer is not Answer.OK


@given(
    quote=st.sampled_from([YES, "", "大丈夫です"]),
    staff=st.sampled_from(["佐藤", "", "鈴木"]),
    shift=st.sampled_from([0, 30, 1440]),
    lines=st.lists(st.sampled_from([YES, NAME, "検討します。", "もしもし"]), max_size=4),
)
def test_a_yes_always_has_a_spoken_sentence_a_spoken_name_and_the_very_time(
    quote: str, staff: str, shift: int, lines: list[str]
) -> None:
    at = WANTED + timedelta(minutes=shift)
    found = claim(*(lines or ["はい"]), quote=quote, staff_name=staff, confirmed_time=f"{at:%Y-%m-%dT%H:%M}")

    if found.answer is Answer.OK:
        assert (quote in lines, staff == "佐藤", NAME in lines, shift) == (True, True, True, 0)
    elif quote == YES and quote in lines and staff == "佐藤" and NAME in lines and not shift:
        assert "検討します。" in lines


def test_a_reservation_in_utc_is_the_same_moment() -> None:
    found = read_call(spoken("ok"), WANTED.astimezone(UTC))

    assert found is not None
    assert found.answer is Answer.OK
