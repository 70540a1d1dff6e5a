"""The pages on which a visitor plays the customer, the shop and the payer."""

from __future__ import annotations

import re

from tests.sandbox.process import Sandbox
from tests.sandbox.test_bland import SHOP, await_end, place
from tests.sandbox.test_stripe import create, refund
from tests.sandbox.test_twilio import PHONE, send
from tests.waiting import wait_for


def test_a_phone_shows_its_messages_with_links_that_open(sandbox: Sandbox) -> None:
    link = "http://127.0.0.1:8501/pay/a-b_c?x=1&y=2"
    for _ in range(2):
        send(sandbox, f"お支払いください。\n{link}\n<b>", status_callback="http://127.0.0.1:9/?effect=k-1")
    send(sandbox, "別の番号", to="+819000030005")
    wait_for(lambda: sandbox.sms("+819000030005")[0]["status"] == "undelivered")

    assert sandbox.http.get("/phones").text.count('href="/phones/+81') == 2
    thread = sandbox.http.get(f"/phones/{PHONE}").text
    assert '<a href="http://127.0.0.1:8501/pay/a-b_c?x=1&amp;y=2" rel="noreferrer">' in thread
    assert "&lt;b&gt;" in thread
    assert "別の番号" not in thread
    assert thread.count("2回目") == 1
    assert "届かなかった（30005）" in sandbox.http.get("/phones/+819000030005").text


def test_a_call_shows_the_transcript_and_the_analysis(sandbox: Sandbox) -> None:
    sandbox.script("shop", "refused", phone=SHOP)
    call_id = place(sandbox)
    await_end(sandbox, call_id)

    calls_page, page = sandbox.http.get("/calls").text, sandbox.http.get(f"/calls/{call_id}").text

    assert "店舗は12月1日（火）の14時の予約を断りました。" in calls_page
    assert "さくらクリーン 渋谷店" in calls_page
    assert "<h1>さくらクリーン 渋谷店 への電話</h1>" in page
    assert f"<dd>{SHOP}</dd>" in page
    assert page.count("申し訳ございません。その日は予約がいっぱいで、お受けできません。") == 2
    assert "お断り" in page
    assert sandbox.http.get("/calls/none").status_code == 404


def test_a_visitor_scripts_the_shops_answers(sandbox: Sandbox) -> None:
    for form in (
        {"kind": "vague"},
        {"phone": SHOP, "kind": "busy", "often": "once"},
        {"phone": SHOP, "kind": "change_time", "time": "16:30", "often": "once"},
        {"phone": SHOP, "kind": "refused", "often": "always", "text": "その日はお休みです。"},
        {"phone": SHOP, "kind": "ok", "staff": "鈴木", "often": "once"},
    ):
        assert sandbox.http.post("/shops", data=form).status_code == 303
    assert sandbox.http.post("/shops", data={"kind": "sing"}).status_code == 422
    assert sandbox.http.post("/shops", data={"kind": "change_time", "time": "25:00"}).status_code == 422

    page = sandbox.http.get("/shops").text
    assert re.search(r"次の電話</dt><dd>予約を受ける（担当者名あり）.*それ以降</dt><dd>断る", page, re.DOTALL)
    analyses = [await_end(sandbox, place(sandbox))["analysis"] for _ in range(2)]
    assert [(analysis["answer"], analysis["staff_name"]) for analysis in analyses] == [
        ("ok", "鈴木"),
        ("refused", None),
    ]
    assert analyses[1]["quote"] == "その日はお休みです。"
    assert await_end(sandbox, place(sandbox, phone_number="+81399999999"))["analysis"]["answer"] == "vague"


def test_the_pay_page_is_paid_by_a_button_and_by_nothing_else(sandbox: Sandbox) -> None:
    session = create(sandbox)
    path = str(session.url).removeprefix(sandbox.url)

    page = sandbox.http.get(path).text
    assert "ハウスクリーニング 2LDK" in page
    assert "¥5,500 を支払う" in page
    assert 'href="https://genba.example/pay/left"' in page
    sandbox.http.head(path)
    assert sandbox.sessions()[0]["status"] == "open"
    declined = sandbox.http.post(path, data={"card": "declined"})
    assert (declined.status_code, "カードが拒否されました。" in declined.text) == (402, True)
    paid = sandbox.http.post(path, data={"card": "ok"})
    assert paid.status_code == 303
    assert paid.headers["location"] == f"https://genba.example/pay/done?session={session.id}"
    again = sandbox.http.post(path, data={"card": "ok"})
    assert (again.status_code, "お支払いは完了しています" in again.text) == (409, True)
    assert len(sandbox.events("checkout.session.completed")) == 1


