"""As many statements as a request takes, each as large as one may be, through a running service."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import psutil
import pytest
from sqlalchemy.orm import Session

from service.agencies.rules import MAX_IMAGES, STATEMENT
from service.core.access.identity import open_session
from tests.api.agencies import scene
from tests.conftest import Service
from tests.pictures import photo

MEGABYTE = 1024 * 1024
# As many as a browser sends at once.
AT_ONCE = 6


@contextmanager
def watched(process: psutil.Process) -> Iterator[list[int]]:
    """The most memory that it had meanwhile, in bytes, is the last of the list once the block has ended."""
    seen, ended = [process.memory_info().rss], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            seen[-1] = max(seen[-1], process.memory_info().rss)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield seen
    finally:
        ended.set()
        watching.join(5)


@pytest.mark.parametrize("count", [8, pytest.param(MAX_IMAGES, marks=pytest.mark.deep)])
def test_statements_of_ten_megabytes_are_sent_and_the_service_stays_small(service: Service, count: int) -> None:
    """80 or 200 MB go through. What it has in memory for them is one picture at a time, while it is decoded."""
    # Photos of phones, and now and then a scan: of a PNG every pixel comes into memory.
    statements = [photo("PNG", (2250, 1688), seed=2), *[photo(seed=1, quality=93)] * 4]
    assert all(9 * MEGABYTE < len(one) <= STATEMENT.max_bytes for one in statements)
    with service.committed() as db:
        token, corporation = seller(db)
    process = psutil.Process(service.process.pid)

    with service.http() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        http.timeout = 120

        def send(number: int) -> str:
            address = {"name": f"検針票{number}", "purpose": STATEMENT.key}
            answer = http.put("/api/core/files", params=address, content=statements[number % len(statements)])
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        send(0)
        with watched(process) as most, ThreadPoolExecutor(AT_ONCE) as pool:
            before = most[0]
            sent = list(pool.map(send, range(count)))
        new = {"client_id": str(uuid.uuid4()), "corporation_id": corporation, "images": sent}
        made = http.post("/api/agencies/requests", json=new)
        assert made.status_code == 201, made.text
        images = http.get(f"/api/agencies/requests/{made.json()['id']}/images").json()["items"]
        shown = http.get(f"/api/core/files/{sent[-1]}")

    assert [image["file_id"] for image in images] == sent
    assert all(image["size"] > 9 * MEGABYTE for image in images)
    assert len(shown.content) > 9 * MEGABYTE
    # Six on their way, four of them being looked at, one decoded. Of what went through little stays: what the
    # allocator keeps for the next ones.
    assert (most[-1] - before) / MEGABYTE < 120
    assert (process.memory_info().rss - before) / MEGABYTE < (60 if count == 8 else 100)


def seller(db: Session) -> tuple[str, int]:
    """Somebody's session and a corporation of their agency."""
    agency = scene.agency(db, "株式会社大量明細代理店", "STATEMENTS")
    token, _ = open_session(db, scene.sales(db, "statements", agency), "testclient", timedelta(hours=1))
    return token, scene.corporation(db, agency).id
