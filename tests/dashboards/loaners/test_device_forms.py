"""The devices' dialogs, from the registration with its number to the transfer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.loaners import device_forms, records
from dashboards.ui import dialogs
from service.loaners.devices import actions, queries, schemas
from service.loaners.history.models import Event
from service.loaners.models import Alias, Column, Device, DeviceState, Model, Site
from tests import people
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import press, texts

Screen = Callable[..., AppTest]
NEW = "loaners.device.new"


def record_id(db: Session, model: type[Site] | type[Model], name: str) -> int:
    return db.scalars(select(model.id).where((model.key if model is Site else model.name) == name)).one()


@pytest.fixture
def device(db: Session) -> Device:
    new = schemas.NewDevice(
        site_id=record_id(db, Site, "osaka"),
        model_id=record_id(db, Model, "ThinkPad-X1-Carbon"),
        serial="ABC12345",
        asset_number="ASSET_001",
    )
    device = actions.register(db, people.create_actor(db, "registrar", loaners="admin"), new)
    db.commit()
    return device


@pytest.fixture
def page(screen: Screen) -> AppTest:
    return open_address(screen("ada", loaners="admin"), "loaners-masters")


def open_dialog(page: AppTest, name: str, *arguments: Any) -> AppTest:
    """Opens the dialog as the device's page does."""
    owner = records.DEVICE if name == "edit" else device_forms
    page.session_state[dialogs._PENDING] = partial(getattr(owner, name), *arguments)
    page.run()
    assert not page.exception
    return page


def row(db: Session, device: Device) -> dict[Any, Any]:
    return dict(db.execute(queries.DEVICES.rows.where(Device.id == device.id)).one()._mapping)


def test_the_number_is_shown_while_it_is_typed_and_a_twin_is_pointed_out(
    page: AppTest, db: Session, device: Device
) -> None:
    open_dialog(page, "new")
    # No site is preselected, because the number begins with it.
    assert page.selectbox(key=f"{NEW}.site").value is None
    page.selectbox(key=f"{NEW}.site").select(record_id(db, Site, "osaka")).run()
    model = record_id(db, Model, "ThinkPad-X1-Carbon")
    page.selectbox(key=f"{NEW}.model").select(model).run()
    page.text_input(key=f"{NEW}.serial.0").input("ABC12345").run()

    assert "OSAKA_Laptop_ThinkPad-X1-Carbon_ABC12345_002" in texts(page)
    assert "同じ機種・製造番号の機器がすでに1台あります" in texts(page)

    press(page, f"{NEW}.submit")
    assert db.scalar(select(func.count(Device.id))) == 1
    page.text_input(key=f"{NEW}.asset_number.0").input("ASSET_002")
    press(page, f"{NEW}.submit")
    assert sorted(db.scalars(select(Device.number)))[1].endswith("_002")
    assert [toast.value.partition("。")[0] for toast in page.toast] == ["機器を登録しました"]


def test_a_device_is_edited_with_its_further_columns(page: AppTest, db: Session, device: Device) -> None:
    open_dialog(page, "edit", row(db, device))
    form = f"loaners.device.edit.{device.id}.1.False"
    page.text_input(key=f"{form}.os.0").input("Windows 11")
    press(page, f"{form}.submit")

    db.expire_all()
    assert (device.os, device.version) == ("Windows 11", 2)


def test_further_columns_are_asked_for_in_their_kind(page: AppTest, db: Session, device: Device) -> None:
    kind = row(db, device)["kind"]
    columns = {
        value_type: Column(kind=kind, title=value_type, value_type=value_type, choices=choices, position=1)
        for value_type, choices in (("choice", ["赤", "青"]), ("date", []), ("text", []))
    }
    db.add_all(columns.values())
    db.commit()
    open_dialog(page, "edit", row(db, device))
    form = f"loaners.device.edit.{device.id}.1.False.extra"
    page.selectbox(key=f"{form}.{columns['choice'].id}.0").select("青")
    page.date_input(key=f"{form}.{columns['date'].id}.0").set_value(date(2026, 11, 25))
    page.text_input(key=f"{form}.{columns['text'].id}.0").input(" 窓側 ")
    press(page, f"loaners.device.edit.{device.id}.1.False.submit")

    db.expire_all()
    assert device.extra == {
        str(columns["choice"].id): "青",
        str(columns["date"].id): "2026-11-25",
        str(columns["text"].id): "窓側",
    }


def test_a_device_is_moved_with_a_reason(page: AppTest, db: Session, device: Device) -> None:
    open_dialog(page, "transfer", row(db, device))
    form = f"loaners.device.transfer.{device.id}"
    press(page, f"{form}.submit")
    assert "選んでください。" in texts(page)
    page.selectbox(key=f"{form}.site_id.0").select(record_id(db, Site, "kobe"))
    page.text_input(key=f"{form}.reason.0").input("在庫の不足")
    press(page, f"{form}.submit")

    site_id = db.scalars(select(DeviceState.site_id).where(func.upper_inf(DeviceState.during))).one()
    assert site_id == record_id(db, Site, "kobe")


def test_a_device_is_archived_and_comes_back_each_with_a_reason(page: AppTest, db: Session, device: Device) -> None:
    for name in ("archive", "restore"):
        open_dialog(page, name, row(db, device))
        page.text_input(key=f"loaners.device.{name}.{device.id}.reason.0").input("棚卸で確認")
        press(page, f"loaners.device.{name}.{device.id}.submit")
    kinds = db.scalars(select(Event.kind).order_by(Event.id)).all()
    assert kinds == ["registered", "archived", "restored"]


def test_other_numbers_are_added_and_removed(page: AppTest, db: Session, device: Device) -> None:
    open_dialog(page, "aliases", row(db, device))
    page.text_input(key=f"loaners.device.alias.{device.id}.alias.0").input("OSA/PC 7.1")
    press(page, f"loaners.device.alias.{device.id}.submit")
    assert db.scalars(select(Alias.alias)).all() == ["OSA/PC 7.1"]

    db.expire_all()
    open_dialog(page, "aliases", row(db, device))
    press(page, "loaners.alias.OSA/PC 7.1")
    press(page, next(str(button.key) for button in page.button if str(button.key).endswith(".confirm")))
    assert db.scalars(select(Alias.alias)).all() == []
