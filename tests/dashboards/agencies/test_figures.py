"""獲得案件一覧, 代理店別数値 and ダッシュボード, as each role sees them."""

from __future__ import annotations

from datetime import date, time, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from dashboards.agencies import trends
from service.agencies.acquired import queries
from service.agencies.rules import Status
from service.core.database.clock import app_now
from service.core.values.times import at
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.api.agencies.test_acquired import add_documents_example as example
from tests.api.agencies.test_figures import add_documents_table as table
from tests.dashboards.conftest import Network
from tests.dashboards.pages import OpenPage, assert_survives_outage, html, rows, run, text_of, texts


def in_order(shown: str, *parts: str) -> bool:
    positions = [shown.index(part) for part in parts]
    return positions == sorted(positions)


def test_sales_open_and_close_corporations_with_their_sites_and_the_service_may_be_away(
    team: Scene, open_page: OpenPage, network: Network
) -> None:
    example(team)
    page = open_page(team.alice, "acquired")

    assert not page.exception
    assert "あなたの依頼の獲得案件は**2法人・4地点**です。最後の投入完了は2026/2/11（水）です。" in texts(page)
    labels = [expander.label for expander in page.main.expander]
    assert [label.partition("（")[0] for label in labels] == ["**有限会社XYZ**", "**株式会社ABC**"]
    assert "（3地点）" in labels[1]
    assert "最終投入日 2026-02-10" in labels[1]
    assert "代理店AAA" not in labels[1]
    for title in ("店舗名", "サービス種別", "契約プラン", "供給地点特定番号", "投入完了日", "ガス"):
        assert title in html(page)
    assert in_order(html(page), "渋谷店</td>", "新宿店</td>", "池袋店</td>")
    page.toggle(key="opened").set_value(False)
    assert_survives_outage(page, network)
    assert len(page.main.expander) == 2


