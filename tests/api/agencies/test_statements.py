"""As many statements as a request takes, each as large as allowed, through a running service."""

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
# As many uploads as a browser sends at once.
UPLOADS_AT_ONCE = 6


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """Yields a list: its last value is the most memory, in bytes, that the process used until the block ended."""
    samples, ended = [process.memory_info().rss], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            samples[-1] = max(samples[-1], process.memory_info().rss)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield samples
    finally:
        ended.set()
        watching.join(5)


@pytest.mark.parametrize("count", [8, pytest.param(MAX_IMAGES, marks=pytest.mark.deep)])
def test_statements_of_ten_megabytes_are_sent_and_the_service_stays_small(service: Service, count: int) -> None:
    """80 or 200 MB are uploaded. The service holds one decoded picture in memory at a time."""
    # Photos of phones and one scan: of a PNG, every pixel is decoded into memory.
    statements = [photo("PNG", (2250, 1688), seed=2), *[photo(seed=1, quality=93)] * 4]
    assert all(9 * MEGABYTE < len(statement) <= STATEMENT.max_bytes for statement in statements)
    with service.committed() as db:
        token, corporation = sales_session(db)
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
        with peak_memory(process) as memory, ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            before = memory[0]
            file_ids = list(pool.map(send, range(count)))
        body = {"client_id": str(uuid.uuid4()), "corporation_id": corporation, "images": file_ids}
        answer = http.post("/api/agencies/requests", json=body)
        assert answer.status_code == 201, answer.text
        images = http.get(f"/api/agencies/requests/{answer.json()['id']}/images").json()["items"]
        shown = http.get(f"/api/core/files/{file_ids[-1]}")

    assert [image["file_id"] for image in images] == file_ids
    assert all(image["size"] > 9 * MEGABYTE for image in images)
    assert len(shown.content) > 9 * MEGABYTE
    # Six uploads, four of them being checked, one decoded. Little memory remains in use afterwards: what the allocator
    # keeps for the next ones.
    assert (memory[-1] - before) / MEGABYTE < 120
    assert (process.memory_info().rss - before) / MEGABYTE < (60 if count == 8 else 100)


def sales_session(db: Session) -> tuple[str, int]:
    """The session token of a sales user, and the id of a corporation of the same agency."""
    agency = scene.agency(db, "株式会社大量明細代理店", "STATEMENTS")
    token, _ = open_session(db, scene.sales(db, "statements", agency), "testclient", timedelta(hours=1))
    return token, scene.corporation(db, agency).id
