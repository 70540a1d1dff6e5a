"""部品一覧: every widget in every state, as the user sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.gallery import PARTS, samples
from dashboards.ui import confirm, forms
from stack.home import ROOT
from tests.dashboards.conftest import Network
from tests.dashboards.pages import cells, choose_part, fill, html, keys, press, rows, run, texts, titles, toasts

PAGE = ROOT / "dashboards" / "gallery_page.py"
TABLE = "gallery_table"


@pytest.fixture
def open_gallery() -> Callable[..., AppTest]:
    """open_gallery("表", q="新宿") → the page at that part, with those conditions in its address."""

    def open_part(part: str, **query: str) -> AppTest:
        page = AppTest.from_file(str(PAGE), default_timeout=30)
        page.query_params = {"part": part} | query
        return page.run()

    return open_part


def serials(page: AppTest) -> list[str]:
    return cells(page, "シリアル番号")


def test_every_widget_is_shown_in_every_state_without_a_failure(
    open_gallery: Callable[..., AppTest], network: Network
) -> None:
    first, *others = PARTS
    page = open_gallery(first)
    for part in (first, *others):
        choose_part(page, part)
        assert titles(page)[0] == "部品一覧"
        assert not [error for error in page.error if "不具合" in error.value]
    assert network.calls == []


def test_a_list_is_paged_and_another_order_or_condition_starts_at_the_first_page(
    open_gallery: Callable[..., AppTest],
) -> None:
    page = open_gallery("表")
    first = serials(page)
    assert len(first) == 50
    assert first[0] == "TC200-000001"
    assert "1 / 41ページ" in texts(page)
    assert "全**2,034台**" in texts(page)
    assert page.button(key=f"{TABLE}.previous").disabled
    press(page, f"{TABLE}.next")
    second = serials(page)
    assert second[0] == "TC200-000051"
    assert "2 / 41ページ" in texts(page)
    assert "51–100台目を表示しています" in texts(page)
    press(page, f"{TABLE}.next")
    assert serials(page)[0] == "TC200-000101"
    press(page, f"{TABLE}.previous")
    assert serials(page) == second
    press(page, f"{TABLE}.previous")
    assert serials(page) == first

    press(page, f"{TABLE}.next")
    page.selectbox(key="sort").select("-amount").run()
    amounts = cells(page, "売上")
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[0] == max(row["amount"] for row in samples.answer(limit=samples.COUNT)["items"])
    assert "1 / 41ページ" in texts(page)

    press(page, f"{TABLE}.next")
    page.text_input(key="q").input("梅田店")
    page.multiselect(key="company").set_value(["田中ストア"]).run()
    expected = samples.answer(limit=50, q="梅田店", company=["田中ストア"], sort="-amount")
    assert serials(page) == [row["serial_number"] for row in expected["items"]]
    assert f"該当 **{expected['total']:,}台**" in texts(page)
    assert "1–" in texts(page)


def test_the_current_page_survives_a_rerun_and_the_last_page_has_no_next(open_gallery: Callable[..., AppTest]) -> None:
    page = open_gallery("表", status="エラー")
    last = int(texts(page).split("1 / ")[1].split("ページ")[0])
    assert last > 1

    for _ in range(last - 1):
        press(page, "gallery_table.next")
    run(page)

    assert f"{last} / {last}ページ" in texts(page)
    assert page.button(key="gallery_table.next").disabled


def test_conditions_and_order_in_the_address_are_those_of_the_list_and_of_its_export_until_they_are_cleared(
    open_gallery: Callable[..., AppTest],
) -> None:
    """The same as after F5, or from a shared link."""
    page = open_gallery("表", q="梅田店 レジ4", status="オフライン", sort="シリアル番号の逆順")
    listed = serials(page)
    assert listed == sorted(listed, reverse=True)
    assert {*(label for cell in cells(page, "状態") for label in cell)} == {"オフライン"}
    assert page.text_input(key="q").value == "梅田店 レジ4"
    [link] = [element.value for element in page.html if "CSVで出力" in element.value]
    query = "q=%E6%A2%85%E7%94%B0%E5%BA%97+%E3%83%AC%E3%82%B84&amp;status=offline&amp;sort=-serial_number"
    assert f'href="/app/static/samples/terminals.csv?{query}"' in link
    assert " download " in link

    press(page, "clear")
    assert "全**2,034台**" in texts(page)
    assert page.text_input(key="q").value == ""
    assert page.selectbox(key="status").value is None
    assert not [button for button in page.button if button.label == "条件をクリア"]


def test_a_refresh_on_its_way_does_not_undo_what_was_clicked(open_gallery: Callable[..., AppTest]) -> None:
    """A browser that has not drawn the answer yet sends its old values once more."""
    page = open_gallery("表", status="オフライン")
    press(page, "clear")

    page.text_input(key="filters.drawn").set_value("0")
    page.selectbox(key="status").select("offline").run()
    assert page.selectbox(key="status").value is None
    assert "全**2,034台**" in texts(page)
    page.selectbox(key="status").select("offline").run()

    assert page.selectbox(key="status").value == "offline"
    assert "該当 **" in texts(page)


def test_a_row_action_gets_the_row_as_it_was_shown_and_rows_that_vanished_lead_back_to_the_first_page(
    open_gallery: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_gallery("表")
    press(page, f"{TABLE}.next")
    row = samples.answer(limit=50, cursor="50")["items"][3]
    page.session_state[f"{TABLE}.clicked"] = ("詳細", row)
    run(page)
    assert f"**{row['company']} - {row['store_name']}**" in texts(page)
    assert page.text_input(key=f"{TABLE}.memo")

    all_rows = samples._rows()
    monkeypatch.setattr(samples, "_rows", lambda: all_rows[:30])
    run(page)
    assert len(serials(page)) == 30
    assert f"{TABLE}.next" not in keys(page)


def test_a_list_says_why_it_is_empty_or_failed_and_a_list_that_worked_before_stays(
    open_gallery: Callable[..., AppTest],
) -> None:
    page = open_gallery("表の状態")
    assert "**まだ端末が登録されていません**" in texts(page)
    assert page.button(key="gallery_empty.import").label == "CSVから取り込む"
    assert "**条件に合うものはありません**" in texts(page)
    assert "該当 **0件**" in texts(page)
    assert page.error[0].value.startswith("サービスに接続できません。")
    assert page.button(key="retry.gallery_failed")

    run(page)
    assert page.warning[0].value.startswith("最新の状態を取得できません。")
    assert len(rows(page)) == 5
    assert "（更新できていません）" in texts(page)


def test_a_forms_field_says_what_is_wrong_and_keeps_what_was_typed_until_it_is_stored(
    open_gallery: Callable[..., AppTest],
) -> None:
    form = "gallery_form"
    page = open_gallery("フォーム")
    press(page, f"{form}.submit")
    assert texts(page).count(f": {forms.REQUIRED}]") == 2
    assert texts(page).count(f": {forms.REQUIRED_CHOICE}]") == 1
    assert page.error[0].value == forms.CORRECT_FIELDS

    fill(page, form, serial_number="TC200 #1", store_name="新宿店")
    page.selectbox(key=f"{form}.plan.0").select("ベーシック")
    press(page, f"{form}.submit")
    assert "シリアル番号は20文字以内の英数字とハイフンで入力してください。" in texts(page)
    assert f": {forms.REQUIRED}]" not in texts(page)
    assert page.text_input(key=f"{form}.serial_number.0").value == "TC200 #1"
    assert not page.toast

    idempotency_key = page.session_state[f"form.{form}"]["idempotency_key"]
    fill(page, form, serial_number="STOP")
    press(page, f"{form}.submit")
    assert page.error[0].value.startswith("サービスに接続できません。")
    assert page.session_state[f"form.{form}"]["idempotency_key"] == idempotency_key
    fill(page, form, serial_number="TC200-000999")
    press(page, f"{form}.submit")
    assert toasts(page) == ["端末 TC200-000999 を登録しました。"]
    assert page.text_input(key=f"{form}.serial_number.1").value == ""
    assert page.session_state[f"form.{form}"]["idempotency_key"] != idempotency_key
    assert not page.error


def test_nothing_is_deleted_without_a_reason_and_a_failure_is_shown_in_the_confirmation(
    open_gallery: Callable[..., AppTest],
) -> None:
    page = open_gallery("確認と競合")
    press(page, "gallery_confirm.delete")
    assert page.warning[0].value.endswith("この操作は元に戻せません。")
    press(page, "gallery_delete.confirm")
    assert not page.toast
    assert confirm.REASON_MISSING in texts(page)
    page.text_area(key="gallery_delete.reason").input("二重に登録したため")
    press(page, "gallery_delete.confirm")
    assert toasts(page) == ["端末 TC200-000123 を削除しました。"]
    assert not page.warning

    press(page, "gallery_confirm.fail")
    press(page, "gallery_fail.confirm")
    assert not page.toast
    assert page.error[0].value.startswith("サービスに接続できません。")


def test_a_conflict_shows_both_sides_and_the_user_decides(open_gallery: Callable[..., AppTest]) -> None:
    page = open_gallery("確認と競合")
    for decided, done in (
        ("keep", "入力した内容を残しました。保存すると最新の内容を上書きします。"),
        ("load", "最新の内容を読み込みました。"),
    ):
        press(page, "gallery_conflict.save")
        assert "違う項目は3件です。" in texts(page)
        assert ":orange-background[新宿店 レジ2番]" in texts(page)
        assert ":blue-background[03-9999-0000]" in texts(page)
        assert "5,500" in texts(page)
        press(page, f"gallery_conflict.{decided}")
        assert toasts(page) == [done]


def test_figures_say_whether_a_change_is_welcome_a_timeline_begins_with_the_newest_and_tasks_offer_what_can_be_done(
    open_gallery: Callable[..., AppTest],
) -> None:
    page = open_gallery("指標")
    changed: dict[str, Any] = {metric.label: (metric.delta, metric.proto.color) for metric in page.metric[:5]}
    colors = page.metric[0].proto.MetricColor

    assert changed == {
        "今週の成功率": ("+1.5ポイント", colors.Value("GREEN")),
        "未対応の不備": ("+3件", colors.Value("RED")),
        "平均の待ち時間": ("-12%", colors.Value("GREEN")),
        "今月の売上": ("±0%", colors.Value("GRAY")),
        "申込": ("+5件", colors.Value("GRAY")),
    }
    assert page.metric[5].value == "10,234台"
    assert page.metric[8].value == ":gray[10,234台]"

    choose_part(page, "履歴")
    lines = [element.value for element in page.main.markdown if element.value.startswith(":gray[:material/")]

    assert "返却予定日を過ぎています" in lines[0]
    assert "自動処理" in lines[0]
    assert "理由: お客様から延長のご依頼があったため" in lines[2]
    assert "山田 花子" in lines[2]
    assert "代替機を登録しました" in lines[4]
    assert "**まだ記録がありません**" in texts(page)

    choose_part(page, "進捗")
    labels = {button.key: button.label for button in page.button if button.key and "task" in button.key}
    assert labels == {
        "gallery_task_waiting.cancel": "中止する",
        "gallery_task_running.cancel": "中止する",
        "gallery_task_unknown.cancel": "中止する",
        "gallery_task_failed.resume": "もう一度実行する",
        "gallery_task_cancelled.resume": "もう一度実行する",
    }
    assert "結果をダウンロード" in html(page)
    assert "10,000行のうち4,200行を取り込みました。" in texts(page)
