"""提携店: the list and its drawer, the order of calls, and what is shown when another operator was faster."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.demo import reservations as demo
from service.reservations.models import Service, Shop
from service.reservations.shops import queries
from tests import people
from tests.api.reservations import partners
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    choose_part,
    click_row_action,
    fill,
    html,
    keys,
    press,
    rows,
    run,
    texts,
    toasts,
)

LIST, KEY, ORDER = "reservations.shops.list", "reservations.shop", "reservations.order"


@pytest.fixture(autouse=True)
def shops(db: Session) -> None:
    demo.masters(db)
    db.commit()


@pytest.fixture
def page(screen: Screen) -> AppTest:
    return open_address(screen("olivia", reservations="operator"), "shops")


@pytest.fixture
def other_operator(db: Session, network: Network) -> TestClient:
    """Another operator, who is faster."""
    return people.signed_in_client(
        db, TestClient(network.service.app), people.create_user(db, "oscar", reservations="operator")
    )


def shop(db: Session, code: str) -> Shop:
    db.expire_all()
    return db.scalars(select(Shop).where(Shop.code == code)).one()


def open_shop(page: AppTest, code: str) -> None:
    items = page.session_state[f"live.{LIST}"].data["items"]
    click_row_action(page, LIST, "詳細", next(index for index, item in enumerate(items) if item["code"] == code))


def open_order(page: AppTest, service: str = "花束") -> None:
    choose_part(page, "電話をかける順番")
    page.selectbox(key="service").select(service)
    run(page)


def call_order(db: Session, code: str = "bouquet") -> list[str]:
    db.expire_all()
    service = db.scalars(select(Service).where(Service.code == code)).one()
    return queries.names_in_order(db, queries.call_places(db, service.id))


def test_the_page_says_whom_we_call_and_the_list_when_and_in_which_place(page: AppTest, network: Network) -> None:
    assert "提携店は6店で、すべてに電話をかけます。" in texts(page)
    short, closed = rows(page)[3:5]
    assert (closed["店舗名"], closed["電話番号"], closed["定休日"]) == ("デリカ日本橋", "03-1234-0005", "水")
    assert (short["サービスと順番"], short["電話受付"]) == ("ホールケーキ 2番、オードブル 1番", "10:00–16:00")
    assert "/imports?kind=reservations.shops" in html(page)
    assert_survives_outage(page, network)
    network.restore()
    run(page)


def test_a_shop_is_registered_and_errors_are_shown_at_their_fields(page: AppTest, db: Session) -> None:
    new = f"{KEY}.new"
    press(page, "reservations.shops.new")
    fill(page, new, code="S100", name="花の里", phone="12-34")
    press(page, f"{new}.submit")
    assert "市外局番から入力してください" in texts(page)

    fill(page, new, phone="０３ー１２３４ー０１００")
    page.multiselect(key=f"{new}.services.0").select("花束")
    page.multiselect(key=f"{new}.closed_weekdays.0").select("火")
    press(page, f"{new}.submit")
    assert toasts(page) == ["花の里を登録しました。"]
    new_shop = shop(db, "S100")
    assert (new_shop.phone, new_shop.closed_weekdays) == ("+81312340100", [2])
    assert call_order(db) == ["フラワー銀座", "花工房みどり", "花の里"]


def test_an_edit_keeps_the_rest_and_a_stale_edit_shows_both_sides_as_text(
    page: AppTest, db: Session, other_operator: TestClient
) -> None:
    stored = shop(db, "S004")
    open_shop(page, "S004")
    press(page, f"{KEY}.edit")
    form = f"{KEY}.edit.{stored.id}.1.False"
    assert page.text_input(key=f"{form}.phone.0").value == "03-1234-0004"
    fill(page, form, contact_name="桜井 花")
    press(page, f"{form}.submit")
    changed = shop(db, "S004")
    assert (changed.contact_name, changed.phone, changed.version) == ("桜井 花", "+81312340004", 2)
    assert call_order(db, "cake")[1] == "洋菓子のさくら"

    open_shop(page, "S004")
    press(page, f"{KEY}.edit")
    other_operator.patch(
        f"{partners.SHOPS}/{stored.id}", json={"version": 2, "closed_weekdays": [7], "phone": "03-1234-0099"}
    )
    form = f"{KEY}.edit.{stored.id}.2.False"
    fill(page, form, phone="03-1234-0077")
    press(page, f"{form}.submit")
    text = texts(page)
    assert "ほかの人が変更しました" in text
    assert "03-1234-0077" in text
    assert "03-1234-0099" in text
    assert "+81" not in text
    press(page, f"{KEY}.conflict.keep")
    press(page, f"{KEY}.edit.{stored.id}.3.True.submit")
    assert (shop(db, "S004").phone, shop(db, "S004").closed_weekdays) == ("+81312340077", [7])


def test_a_shop_is_stopped_with_a_reason_and_called_again(page: AppTest, db: Session) -> None:
    shop_id = shop(db, "S001").id
    open_shop(page, "S001")
    press(page, f"{KEY}.blacklist")
    press(page, f"reservations.shop.blacklist.{shop_id}.confirm")
    assert "理由を入力してください" in texts(page)
    page.text_area(key=f"reservations.shop.blacklist.{shop_id}.reason").input("無断キャンセルが続いた")
    press(page, f"reservations.shop.blacklist.{shop_id}.confirm")
    assert shop(db, "S001").blacklist_reason == "無断キャンセルが続いた"
    assert "利用停止は1店" in texts(page)

    open_shop(page, "S001")
    assert "利用停止です。電話をかけません。" in texts(page)
    assert "無断キャンセルが続いた" in texts(page)
    press(page, f"{KEY}.lift")
    page.text_area(key=f"reservations.shop.lift.{shop_id}.reason").input("話し合いがついた")
    press(page, f"reservations.shop.lift.{shop_id}.confirm")
    assert shop(db, "S001").blacklisted_at is None


def test_a_shop_is_archived_and_comes_back(page: AppTest, db: Session) -> None:
    shop_id = shop(db, "S001").id
    open_shop(page, "S001")
    press(page, f"{KEY}.archive")
    press(page, f"{KEY}.archive.{shop_id}.confirm")
    assert toasts(page) == ["提携店「フラワー銀座」をアーカイブしました。"]
    assert call_order(db) == ["花工房みどり"]

    page.selectbox(key="archived").select("アーカイブ済み").run()
    open_shop(page, "S001")
    press(page, f"{KEY}.restore")
    press(page, f"{KEY}.restore.{shop_id}.confirm")
    assert call_order(db) == ["花工房みどり", "フラワー銀座"]


def test_the_order_is_changed_undone_and_stored_as_a_whole(page: AppTest, db: Session) -> None:
    open_order(page, "オードブル")
    before = ["洋菓子のさくら", "デリカ日本橋", "キッチン神楽坂"]
    assert f"{' → '.join(before)} の順に電話をかけます" in texts(page)
    first, last = shop(db, "S004").id, shop(db, "S006").id
    press(page, f"{ORDER}.{last}.vertical_align_top")
    press(page, f"{ORDER}.undo")
    assert f"{' → '.join(before)} の順に電話をかけます" in texts(page)
    assert f"{ORDER}.store" not in keys(page)

    press(page, f"{ORDER}.{last}.vertical_align_top")
    press(page, f"{ORDER}.{first}.arrow_downward")
    assert "まだ保存されていません" in texts(page)
    assert call_order(db, "platter") == before
    press(page, f"{ORDER}.store")
    assert call_order(db, "platter") == ["キッチン神楽坂", "デリカ日本橋", "洋菓子のさくら"]
    assert "まだ保存されていません" not in texts(page)
    assert page.button(key=f"{ORDER}.{last}.arrow_upward").disabled


def test_a_stale_order_shows_both_and_the_user_decides(page: AppTest, db: Session, other_operator: TestClient) -> None:
    service = db.scalars(select(Service).where(Service.code == "platter")).one()
    a, b, c = (shop(db, code).id for code in ("S004", "S005", "S006"))

    def store_too_late(shop_id: int, other_order: list[int]) -> None:
        open_order(page, "オードブル")
        version = db.get_one(Service, service.id, populate_existing=True).version
        press(page, f"{ORDER}.{shop_id}.vertical_align_top")
        answer = other_operator.put(
            f"{partners.SERVICES}/{service.id}/shops", json={"version": version, "shops": other_order}
        )
        assert answer.status_code == 204
        press(page, f"{ORDER}.store")
        assert "この順番は、開いたあとにほかの人が変更しました。" in texts(page)

    store_too_late(c, [b, a, c])
    press(page, f"{ORDER}.conflict.load")
    assert "デリカ日本橋 → 洋菓子のさくら → キッチン神楽坂 の順に電話をかけます" in texts(page)
    store_too_late(a, [c, b, a])
    press(page, f"{ORDER}.conflict.keep")
    press(page, f"{ORDER}.store")
    assert partners.call_order(other_operator, service.id) == ["S004", "S005", "S006"]


def test_a_stopped_shop_is_passed_over_support_is_offered_no_change_and_without_shops_the_page_says_where_to_begin(
    screen: Screen, db: Session
) -> None:
    db.execute(update(Shop).where(Shop.code == "S001").values(blacklisted_at=func.app_now()))
    db.commit()
    page = open_address(screen("sara", reservations="support"), "shops")
    assert "/imports" not in html(page)
    open_shop(page, "S001")
    changes = (f"{KEY}.", "reservations.shops.new", ORDER)
    assert not [key for key in keys(page) if key.startswith(changes)]
    open_order(page)
    assert "花束の予約では、花工房みどり の順に電話をかけます" in texts(page)
    assert "利用停止" in texts(page)
    assert not [key for key in keys(page) if key.startswith(changes)]

    db.execute(update(Shop).values(archived_at=func.app_now()))
    db.commit()
    choose_part(page, "提携店")
    assert "まだ提携店が登録されていません" in texts(page)
