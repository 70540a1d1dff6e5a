"""What a label leads to, and what a scanner or a user may enter instead of a number."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.settings import settings
from service.loaners.models import Alias, Device
from tests import people
from tests.api.loaners.telling import NUMBER, register_device

SignIn = Callable[..., TestClient]
DOTTED = "OSAKA_Laptop_ThinkPad-X1.Carbon_ABC12345_001"


@pytest.fixture
def device(db: Session) -> Device:
    by = people.create_actor(db, "ada", loaners="admin")
    created = register_device(db, by)
    register_device(db, by, serial="ABC99999")
    db.add(Alias(alias=DOTTED, device_id=created.id))
    db.commit()
    return created


@pytest.mark.parametrize("written", [NUMBER, NUMBER.lower(), DOTTED, f" {DOTTED} ", "OSAKA_SV_Nothing_X1_001", "a&b=1"])
def test_a_label_leads_to_the_form_and_does_not_reveal_whether_the_device_exists(
    client: TestClient, device: Device, written: str
) -> None:
    answer = client.get(f"/d/{quote(written, safe='')}", follow_redirects=False)
    assert answer.status_code == 302
    form = f"{settings().public_base_url.rstrip('/')}/status-form?number="
    assert answer.headers["location"] == form + quote(written.strip(), safe="")


@pytest.mark.parametrize("written", ["OSAKA_Laptop_Think.Pad-X1-Car/bon_ABC12345_001", NUMBER.replace("-X1-", "-X.1-")])
def test_the_symbols_of_a_model_make_no_difference_without_an_alias(
    sign_in: SignIn, device: Device, written: str
) -> None:
    result = sign_in("sato", loaners="staff").get("/api/loaners/scanned", params={"q": written}).json()
    assert (result["exact"], [item["number"] for item in result["items"]]) == (True, [NUMBER])


@pytest.mark.parametrize("written", [NUMBER, NUMBER.lower(), DOTTED, DOTTED.upper(), NUMBER.replace("-X1-", "-X.1-")])
def test_a_signed_in_user_gets_the_form_by_any_spelling_of_the_number(
    sign_in: SignIn, device: Device, written: str
) -> None:
    staff = sign_in("sato", loaners="staff")
    form = staff.get(f"/api/loaners/devices/{quote(written, safe='')}/status-form")
    assert form.json()["number"] == NUMBER


@pytest.mark.parametrize(
    "scanned",
    [
        f"http://genba.example/d/{NUMBER}",
        f"https://genba.example/d/{quote(DOTTED)}?from=label",
        f"  {NUMBER.lower()}  ",
        "ＯＳＡＫＡ_Laptop_ThinkPad-X1-Carbon_ABC12345_001",
    ],
)
def test_an_address_or_a_number_means_one_device(sign_in: SignIn, device: Device, scanned: str) -> None:
    result = sign_in("sato", loaners="staff").get("/api/loaners/scanned", params={"q": scanned}).json()
    assert (result["exact"], [item["number"] for item in result["items"]]) == (True, [NUMBER])


def test_a_part_offers_those_that_may_be_meant(sign_in: SignIn, device: Device) -> None:
    staff = sign_in("sato", loaners="staff")
    result = staff.get("/api/loaners/scanned", params={"q": "thinkpad"}).json()
    assert (result["exact"], len(result["items"]), result["more"]) == (False, 2, False)
    assert result["items"][0]["status_word"] == "未登録"
    assert staff.get("/api/loaners/scanned", params={"q": "ASSET-ABC9"}).json()["items"][0]["number"] != NUMBER
    assert staff.get("/api/loaners/scanned", params={"q": "100%"}).json()["items"] == []


def test_the_address_on_a_devices_page_is_the_one_its_label_has(
    client: TestClient, sign_in: SignIn, device: Device
) -> None:
    label_url = sign_in("sato", loaners="staff").get(f"/api/loaners/devices/{NUMBER}/state").json()["label_url"]
    assert label_url == f"{settings().service_url.rstrip('/')}/d/{NUMBER}"  # the demo has no proxy in front
    assert (
        client.get(label_url.removeprefix(settings().service_url.rstrip("/")), follow_redirects=False).status_code
        == 302
    )
