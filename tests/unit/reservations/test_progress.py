"""The progress sentence of a reservation in every state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from service.core.values.times import TOKYO
from service.reservations.flow.progress import progress
from service.reservations.outgoing.message_texts import NOT_POSSIBLE, TIMED_OUT
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.states import FINAL_STATES, State

NOW = datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO)
LATER = datetime(2031, 1, 15, 14, 0, tzinfo=TOKYO)


def case(state: State, **values: Any) -> Case:
    return Case(state=state, since=NOW, starts_at=LATER, price=5500, order=(1, 2), **values)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_sentence_and_final_states_have_no_time(state: State) -> None:
    answer = progress(case(state, paid=5500, refunded=5500), NOW)

    assert answer.sentence.endswith("。")
    if state in FINAL_STATES:
        assert answer.by is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"state": State.CALLING, "call": 1}, "お店に電話をかけて、予約できるか確認しています。"),
        (
            {"state": State.CALLING, "resume_at": NOW + timedelta(hours=1)},
            "今は電話を受け付けているお店がないため、2031/1/8（水）11:00ごろから",
        ),
        (
            {"state": State.CALLING, "calls": 2, "round": 2, "resume_at": NOW + timedelta(minutes=5)},
            "一通り電話をかけましたが予約が取れていないため、少し時間をおいて、2031/1/8（水）10:05ごろから",
        ),
        ({"state": State.CALLING, "resume_at": NOW + timedelta(seconds=15)}, "これから、お店に順番に電話をかけて"),
        ({"state": State.ALL_SHOPS_REFUSED}, f"{NOT_POSSIBLE}。代金はいただいていません。"),
        ({"state": State.PAYMENT_TIMEOUT}, f"{TIMED_OUT}。"),
        ({"state": State.CALLING_SUCCESS}, "お支払いのリンクをSMSでお送りします。"),
        ({"state": State.CALLING_SUCCESS, "by_mail": True}, "お支払いのリンクをメールでお送りします。"),
        ({"state": State.CALLING_SUCCESS, "sms_fails": True}, "お客様の電話番号にSMSを送れません。"),
        ({"state": State.EXPIRING, "leaving": "cancelled"}, "キャンセルの手続きをしています。"),
        ({"state": State.EXPIRING, "leaving": "deadline"}, "お支払いの受付を締め切っています。"),
        ({"state": State.REFUND_PENDING, "paid": 5500}, "5,500円を全額返金する手続きをしています。"),
        ({"state": State.REFUND_PENDING, "paid": 5500, "refund_fails": True}, "担当者が確認しています。"),
    ],
)
def test_the_sentence_says_what_the_reservation_waits_for(values: dict[str, Any], expected: str) -> None:
    assert expected in progress(case(**values), NOW).sentence


def test_a_confirmed_reservation_shows_the_cancel_deadline_and_then_the_appointment() -> None:
    confirmed = case(State.CONFIRMED, paid=5500)
    limit = LATER - timedelta(hours=48)

    assert progress(confirmed, limit).by == limit
    assert progress(confirmed, limit + timedelta(seconds=1)).by == LATER
    assert "キャンセル" not in progress(confirmed, limit + timedelta(seconds=1)).sentence
