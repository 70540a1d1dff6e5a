"""Targets and texts of enquiries, and quarters of surveys, without a database."""

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
from service.reservations.surveys import rules as surveys
from service.reservations.surveys.rules import Quarter
from tests.sms import sms_segments

BUSINESS = calendar("business", frozenset())
WEDNESDAY = datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO)
# From 2020 to 2040.
TIMESTAMPS = st.integers(1_577_836_800, 2_208_988_800).map(lambda second: datetime.fromtimestamp(second, UTC))


def test_targets_of_first_responses_match_the_specification() -> None:
    spans = {key: target.span for key, target in rules.FIRST_RESPONSE_TARGETS.items()}

    assert spans == {
        (Party.CUSTOMER, Channel.MAIL): timedelta(hours=2),
        (Party.SHOP, Channel.MAIL): timedelta(hours=4),
        (Party.CUSTOMER, Channel.PHONE): timedelta(),
        (Party.SHOP, Channel.PHONE): timedelta(),
    }


@given(TIMESTAMPS, st.sampled_from([*rules.FIRST_RESPONSE_TARGETS]))
def test_the_warning_comes_before_the_deadline_and_not_before_the_start(
    received_at: datetime, key: tuple[Party, Channel]
) -> None:
    first = rules.first_due(*key, received_at, BUSINESS)
    resolution = rules.resolution_due(Level.LOW, received_at, BUSINESS)

    assert received_at <= first.warn_at <= first.due_at
    assert resolution is not None
    assert first.due_at < resolution.due_at
    assert rules.working_minutes(received_at, first.due_at, BUSINESS) == rules.FIRST_RESPONSE_TARGETS[
        key
    ].span // timedelta(minutes=1)


@pytest.mark.parametrize("level", Level)
def test_only_medium_and_low_have_a_target_of_24_hours(level: Level) -> None:
    target = rules.resolution_due(level, WEDNESDAY, BUSINESS)

    assert (target is not None) == (level in (Level.MEDIUM, Level.LOW))


def test_an_answer_quotes_the_enquiry() -> None:
    quoted = rules.quotation(WEDNESDAY, "領収書について", "発行できますか。\n宛名も。")

    assert "2031/1/8（水）10:00 にいただいたお問い合わせ: 領収書について" in quoted
    assert quoted.endswith("> 発行できますか。\n> 宛名も。\n")


def test_slack_messages_name_the_party_and_the_assignee() -> None:
    warning = rules.warning_message(7, Party.SHOP, Channel.MAIL, "初回応答", WEDNESDAY, None)
    assert warning.startswith("問い合わせ ENQ-0007（提携店・Email）の初回応答の目標時間が近づいています")
    assert "まだ担当者がいません。" in warning
    breach = rules.breach_message(7, Party.CUSTOMER, Channel.PHONE, "解決", WEDNESDAY, "相談 花子")
    assert "（依頼者・電話）の解決が目標時間を過ぎました" in breach
    assert "担当は相談 花子さんです。" in breach


def test_a_quarter_is_three_months_in_tokyo_time() -> None:
    quarter = Quarter(2030, 4)

    assert (str(quarter), quarter.words) == ("2030-Q4", "2030年10〜12月")
    assert quarter.bounds() == (
        datetime(2030, 10, 1, tzinfo=TOKYO),
        datetime(2031, 1, 1, tzinfo=TOKYO),
    )
    assert (quarter.plus(1), quarter.plus(-4)) == (Quarter(2031, 1), Quarter(2029, 4))


@given(TIMESTAMPS)
def test_every_timestamp_is_in_exactly_one_quarter(timestamp: datetime) -> None:
    quarter = surveys.quarter_of(timestamp)

    since, until = quarter.bounds()
    assert since <= timestamp < until
    assert quarter.plus(1).bounds()[0] == until
    assert surveys.parse_quarter(str(quarter)) == quarter


@pytest.mark.parametrize("text", ["2030-Q5", "2030Q4", "1999-Q1", "9001-Q1", "2030-q4", "２０３０-Q4", ""])
def test_an_invalid_quarter_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match="2026-Q3 の形式"):
        surveys.parse_quarter(text)


def test_surveys_are_possible_after_a_quarter_and_for_a_year() -> None:
    assert surveys.may_have_survey(Quarter(2030, 4), WEDNESDAY)
    assert surveys.may_have_survey(Quarter(2030, 1), WEDNESDAY)
    assert not surveys.may_have_survey(Quarter(2031, 1), WEDNESDAY)
    assert not surveys.may_have_survey(Quarter(2029, 4), WEDNESDAY)


def test_a_survey_by_sms_takes_three_segments_at_most() -> None:
    url = f"https://reservations.example.co.jp/survey/{'x' * 22}"

    assert all(sms_segments(surveys.build_sms(url, WEDNESDAY, again=again)) <= 3 for again in (False, True))
