"""The sandbox's pages as a visitor sees them."""

from __future__ import annotations

from sandbox.store import Store
from tests.sandbox.process import Sandbox
from tests.sandbox.test_operations import post, send_mail


def test_the_inbox_shows_mails_and_posts_and_finds_them(sandbox: Sandbox) -> None:
    assert "まだ何も届いていません" in sandbox.http.get("/").text
    send_mail(sandbox, "オフラインの<お知らせ>")
    post(sandbox, "アラートを1件検知しました")

    page = sandbox.http.get("/").text
    assert page.index("アラートを1件検知しました") < page.index("オフラインの&lt;お知らせ&gt;")
    assert "アラート" not in sandbox.http.get("/", params={"vendor": "mail"}).text
    assert "アラートを1件" in sandbox.http.get("/", params={"q": "fleet-ALERTS"}).text
    assert "一致するものはありません" in sandbox.http.get("/", params={"q": "ない言葉"}).text


def test_a_message_has_a_page_that_shows_a_repeat(sandbox: Sandbox) -> None:
    send_mail(sandbox, "一通目")
    send_mail(sandbox, "二通目")
    newest = sandbox.mails()[0]

    page = sandbox.http.get(f"/messages/{newest['id']}").text

    assert "本文です。" in page
    assert "同じIDの2通目です。" in page
    assert sandbox.http.get("/messages/999999").status_code == 404


def test_switches_are_turned_on_and_off_on_their_page(sandbox: Sandbox) -> None:
    form = {"place": "slack:chat.postMessage", "kind": "error", "status": "503", "count": "2", "probability": "0.5"}
    assert sandbox.http.post("/faults", data=form).status_code == 303

    page = sandbox.http.get("/faults").text
    assert "エラー 503（確率 50%）" in page
    assert "あと2回" in page
    [switch] = sandbox.faults()
    sandbox.http.post(f"/faults/{switch['id']}/off")
    assert "作動中のスイッチはありません" in sandbox.http.get("/faults").text

    response = sandbox.http.post("/faults", data=form | {"status": "200"})
    assert response.status_code == 422
    assert "設定できませんでした" in response.text


def test_the_log_shows_what_was_done_and_what_was_answered(sandbox: Sandbox) -> None:
    sandbox.fault("mail", "duplicate", operation="DATA", count=1)
    send_mail(sandbox, "記録される")

    page = sandbox.http.get("/log", params={"q": "記録される"}).text

    assert page.count("を受信箱に入れた") == 2
    assert "2回処理する" in page
    assert "250 Message accepted" in page


def test_the_store_keeps_the_newest_only() -> None:
    store = Store(max_rows=3)
    for number in range(5):
        store.add_message("mail", str(number), {"subject": str(number)}, "")
        store.add_log_entry("mail", "DATA", {"body": "x" * 5000}, [], [], "250")

    assert [message.content["subject"] for message in store.newest_messages()] == ["4", "3", "2"]
    assert len(store.log_entries()) == 3
    assert len(store.log_entries()[0].request["body"]) == 2000
    store.close()
