"""取り込み and 処理状況 in a real browser: a file is mapped, corrected and imported; a task is followed to its end."""

from __future__ import annotations

from pathlib import Path

import httpx2
import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.lists import row
from tests.chromium import sign_in, wait_until_rendered
from tests.stack import Stack

# The last terminal of the demo, so that no other test needs its old name.
SERIAL, CUSTOMER, STORE = "TC200-000092", "田中ストア", "駅前店 レジ3番（移設）"


def choose(page: Page, file: Path, *rows: str) -> None:
    file.write_text("\r\n".join(["端末の札,会社名,店舗名", *rows]) + "\r\n", encoding="cp932")
    # No user opens the file dialog while the field of the previous kind is still on the page.
    wait_until_rendered(page)
    page.locator("input[type=file]").first.set_input_files(file)


@pytest.mark.deep
def test_a_file_of_terminals_is_mapped_corrected_and_imported(page: Page, stack: Stack, tmp_path: Path) -> None:
    sign_in(page, stack, "fleet-admin")
    expect(page.get_by_role("heading", name="ホーム")).to_be_visible()
    page.goto(f"{stack.dashboards}/imports")
    page.get_by_text("端末", exact=True).click()
    expect(page.get_by_text("必要な列: シリアル番号、顧客企業、設置店舗名")).to_be_visible()

    choose(page, tmp_path / "端末.csv", f"{SERIAL},{CUSTOMER},{STORE}", "TC200-009999,どこにもない商店,本店")
    page.get_by_label("シリアル番号").click()
    page.get_by_role("option", name="端末の札").click()
    page.get_by_role("button", name="この割り当てで確認する").click()
    expect(page.get_by_text("取り込めない行が1行あります。")).to_be_visible()
    expect(row(page)).to_contain_text("どこにもない商店")
    expect(page.get_by_role("button", name="行を取り込む")).to_have_count(0)

    page.get_by_role("button", name="別のファイルを選ぶ").click()
    expect(page.get_by_text("必要な列: シリアル番号、顧客企業、設置店舗名")).to_be_visible()
    choose(page, tmp_path / "端末2.csv", f"{SERIAL},{CUSTOMER},{STORE}")
    expect(page.get_by_text("0行を新しく登録し、1行を更新します。まだ何も保存されていません。")).to_be_visible()
    page.get_by_role("button", name="1行を取り込む").click()
    expect(page.get_by_text("新規 0台、更新 1台、変更なし 0台です。")).to_be_visible()

    page.goto(f"{stack.dashboards}/terminals?q={SERIAL}")
    expect(row(page)).to_contain_text(STORE)


def test_a_task_waits_is_cancelled_repeated_and_its_result_saved(page: Page, stack: Stack) -> None:
    sign_in(page, stack, "fleet-operator", "/dashboard")
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()
    with httpx2.Client(base_url=stack.service, timeout=30, trust_env=False) as service:
        credentials = {"login_id": "fleet-operator", "password": "genba-demo"}
        token = service.post("/api/auth/login", json=credentials).json()["token"]
        worker = psutil.Process(stack.pid("worker"))
        # Including the processes left from earlier tasks, which would run this one.
        suspended = [worker, *worker.children(recursive=True)]
        for process in suspended:
            process.suspend()
        try:
            service.post(
                "/api/core/exports",
                json={"list": "fleet.terminals", "format": "xlsx"},
                headers={"Authorization": f"Bearer {token}"},
            ).raise_for_status()
            page.goto(f"{stack.dashboards}/tasks")
            expect(page.get_by_text("終わっていない処理が1件あります。")).to_be_visible()
            expect(page.get_by_text("順番を待っています。")).to_be_visible()
            page.get_by_role("button", name="中止する").click()
            expect(page.get_by_text("実行中・待機中の処理はありません。")).to_be_visible()
            page.get_by_role("button", name="もう一度実行する").click()
            expect(page.get_by_text("終わっていない処理が1件あります。")).to_be_visible()
        finally:
            for process in suspended:
                process.resume()
    with page.expect_download() as download:
        page.get_by_role("link", name="結果をダウンロード").click()
    assert download.value.suggested_filename.startswith("端末一覧_")
    assert download.value.path().read_bytes()[:2] == b"PK"
