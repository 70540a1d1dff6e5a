"""通知: what an administrator reads there, and how a dead letter is sent again or discarded."""

from __future__ import annotations

from typing import get_args

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.core.message_drawer import OUTCOMES, STATES
from service.core.audit import AuditEntry
from service.core.database.clock import real_now
from service.core.outbox import queue
from service.core.outbox.records import OutboxMessage, Outcome
from service.core.values.states import MessageState
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    column_titles,
    html,
    keys,
    press,
    rows,
    run,
    texts,
    titles,
    toasts,
)


def publish(db: Session, title: str, recipient: str = "support@techcore.example") -> OutboxMessage:
    payload = {"to": [recipient], "subject": title, "body": "本文です。"}
    message = queue.publish(db, "mail", payload, area="fleet", recipient=recipient, title=title, about=("incident", 1))
    db.commit()
    return message


def create_dead_letter(db: Session, title: str, *, in_doubt: bool = False) -> OutboxMessage:
    message = publish(db, title)
    claimed = queue.claim(db, "mail")
    assert claimed is not None
    queue.mark_failed(db, claimed, "宛先を拒否されました（550）", permanent=True, in_doubt=in_doubt)
    db.commit()
    return message


def open_page(screen: Screen) -> AppTest:
    return open_address(screen("alice", fleet="admin"), "messages")


def open_details(page: AppTest, message: OutboxMessage) -> AppTest:
    """As after a click on 詳細: AppTest cannot click into a grid."""
    page.session_state["core.messages.clicked"] = ("詳細", {"id": message.id, "title": message.title})
    run(page)
    return page


def test_every_state_and_every_outcome_has_its_label() -> None:
    assert set(STATES) == set(MessageState)
    assert set(OUTCOMES) == {None, *get_args(Outcome)}


def test_the_first_line_says_that_all_is_sent_or_what_waits_and_what_failed(
    db: Session, screen: Screen, network: Network
) -> None:
    page = open_page(screen)
    assert titles(page) == ["通知"]
    assert "すべて送信できています。" in texts(page)
    assert "まだ通知はありません" in texts(page)

    publish(db, "これから")
    run(page)
    assert "未送信の通知が1件あります。自動で送信します。操作は必要ありません。" in texts(page)
    # These columns are hidden while nothing failed, so that the title has more room.
    assert not {"回数", "最後のエラー"} & {*column_titles(page)}

    db.execute(update(OutboxMessage).values(discarded_at=real_now(), discard_reason="試し"))
    create_dead_letter(db, "届かない")
    for _ in range(3):
        publish(db, "これから")
    run(page)
    assert "未送信の通知が3件、送信できなかった通知が1件あります。" in texts(page)
    assert {metric.label: metric.value for metric in page.metric} == {
        "未送信": "3件",
        "再試行中": "0件",
        "送信失敗": "1件",
        "本日の送信": "0件",
    }
    assert {"回数", "最後のエラー"} <= {*column_titles(page)}
    page.selectbox(key="state").select("dead").run()
    assert [row["件名"] for row in rows(page)] == ["届かない"]
    assert_survives_outage(page, network)


def test_the_details_show_each_attempt_and_the_text_and_it_is_sent_again_after_a_confirmation(
    db: Session, screen: Screen
) -> None:
    message = create_dead_letter(db, "届かない", in_doubt=True)
    page = open_details(open_page(screen), message)
    assert "1回目: " in texts(page)
    assert "通知を作成しました" in texts(page)
    assert "宛先を拒否されました（550）" in page.error[0].value
    assert "本文です。" in [text.value for text in page.text]
    # As code, because an id that contains @ would become a mail link.
    assert str(message.key) in [code.value for code in page.code]
    assert 'href="/alerts?id=1"' in html(page)

    press(page, "messages.resend")
    assert "届いたかどうかを確認できていません" in page.info[0].value
    assert db.scalars(select(OutboxMessage.dead_at)).one() is not None
    press(page, f"messages.resend.{message.id}.confirm")
    db.expire_all()
    assert db.scalars(select(OutboxMessage.dead_at)).one() is None
    assert db.scalars(select(AuditEntry.action).where(AuditEntry.subject == "message")).all() == ["status_change"]
    assert toasts(page) == ["再送を受け付けました。まもなく送信します。"]
    assert "未送信の通知が1件" in texts(page)


def test_a_dead_letter_is_discarded_only_with_a_reason(db: Session, screen: Screen) -> None:
    message = create_dead_letter(db, "届かない")
    page = open_details(open_page(screen), message)
    attempt = "1回目: 送信できませんでした（再試行しても届かないため、送信を打ち切りました）"
    assert attempt in texts(page)
    press(page, "messages.discard")
    confirm = f"messages.discard.{message.id}"

    press(page, f"{confirm}.confirm")
    assert not page.toast
    assert "理由を入力してください" in texts(page)
    page.text_area(key=f"{confirm}.reason").input("電話で伝えました")
    press(page, f"{confirm}.confirm")

    db.expire_all()
    assert db.scalars(select(OutboxMessage.discard_reason)).one() == "電話で伝えました"
    page = open_details(page, message)
    assert "理由: 電話で伝えました" in texts(page)
    assert "alice さん" in texts(page)
    assert "messages.resend" not in keys(page)


def test_a_second_decision_is_refused_with_a_message(db: Session, screen: Screen) -> None:
    message = create_dead_letter(db, "届かない")
    page = open_details(open_page(screen), message)
    press(page, "messages.resend")
    db.execute(update(OutboxMessage).values(dead_at=None))
    db.commit()

    press(page, f"messages.resend.{message.id}.confirm")

    assert "ほかの人がすでに操作したか" in page.error[0].value


def test_a_user_of_several_areas_filters_the_messages_by_area(screen: Screen, db: Session) -> None:
    publish(db, "端末の通知")
    payload = {"channel": "#qrv-alerts", "text": "予約ID: QRV-000001 が全店NG"}
    queue.publish(db, "slack", payload, area="reservations", recipient="#qrv-alerts", title=payload["text"])
    db.commit()
    page = open_address(screen("alice", fleet="admin", reservations="operator"), "messages")
    assert [row["業務"] for row in rows(page)] == ["予約運用", "端末管理"]

    page.selectbox(key="area").set_value("reservations").run()
    assert [row["件名"] for row in rows(page)] == ["予約ID: QRV-000001 が全店NG"]

    alone = open_address(screen("oscar", reservations="operator"), "messages")
    assert "業務" not in rows(alone)[0]
