"""The result of a call with a shop, read from its transcript. Most transcripts come from the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.scripts import Answer as Scripted
from sandbox.vendors.conversations import RequestedReservation as Asked
from sandbox.vendors.conversations import build_conversation, build_voicemail
from service.core.values.times import TOKYO
from service.reservations.outgoing.call_script import ANALYSIS_SCHEMA
from service.reservations.state_machine.states import Answer
from service.reservations.vendor_events.transcripts import Reading, read_call

REQUESTED_AT = datetime(2026, 11, 25, 14, 30, tzinfo=TOKYO)
REQUEST = {"service": "花束", "size": "M", "start": "2026-11-25T14:30:00+09:00", "customer_name": "山田"}
OK_SENTENCE = "はい、11月25日の14時30分からでお取りできます。"
NAME_SENTENCE = "佐藤が承りました。"


def sandbox_call(kind: str, **options: Any) -> dict[str, Any]:
    """The vendor's details of a sandbox call with a shop that answers like this."""
    conversation = build_conversation(Scripted.model_validate({"kind": kind} | options), REQUEST, "")
    lines = [{"user": speaker, "text": text} for speaker, text in conversation.lines]
    analysis = {name: conversation.analysis.get(name) for name in ANALYSIS_SCHEMA}
    return ended_call(lines, analysis, call_ended_by=conversation.ended_by, summary=conversation.summary)


def ended_call(lines: list[dict[str, str]], analysis: Any, **values: Any) -> dict[str, Any]:
    defaults = {"completed": True, "status": "completed", "answered_by": "human", "call_length": 0.75}
    return defaults | {"transcripts": lines, "analysis": analysis} | values


def shop_lines(*texts: str) -> list[dict[str, str]]:
    return [{"user": "user", "text": text} for text in texts]


def read_ok_claim(*texts: str, **analysis: Any) -> Reading:
    """The reading when the model's analysis claims "ok" for these sentences of the shop."""
    claim = {
        "answer": "ok",
        "quote": OK_SENTENCE,
        "staff_name": "佐藤",
        "confirmed_time": "2026-11-25T14:30",
    } | analysis
    return read_ended_call(ended_call(shop_lines(*(texts or (OK_SENTENCE, NAME_SENTENCE))), claim))


def read_ended_call(details: dict[str, Any]) -> Reading:
    reading = read_call(details, REQUESTED_AT)
    assert reading is not None
    return reading


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
def test_the_answer_of_the_shop_is_read(kind: str, answer: Answer) -> None:
    reading = read_ended_call(sandbox_call(kind))

    assert (reading.answer, reading.seconds) == (answer, 45)
    assert reading.transcript
    assert reading.why.endswith("。")