def test_a_search_filters_the_list_and_of_many_sites_the_newest_are_shown(
    team: Scene, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    example(team)
    monkeypatch.setattr(queries, "SITES", 1)
    page = open_page(team.alice, "acquired")
    assert "（3地点）" in page.main.expander[1].label
    assert "新しい順に1地点を表示しています。ほかの2地点は、" in texts(page)
    assert "池袋店</td>" not in html(page)

    page.text_input(key="q").set_value("新宿").run()
    assert len(page.main.expander) == 1
    assert "（1地点）" in page.main.expander[0].label
    assert "/download/api/agencies/acquired.csv?" in html(page)
    page.text_input(key="q").set_value("どこにもない").run()
    assert "**条件に合うものはありません**" in texts(page)


def test_operators_see_all_agencies_and_choose_one(team: Scene, open_page: OpenPage) -> None:
    example(team)
    request = scene.request(
        team.db, scene.corporation(team.db, team.b, "株式会社ボブ"), team.bob, status=Status.ENTERED
    )
    scene.site(team.db, request, Status.ENTERED, entered_at=at(date(2026, 2, 12), time(9)))
    page = open_page(team.olga, "acquired")

    assert "すべての代理店の獲得案件は**3法人・5地点**です。" in texts(page)
    assert "株式会社BBB代理店" in page.main.expander[0].label
    page.selectbox(key="agency_id").set_value(team.b.id)
    run(page)
    assert len(page.main.expander) == 1


def test_each_page_says_when_it_is_empty(team: Scene, open_page: OpenPage) -> None:
    assert "**獲得案件はまだありません**" in texts(open_page(team.alice, "acquired"))

    page = open_page(team.adam, "agencies-dashboard")
    assert "現在、投入を待っている依頼はありません。" in text_of(page.success)
    assert "**待っている依頼はありません**" in texts(page)
    assert not page.exception

    page = open_page(team.olga, "agency-figures")
    assert "投入依頼と獲得地点はまだありません。" in texts(page)
    # No chart without data.
    assert "この期間の投入依頼と獲得地点はありません。" in texts(page)
    assert not page.get("plotly_chart")
    page.selectbox(key="cancelled").set_value("excluded")
    run(page)
    assert "この条件の投入依頼と獲得地点はありません。" in texts(page)


def test_the_table_is_the_documents_its_names_and_numbers_lead_to_the_cases_and_keep_the_month(
    team: Scene, open_page: OpenPage, network: Network
) -> None:
    table(team)
    page = open_page(team.olga, "agency-figures")

    assert not page.exception
    assert "投入依頼は**51件**、獲得地点は**83地点**です。" in texts(page)
    assert "不備率が最も高いのは株式会社AAA代理店の12%です。" in texts(page)
    [table_html] = [element.value for element in page.html if "<caption" in element.value]
    titles = ("代理店名", "依頼件数", "不備", "対応中", "投入済", "キャンセル", "獲得地点", "不備率")
    assert in_order(table_html, *(f">{title}</th>" for title in titles))
    assert in_order(table_html, "AAA代理店</a>", "BBB代理店</a>", "田中代理店</a>", ">合計</th>")
    links = [unquote(part.partition('"')[0]).replace("&amp;", "&") for part in table_html.split('href="')[1:]]
    first = urlsplit(links[0])
    assert first.path == "/cases"
    assert parse_qs(first.query) == {"agency_id": ["株式会社AAA代理店"], "status": ["全件"]}
    assert any("status=不備" in link for link in links)
    assert any(link.startswith("/acquired?agency_id=株式会社BBB代理店") for link in links)
    assert "12%" in table_html

    month = f"{app_now(team.db) + timedelta(hours=9):%Y-%m}"
    page.selectbox(key="month").set_value(month)
    run(page)
    assert f"days={month}-01" in html(page)
    assert f"/download/api/agencies/figures.csv?month={month}" in html(page)
    page.selectbox(key="cancelled").set_value("excluded")
    page.selectbox(key="agency_id").set_value(team.b.id)
    run(page)
    assert "投入依頼は**18件**" in texts(page)
    assert_survives_outage(page, network)


def test_the_number_of_a_status_is_that_of_the_list_it_leads_to(team: Scene, open_page: OpenPage) -> None:
    """A mixture of 投入済 and キャンセル is 対応中 by 4.2 too."""
    corporation = scene.corporation(team.db, team.a)
    for sites in ((Status.WORKING,), (Status.ENTERED, Status.CANCELLED), (Status.ENTERED,)):
        scene.request(team.db, corporation, team.alice, *sites)
    table_html = html(open_page(team.olga, "agency-figures"))
    links = [urlsplit(unquote(part.partition('"')[0]).replace("&amp;", "&")) for part in table_html.split('href="')[1:]]
    conditions = [parse_qs(link.query) for link in links if link.path == "/cases"]
    [working] = [query for query in conditions if query["status"] == ["対応中"]]

    page = open_page(team.olga, "cases", **{name: value for name, [value] in working.items()})

    assert not page.exception
    assert len(rows(page)) == 2
    assert "残りなし" in str([row["ステータス"] for row in rows(page)])


def test_the_dashboard_says_what_waits_longest_and_shows_the_agencies(
    team: Scene, open_page: OpenPage, network: Network
) -> None:
    table(team)
    page = open_page(team.adam, "agencies-dashboard")

    assert not page.exception
    warning = text_of(page.warning)
    assert "投入を待っている依頼が**8件**" in warning
    assert "修正を待っている依頼が**4件**" in warning
    assert [metric.label for metric in page.metric] == [
        "投入待ち（対応中）",
        "修正待ち（不備）",
        "今月の投入依頼",
        "今月の獲得地点",
    ]
    assert "/case?id=" in texts(page)
    assert "田中代理店</a>" in html(page)
    assert_survives_outage(page, network)


@pytest.mark.parametrize(
    ("chosen", "by"),
    [
        ({"month": "2026-11"}, "day"),
        ({"since": "2026-01-01", "until": "2026-04-02"}, "day"),
        ({"since": "2026-01-01", "until": "2026-04-03"}, "month"),
        ({"since": "2026-01-01"}, "month"),
    ],
)
def test_a_quarter_is_drawn_by_days_and_what_is_longer_by_months(chosen: dict[str, str], by: str) -> None:
    assert trends.series_query(chosen)["by"] == by
