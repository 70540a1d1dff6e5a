"""ダッシュボード: what a user reads there on a morning with alerts, when all is well, when there is no data yet, and
when the service fails."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session, sessionmaker
from streamlit.testing.v1 import AppTest

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS
from dashboards.settings import DEMO_REFRESH_SECONDS
from dashboards.ui import feedback
from dashboards.ui.text import JOINT
from service.core.access.identity import UserSession
from service.core.database import session as core_db
from service.core.database.clock import real_now
from service.fleet.incidents import queries
from service.fleet.models import Terminal
from service.fleet.watch import actions
from tests import factories
from tests.dashboards.conftest import Network, clear_session_cache, open_address
from tests.dashboards.fleet.scene import fill_all_online, fill_morning, fill_store_outage, set_clock, set_heartbeat
from tests.dashboards.pages import Screen, lists, rows, titles


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.main.markdown)


def figures(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def bars(page: AppTest) -> list[Any]:
    return list(page.get("progress"))


def expire_failure(page: AppTest) -> None:
    """As if the seconds had passed for which the blocks of a page share a failure."""
    del page.session_state["live.away"]


def break_database(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(core_db, "session_factory", lambda: sessionmaker(nowhere))


def break_program(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(queries, query, broken)


@pytest.fixture
def morning(db: Session, screen: Screen) -> AppTest:
    fill_morning(db)
    return open_address(screen("olivia", fleet="operator"), "dashboard")


def test_the_first_line_and_the_figures_say_how_many_alerts_wait_since_when_and_how_the_fleet_is(
    morning: AppTest, network: Network
) -> None:
    assert titles(morning) == ["ダッシュボード"]
    assert [error.value for error in morning.error] == [
        "現在、対応が必要なアラートが2件あります。最も古いものは30分前です。"
    ]
    assert not morning.success
    assert not morning.warning
    assert not morning.exception
    text = texts(morning)
    assert figures(morning) == {"総端末数": "5台", "オンライン": "1台", "アラート": "2件"}
    for note in ("うちメンテナンス中 1台", "オフライン 2台・エラー 1台", "障害 2件・最も古いもの 30分前"):
        assert f":gray[:small[{note}]]" in text
    assert "稼働率: **20.0%**" in text
    assert "現在オンライン 1台 ÷ 総端末数 5台" in text
    assert [bar.value for bar in bars(morning)] == [20]
    # By the service's clock; one call per block.
    assert re.findall(r":gray\[:small\[最終更新 10:00:\d\d\]\]", text)[0].endswith("10:00:00]]")
    assert len(re.findall(r"最終更新 10:00:\d\d", text)) == 4
    assert sorted(network.calls) == [
        "GET /api/auth/me",
        "GET /api/fleet/customers",
        "GET /api/fleet/incidents",
        "GET /api/fleet/summary",
        "GET /api/fleet/terminals",
        "GET /api/me/counts",  # for the numbers in the menu
        "GET /api/me/preferences",
    ]


def test_alerts_name_customer_store_kind_age_and_the_terminals_error_oldest_first(
    morning: AppTest, db: Session
) -> None:
    silent, broken, *_ = db.scalars(select(Terminal.id).order_by(Terminal.serial_number))
    offline, error = [element.value for element in morning.main.markdown if element.value.startswith("**")]

    assert offline.startswith(f"**[ABC商事 \\- 新宿店 レジ1番](/terminal?id={silent})**: ")
    assert ":red-badge[:material/cloud_off: オフライン] (30分前)" in offline
    assert ":red-badge[:material/alarm: 対応期限を25分超過]" in offline
    assert "2026\\/11\\/21（土）9\\:30" in offline
    assert "TC200\\-000001" in offline
    assert error.startswith(f"**[XYZストア \\- 梅田店 レジ1番](/terminal?id={broken})**: ")
    assert ":orange-badge[:material/error: エラー] (12分前)" in error
    assert error.endswith("カードリーダー応答なし]]")


def test_customers_are_counted_by_status_and_terminals_show_theirs_and_their_last_heartbeat(morning: AppTest) -> None:
    counts = rows(morning)
    assert counts == [
        {"顧客名": "ABC商事", "端末数": 3, "オンライン": 1, "オフライン": 1, "エラー": 0, "保守中": 1},
        {"顧客名": "XYZストア", "端末数": 2, "オンライン": 0, "オフライン": 1, "エラー": 1, "保守中": 0},
    ]
    terminals = {row.pop("シリアル番号"): row for row in rows(morning, 1)}

    assert {serial: row["状態"] for serial, row in terminals.items()} == {
        "TC200-000001": ["オフライン"],
        "TC200-000002": ["エラー"],
        "TC200-000003": ["オンライン"],
        "TC200-000004": ["メンテナンス中"],
        "TC200-000005": ["オフライン"],
    }
    assert {serial: row["最終通信"] for serial, row in terminals.items()} == {
        "TC200-000001": "45分前（9:15）",
        "TC200-000002": "12分前（9:48）",
        "TC200-000003": "3分前（9:57）",
        "TC200-000004": "3分前（9:57）",
        "TC200-000005": "通信なし",
    }
    assert terminals["TC200-000003"] | {"状態": None, "最終通信": None} == {
        "状態": None,
        "エラー内容": None,
        "顧客名": "ABC商事",
        "設置店舗名": "渋谷店 レジ1番",
        "最終通信": None,
        "CPU": 97,
        "メモリ": 61,
        "ディスク": 40,
        "ファームウェア": "2.1.0",
    }
    silent = terminals["TC200-000005"]
    assert [silent[title] for title in ("CPU", "メモリ", "ディスク")] == [None, None, None]
    assert [*silent][:2] == ["状態", "エラー内容"]
    errors = {serial: row["エラー内容"] for serial, row in terminals.items() if row["エラー内容"]}
    assert errors == {"TC200-000002": "カードリーダー応答なし"}
    assert "全5台を表示しています" in texts(morning)


def test_the_number_of_alerts_says_of_how_many_incidents_they_are(db: Session, screen: Screen) -> None:
    fill_store_outage(db, tills=3)

    page = open_address(screen("olivia", fleet="operator"), "dashboard")

    assert page.error[0].value.startswith("現在、対応が必要なアラートが3件（障害 1件）あります。")
    assert figures(page)["アラート"] == "3件"
    assert ":gray[:small[障害 1件・最も古いもの 30分前]]" in texts(page)


def test_names_cannot_smuggle_links_or_colours_into_the_page(db: Session, screen: Screen) -> None:
    customer = factories.customer(db, "[無料](https://evil.example)")
    terminal = factories.terminal(db, customer, store_name=":red[緊急] **太字**")
    set_heartbeat(db, terminal, "9:15", status="error", error="![x](https://evil.example/x.png)")
    set_clock(db, "9:20")
    actions.watch(db)
    db.commit()

    page = open_address(screen("olivia", fleet="operator"), "dashboard")

    [alert] = [element.value for element in page.main.markdown if element.value.startswith("**")]
    title = f"**[\\[無料\\]\\(https\\:{JOINT}\\/\\/evil\\.example\\) \\- \\:red\\[緊急\\] \\*\\*太字\\*\\*]"
    assert alert.startswith(f"{title}(/terminal?id={terminal.id})**: ")
    assert "\\!\\[x\\]\\(https" in alert


def test_when_all_is_well_it_says_so_and_without_alerts_it_counts_each_status(db: Session, screen: Screen) -> None:
    fill_all_online(db)
    page = open_address(screen("olivia", fleet="operator"), "dashboard")
    assert [success.value for success in page.success] == [
        "現在、対応が必要なアラートはありません。全2台がオンラインです。"
    ]
    assert not page.error
    assert "稼働率: **100.0%**" in texts(page)
    assert "**対応が必要なアラートはありません**" in texts(page)
    assert "対応待ちはありません" in texts(page)

    factories.terminal(db)
    set_heartbeat(db, factories.terminal(db), "9:59", status="maintenance")
    db.commit()
    page.run()
    assert page.success[0].value.endswith("オンライン 2台、オフライン 1台、メンテナンス中 1台。")


def test_an_empty_fleet_says_why_and_what_to_do_first(db: Session, screen: Screen) -> None:
    page = open_address(screen("olivia", fleet="operator"), "dashboard")

    enrol = "顧客を登録し、その顧客の登録コードを発行して、店舗PCのエージェントを登録してください。"
    assert [info.value for info in page.info] == [f"まだ端末が登録されていません。{enrol}"]
    assert figures(page) == {"総端末数": "0台", "オンライン": "0台", "アラート": "0件"}
    assert "稼働率: **–**" in texts(page)
    assert "**まだ顧客が登録されていません**" in texts(page)
    assert "**まだ端末が登録されていません**" in texts(page)
    assert not lists(page)


def test_more_than_a_block_shows_is_counted_in_words(db: Session, screen: Screen) -> None:
    customer, *_ = [factories.customer(db) for _ in range(9)]
    for _ in range(21):
        set_heartbeat(db, factories.terminal(db, customer), "9:48", status="error", error="用紙切れ")
    set_clock(db, "9:50")
    actions.watch(db)
    db.commit()

    page = open_address(screen("olivia", fleet="operator"), "dashboard")

    assert page.error[0].value.startswith("現在、対応が必要なアラートが21件あります。")
    assert "ほかに1件あります。急ぐものから20件を表示しています。" in texts(page)
    assert "9社のうち1–8社目を表示しています" in texts(page)
    assert "1 / 2ページ" in texts(page)


def test_without_a_database_each_block_says_what_failed_and_offers_to_try_again(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, network: Network
) -> None:
    page = screen("olivia", fleet="operator")
    assert session.sessions.find(session.token() or "")
    break_database(monkeypatch)

    open_address(page, "dashboard")

    assert [title.value for title in page.title] == ["ダッシュボード"]
    assert [heading.value for heading in page.subheader] == ["重要アラート", "顧客別状況", "端末の状態"]
    assert len(page.error) == 4
    for error, reference in zip(page.error, network.references[3:], strict=True):
        assert error.value.startswith(
            "データベースとの通信が途切れました。しばらく待ってから、もう一度お試しください。"
        )
        assert error.value.endswith(f"（受付番号 {reference}）")
    assert [button.label for button in page.main.button] == ["もう一度読み込む"] * 4
    assert not page.metric
    assert not page.exception


def test_a_bug_in_the_service_breaks_one_block_with_its_reference_until_it_is_reloaded(
    db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch, network: Network
) -> None:
    fill_morning(db)
    with monkeypatch.context() as patch:
        break_program(patch, "incidents")
        page = open_address(screen("olivia", fleet="operator"), "dashboard")

    reference = network.references[network.calls.index("GET /api/fleet/incidents")]
    error_text = page.error[1].value
    assert error_text.startswith("サーバーで予期しない問題が起きました。")
    assert error_text.count(reference) == error_text.count("受付番号") == 1
    assert len(lists(page)) == 2
    assert figures(page)["アラート"] == "2件"

    page.button(key="retry.fleet.incidents").click().run()
    assert [error.value for error in page.error if "予期しない" in error.value] == []
    assert "ABC商事 \\- 新宿店 レジ1番" in texts(page)


def test_while_the_service_is_away_the_last_state_stays_says_from_when_it_is_and_is_new_again_afterwards(
    db: Session, morning: AppTest, network: Network
) -> None:
    network.cut()
    clear_session_cache()  # The outage outlasts the session cache.
    morning.run()
    [warning] = [element.value for element in morning.warning]
    assert warning.startswith("最新の状態を取得できません。10:00:00時点の内容を表示しています。自動で再接続します。")
    assert re.search(r"（受付番号 [0-9a-f]{12}）$", warning)
    assert not morning.error
    assert figures(morning)["総端末数"] == ":gray[5台]"
    assert len(rows(morning)) == 2
    assert len(re.findall(r"最終更新 10:00:\d\d（更新できていません）", texts(morning))) == 4

    network.restore()
    expire_failure(morning)
    set_clock(db, "10:05")
    morning.run()
    assert not morning.warning
    assert morning.error[0].value.endswith("最も古いものは35分前です。")
    assert figures(morning)["総端末数"] == "5台"
    assert "最終更新 10:05:0" in texts(morning)


@pytest.fixture
def unanswered_requests(network: Network) -> list[httpx2.Request]:
    """The requests since the service hangs: it accepts requests and never answers."""
    requests: list[httpx2.Request] = []
    network.use(silent_service(requests))
    return requests


def silent_service(requests: list[httpx2.Request]) -> httpx2.Client:
    def silent(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        raise httpx2.ReadTimeout("", request=request)

    return httpx2.Client(base_url="http://service", transport=httpx2.MockTransport(silent))


def test_a_service_that_hangs_is_waited_for_by_one_block_and_all_say_so_together(
    morning: AppTest, unanswered_requests: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        waited: list[int] = []
        patch.setattr(feedback, "stale", lambda *_: waited.append(len(unanswered_requests)))
        morning.run()
        expire_failure(morning)
        morning.run()
    # While it waits once more, the page already says that it is not up to date.
    assert waited == [1, 1, 2]

    morning.run()
    assert [request.url.path for request in unanswered_requests] == ["/api/fleet/summary"] * 2
    assert unanswered_requests[0].extensions["timeout"]["read"] == PAGE_TIMEOUT_SECONDS
    assert len(morning.warning) == 1
    assert figures(morning)["総端末数"] == ":gray[5台]"
    assert len(re.findall(r"（更新できていません）", texts(morning))) == 4


def test_a_page_opened_while_the_service_hangs_waits_once(
    screen: Screen, network: Network, unanswered_requests: list[httpx2.Request]
) -> None:
    network.restore()
    page = screen("olivia", fleet="operator")
    assert session.sessions.find(session.token() or "")
    network.use(silent_service(unanswered_requests))

    open_address(page, "dashboard")

    [request] = unanswered_requests
    assert request.url.path == "/api/me/preferences"
    assert len(page.error) == 4
    assert all(error.value.startswith("サービスから応答がありませんでした。") for error in page.error)


def test_a_reload_does_not_get_the_failure_of_just_before(db: Session, screen: Screen, network: Network) -> None:
    fill_morning(db)
    page = screen("olivia", fleet="operator")
    assert session.sessions.find(session.token() or "")
    network.cut()
    open_address(page, "dashboard")
    network.restore()

    page.button(key="retry.fleet.summary").click().run()

    assert not [error for error in page.error if "接続できません" in error.value]
    assert figures(page)["総端末数"] == "5台"


def test_waiting_for_a_service_that_hangs_ends_before_the_next_refresh_of_the_demo() -> None:
    assert PAGE_TIMEOUT_SECONDS < DEMO_REFRESH_SECONDS


def test_an_unreachable_service_shows_a_message_instead_of_an_empty_page(screen: Screen, network: Network) -> None:
    page = screen("olivia", fleet="operator")
    network.cut()

    page.run()

    [error] = [element.value for element in page.error]
    assert error.startswith("サービスに接続できません。しばらく待ってから、もう一度お試しください。（受付番号 ")
    assert [button.label for button in page.button] == ["もう一度読み込む"]
    assert not page.sidebar.markdown


def test_a_session_ended_elsewhere_covers_the_page_at_the_next_call(
    db: Session, morning: AppTest, network: Network
) -> None:
    db.execute(update(UserSession).values(revoked_at=real_now()))
    db.commit()
    morning.context = {"url": "http://genba.example/dashboard"}
    morning.query_params = {"status": ["offline", "error"]}

    morning.run()

    assert titles(morning) == ["ダッシュボード", "ログインし直してください"]
    [way_back] = morning.get("link_button")
    assert way_back.proto.url == "/login?next=%2Fdashboard%3Fstatus%3Doffline%26status%3Derror&reason=expired"
    assert lists(morning)  # Below the cover, with the values typed on the page.
    assert not morning.exception
    # The page stops polling.
    call_count = len(network.calls)
    morning.run()
    assert len(network.calls) < call_count + 20