@pytest.mark.parametrize(
    ("details", "answer"),
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
def test_an_unanswered_call_is_read_from_its_status(details: dict[str, str], answer: Answer) -> None:
    assert read_ended_call({"completed": True, "analysis": None, "transcripts": []} | details).answer is answer


def test_an_answering_machine_is_a_voicemail() -> None:
    lines = [{"user": speaker, "text": text} for speaker, text in build_voicemail(Asked.of(REQUEST)).lines]

    assert read_ended_call(ended_call(lines, None, answered_by="voicemail")).answer is Answer.VOICEMAIL


def test_an_ok_from_an_answering_machine_is_vague() -> None:
    analysis = {"answer": "ok", "quote": OK_SENTENCE, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"}

    assert (
        read_ended_call(ended_call(shop_lines(OK_SENTENCE, NAME_SENTENCE), analysis, answered_by="voicemail")).answer
        is Answer.VAGUE
    )


def test_a_call_in_progress_is_not_read() -> None:
    assert read_call({"completed": False, "status": "in-progress", "analysis": {"answer": "ok"}}, REQUESTED_AT) is None
    assert read_call({"completed": "yes"}, REQUESTED_AT) is None
    assert read_call({}, REQUESTED_AT) is None


def test_an_ok_has_name_quote_and_time() -> None:
    reading = read_ended_call(sandbox_call("ok", staff="高橋"))

    assert (reading.staff, reading.confirmed_at) == ("高橋", REQUESTED_AT)
    assert reading.line is not None
    assert reading.transcript[reading.line].is_shop
    assert reading.quote in reading.transcript[reading.line].text


def test_an_ok_that_the_shop_did_not_say_is_vague() -> None:
    reading = read_ok_claim(quote="もちろん大丈夫でございます。")

    assert (reading.answer, reading.quote, reading.line) == (Answer.VAGUE, "", None)


def test_sentences_of_the_assistant_do_not_count_as_the_shops() -> None:
    lines = [{"user": "assistant", "text": OK_SENTENCE}, *shop_lines("ええと", NAME_SENTENCE)]
    analysis = {"answer": "ok", "quote": OK_SENTENCE, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"}

    assert read_ended_call(ended_call(lines, analysis)).answer is Answer.VAGUE


def test_a_quote_may_differ_in_width_and_punctuation() -> None:
    assert read_ok_claim(quote="はい 11月25日の１４時３０分からでお取りできます").answer is Answer.OK


def test_a_quote_may_span_several_lines() -> None:
    reading = read_ok_claim("もしもし", "はい、11月25日の14時30分", "からでお取りできます。", NAME_SENTENCE)

    assert (reading.answer, reading.line) == (Answer.OK, 1)


@pytest.mark.parametrize("name", ["", "  ", None, "鈴木", "山田"])
def test_an_ok_without_a_staff_name_is_vague(name: str | None) -> None:
    assert read_ok_claim(staff_name=name).answer is Answer.VAGUE


@pytest.mark.parametrize("time", ["", None, "そのお時間", "2026-13-45T99:00", "99:00", "20261125"])
def test_an_ok_without_a_time_is_vague(time: str | None) -> None:
    assert read_ok_claim(confirmed_time=time).answer is Answer.VAGUE


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
def test_the_time_may_be_in_any_format(time: str) -> None:
    assert read_ok_claim(confirmed_time=time).answer is Answer.OK


@pytest.mark.parametrize("time", ["2026-11-25T15:00", "2026-11-26T14:30", "15:00", "2026-11-25T14:30Z"])
def test_an_ok_for_another_time_is_a_change_request(time: str) -> None:
    reading = read_ok_claim(confirmed_time=time)

    assert reading.answer is Answer.CHANGE_REQUESTED
    assert reading.change.endswith("に変更")


@pytest.mark.parametrize(
    "later_sentence",
    [
        "あ、すみません、その日はいっぱいでした。",
        "一度検討しますので、後で連絡します。",
        "確認して折り返します。",
        "やはりお受けできません。",
    ],
)
def test_a_withdrawn_ok_is_vague(later_sentence: str) -> None:
    assert read_ok_claim(OK_SENTENCE, NAME_SENTENCE, later_sentence).answer is Answer.VAGUE


def test_sentences_before_the_ok_do_not_make_it_vague() -> None:
    assert read_ok_claim("確認して折り返し、いえ、少々お待ちください。", OK_SENTENCE, NAME_SENTENCE).answer is Answer.OK


def test_a_change_request_has_its_text() -> None:
    assert read_ended_call(sandbox_call("change_size", size="L")).change == "サイズをLに変更"


def test_a_refusal_that_the_shop_did_not_say_is_vague() -> None:
    analysis = {"answer": "refused", "quote": "その日はいっぱいです。"}

    assert read_ended_call(ended_call(shop_lines("はい、承りました。"), analysis)).answer is Answer.VAGUE
    assert read_ended_call(ended_call(shop_lines("あいにく、その日は満席でして。"), analysis)).answer is Answer.REFUSED


@pytest.mark.parametrize("analysis", [None, {}, {"answer": None}, {"answer": "yes"}, {"answer": 1}, "ok", [1]])
def test_a_call_without_a_usable_analysis_is_vague(analysis: Any) -> None:
    assert read_ended_call(ended_call(shop_lines(OK_SENTENCE, NAME_SENTENCE), analysis)).answer is Answer.VAGUE


def test_a_concatenated_transcript_is_split_into_lines() -> None:
    analysis = {"answer": "ok", "quote": OK_SENTENCE, "staff_name": "佐藤", "confirmed_time": "2026-11-25T14:30"}
    transcript = (
        " user: お電話ありがとうございます \n assistant: 予約をお願いします \n"
        f" user: {OK_SENTENCE} \n user: {NAME_SENTENCE} \n"
    )

    reading = read_ended_call(ended_call([], analysis, concatenated_transcript=transcript))

    assert reading.answer is Answer.OK
    assert [line.is_shop for line in reading.transcript] == [True, False, True, True]


def test_seconds_and_summary_are_read() -> None:
    assert read_ended_call(sandbox_call("ok")).summary.startswith("店舗は")
    assert read_ended_call(ended_call(shop_lines(OK_SENTENCE), {}, call_length="long")).seconds is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("status", "answered_by", "analysis", "transcripts", "concatenated_transcript", "summary", "call_length")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_random_details_are_read_and_never_give_an_ok(details: dict[str, Any]) -> None:
    assert read_ended_call(details | {"completed": True}).answer is not Answer.OK


@given(
    quote=st.sampled_from([OK_SENTENCE, "", "大丈夫です"]),
    staff=st.sampled_from(["佐藤", "", "鈴木"]),
    shift=st.sampled_from([0, 30, 1440]),
    lines=st.lists(st.sampled_from([OK_SENTENCE, NAME_SENTENCE, "検討します。", "もしもし"]), max_size=4),
)
def test_an_ok_always_has_a_spoken_sentence_a_spoken_name_and_the_requested_time(
    quote: str, staff: str, shift: int, lines: list[str]
) -> None:
    confirmed_at = REQUESTED_AT + timedelta(minutes=shift)
    reading = read_ok_claim(
        *(lines or ["はい"]), quote=quote, staff_name=staff, confirmed_time=f"{confirmed_at:%Y-%m-%dT%H:%M}"
    )

    if reading.answer is Answer.OK:
        assert (quote in lines, staff == "佐藤", NAME_SENTENCE in lines, shift) == (True, True, True, 0)
    elif quote == OK_SENTENCE and quote in lines and staff == "佐藤" and NAME_SENTENCE in lines and not shift:
        assert "検討します。" in lines


def test_a_reservation_in_utc_is_the_same_time() -> None:
    reading = read_call(sandbox_call("ok"), REQUESTED_AT.astimezone(UTC))

    assert reading is not None
    assert reading.answer is Answer.OK
