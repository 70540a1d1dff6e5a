"""明細の読み取り on the page: hidden while it is off; requested, compared, and accepted value by value."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.agencies import readings
from dashboards.contract.agencies import SitesImageItem
from service.agencies.models import Request, Site
from service.agencies.ocr import actions, queries
from service.agencies.requests.models import Image
from service.agencies.settings import settings
from service.core.monitoring.health import record_job
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.pages import OpenPage, keys, press, texts

RESULT: dict[str, Any] = {
    "engine": "rapidocr 3.10.0",
    "turn": 0,
    "fields": {
        "latest_charges": {"value": "45678", "score": 0.98, "box": [0.4, 0.3, 0.5, 0.33], "notes": []},
        "latest_power_usage": {"value": "1284", "score": 0.71, "box": [0.4, 0.4, 0.5, 0.43], "notes": []},
    },
}


@pytest.fixture
def case(team: Scene) -> Request:
    return scene.request(team.db, scene.corporation(team.db, team.a), team.alice)


@pytest.fixture
def site(team: Scene, case: Request) -> Site:
    return scene.site(team.db, case, latest_charges=None, latest_power_usage=None)


@pytest.fixture
def image(team: Scene, case: Request, site: Site) -> Image:
    image = scene.image(team.db, case, team.alice, site)
    team.db.commit()
    return image


@pytest.fixture
def ocr_enabled(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    enabled = settings().model_copy(update={"ocr": True})
    for module in ("queries", "actions"):
        monkeypatch.setattr(f"service.agencies.ocr.{module}.settings", lambda: enabled)


@pytest.fixture
def page(open_page: OpenPage, team: Scene, case: Request, image: Image) -> AppTest:
    opened = open_page(team.olga, "case", id=str(case.id))
    assert not opened.exception
    return opened


def test_while_it_is_off_the_page_does_not_mention_it(page: AppTest, image: Image) -> None:
    assert "読み取" not in texts(page)
    assert f"case.reading.{image.id}.ask" not in keys(page)


def test_an_image_is_read_once_there_is_a_reader_and_its_values_are_accepted_one_by_one_unless_refused(
    db: Session, ocr_enabled: None, page: AppTest, image: Image, site: Site
) -> None:
    assert "make setup-ocr" in texts(page)
    assert page.button(key=f"case.reading.{image.id}.ask").disabled
    record_job(db, queries.JOB)
    page.run()
    press(page, f"case.reading.{image.id}.ask")
    assert "順番待ち" in texts(page)
    assert f"case.reading.{image.id}.ask" not in keys(page)

    lease = actions.claim(db)
    assert lease is not None
    assert actions.finish(db, lease, RESULT)
    db.commit()
    page.run()
    press(page, f"case.reading.{image.id}.see")
    text = texts(page)
    assert "確度 98%" in text
    assert "要確認・確度 71%" in text
    assert "読み取れなかった項目: 最新の明細年月、お客様番号、供給地点特定番号" in text
    db.refresh(site)
    assert (site.latest_charges, site.latest_power_usage) == (None, None)

    proposal = f"case.proposal.{lease.reading_id}"
    page.text_input(key=f"{proposal}.latest_charges.value").set_value("たくさん")
    press(page, f"{proposal}.latest_charges.use")
    assert "金額は0以上の整数（円）で入力してください。" in texts(page)
    page.text_input(key=f"{proposal}.latest_charges.value").set_value("45678")
    press(page, f"{proposal}.latest_charges.use")
    page.text_input(key=f"{proposal}.latest_power_usage.value").set_value("1,234")
    press(page, f"{proposal}.latest_power_usage.use")
    db.refresh(site)
    assert (site.latest_charges, site.latest_power_usage) == (45678, Decimal(1234))
    assert "訂正して使用しました" in texts(page)


@pytest.mark.parametrize(
    ("turn", "box"), [(0, (0.4, 0.3, 0.5, 0.32)), (90, (0.4, 0.3, 0.42, 0.4)), (180, (0, 0, 1, 1))]
)
def test_a_piece_of_the_image_is_cut_out_upright_and_fits_its_line(turn: int, box: tuple[float, ...]) -> None:
    image: SitesImageItem = {
        "id": 1,
        "site_id": None,
        "file_id": "f",
        "file_name": "meisai.jpg",
        "content_type": "image/jpeg",
        "size": 1,
        "width": 1000,
        "height": 1000,
        "uploaded_at": "",
    }

    html = readings.crop(image, box, turn)

    width, height = (
        float(length) for length in re.findall(r"overflow:hidden;width:([0-9.]+)px;height:([0-9.]+)px", html)[0]
    )
    assert width <= readings.CROP_WIDTH
    assert height <= readings.CROP_HEIGHT
    assert width > height or turn == 180
    assert f"rotate({turn}deg)" in html
    assert 'src="/files/f"' in html
