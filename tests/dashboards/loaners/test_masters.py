"""マスタ管理, 取込・出力, ラベル印刷 and the devices' dialogs."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.loaners.devices import actions, schemas
from service.loaners.models import Device, Model, Site
from tests import people
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import Screen, cells, choose_part, click_row_action, html, press, rows, texts

SITES = "loaners.masters.sites"


@pytest.fixture
def as_role(screen: Screen) -> Screen:
    return lambda role: screen(f"loaners-{role}", loaners=role)


@pytest.fixture
def device(db: Session) -> Device:
    site, model = db.scalars(select(Site).where(Site.key == "osaka")).one(), db.scalars(select(Model).limit(1)).one()
    new = schemas.NewDevice(site_id=site.id, model_id=model.id, serial="ABC12345", asset_number="ASSET_001")
    device = actions.register(db, people.create_actor(db, "registrar", loaners="admin"), new)
    db.commit()
    return device


def test_the_masters_page_says_how_many_there_are_and_whose_notification_is_off(as_role: Screen) -> None:
    page = open_address(as_role("admin"), "loaners-masters")

    assert "有効な拠点は3か所、機種は6種類です。" in texts(page)
    assert "ステータス変更通知がOFFです" in texts(page)
    assert [row["拠点名"] for row in rows(page)] == ["姫路", "神戸", "大阪"]


def test_an_inactive_site_that_still_has_devices_is_reported_first(
    as_role: Screen, db: Session, device: Device
) -> None:
    db.execute(update(Site).where(Site.key == "osaka").values(archived_at=func.app_now()))
    db.commit()

    assert "無効の拠点に機器が残っています（大阪）" in texts(open_address(as_role("admin"), "loaners-masters"))


def test_a_site_is_registered_and_edited_and_errors_are_shown_at_their_fields(as_role: Screen, db: Session) -> None:
    page = open_address(as_role("admin"), "loaners-masters")
    press(page, "loaners.masters.site.new")
    for name, text in {
        "key": "Nara",
        "name": "奈良",
        "code": "NARA",
        "jurisdiction": "関西",
        "group_mail": "nara@example.com",
    }.items():
        page.text_input(key=f"loaners.site.new.{name}.0").input(text)
    press(page, "loaners.site.new.submit")
    assert db.scalars(select(Site).where(Site.code == "NARA")).one_or_none() is None

    page.text_input(key="loaners.site.new.key.0").input("nara")
    press(page, "loaners.site.new.submit")
    site = db.scalars(select(Site).where(Site.key == "nara")).one()
    assert [toast.value for toast in page.toast] == ["拠点「奈良」を登録しました。"]

    index = next(
        index for index, row in enumerate(page.session_state[f"live.{SITES}"].data["items"]) if row["key"] == "nara"
    )
    click_row_action(page, SITES, "詳細", index)
    press(page, "loaners.site.edit")
    page.toggle(key=f"loaners.site.edit.{site.id}.1.False.notifies.0").set_value(True)
    press(page, f"loaners.site.edit.{site.id}.1.False.submit")
    db.expire_all()
    assert site.notifies


def test_a_site_is_made_inactive_in_the_documents_term(as_role: Screen, db: Session) -> None:
    page = open_address(as_role("admin"), "loaners-masters")
    site = db.scalars(select(Site).where(Site.key == "kobe")).one()

    click_row_action(page, SITES, "詳細", 1)
    press(page, "loaners.site.archive")
    assert ":red[**無効にする**]" in [button.label for button in page.button]
    press(page, f"loaners.site.archive.{site.id}.confirm")

    assert [toast.value for toast in page.toast] == ["拠点「神戸」を無効にしました。"]
    db.expire_all()
    assert site.archived_at is not None


def test_a_models_name_with_a_blank_is_refused_with_the_proposal(as_role: Screen) -> None:
    page = open_address(as_role("admin"), "loaners-masters")
    choose_part(page, "機種")
    press(page, "loaners.masters.model.new")
    page.text_input(key="loaners.model.new.name.0").input("LIFEBOOK U9312")
    page.text_input(key="loaners.model.new.maker.0").input("Fujitsu")
    page.selectbox(key="loaners.model.new.category.0").select("Laptop")
    press(page, "loaners.model.new.submit")

    assert "「LIFEBOOK-U9312」" in texts(page)


def test_a_further_column_is_added_and_asked_for_when_a_device_is_edited(
    as_role: Screen, db: Session, device: Device
) -> None:
    page = open_address(as_role("admin"), "loaners-masters")
    choose_part(page, "追加の列")
    assert "追加の列はありません" in texts(page)
    press(page, "loaners.masters.column.new")
    page.text_input(key="loaners.column.new.title.0").input("充電器の型番")
    press(page, "loaners.column.new.submit")

    assert [row["項目名"] for row in rows(page)] == ["充電器の型番"]


def test_categories_and_data_types_are_shown(as_role: Screen) -> None:
    page = open_address(as_role("auditor"), "loaners-masters")
    choose_part(page, "カテゴリ")
    assert [row["略称"] for row in rows(page)] == [
        "Desktop",
        "Laptop",
        "SV",
        "Tablet",
        "Printer",
        "Router",
        "Hub",
        "Other",
    ]
    choose_part(page, "データタイプ")
    assert cells(page, "データタイプID") == ["NORMAL", "AUDIT", "SUMMARY"]


def test_a_read_only_role_is_offered_no_change(as_role: Screen) -> None:
    page = open_address(as_role("auditor"), "loaners-masters")
    click_row_action(page, SITES, "詳細")

    assert not [button for button in page.button if button.key in ("loaners.masters.site.new", "loaners.site.edit")]


def test_the_transfer_page_says_the_order_and_offers_what_the_role_may_do(as_role: Screen, device: Device) -> None:
    admin = open_address(as_role("admin"), "loaners-transfer")
    auditor = open_address(as_role("auditor"), "loaners-transfer")

    assert "端末1台、プリンタ0台、その他0台" in texts(admin)
    assert "4. ステータス収集シート" in texts(admin)
    assert "収集シート" not in texts(auditor)
    assert "端末マスタ" in texts(auditor)


def test_an_empty_area_says_where_to_begin(as_role: Screen) -> None:
    assert "まだ機器が登録されていません" in texts(open_address(as_role("admin"), "loaners-transfer"))
    assert "まだ機器が登録されていません" in texts(open_address(as_role("staff"), "loaners-labels"))


def test_labels_are_those_chosen_or_all_and_begin_where_the_sheet_is_free(as_role: Screen, device: Device) -> None:
    page = open_address(as_role("staff"), "loaners-labels")
    page.number_input(key="loaners.labels.start.24").set_value(24).run()
    html_of_all = html(page)
    page.multiselect(key="loaners.labels.chosen").select(device.number).run()
    html_of_chosen = html(page)

    assert "labels.pdf?layout=24&amp;start=24" in html_of_all
    assert f"labels.pdf?number={device.number}" in html_of_chosen
    assert "1枚のラベルを作成する" in html_of_chosen
    assert "A4用紙1枚に印刷します" in texts(page)
