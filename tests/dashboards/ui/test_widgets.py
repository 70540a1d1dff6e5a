"""Widgets in front of a fake service, whose answers each test chooses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import charts, columns, times

AWAY = ApiProblem(0, "", "サービスに接続できません。", reference="abc123")


@dataclass
class FakeApi:
    """Replaces `session.api()`: gives its answers in turn, repeats the last one, and records the calls."""

    answers: list[Any] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def get(self, path: str, **query: Any) -> Any:
        return self._answer(("GET", path, query))

    def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        return self._answer(("POST", path, body, idempotency_key))

    def _answer(self, call: tuple[Any, ...]) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    fake = FakeApi()
    monkeypatch.setattr(session, "api", lambda **_: fake)
    return fake


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


def task(state: str, percent: int | None = None, message: str = "") -> dict[str, Any]:
    at = "2026-11-21T09:00:00+09:00"
    return {
        "id": 7,
        "kind": "import",
        "title": "端末の取り込み",
        "state": state,
        "percent": percent,
        "message": message,
        "error": "4行目の電話番号が正しくありません。" if state == "failed" else None,
        "result_url": "/downloads/7" if state == "done" else None,
        "can_cancel": state in ("waiting", "running"),
        "can_resume": state == "cancelled",
        "created_at": at,
        "started_at": None if state == "waiting" else at,
        "finished_at": None if state in ("waiting", "running") else at,
    }


def page_with_headline() -> None:
    import streamlit as st

    from dashboards.ui import live

    st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    if live.block("head", "法人詳細", "/api/one", headline=True):
        st.markdown("below the head")


def test_a_page_whose_head_failed_is_drawn_whole_once_the_service_is_back(service: FakeApi) -> None:
    service.answers = [ApiProblem(503, "", "しばらくお待ちください。")]
    page = AppTest.from_function(page_with_headline).run()
    assert "below the head" not in texts(page)
    service.answers = [{"name": "株式会社ABC"}]

    page.button(key="retry.head").click().run()

    assert "below the head" in texts(page)
    # Not by the block's refresh, which draws nothing outside of the block: the whole page was run again, once.
    assert page.session_state["drawn"] == 3
    page.run()
    assert page.session_state["drawn"] == 4


def task_page() -> None:
    from dashboards.ui import tasks

    tasks.progress(7, key="import")


def test_a_task_is_followed_until_it_is_done(service: FakeApi) -> None:
    service.answers = [task("waiting"), task("running", 40, "40行を取り込みました。"), task("done", 100)]
    page = AppTest.from_function(task_page).run()
    assert "順番を待っています。" in texts(page)
    assert " 受付" in texts(page)
    assert " 開始" not in texts(page)

    page.run()
    assert "40行を取り込みました。" in texts(page)
    assert " 開始" in texts(page)
    page.run()

    assert 'href="/downloads/7" download' in page.html[0].value
    assert not page.button
    assert not page.exception
    assert {call[1] for call in service.calls} == {"/api/core/tasks/7"}


def test_a_task_can_be_cancelled_and_resumed(service: FakeApi) -> None:
    service.answers = [task("running", 10)]
    page = AppTest.from_function(task_page).run()
    service.answers = [{}, task("cancelled")]

    page.button(key="import.cancel").click().run()
    assert ("POST", "/api/core/tasks/7/cancel", None) in [call[:3] for call in service.calls]
    assert "中止しました。" in texts(page)
    service.answers = [{}, task("running", 10)]
    page.button(key="import.resume").click().run()

    assert ("POST", "/api/core/tasks/7/resume", None) in [call[:3] for call in service.calls]
    assert page.button(key="import.cancel")


def test_a_failed_task_says_why_and_offers_only_what_the_service_allows(service: FakeApi) -> None:
    service.answers = [task("failed", 40, "内容を確認しています。")]
    page = AppTest.from_function(task_page).run()

    assert "4行目の電話番号が正しくありません。" in texts(page)
    assert not page.button


def test_a_task_that_cannot_be_cancelled_any_more_says_so(service: FakeApi) -> None:
    service.answers = [task("running", 10)]
    page = AppTest.from_function(task_page).run()
    service.answers = [ApiProblem(409, "", "すでに完了しています。"), task("done")]

    page.button(key="import.cancel").click().run()

    assert page.error[0].value == "すでに完了しています。"


def test_a_task_stays_on_the_screen_while_the_service_is_away(service: FakeApi) -> None:
    service.answers = [task("running", 40, "40行を取り込みました。"), AWAY]
    page = AppTest.from_function(task_page).run()

    page.run()

    assert "最新の状態を取得できません。" in texts(page)
    assert "40行を取り込みました。" in texts(page)


def form_page() -> None:
    import streamlit as st

    from dashboards import session
    from dashboards.ui import flash, forms

    flash.show()
    with forms.form("shop", submit="登録する") as form:
        name = form.field("name", st.text_input, "店舗名", required=True)
    if form.submitted:
        form.send(
            lambda key: session.api().post("/api/shops", {"name": name}, idempotency_key=key), success="登録しました。"
        )


def test_attempts_share_a_key_until_one_is_stored(service: FakeApi) -> None:
    service.answers = [AWAY, AWAY, {"id": 1}, {"id": 2}]
    page = AppTest.from_function(form_page).run()
    for _ in range(3):
        page.text_input[0].input("新宿店")
        page.button(key="shop.submit").click().run()
    page.text_input[0].input("渋谷店")
    page.button(key="shop.submit").click().run()

    keys = [call[3] for call in service.calls]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert all(keys)


def test_an_error_of_no_field_of_the_form_is_shown_above_it(service: FakeApi) -> None:
    errors = [{"field": "name", "message": "短すぎます。"}, {"field": "site.2", "message": "住所がありません。"}]
    service.answers = [ApiProblem(422, "", "直してください。", errors)]
    page = AppTest.from_function(form_page).run()
    page.text_input[0].input("あ")

    page.button(key="shop.submit").click().run()

    assert "短すぎます。" in texts(page)
    assert page.error[0].value.endswith("住所がありません。")
    assert page.text_input[0].value == "あ"


def test_a_blank_field_that_is_required_costs_no_call(service: FakeApi) -> None:
    page = AppTest.from_function(form_page).run()
    page.text_input[0].input("　")

    page.button(key="shop.submit").click().run()

    assert service.calls == []
    assert "入力してください。" in texts(page)


def filter_page() -> None:
    import streamlit as st

    from dashboards.ui import filters

    conditions = filters.bar(
        filters.Text("q", "キーワード"),
        filters.Choice("status", "状態", {"open": "未対応", "done": "対応済み"}),
        filters.Dates("created", "登録日"),
        more=[filters.Choices("area", "管轄", {1: "大阪", 2: "神戸"})],
    )
    st.json(conditions.query)
    st.session_state["active"] = conditions.active


def test_conditions_become_the_parameters_of_the_service() -> None:
    page = AppTest.from_function(filter_page).run()
    assert page.json[0].value == "{}"

    page.text_input(key="q").input("  新宿 ")
    page.selectbox(key="status").select("open")
    page.date_input(key="created").set_value((date(2026, 11, 1), date(2026, 11, 21)))
    page.multiselect(key="area").select(2)
    page.run()

    assert json.loads(page.json[0].value) == {
        "q": "新宿",
        "status": "open",
        "created_from": "2026-11-01",
        "created_to": "2026-11-21",
        "area": [2],
    }
    assert page.session_state["active"] == 4


def day_filter_page() -> None:
    from datetime import date

    import streamlit as st

    from dashboards.ui import filters

    today = date.fromisoformat(st.session_state.get("today", "2026-11-20"))
    conditions = filters.bar(
        filters.Day("day", "日付", today), filters.Dates("period", "期間", parameters=("first", "last"))
    )
    st.json(conditions.query)
    st.session_state["active"] = conditions.active


def test_a_day_filter_is_sent_once_it_is_not_today_and_follows_the_calendar() -> None:
    page = AppTest.from_function(day_filter_page).run()
    assert (page.date_input(key="day").value, page.json[0].value) == (date(2026, 11, 20), "{}")

    page.session_state["today"] = "2026-11-21"
    page.run()
    assert (page.date_input(key="day").value, page.json[0].value) == (date(2026, 11, 21), "{}")

    page.date_input(key="day").set_value(date(2026, 11, 18)).run()
    page.session_state["today"] = "2026-11-22"
    page.run()
    assert json.loads(page.json[0].value) == {"day": "2026-11-18"}
    assert page.session_state["active"] == 1

    page.button(key="clear").click().run()
    assert (page.date_input(key="day").value, page.json[0].value) == (date(2026, 11, 22), "{}")


def test_a_period_is_sent_with_the_services_parameter_names() -> None:
    page = AppTest.from_function(day_filter_page).run()
    page.date_input(key="period").set_value((date(2026, 11, 1), date(2026, 11, 21))).run()
    assert json.loads(page.json[0].value) == {"first": "2026-11-01", "last": "2026-11-21"}


def test_half_a_period_is_not_sent() -> None:
    page = AppTest.from_function(filter_page).run()

    page.date_input(key="created").set_value((date(2026, 11, 1),)).run()

    assert page.json[0].value == "{}"


@pytest.mark.parametrize(
    ("column", "row", "cell"),
    [
        (columns.trend("前週比", "change"), {"change": 12.34}, [("↑ 12.34%", "green")]),
        (columns.trend("前週比", "change"), {"change": -1200}, [("↓ 1,200%", "red")]),
        (columns.trend("前週比", "change"), {"change": 0}, [("→ 0%", "gray")]),
        (columns.trend("前週比", "change"), {"change": None}, None),
        (columns.trend("前月比", lambda row: row["a"] - row["b"], unit="pt"), {"a": 1.5, "b": 2}, [("↓ 0.5pt", "red")]),
        (columns.stamp("登録日時", "at"), {"at": "2026-11-21T00:05:00Z"}, "2026/11/21（土）9:05"),
        (columns.stamp("登録日時", "at"), {"at": None}, "–"),
        (columns.ago("最終通信", "at", missing="通信なし"), {"at": None}, "通信なし"),
        (columns.money("売上", lambda row: row["a"] * 2), {"a": 5}, 10),
    ],
)
def test_a_cell_is_formatted_for_the_reader(column: columns.Column, row: dict[str, Any], cell: Any) -> None:
    assert column.cell(row) == cell


@pytest.mark.parametrize(("good", "up", "down"), [("up", "green", "red"), ("down", "red", "green")])
def test_an_arrow_has_the_colour_of_its_direction(good: Any, up: str, down: str) -> None:
    column = columns.trend("前週比", "change", good=good)

    cells = [column.cell({"change": change}) for change in (5, -3, 0)]

    assert cells == [[("↑ 5%", up)], [("↓ 3%", down)], [("→ 0%", "gray")]]


def chart_page() -> None:
    from datetime import date

    from dashboards.ui import charts
    from dashboards.ui.status import Status

    kinds = [Status("オンライン", "green", "check_circle"), Status("オフライン", "red", "cloud_off")]
    days = [date(2026, 11, 20), date(2026, 11, 21)]
    charts.bar("申込は土曜日に多い", days, {"申込": [3, 1200]}, unit="件", key="applications", goal=1000)
    charts.stacked(
        "止まっている端末がある",
        ["新宿店"],
        {"オンライン": [5], "オフライン": [1]},
        unit="台",
        key="terminals",
        statuses=kinds,
    )


def count_chart_page() -> None:
    from dashboards.ui import charts

    for name, counts in (("few", [0, 2]), ("parts", [0.5, 1.5]), ("many", [3, 40])):
        charts.bar(name, ["新宿店", "渋谷店"], {"依頼": counts}, unit="件", key=name)
    charts.bar("none of all", ["新宿店"], {"成功率": [0]}, unit="%", key="share", top=100)


def test_the_axis_of_small_counts_has_whole_numbers() -> None:
    page = AppTest.from_function(count_chart_page).run()
    assert not page.exception
    axes = [json.loads(chart.proto.spec)["layout"]["yaxis"] for chart in page.get("plotly_chart")]
    assert [axis.get("dtick") for axis in axes] == [1, None, None, None]


def test_money_that_moved_is_written_as_money_however_much_it_is() -> None:
    from dashboards.ui.figures import _signed

    assert _signed(-123456, "¥") == "-¥123,456"
    assert _signed(1234, "件") == "+1,234件"
    assert _signed(12345.6, "") == "+12,346"
    assert (_signed(0, "¥"), _signed(1.25, "pt"), _signed(None, "件")) == ("±¥0", "+1.25pt", None)


def test_a_chart_says_its_finding_its_unit_and_its_days_and_starts_at_zero() -> None:
    import json

    page = AppTest.from_function(chart_page).run()
    assert not page.exception
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]

    first, second = specs
    assert first["layout"]["title"]["text"] == "申込は土曜日に多い"
    assert first["data"][0]["x"] == ["11/20(金)", "11/21(土)"]
    assert first["layout"]["yaxis"]["ticksuffix"] == "件"
    assert first["layout"]["yaxis"]["rangemode"] == "tozero"
    assert "申込 <b>%{y:,~r}件</b>" in first["data"][0]["hovertemplate"]
    assert first["layout"]["annotations"][0]["text"] == "目標 1,000件"
    assert json.loads(page.get("plotly_chart")[0].proto.config)["displayModeBar"] is False
    # The same colours as the badges.
    assert [trace["marker"]["color"] for trace in second["data"]] == ["#137A4B", "#C2303B"]


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        ([], []),
        (["新宿店"], ["新宿店"]),
        ([f"9:{minute:02}" for minute in range(7)], [f"9:{minute:02}" for minute in range(7)]),
        ([f"11/{day}(土) 9:05" for day in range(10, 20)], ["11/11(土) 9:05", "11/15(土) 9:05", "11/19(土) 9:05"]),
        ([f"26/{month}" for month in range(1, 12)], [f"26/{month}" for month in range(1, 12, 2)]),
        (["株式会社さくらフーズ 新宿三丁目店", "本店"], ["株式会社さくらフーズ 新宿三丁目店", "本店"]),
    ],
)
def test_an_axis_has_no_more_labels_than_fit(labels: list[str], written: list[str]) -> None:
    assert charts.ticks(labels) == written


def test_days_and_times_at_an_axis_are_written_in_japanese() -> None:
    assert charts.day(date(2026, 1, 5)) == "1/5(月)"
    assert charts._label(datetime(2026, 1, 5, 9, 5, tzinfo=times.TOKYO)) == "1/5(月) 9:05"