def test_the_pay_page_of_an_expired_session_takes_nothing(sandbox: Sandbox) -> None:
    path = str(create(sandbox).url).removeprefix(sandbox.url)
    sandbox.clock(advance=32 * 60)

    assert "お支払いの期限が切れました" in sandbox.http.get(path).text
    assert sandbox.http.post(path, data={"card": "ok"}).status_code == 409
    assert sandbox.http.get("/checkout/c/pay/cs_test_none").status_code == 404
    assert [session["payment_status"] for session in sandbox.sessions()] == ["unpaid"]


def test_payments_and_refunds_are_listed(sandbox: Sandbox) -> None:
    assert "まだ決済ページはありません" in sandbox.http.get("/payments").text
    session = create(sandbox)
    sandbox.script("refund", "failed")
    refund(sandbox, str(sandbox.pay(session.id)["session"]["payment_intent"]))
    create(sandbox)
    wait_for(lambda: sandbox.refunds()[0]["status"] == "failed")

    page = sandbox.http.get("/payments").text

    for text in ("支払い済み", "支払い待ち", "返金失敗", "QRV-ABC123", "残り30分"):
        assert text in page


def test_a_visitor_scripts_messages_refunds_and_disputes(sandbox: Sandbox) -> None:
    assert (
        sandbox.http.post(f"/phones/{PHONE}/outcome", data={"kind": "undelivered", "code": "30006"}).status_code == 303
    )
    send(sandbox)
    wait_for(lambda: sandbox.sms()[0]["error_code"] == 30006)

    intent = str(sandbox.pay(create(sandbox).id)["session"]["payment_intent"])
    sandbox.http.post("/payments/outcome", data={"kind": "at_once"})
    assert refund(sandbox, intent).status == "succeeded"
    assert "カード会社から異議を申し立てる" in sandbox.http.get("/payments").text
    assert sandbox.http.post(f"/payments/{intent}/dispute").status_code == 303
    assert "カード会社から異議を申し立てる" not in sandbox.http.get("/payments").text
    assert [event["data"]["object"]["payment_intent"] for event in sandbox.events("charge.dispute.")] == [intent]
    sandbox.http.post("/payments/outcome", data={"kind": "explode"})
    assert 'value="at_once" selected' in sandbox.http.get("/payments").text


def test_a_visitor_moves_the_vendors_clock(sandbox: Sandbox) -> None:
    create(sandbox)
    for _ in range(4):
        sandbox.http.post("/clock", data={"minutes": "10"})

    assert "実際の時刻との差: +40分" in sandbox.http.get("/faults").text
    wait_for(lambda: sandbox.sessions()[0]["status"] == "expired")
    sandbox.http.post("/clock", data={"minutes": ""})
    assert sandbox.clock()["shift"] == 0


def test_the_inbox_shows_every_status(sandbox: Sandbox) -> None:
    send(sandbox, "ご予約を承りました。")
    create(sandbox)
    await_end(sandbox, place(sandbox))
    wait_for(lambda: sandbox.sms()[0]["status"] == "delivered")

    inbox = sandbox.http.get("/").text
    for text in ("届いた", "支払い待ち", "通話終了", "SMS 1", "電話 1", "決済 1"):
        assert text in inbox
    for number in re.findall(r'href="/messages/(\d+)"', inbox):
        assert sandbox.http.get(f"/messages/{number}").status_code == 200


def test_the_log_shows_every_change_with_its_effect_key(sandbox: Sandbox) -> None:
    send(sandbox, status_callback="http://127.0.0.1:9/?effect=k-sms")
    call_id = place(sandbox)
    await_end(sandbox, call_id)
    session = create(sandbox)
    sandbox.pay(session.id)
    wait_for(lambda: sandbox.sms()[0]["status"] == "delivered")

    sms = [(entry["request"]["effect"], entry["request"]["status"]) for entry in sandbox.truth("twilio", "message")]
    assert sms == [("k-sms", "sent"), ("k-sms", "delivered")]
    calls = [(entry["request"]["call_id"], entry["request"]["status"]) for entry in sandbox.truth("bland", "call")]
    assert calls == [(call_id, status) for status in ("ringing", "in-progress", "completed")]
    [paid] = sandbox.truth("stripe", "session")
    assert (paid["request"]["session_id"], paid["request"]["status"]) == (session.id, "complete")
    assert paid["request"]["metadata"] == {"effect": "k-1"}
