"""Targets and texts of enquiries, and the quarters of surveys: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import TOKYO
from service.core.values.working_time import calendar
from service.reservations.enquiries import rules
from service.reservations.enquiries.rules import Channel, Party
from service.reservations.incidents.rules import Level
from service.reservations.message_texts.rules import sms_segments
from service.reservations.surveys import rules as surveys
from service.reservations.surveys.rules import Quarter

BUSINESS = calendar("business", frozenset())
WEDNESDAY = datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO)
# From 2020 to 2040.
MOMENTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda second: datetime.fromtimestamp(second, UTC))


def test_first_responses_are_due_as_the_document_says() -> None:
    spans = {key: target.span for key, target in rules.FIRST_RESPONSE_TARGETS.items()}

    assert spans == {
        (Party.CUSTOMER, Channel.MAIL): timedelta(hours=2),
        (Party.SHOP, Channel.MAIL): timedelta(hours=4),
        (Party.CUSTOMER, Channel.PHONE): timedelta(),
        (Party.SHOP, Channel.PHONE): timedelta(),
    }


@given(MOMENTS, st.sampled_from([*rules.FIRST_RESPONSE_TARGETS]))
def test_people_are_warned_before_it_is_late_and_never_before_it_began(
    moment: datetime, of: tuple[Party, Channel]
) -> None:
    first = rules.first_due(*of, moment, BUSINESS)
    resolution = rules.resolution_due(Level.LOW, moment, BUSINESS)

    assert moment <= first.warn_at <= first.due_at
    assert resolution is not None
    assert first.due_at < resolution.due_at
    assert rules.working_minutes(moment, first.due_at, BUSINESS) == rules.FIRST_RESPONSE_TARGETS[of].span // timedelta(
        minutes=1
    )


@pytest.mark.parametrize("level", Level)
def test_only_medium_and_low_are_held_to_24_hours(level: Level) -> None:
    found = rules.resolution_due(level, WEDNESDAY, BUSINESS)

    assert (found is not None) == (level in (Level.MEDIUM, Level.LOW))


def test_an_answer_quotes_what_was_asked() -> None:
    quoted = rules.quotation(WEDNESDAY, "領収書について", "発行できますか。\n宛名も。")

    assert "2031/1/8（水）10:00 にいただいたお問い合わせ: 領収書について" in quoted
    assert quoted.endswith("> 発行できますか。\n> 宛名も。\n")


def test_slack_is_told_who_waits_and_whose_it_is() -> None:
    told = rules.warning_message(7, Party.SHOP, Channel.MAIL, "初回応答", WEDNESDAY, None)
    assert told.startswith("問い合わせ ENQ-0007（提携店・Email）の初回応答の目標時間が近づいています")
    assert "まだ担当者がいません。" in told
    late = rules.breach_message(7, Party.CUSTOMER, Channel.PHONE, "解決", WEDNESDAY, "相談 花子")
    assert "（依頼者・電話）の解決が目標時間を過ぎました" in late
    assert "担当は相談 花子さんです。" in late


def test_a_quarter_is_three_months_of_tokyo() -> None:
    quarter = Quarter(2030, 4)

    assert (str(quarter), quarter.words) == ("2030-Q4", "2030年10〜12月")
    assert quarter.bounds() == (
        datetime(2030, 10, 1, tzinfo=TOKYO), datetime(2031, 1, 1, tzinfo=TOKYO),
    )  # fmt: skip
    assert (quarter.plus(1), quarter.plus(-4)) == (Quarter(2031, 1), Quarter(2029, 4))


@given(MOMENTS)
def test_every_moment_is_in_its_quarter_and_in_no_other(moment: datetime) -> None:
    quarter = surveys.quarter_of(moment)

    since, until = quarter.bounds()
    assert since <= moment < until
    assert quarter.plus(1).bounds()[0] == until
    assert surveys.parse_quarter(str(quarter)) == quarter


@pytest.mark.parametrize("text", ["2030-Q5", "2030Q4", "1999-Q1", "9001-Q1", "2030-q4", "２０３０-Q4", ""])
def test_what_is_no_quarter_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="2026-Q3 の形式"):
        surveys.parse_quarter(text)


def test_customers_are_asked_about_a_quarter_once_it_is_over_and_for_a_year() -> None:
    assert surveys.may_have_survey(Quarter(2030, 4), WEDNESDAY)
    assert surveys.may_have_survey(Quarter(2030, 1), WEDNESDAY)
    assert not surveys.may_have_survey(Quarter(2031, 1), WEDNESDAY)
    assert not surveys.may_have_survey(Quarter(2029, 4), WEDNESDAY)


def test_a_survey_by_sms_takes_three_segments_at_most() -> None:
    url = f"https://reservations.example.co.jp/survey/{'x' * 22}"

    assert all(sms_segments(surveys.build_sms(url, WEDNESDAY, again=again)) <= 3 for again in (False, True))
